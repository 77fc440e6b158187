"""A movie averaged in time: the mean of every few consecutive frames."""

from __future__ import annotations

import numpy as np

from napari_cnmf.movie.movie import WHOLE, Movie
from napari_cnmf.movie.store import TiledStore

BLOCK_BYTES = 32 * 2**20


def read_bins(
    movie: Movie, bin_frames: int, rows: slice = WHOLE, cols: slice = WHOLE
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

    Returns
    -------
    ndarray (T // bin_frames, y, x)
        float32; a last incomplete bin is left out.
    """
    source = movie.source
    if isinstance(source, TiledStore) and source.header.bin_frames == bin_frames:
        return source.read_binned(rows, cols)
    height, width = movie.field_shape
    y, x = len(range(*rows.indices(height))), len(range(*cols.indices(width)))
    bins = np.empty((movie.n_frames // bin_frames, y, x), np.float32)
    few = max(1, BLOCK_BYTES // (4 * bin_frames * max(1, y * x)))
    for first in range(0, len(bins), few):
        last = min(first + few, len(bins))
        window = slice(first * bin_frames, last * bin_frames)
        block = movie.read(window, rows, cols).reshape(-1, bin_frames, y, x)
        block.mean(axis=1, dtype=np.float32, out=bins[first:last])
    return bins
