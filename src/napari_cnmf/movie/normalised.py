"""Movies in units of each pixel's noise, where all pixels count alike."""

from __future__ import annotations

import numpy as np

from napari_cnmf.movie.binning import read_bins
from napari_cnmf.movie.blocks import choose_bin
from napari_cnmf.movie.images import SummaryImages
from napari_cnmf.movie.movie import WHOLE, Movie
from napari_cnmf.movie.store import TiledStore

_DEFAULT_BIN_S = 0.1


def bin_length(movie: Movie) -> int:
    """Frames of a time bin: the store's, or about 0.1 s for any other movie."""
    if isinstance(movie.source, TiledStore):
        return movie.source.header.bin_frames
    return choose_bin(movie.n_frames, movie.frame_rate_hz, _DEFAULT_BIN_S)


def gains(
    summary: SummaryImages, rows: slice = WHOLE, cols: slice = WHOLE
) -> np.ndarray:
    """One over the noise of each pixel of a region, float32; 0 without data."""
    noise = summary.noise[rows, cols]
    usable = summary.valid[rows, cols] & (noise > 0)
    return np.where(usable, 1 / np.where(usable, noise, 1), 0).astype(np.float32)


def normalised_bins(
    movie: Movie, summary: SummaryImages, bin_frames: int, rows: slice, cols: slice
) -> np.ndarray:
    """Binned movie of a region, mean removed, with a noise of one per bin.

    Returns
    -------
    ndarray
        (pixels, bins) float32, time contiguous.
    """
    mean = summary.mean[rows, cols]
    gain = gains(summary, rows, cols) * np.float32(np.sqrt(bin_frames))
    source = movie.source
    if isinstance(source, TiledStore) and source.header.bin_frames == bin_frames:
        return source.unpack_binned(rows, cols, mean, gain)
    return _pixel_major(read_bins(movie, bin_frames, rows, cols), mean, gain)


def normalised_frames(
    movie: Movie, summary: SummaryImages, frames: slice, rows: slice, cols: slice
) -> np.ndarray:
    """Frames of a region, mean removed, in units of each pixel's noise.

    Returns
    -------
    ndarray
        (pixels, n) float32, time contiguous.
    """
    mean, gain = summary.mean[rows, cols], gains(summary, rows, cols)
    if isinstance(movie.source, TiledStore):
        return movie.source.unpack(frames, rows, cols, mean, gain)
    return _pixel_major(movie.read(frames, rows, cols), mean, gain)


def tiles(field_shape: tuple[int, int], side_px: int) -> list[tuple[slice, slice]]:
    """Cut a field into rows and columns of tiles."""
    rows, cols = (
        [slice(low, min(low + side_px, n)) for low in range(0, n, side_px)]
        for n in field_shape
    )
    return [(row, col) for row in rows for col in cols]


def _pixel_major(frames: np.ndarray, mean: np.ndarray, gain: np.ndarray) -> np.ndarray:
    """Frames (n, Y, X) as ``(frames - mean) * gain``, (pixels, n) float32."""
    pixels = (frames.reshape(len(frames), -1) - mean.ravel()) * gain.ravel()
    return np.ascontiguousarray(pixels.T, np.float32)


def bin_traces(traces: np.ndarray, bin_frames: int) -> np.ndarray:
    """Means (K, T // bin_frames) of traces (K, T) in the same time bins."""
    n_bins = traces.shape[1] // bin_frames
    whole = traces[:, : n_bins * bin_frames]
    return whole.reshape(len(traces), n_bins, bin_frames).mean(axis=2)
