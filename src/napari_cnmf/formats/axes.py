"""One movie out of a grid of frames: a channel and a plane chosen, time left over."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from math import prod

import numpy as np

from napari_cnmf.errors import InputError
from napari_cnmf.formats.registry import ReadOptions

logger = logging.getLogger(__name__)


def choose_frames(
    name: str, axes: str, lengths: Sequence[int], options: ReadOptions
) -> tuple[np.ndarray, str]:
    """Return which frames of a file are the movie, in order of time.

    Parameters
    ----------
    name : str
        The file, for messages.
    axes : str
        A letter for each axis that its frames lie on, slowest first: C is channel,
        Z is plane, anything else is time.
    lengths : sequence of int
        Of each axis.
    options : ReadOptions
        Which channel and which plane.

    Returns
    -------
    frames : ndarray of int64
        Numbers of the chosen frames, as they lie in the file.
    selection : str
        What was chosen, in words; empty where there was no choice.
    """
    lengths = tuple(lengths)
    if _is_stack_of_frames(axes, lengths, options):
        logger.info("%s: its planes are taken as frames in time", name)
        axes = axes.replace("Z", "T")
    grid: np.ndarray = np.arange(prod(lengths)).reshape(lengths)
    chosen = []
    for letter, what, wanted in (
        ("C", "channel", options.channel),
        ("Z", "plane", options.plane),
    ):
        axis = axes.find(letter)
        length = grid.shape[axis] if axis >= 0 else 1
        index = _chosen(name, what, wanted, length)
        if axis >= 0:
            grid, axes = grid.take(index, axis), axes.replace(letter, "")
        if length > 1:
            chosen.append(f"{what} {index}")
    _require_time_only(name, axes, grid.shape)
    return grid.reshape(-1), ", ".join(chosen)


def _is_stack_of_frames(
    axes: str, lengths: tuple[int, ...], options: ReadOptions
) -> bool:
    """Whether a Z stack is meant as a movie: nothing else is long, no plane asked."""
    long = {a for a, n in zip(axes, lengths, strict=True) if n > 1 and a != "C"}
    return long == {"Z"} and options.plane is None


def _chosen(name: str, what: str, wanted: int | None, length: int) -> int:
    """Return the channel or plane to take."""
    if wanted is None and length > 1:
        raise InputError(
            f"{name} holds {length} {what}s, which are not mixed into one movie; "
            f"choose one with {what}=0 to {what}={length - 1}."
        )
    if wanted is not None and not 0 <= wanted < length:
        raise InputError(
            f"{name} has no {what} {wanted}: it holds {length}, counted from 0; choose "
            f"{what}=0" + (f" to {what}={length - 1}." if length > 1 else ".")
        )
    return wanted or 0


def _require_time_only(name: str, axes: str, lengths: tuple[int, ...]) -> None:
    """Refuse a file with several axes of unknown meaning."""
    long = [(a, n) for a, n in zip(axes, lengths, strict=True) if n > 1]
    if len(long) > 1 and {letter for letter, _ in long} != {"T"}:
        listed = ", ".join(f"{a} of {n}" for a, n in long)
        raise InputError(
            f"{name} holds frames on several axes ({listed}) and does not say which is "
            "time; save it as one stack of frames."
        )
