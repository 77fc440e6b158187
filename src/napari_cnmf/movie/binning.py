"""A movie averaged in time: the mean of every few consecutive frames."""

from __future__ import annotations

import numpy as np

from napari_cnmf.movie.lazy import LazyFrames
from napari_cnmf.movie.movie import WHOLE, Movie
from napari_cnmf.movie.store import TiledStore

BLOCK_BYTES = 32 * 2**20


def read_bins(
    movie: Movie,
    bin_frames: int,
    rows: slice = WHOLE,
    cols: slice = WHOLE,
    bins: slice = WHOLE,
) -> np.ndarray:
    """Return the time bins of some pixels.

    Parameters
    ----------
    movie : Movie
        Any movie (T, Y, X); a registered one holds its own bins ready.
    bin_frames : int
        Frames of a bin.
    rows, cols : slice
        The pixels, as in numpy indexing.
    bins : slice
        Consecutive bins.

    Returns
    -------
    ndarray (n, y, x)
        float32; of a last incomplete bin there is none.
    """
    source = movie.source
    if isinstance(source, TiledStore) and source.header.bin_frames == bin_frames:
        return source.read_binned(rows, cols, bins)
    height, width = movie.field_shape
    y, x = len(range(*rows.indices(height))), len(range(*cols.indices(width)))
    start, stop, _ = bins.indices(movie.n_frames // bin_frames)
    means = np.empty((max(stop - start, 0), y, x), np.float32)
    few = max(1, BLOCK_BYTES // (4 * bin_frames * max(1, y * x)))
    for first in range(0, len(means), few):
        last = min(first + few, len(means))
        window = slice((start + first) * bin_frames, (start + last) * bin_frames)
        block = movie.read(window, rows, cols).reshape(-1, bin_frames, y, x)
        block.mean(axis=1, dtype=np.float32, out=means[first:last])
    return means


class BinnedFrames(LazyFrames):
    """Means of a few consecutive frames each, computed when they are shown.

    Parameters
    ----------
    movie : Movie
        Any; the bins that a registered one holds ready are averaged further.
    bin_frames : int
        Frames of a bin, rounded to whole bins of a registered movie.

    Attributes
    ----------
    bin_frames : int
        Frames of a bin as it came out.
    """

    shape: tuple[int, int, int]

    def __init__(self, movie: Movie, bin_frames: int) -> None:
        source = movie.source
        stored = source.header if isinstance(source, TiledStore) else None
        ready = bin_frames if stored is None else stored.bin_frames
        self.bin_frames = max(1, round(bin_frames / ready)) * ready
        self.shape = (movie.n_frames // self.bin_frames, *movie.field_shape)
        self.dtype = np.dtype(np.float32)
        self._movie = movie
        self._ready = ready

    def read(
        self, frames: slice, rows: slice = WHOLE, cols: slice = WHOLE
    ) -> np.ndarray:
        """Return a block (n, y, x)."""
        wanted = range(self.shape[0])[frames]
        if wanted.step > 1:
            parts = [self.read(slice(i, i + 1), rows, cols) for i in wanted]
            return np.concatenate(parts)
        several = self.bin_frames // self._ready
        bins = slice(wanted.start * several, wanted.stop * several)
        means = read_bins(self._movie, self._ready, rows, cols, bins)
        return means.reshape(-1, several, *means.shape[1:]).mean(axis=1)
