"""One movie out of an array of more axes: a channel and a plane chosen, time left over.

Axes are written as a letter each: T is time, C channel, Z plane, Y rows, X columns;
other letters are taken as time.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_cnmf.errors import ChoiceError, InputError
from napari_cnmf.formats.readers.registry import ReadOptions

logger = logging.getLogger(__name__)

MAX_CHANNELS = 7  # ImageJ's limit, too


@dataclass(frozen=True)
class View:
    """Where a movie lies in an array of more axes, or of axes in another order.

    Attributes
    ----------
    order : (int, int, int)
        Which axes of the array are time, rows and columns.
    index : tuple of int
        What to take on each axis of the array; ignored on those three.
    """

    order: tuple[int, int, int] = (0, 1, 2)
    index: tuple[int, ...] = (0, 0, 0)

    def shape(self, lengths: tuple[int, ...]) -> tuple[int, int, int]:
        """Return frames, rows and columns of the movie in an array of this shape."""
        t, y, x = (int(lengths[axis]) for axis in self.order)
        return t, y, x

    def take(self, array: Any, frames: slice, rows: slice, cols: slice) -> np.ndarray:
        """Return a block (n, y, x) of anything that is indexed like an array."""
        wanted: list[int | slice] = list(self.index)
        for axis, part in zip(self.order, (frames, rows, cols), strict=True):
            wanted[axis] = part
        block = np.asarray(array[tuple(wanted)])
        kept = sorted(self.order)
        return block.transpose([kept.index(axis) for axis in self.order])


#: Frames, rows, columns.
PLAIN = View()
#: Rows and columns swapped, as MATLAB, NWB and CaImAn's stores keep frames.
TRANSPOSED = View((0, 2, 1))


def view_of(
    name: str, axes: str, lengths: tuple[int, ...], options: ReadOptions
) -> tuple[View, str]:
    """Return where the movie lies in an array, and what was chosen, in words.

    Parameters
    ----------
    name : str
        The file, for messages.
    axes : str
        A letter for each axis of the array.
    lengths : tuple of int
        Shape of the array.
    options : ReadOptions
        Which channel and which plane.
    """
    outer = "".join(axis for axis in axes if axis not in "YX")
    outer_lengths = tuple(lengths[axes.index(axis)] for axis in outer)
    renamed = stack_as_time(name, outer, outer_lengths, options)
    axes = "".join(dict(zip(outer, renamed, strict=True)).get(a, a) for a in axes)
    if sorted(a for a in axes if a in "TYX") != ["T", "X", "Y"]:
        raise InputError(
            f"{name} holds an array {lengths} with the axes {axes}, but a movie needs "
            "one axis each of time (T), rows (Y) and columns (X); name its axes so."
        )
    places, selection = choose(name, renamed, outer_lengths, options)
    t, y, x = (axes.index(axis) for axis in "TYX")
    return View((t, y, x), tuple(places.get(axis, 0) for axis in axes)), selection


def stack_as_time(
    name: str, axes: str, lengths: tuple[int, ...], options: ReadOptions
) -> str:
    """Take a lone axis of planes, or of far too many channels, as time.

    Many movies are saved like that, and nothing else tells so but that no other axis
    is long and that no plane or channel is asked for. Parameters as in `choose`;
    returns the axes.
    """
    long = [(a, n) for a, n in zip(axes, lengths, strict=True) if n > 1]
    if len(long) != 1:
        return axes
    axis, length = long[0]
    is_stack = (axis == "Z" and options.plane is None) or (
        axis == "C" and options.channel is None and length > MAX_CHANNELS
    )
    if not is_stack:
        return axes
    logger.info("%s: its axis %s is taken as time", name, axis)
    return axes.replace("T", axis.lower()).replace(axis, "T")


def choose_frames(
    name: str, axes: str, grid: np.ndarray, options: ReadOptions
) -> tuple[np.ndarray, str]:
    """Return which frames of a file are the movie, in order of time.

    Parameters
    ----------
    name : str
        The file, for messages.
    axes : str
        A letter for each axis of `grid`.
    grid : ndarray of int64
        Numbers of the frames, as they lie in the file, on those axes.
    options : ReadOptions
        Which channel and which plane.

    Returns
    -------
    frames : ndarray of int64
        Numbers of the chosen frames.
    selection : str
        What was chosen, in words; empty where there was no choice.
    """
    places, selection = choose(name, axes, grid.shape, options)
    wanted = tuple(places.get(axis, slice(None)) for axis in axes)
    return grid[wanted].reshape(-1), selection


def choose(
    name: str, axes: str, lengths: tuple[int, ...], options: ReadOptions
) -> tuple[dict[str, int], str]:
    """Return the place on the axes of channel and plane, and the choice in words.

    Parameters
    ----------
    name : str
        The file, for messages.
    axes : str
        A letter for each axis but those of rows and columns.
    lengths : tuple of int
        Their lengths.
    options : ReadOptions
        Which channel and which plane.
    """
    places, chosen = {}, []
    for letter, what, wanted in (
        ("C", "channel", options.channel),
        ("Z", "plane", options.plane),
    ):
        axis = axes.find(letter)
        length = lengths[axis] if axis >= 0 else 1
        index = _chosen(name, what, wanted, length)
        if axis >= 0:
            places[letter] = index
        if length > 1:
            chosen.append(f"{what} {index}")
    _require_time_only(name, axes, lengths)
    return places, ", ".join(chosen)


def _chosen(name: str, what: str, wanted: int | None, length: int) -> int:
    """Return the channel or plane to take."""
    if wanted is None and length > 1:
        raise ChoiceError(
            f"{name} holds {length} {what}s, which are not mixed into one movie; "
            f"choose one with {what}=0 to {what}={length - 1}.",
            what,
        )
    if wanted is not None and not 0 <= wanted < length:
        raise ChoiceError(
            f"{name} has no {what} {wanted}: it holds {length}, counted from 0; choose "
            f"{what}=0" + (f" to {what}={length - 1}." if length > 1 else "."),
            what,
        )
    return wanted or 0


def _require_time_only(name: str, axes: str, lengths: tuple[int, ...]) -> None:
    """Refuse a file with several axes of unknown meaning."""
    pairs = zip(axes, lengths, strict=True)
    long = [(a, n) for a, n in pairs if n > 1 and a not in "CZ"]
    if len(long) > 1 and {letter for letter, _ in long} != {"T"}:
        listed = ", ".join(f"{a} of {n}" for a, n in long)
        raise InputError(
            f"{name} holds frames on several axes ({listed}) and does not say which is "
            "time; save it as one stack of frames."
        )
