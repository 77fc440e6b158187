"""Correlation and peak-to-noise images of a one-photon movie, as in CNMF-E.

Frames are filtered so that cells stand out of the smooth background. A first pass
over the movie finds each pixel's mean, noise and peak; a second one correlates what
exceeds the noise with the neighbours, from exact sums of codes. Cells are bright in
both images: they show which thresholds tell cells from the rest. Zhou et al. 2018,
eLife 7:e28728.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from threading import Event
from typing import Self

import numpy as np

from napari_cnmf.compute import Backend, Progress, SerialBackend, Stopwatch, silent
from napari_cnmf.movie import Movie
from napari_cnmf.movie.blocks import block_frames, group_frames
from napari_cnmf.movie.centre_surround import CentreSurround
from napari_cnmf.summary.correlation_movie import correlation_of
from napari_cnmf.summary.images import BEND_VARIANCE, Accumulator
from napari_cnmf.summary.parameters import CorrelationPnrParameters

# Codes of a standard deviation; the largest code stands for 1024 of them.
_CODES_PER_SD = 64
_MAX_CODE = 65535
# Second differences in time stay inside a group, so that blocks do not matter.
_GROUP = group_frames(1)


@dataclass(frozen=True, eq=False)
class CorrelationPnr:
    """The two images, each (Y, X) float32, zero where there is no data.

    Attributes
    ----------
    correlation : ndarray
        Mean Pearson correlation of what exceeds a pixel's noise with the neighbours.
    pnr : ndarray
        Largest value over the noise.
    """

    correlation: np.ndarray
    pnr: np.ndarray


def correlation_pnr(
    movie: Movie | np.ndarray,
    parameters: CorrelationPnrParameters,
    *,
    backend: Backend | None = None,
    progress: Progress = silent,
    cancel: Event | None = None,
    valid: np.ndarray | None = None,
) -> CorrelationPnr:
    """Compute the images on which one-photon thresholds are chosen.

    Parameters
    ----------
    movie : Movie or ndarray
        (T, Y, X), without missing values, registered. Frames that it leaves out do not
        count.
    parameters : CorrelationPnrParameters
        How.
    backend : Backend, optional
        Where the blocks of frames are worked on; here by default.
    progress : callable
        Told after each block of both passes.
    cancel : threading.Event, optional
        Stops it once set.
    valid : ndarray (Y, X) of bool, optional
        Pixels that hold data; all of them by default.

    Returns
    -------
    CorrelationPnr
        The same to the last bit for any number of workers.

    Raises
    ------
    CancelledError
        If it was cancelled.
    """
    if isinstance(movie, np.ndarray):
        movie = Movie.from_array(movie)
    if valid is None:
        valid = np.ones(movie.field_shape, bool)
    backend = backend or SerialBackend()
    blocks = _Blocks(movie, CentreSurround.of(parameters.half_size_px, valid))
    watch = Stopwatch(progress, "correlation-PNR", 2 * movie.n_frames, "frames")
    moments = _Moments.empty(movie.field_shape)

    def collect_moments(part: _Moments) -> None:
        moments.merge(part)
        watch.advance(part.n_read)

    backend.run(_MomentsOf(blocks), blocks.firsts, collect_moments, cancel)
    total = Accumulator.empty(movie.field_shape, _GROUP)

    def collect_sums(part: tuple[int, Accumulator]) -> None:
        total.merge(part[1])
        watch.advance(part[0])

    sums_of = _SumsOf(blocks, moments.mean, moments.noise, parameters.floor_sd)
    backend.run(sums_of, blocks.firsts, collect_sums, cancel)
    return CorrelationPnr(
        correlation_of(total, parameters.neighbours, valid), moments.pnr
    )


@dataclass(frozen=True, eq=False)
class _Blocks:
    """The movie in blocks of filtered frames."""

    movie: Movie
    filter: CentreSurround

    @property
    def length(self) -> int:
        """Frames of a block, whole groups."""
        return block_frames(self.movie.field_shape, 1)

    @property
    def firsts(self) -> range:
        """First frame of every block."""
        return range(0, self.movie.n_frames, self.length)

    def count(self, first: int) -> int:
        """Frames of the block that begins with a frame."""
        return min(self.length, self.movie.n_frames - first)

    def groups(self, first: int) -> Iterator[np.ndarray]:
        """Give the filtered frames (n, Y, X) that count, group by group of a block."""
        for start in range(first, first + self.count(first), _GROUP):
            window = slice(start, min(start + _GROUP, self.movie.n_frames))
            numbers = np.arange(window.start, window.stop)
            kept = ~np.isin(numbers, self.movie.left_out)
            yield self.filter(self.movie.read(window)[kept])


@dataclass(slots=True)
class _Moments:
    """Running sums (Y, X) float64 of filtered frames, and their maximum."""

    n_read: int
    n_frames: int
    n_bends: int
    sums: np.ndarray
    bends: np.ndarray
    maximum: np.ndarray

    @classmethod
    def empty(cls, shape: tuple[int, int]) -> Self:
        """Return those of no frames."""
        lowest = np.full(shape, -np.inf, np.float32)
        return cls(0, 0, 0, np.zeros(shape), np.zeros(shape), lowest)

    def add(self, frames: np.ndarray) -> None:
        """Add a group of frames (n, Y, X) float32."""
        self.n_frames += len(frames)
        self.n_bends += max(len(frames) - 2, 0)
        self.sums += frames.sum(axis=0, dtype=np.float64)
        bends = np.diff(frames, n=2, axis=0)
        self.bends += np.square(bends).sum(axis=0, dtype=np.float64)
        np.maximum(self.maximum, frames.max(axis=0, initial=-np.inf), out=self.maximum)

    def merge(self, other: _Moments) -> None:
        """Add what another one has summed."""
        self.n_read += other.n_read
        self.n_frames += other.n_frames
        self.n_bends += other.n_bends
        self.sums += other.sums
        self.bends += other.bends
        np.maximum(self.maximum, other.maximum, out=self.maximum)

    @property
    def mean(self) -> np.ndarray:
        """Mean over time, (Y, X)."""
        return self.sums / max(self.n_frames, 1)

    @property
    def noise(self) -> np.ndarray:
        """Noise from the second differences in time, (Y, X)."""
        return np.sqrt(self.bends / (BEND_VARIANCE * max(self.n_bends, 1)))

    @property
    def pnr(self) -> np.ndarray:
        """Largest value above the mean over the noise, (Y, X) float32."""
        noise = self.noise
        above = np.where(noise > 0, self.maximum - self.mean, 0)
        return (above / np.where(noise > 0, noise, 1)).astype(np.float32)


@dataclass(frozen=True, eq=False)
class _MomentsOf:
    """The task of a block in the first pass."""

    blocks: _Blocks

    def __call__(self, first: int) -> _Moments:
        """Sum the block that begins with a frame."""
        part = _Moments.empty(self.blocks.movie.field_shape)
        for frames in self.blocks.groups(first):
            part.add(frames)
        part.n_read = self.blocks.count(first)
        return part


@dataclass(frozen=True, eq=False)
class _SumsOf:
    """The task of a block in the second pass."""

    blocks: _Blocks
    mean: np.ndarray
    noise: np.ndarray
    floor_sd: float

    def __call__(self, first: int) -> tuple[int, Accumulator]:
        """Return the frames of the block and the sums of what exceeds the noise."""
        part = Accumulator.empty(self.mean.shape, _GROUP)
        for frames in self.blocks.groups(first):
            part.add(self._codes(frames))
        return self.blocks.count(first), part

    def _codes(self, frames: np.ndarray) -> np.ndarray:
        """Turn filtered frames into codes; 0 below the floor."""
        noise = np.where(self.noise > 0, self.noise, np.inf)
        scores = (frames - self.mean.astype(np.float32)) / noise.astype(np.float32)
        scores[scores < self.floor_sd] = 0
        return np.clip(np.rint(scores * _CODES_PER_SD), 0, _MAX_CODE).astype(np.uint16)
