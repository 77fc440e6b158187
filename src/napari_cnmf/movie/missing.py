"""Missing values: pixels and frames that are NaN (or infinite) in a float movie.

Frames that are mostly missing are interpolated linearly in time between the nearest
good frames. Pixels that are missing in any other frame, such as the border that
motion correction leaves, are masked: they take the mean of what each frame holds,
in all frames alike, so that they carry no structure and make no steps in time.
What was done is reported; too much of it is refused.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cached_property
from threading import Event
from typing import TYPE_CHECKING

import numpy as np

from napari_cnmf.compute import Progress, Stopwatch, silent
from napari_cnmf.compute.backend import check_cancel
from napari_cnmf.errors import InputError
from napari_cnmf.movie.fingerprint import fingerprint_of

if TYPE_CHECKING:
    from napari_cnmf.movie.movie import FrameSource, Movie

logger = logging.getLogger(__name__)

BLOCK_BYTES = 32 * 2**20


@dataclass(frozen=True, eq=False)
class Repair:
    """What was missing in a movie.

    Attributes
    ----------
    valid : ndarray (Y, X) of bool
        Pixels that are present in every frame that is not a bad one.
    bad_frames : ndarray (n,) of int64
        Frames that were mostly missing and are interpolated, in rising order.
    means : ndarray (T,) of float32
        Mean of what each frame holds, which fills its masked pixels.
    """

    valid: np.ndarray
    bad_frames: np.ndarray
    means: np.ndarray

    @property
    def n_masked_px(self) -> int:
        """Number of pixels that are not valid."""
        return int(self.valid.size - np.count_nonzero(self.valid))

    @property
    def is_needed(self) -> bool:
        """Whether anything was missing."""
        return bool(self.n_masked_px or self.bad_frames.size)


@dataclass(frozen=True, eq=False)
class RepairedSource:
    """Frames of a float source with nothing missing.

    Attributes
    ----------
    source : FrameSource
        The movie as it is.
    repair : Repair
        What is missing there.
    """

    source: FrameSource
    repair: Repair

    @property
    def shape(self) -> tuple[int, int, int]:
        """Frames, rows and columns (T, Y, X)."""
        return self.source.shape

    @property
    def dtype(self) -> np.dtype:
        """Type of a pixel."""
        return self.source.dtype

    def read(
        self, frames: slice, rows: slice = slice(None), cols: slice = slice(None)
    ) -> np.ndarray:
        """Return a freshly owned block (n, y, x) of finite numbers."""
        block = self._masked(frames, rows, cols)
        numbers = range(*frames.indices(self.shape[0]))
        for t in self.repair.bad_frames[np.isin(self.repair.bad_frames, numbers)]:
            block[numbers.index(t)] = self._interpolated(int(t), rows, cols)
        return block

    def _masked(self, frames: slice, rows: slice, cols: slice) -> np.ndarray:
        """Return a block of the source with the masked pixels filled in."""
        block = np.array(self.source.read(frames, rows, cols))
        block[:, ~self.repair.valid[rows, cols]] = self.repair.means[frames, None]
        return block

    def _interpolated(self, t: int, rows: slice, cols: slice) -> np.ndarray:
        """Return a bad frame drawn from the good frames before and after it."""
        good = self._good_frames
        after = int(np.searchsorted(good, t))
        later = int(good[min(after, len(good) - 1)])
        before = int(good[after - 1]) if after else later
        first, last = (
            self._masked(slice(s, s + 1), rows, cols)[0] for s in (before, later)
        )
        if before == later:
            return first
        weight = np.float32((t - before) / (later - before))
        return (1 - weight) * first + weight * last

    @cached_property
    def _good_frames(self) -> np.ndarray:
        """Numbers of the frames that are not bad, in rising order."""
        return np.setdiff1d(np.arange(self.shape[0]), self.repair.bad_frames)


def repair(
    movie: Movie,
    limit: float = 0.2,
    *,
    progress: Progress = silent,
    cancel: Event | None = None,
) -> tuple[Movie, Repair]:
    """Return the movie without missing values, and what was missing.

    Parameters
    ----------
    movie : Movie
        A movie of integers is returned as it is, unread; one of floats is read once
        to find what is missing, and is filled in as it is read later.
    limit : float
        Largest share of frames, and of pixels, that may be missing.
    progress : callable
        Told of the frames that were read.
    cancel : threading.Event, optional
        Stops the search once set.

    Raises
    ------
    InputError
        If more than that is missing.
    CancelledError
        If it was cancelled.
    """
    if movie.dtype.kind != "f":
        nothing = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
        return movie, Repair(np.ones(movie.field_shape, dtype=bool), *nothing)
    watch = Stopwatch(progress, "check", movie.n_frames, "frames")
    found = _find_missing(movie, watch, cancel)
    if not found.is_needed:
        return movie, found
    n_bad, n_masked = found.bad_frames.size, found.n_masked_px
    _require_little("frames", n_bad, movie.n_frames, limit)
    _require_little("pixels", n_masked, found.valid.size, limit)
    logger.warning("NaN: %d frames interpolated, %d pixels masked", n_bad, n_masked)
    return (
        movie.with_(
            source=RepairedSource(movie.source, found),
            fingerprint=fingerprint_of(movie.fingerprint, "repaired"),
        ),
        found,
    )


def _find_missing(movie: Movie, watch: Stopwatch, cancel: Event | None) -> Repair:
    """Read the movie once and find its bad frames and its missing pixels."""
    n_px = movie.field_shape[0] * movie.field_shape[1]
    step = max(1, BLOCK_BYTES // max(1, n_px * movie.dtype.itemsize))
    valid = np.ones(movie.field_shape, dtype=bool)
    is_bad = np.zeros(movie.n_frames, dtype=bool)
    means = np.zeros(movie.n_frames, dtype=np.float32)
    for first in range(0, movie.n_frames, step):
        check_cancel(cancel)
        part = slice(first, min(first + step, movie.n_frames))
        block = movie.read(part)
        finite = np.isfinite(block)
        counts = np.count_nonzero(finite, axis=(1, 2))
        is_bad[part] = 2 * counts < n_px
        valid &= finite[~is_bad[part]].all(axis=0)
        sums = block.sum(axis=(1, 2), dtype=np.float64, where=finite)
        means[part] = sums / np.maximum(counts, 1)
        watch.advance(len(block))
    return Repair(valid, np.flatnonzero(is_bad), means)


def _require_little(what: str, count: int, total: int, limit: float) -> None:
    """Refuse a movie too much of which is missing."""
    if count > limit * total or count == total:
        raise InputError(
            f"{count} of the movie's {total} {what} hold NaN, more than the "
            f"{limit:.0%} that can be repaired; remove them, or crop the movie."
        )
