"""Movies in units of each pixel's noise, where all pixels count alike.

A time bin that holds a frame to be left out is zero, the mean of each pixel; traces at
the full rate are drawn straight over such frames.
"""

from __future__ import annotations

import numpy as np

from napari_cnmf.movie.binning import read_bins
from napari_cnmf.movie.blocks import choose_bin
from napari_cnmf.movie.images import PixelScale
from napari_cnmf.movie.movie import WHOLE, Movie
from napari_cnmf.movie.store import TiledStore

_DEFAULT_BIN_S = 0.1
# Good frames that each end of a gap is averaged over: one frame's noise, drawn out over
# a long gap, would pass for an event.
_MOST_AT_END = 10


def bin_length(movie: Movie) -> int:
    """Frames of a time bin: the store's, or about 0.1 s for any other movie."""
    if isinstance(movie.source, TiledStore):
        return movie.source.header.bin_frames
    return choose_bin(movie.n_frames, movie.frame_rate_hz, _DEFAULT_BIN_S)


def gains(summary: PixelScale, rows: slice = WHOLE, cols: slice = WHOLE) -> np.ndarray:
    """One over the noise of each pixel of a region, float32; 0 without data."""
    noise = summary.noise[rows, cols]
    usable = summary.valid[rows, cols] & (noise > 0)
    return np.where(usable, 1 / np.where(usable, noise, 1), 0).astype(np.float32)


def normalised_bins(
    movie: Movie, summary: PixelScale, bin_frames: int, rows: slice, cols: slice
) -> np.ndarray:
    """Binned movie of a region, mean removed, with a noise of one per bin.

    Bins that hold a frame to be left out are zero. Straight lines instead cost 0.01 in
    F1 on simulated movies, with 6 % of the frames left out: they also draw out noise.

    Returns
    -------
    ndarray
        (pixels, bins) float32, time contiguous.
    """
    mean = summary.mean[rows, cols]
    gain = gains(summary, rows, cols) * np.float32(np.sqrt(bin_frames))
    source = movie.source
    if isinstance(source, TiledStore) and source.header.bin_frames == bin_frames:
        bins = source.unpack_binned(rows, cols, mean, gain)
    else:
        bins = _pixel_major(read_bins(movie, bin_frames, rows, cols), mean, gain)
    bins[:, bins_left_out(movie.left_out, bin_frames, movie.n_frames)] = 0
    return bins


def normalised_frames(
    movie: Movie, summary: PixelScale, frames: slice, rows: slice, cols: slice
) -> np.ndarray:
    """Frames of a region, mean removed, in units of each pixel's noise.

    Those left out are read like the others: `bridge` what is made of them.

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


def bins_left_out(
    left_out: tuple[int, ...], bin_frames: int, n_frames: int
) -> np.ndarray:
    """Numbers (n,) of the time bins that hold a frame to be left out, rising."""
    bins = np.unique(np.array(left_out, np.int64) // bin_frames)
    return bins[bins < n_frames // bin_frames]


def bridge(traces: np.ndarray, left_out: np.ndarray) -> None:
    """Draw traces straight over the frames that are left out, in place.

    From the mean of the good frames before a gap to that of those after it, of as many
    as are missing but at most ten.

    Parameters
    ----------
    traces : ndarray
        (n, T) float32.
    left_out : ndarray
        Numbers of the frames, rising; not all of them.
    """
    if not len(left_out):
        return
    kept = np.setdiff1d(np.arange(traces.shape[1]), left_out)
    for gap in np.split(left_out, np.flatnonzero(np.diff(left_out) > 1) + 1):
        place, n = np.searchsorted(kept, gap[0]), min(len(gap), _MOST_AT_END)
        sides = [kept[max(place - n, 0) : place], kept[place : place + n]]
        sides = [side for side in sides if len(side)]
        ends = [traces[:, side].mean(axis=1) for side in sides]
        first, last = sides[0].mean(), sides[-1].mean()
        share = ((gap - first) / max(last - first, 1)).astype(np.float32)
        traces[:, gap] = ends[0][:, None] + np.outer(ends[-1] - ends[0], share)


def bin_traces(traces: np.ndarray, bin_frames: int) -> np.ndarray:
    """Means (K, T // bin_frames) of traces (K, T) in the same time bins."""
    n_bins = traces.shape[1] // bin_frames
    whole = traces[:, : n_bins * bin_frames]
    return whole.reshape(len(traces), n_bins, bin_frames).mean(axis=2)
