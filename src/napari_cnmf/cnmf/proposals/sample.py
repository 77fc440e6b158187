"""The bounded part of a movie that proposals are made from.

A few windows of the field, where the correlation image is highest, and the middle of
the recording in coarse time bins: enough cells to tell their size by, and no more to
read in a large movie than in a small one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import uniform_filter

from napari_cnmf.movie import Movie
from napari_cnmf.movie.binning import read_bins
from napari_cnmf.movie.images import SummaryImages
from napari_cnmf.movie.normalised import (
    bin_length,
    bins_left_out,
    bridge,
    gains,
)

_SIDE_PX = 128
_MOST_BINS = 400
_LONGEST_BIN_S = 0.4
_MOST_FRAMES = 3000
_BLOCK_FRAMES = 500


@dataclass(frozen=True, slots=True)
class Window:
    """A rectangle of the field.

    Attributes
    ----------
    rows, cols : slice
        Its pixels.
    """

    rows: slice
    cols: slice

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.rows.stop - self.rows.start, self.cols.stop - self.cols.start


@dataclass(frozen=True, eq=False)
class Sampler:
    """Reads windows of a registered movie in units of each pixel's noise.

    Attributes
    ----------
    movie : Movie
        Any registered one (T, Y, X).
    summary : SummaryImages
        Its images.
    """

    movie: Movie
    summary: SummaryImages

    def windows(self) -> list[Window]:
        """Return the liveliest window of the field, or of each of its quarters."""
        shape = self.movie.field_shape
        sides = [min(n, _SIDE_PX) for n in shape]
        lively = np.where(self.summary.valid, self.summary.correlation, 0)
        lively = uniform_filter(np.maximum(lively, 0.0), sides, mode="constant")
        return [
            _best(lively, rows, cols, sides)
            for rows in _parts(shape[0])
            for cols in _parts(shape[1])
        ]

    def valid(self, window: Window) -> np.ndarray:
        """Return which pixels of a window hold data."""
        return gains(self.summary, window.rows, window.cols) > 0

    def bins(self, window: Window) -> np.ndarray:
        """Return a window in coarse bins, mean removed, with a noise of one per bin.

        Returns
        -------
        ndarray
            (pixels, bins) float32, time contiguous; bins that hold a frame to be left
            out are zero.
        """
        length = bin_length(self.movie)
        wanted, several = self._middle(length)
        images = read_bins(self.movie, length, window.rows, window.cols, wanted)
        images = images.reshape(-1, several, *window.shape).mean(axis=1)
        images -= self.summary.mean[window.rows, window.cols]
        gain = gains(self.summary, window.rows, window.cols)
        images *= gain * np.float32(np.sqrt(length * several))
        lost = bins_left_out(self.movie.left_out, length, self.movie.n_frames)
        lost = lost[(lost >= wanted.start) & (lost < wanted.stop)] - wanted.start
        images[lost // several] = 0
        return np.ascontiguousarray(images.reshape(len(images), -1).T)

    def traces(self, window: Window, weights: np.ndarray) -> np.ndarray:
        """Return weighted sums over a window's pixels in frames of the middle.

        Parameters
        ----------
        window : Window
        weights : ndarray
            (K, pixels) float32.

        Returns
        -------
        ndarray
            (K, frames) float32, drawn straight over frames that are left out.
        """
        n_frames = self.movie.n_frames
        first = max(0, (n_frames - _MOST_FRAMES) // 2)
        frames = np.arange(first, min(first + _MOST_FRAMES, n_frames))
        traces = np.empty((len(weights), len(frames)), np.float32)
        # On frames as they are stored: to turn the pixels round first takes ten times
        # as long as the product.
        scaled = weights * gains(self.summary, window.rows, window.cols).ravel()
        constant = scaled @ self.summary.mean[window.rows, window.cols].ravel()
        for low in range(0, len(frames), _BLOCK_FRAMES):
            part = frames[low : low + _BLOCK_FRAMES]
            span = slice(int(part[0]), int(part[-1]) + 1)
            images = self.movie.read(span, window.rows, window.cols)
            pixels = images.reshape(len(part), -1).astype(np.float32, copy=False)
            traces[:, low : low + len(part)] = scaled @ pixels.T - constant[:, None]
        lost = np.flatnonzero(np.isin(frames, self.movie.left_out))
        if len(lost) < len(frames):
            bridge(traces, lost)
        return traces

    def _middle(self, length: int) -> tuple[slice, int]:
        """Return the bins to read, and how many of them are averaged."""
        n_bins = self.movie.n_frames // length
        bin_s = length / (self.movie.frame_rate_hz or 1.0)
        longest = max(1, int(_LONGEST_BIN_S / bin_s))
        several = min(-(-n_bins // _MOST_BINS), longest)
        count = min(n_bins // several, _MOST_BINS) * several
        first = (n_bins - count) // 2
        return slice(first, first + count), several


def _parts(n: int) -> list[slice]:
    """Return halves of an axis that has room for two windows, else all of it."""
    if n < 2 * _SIDE_PX:
        return [slice(0, n)]
    return [slice(0, n // 2), slice(n // 2, n)]


def _best(lively: np.ndarray, rows: slice, cols: slice, sides: list[int]) -> Window:
    """Return the window within a part of the field around its liveliest place."""
    spans = []
    for part, side in zip((rows, cols), sides, strict=True):
        # The filter's value at i is that of the window that begins at i - side // 2.
        first = part.start + side // 2
        spans.append(slice(first, part.stop - side + side // 2 + 1))
    inside = lively[spans[0], spans[1]]
    place = np.unravel_index(np.argmax(inside), inside.shape)
    starts = [
        span.start + int(i) - side // 2
        for span, i, side in zip(spans, place, sides, strict=True)
    ]
    return Window(*(slice(s, s + n) for s, n in zip(starts, sides, strict=True)))
