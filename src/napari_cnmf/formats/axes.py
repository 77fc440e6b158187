"""One movie out of a grid of frames: a channel and a plane chosen, time left over."""

from __future__ import annotations

import logging

import numpy as np

from napari_cnmf.errors import ChoiceError, InputError
from napari_cnmf.formats.registry import ReadOptions

logger = logging.getLogger(__name__)

MAX_CHANNELS = 7  # ImageJ's limit, too


def stack_as_time(
    name: str, axes: str, grid: np.ndarray, options: ReadOptions
) -> tuple[str, np.ndarray]:
    """Take a lone axis of planes, or of far too many channels, as time.

    Many movies are saved like that, and nothing else tells so but that no other axis
    is long and that no plane or channel is asked for. Parameters as in
    `choose_frames`; returns axes and grid.
    """
    long = [(a, n) for a, n in zip(axes, grid.shape, strict=True) if n > 1]
    if len(long) != 1:
        return axes, grid
    axis, length = long[0]
    is_stack = (axis == "Z" and options.plane is None) or (
        axis == "C" and options.channel is None and length > MAX_CHANNELS
    )
    if is_stack:
        logger.info("%s: its axis %s is taken as time", name, axis)
        axes = axes.replace(axis, "T")
    return axes, grid


def choose_frames(
    name: str, axes: str, grid: np.ndarray, options: ReadOptions
) -> tuple[np.ndarray, str]:
    """Return which frames of a file are the movie, in order of time.

    Parameters
    ----------
    name : str
        The file, for messages.
    axes : str
        A letter for each axis of `grid`: C is channel, Z is plane, others are time.
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
    long = [(a, n) for a, n in zip(axes, lengths, strict=True) if n > 1]
    if len(long) > 1 and {letter for letter, _ in long} != {"T"}:
        listed = ", ".join(f"{a} of {n}" for a, n in long)
        raise InputError(
            f"{name} holds frames on several axes ({listed}) and does not say which is "
            "time; save it as one stack of frames."
        )
