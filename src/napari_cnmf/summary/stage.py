"""The stage `summarise`: the images of any movie, in one pass over it.

A registered movie is summed from its stored codes; any other is turned into codes
as it would be for storing, block by block, so both give the same images.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from threading import Event

import numpy as np

from napari_cnmf.compute import Backend, Progress, Stopwatch, silent
from napari_cnmf.movie.blocks import (
    BATCH_BYTES,
    block_frames,
    choose_bin,
    group_frames,
)
from napari_cnmf.movie.images import SummaryImages
from napari_cnmf.movie.movie import Movie
from napari_cnmf.movie.parameters import StoreParameters
from napari_cnmf.movie.scale import Scale, choose_scale, noise_runs, sample_frames
from napari_cnmf.movie.store import TiledStore
from napari_cnmf.summary.images import Accumulator
from napari_cnmf.summary.parameters import SummaryParameters

logger = logging.getLogger(__name__)

SAMPLED_FRAMES = 200


def summarise(
    movie: Movie,
    parameters: SummaryParameters,
    *,
    backend: Backend,
    progress: Progress = silent,
    cancel: Event | None = None,
    valid: np.ndarray | None = None,
) -> SummaryImages:
    """Compute mean, maximum, standard deviation, correlation and noise of a movie.

    Parameters
    ----------
    movie : Movie
        Any movie (T, Y, X) without missing values. Frames that it leaves out do not
        count.
    parameters : SummaryParameters
        How.
    backend : Backend
        Where the blocks of frames are summed.
    progress : callable
        Told after each block.
    cancel : threading.Event, optional
        Stops the stage once set.
    valid : ndarray (Y, X) of bool, optional
        Pixels that hold data; all of them by default.

    Returns
    -------
    SummaryImages
        The same to the last bit for any backend and number of workers.
    """
    block_sum = _block_sum(movie)
    total = Accumulator.empty(movie.field_shape, block_sum.group)
    watch = Stopwatch(progress, "summarise", movie.n_frames, "frames")
    n_clipped = 0

    def collect(result: tuple[Accumulator, int]) -> None:
        nonlocal n_clipped
        part, outside = result
        total.merge(part)
        n_clipped += outside
        watch.advance(part.n_frames)

    firsts = range(0, movie.n_frames, block_sum.block)
    backend.run(block_sum, firsts, collect, cancel)
    warn_of_clipping(n_clipped, movie)
    return total.images(block_sum.scale, parameters.neighbours, valid)


def warn_of_clipping(n_clipped: int, movie: Movie) -> None:
    """Tell how many values lay outside the range that the sampled frames promised."""
    if n_clipped:
        logger.warning(
            "%d of %d values lie far outside the range of the sampled frames "
            "and were clipped; raise motion.template_frames to sample more of them",
            n_clipped,
            prod(movie.shape),
        )


def _encoded(raw: np.ndarray, scale: Scale) -> tuple[np.ndarray, int]:
    """Turn a block of frames into codes.

    Parameters
    ----------
    raw : ndarray (n, Y, X)
        Frames as read.
    scale : Scale
        What a code stands for.

    Returns
    -------
    codes : ndarray (n, Y, X)
        uint16.
    n_clipped : int
        Number of values outside the range of the codes.
    """
    codes = np.empty(raw.shape, np.uint16)
    n_clipped = 0
    # Few frames at a time: float copies of the block would triple the memory.
    few = max(1, BATCH_BYTES // (4 * raw[0].size))
    for i in range(0, len(raw), few):
        batch = slice(i, i + few)
        n_clipped += scale.encode(raw[batch].astype(np.float32), codes[batch])
    return codes, n_clipped


@dataclass(frozen=True)
class _BlockSum:
    """The task of one block: its sums and the number of clipped values."""

    movie: Movie
    scale: Scale
    group: int
    block: int

    def __call__(self, first: int) -> tuple[Accumulator, int]:
        """Sum the block that begins with a frame."""
        window = slice(first, min(first + self.block, self.movie.n_frames))
        codes, n_clipped = self._codes(window)
        part = Accumulator.empty(self.movie.field_shape, self.group)
        for counted in self._counted(first, codes):
            part.add(counted)
        return part, n_clipped

    def _counted(self, first: int, codes: np.ndarray) -> Iterator[np.ndarray]:
        """Give the codes without frames left out; then group by group, as sums need."""
        kept = np.ones(len(codes), bool)
        numbers = range(first, first + len(codes))
        kept[[t - first for t in self.movie.left_out if t in numbers]] = False
        if kept.all():
            yield codes
            return
        for start in range(0, len(codes), self.group):
            group = slice(start, start + self.group)
            yield codes[group][kept[group]]

    def _codes(self, window: slice) -> tuple[np.ndarray, int]:
        """Return the codes of some frames, and the number of clipped values."""
        if isinstance(self.movie.source, TiledStore):
            return self.movie.source.read_codes(window), 0
        return _encoded(self.movie.read(window), self.scale)


def _block_sum(movie: Movie) -> _BlockSum:
    """Return the task for a movie."""
    if isinstance(movie.source, TiledStore):
        store = movie.source
        group = group_frames(store.header.bin_frames)
        return _BlockSum(movie, store.scale, group, store.block_frames)
    defaults = StoreParameters()
    bins = choose_bin(movie.n_frames, movie.frame_rate_hz, defaults.bin_s)
    sample = sample_frames(movie, SAMPLED_FRAMES)
    still = sample[noise_runs(len(sample))]
    scale = choose_scale(sample, sample.mean(axis=0), still, defaults.noise_steps)
    block = block_frames(movie.field_shape, bins)
    return _BlockSum(movie, scale, group_frames(bins), block)
