"""The local correlation image in windows of time.

A window is turned into standard scores, written as 16-bit codes whose range no score
can exceed, and the exact sums of the summary images do the rest. A cell lights up in
the windows it was active in; the maximum over windows shows cells that are silent most
of the time.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from threading import Event

import numpy as np

from napari_cnmf.compute import Backend, Progress, SerialBackend, Stopwatch, silent
from napari_cnmf.movie import Movie
from napari_cnmf.movie.scale import Scale
from napari_cnmf.summary.images import Accumulator
from napari_cnmf.summary.parameters import CorrelationMovieParameters

_CENTRE = 32768
_BAND_BYTES = 128 * 2**20


def correlation_movie(
    movie: Movie,
    parameters: CorrelationMovieParameters,
    *,
    backend: Backend | None = None,
    progress: Progress = silent,
    cancel: Event | None = None,
    valid: np.ndarray | None = None,
) -> np.ndarray:
    """Compute the correlation image of one window of frames after another.

    Parameters
    ----------
    movie : Movie
        Any movie (T, Y, X) without missing values. Frames that it leaves out do not
        count.
    parameters : CorrelationMovieParameters
        How.
    backend : Backend, optional
        Where the windows are worked on; here by default.
    progress : callable
        Told after each window.
    cancel : threading.Event, optional
        Stops it once set.
    valid : ndarray (Y, X) of bool, optional
        Pixels that hold data; all of them by default.

    Returns
    -------
    ndarray
        (windows, Y, X) float32, mean Pearson correlation of each pixel with the
        neighbours that exist. A movie shorter than a window is one window.

    Raises
    ------
    CancelledError
        If it was cancelled.
    """
    length = min(parameters.window_frames, movie.n_frames)
    starts = range(0, movie.n_frames - length + 1, parameters.step_frames)
    windows = [slice(start, start + length) for start in starts]
    images = np.empty((len(windows), *movie.field_shape), np.float32)
    watch = Stopwatch(progress, "correlation movie", len(windows), "windows")

    def collect(image: np.ndarray) -> None:
        images[watch.done] = image
        watch.advance(1)

    work = _WindowImage(movie, parameters, _or_all(valid, movie))
    (backend or SerialBackend()).run(work, windows, collect, cancel)
    return images


def maximum_correlation(
    movie: Movie,
    parameters: CorrelationMovieParameters,
    *,
    backend: Backend | None = None,
    progress: Progress = silent,
    cancel: Event | None = None,
    valid: np.ndarray | None = None,
) -> np.ndarray:
    """Compute the largest correlation that each pixel reaches in any part of a movie.

    The parts are of `window_frames` or a little more, so that none is short.

    Parameters
    ----------
    movie, parameters, backend, progress, cancel, valid
        As for `correlation_movie`; the step has no meaning here.

    Returns
    -------
    ndarray
        (Y, X) float32.

    Raises
    ------
    CancelledError
        If it was cancelled.
    """
    count = max(movie.n_frames // parameters.window_frames, 1)
    edges = np.linspace(0, movie.n_frames, count + 1).round().astype(int).tolist()
    windows = [slice(*pair) for pair in pairwise(edges)]
    largest = np.full(movie.field_shape, -1, np.float32)
    watch = Stopwatch(progress, "maximum correlation", len(windows), "windows")

    def collect(image: np.ndarray) -> None:
        np.maximum(largest, image, out=largest)
        watch.advance(1)

    work = _WindowImage(movie, parameters, _or_all(valid, movie))
    (backend or SerialBackend()).run(work, windows, collect, cancel)
    return largest


def _or_all(valid: np.ndarray | None, movie: Movie) -> np.ndarray:
    """Give the pixels with data, all of the field by default."""
    return np.ones(movie.field_shape, bool) if valid is None else valid


@dataclass(frozen=True, eq=False)
class _WindowImage:
    """The task of one window: its correlation image; sent to the workers."""

    movie: Movie
    parameters: CorrelationMovieParameters
    valid: np.ndarray

    def __call__(self, window: slice) -> np.ndarray:
        """Correlate a window, in bands of rows that overlap by the neighbours."""
        height, width = self.movie.field_shape
        per_row = 4 * (window.stop - window.start) * width
        band = max(1, _BAND_BYTES // per_row)
        image = np.empty((height, width), np.float32)
        for top in range(0, height, band):
            bottom = min(top + band, height)
            rows = slice(max(top - 1, 0), min(bottom + 1, height))
            found = self._correlated(window, rows)
            image[top:bottom] = found[top - rows.start : bottom - rows.start]
        return image

    def _correlated(self, window: slice, rows: slice) -> np.ndarray:
        """Correlation image (y, X) of some rows."""
        frames = self.movie.read(window, rows).astype(np.float32)
        numbers = np.arange(window.start, window.stop)
        frames = frames[~np.isin(numbers, self.movie.left_out)]
        if self.parameters.baseline_frames is not None:
            frames -= baseline(
                frames,
                self.parameters.baseline_percentile,
                self.parameters.baseline_frames,
            )
        total = Accumulator.empty(frames.shape[1:], 2)
        total.add(_score_codes(frames))
        return correlation_of(total, self.parameters.neighbours, self.valid[rows])


def correlation_of(
    total: Accumulator, neighbours: int, valid: np.ndarray
) -> np.ndarray:
    """Correlation image (Y, X) of codes on any scale, from their sums."""
    scale = Scale(np.zeros(valid.shape, np.float32), 1.0)
    return total.images(scale, neighbours, valid).correlation


def baseline(frames: np.ndarray, percentile: float, window: int) -> np.ndarray:
    """Slow baseline of each pixel: a percentile in pieces of time, joined by lines.

    Parameters
    ----------
    frames : ndarray
        (n, Y, X) float32.
    percentile : float
        0 to 100.
    window : int
        Frames of a piece, or a little more: the pieces are even. Before the middle of
        the first and after that of the last, the baseline is held.

    Returns
    -------
    ndarray
        (n, Y, X) float32.
    """
    n = len(frames)
    if not n:
        return frames
    pieces = np.array_split(frames, max(n // window, 1))
    levels = np.stack([np.percentile(p, percentile, axis=0) for p in pieces])
    lengths = np.array([len(piece) for piece in pieces])
    middles = np.cumsum(lengths) - (lengths + 1) / 2
    place = np.interp(np.arange(n), middles, np.arange(len(pieces)))
    low = place.astype(int)
    share = (place - low).astype(np.float32)[:, None, None]
    high = np.minimum(low + 1, len(pieces) - 1)
    # In this form equal levels give the very same baseline, so a constant pixel stays
    # constant without it.
    joined: np.ndarray = levels[low] + share * (levels[high] - levels[low])
    return joined


def _score_codes(frames: np.ndarray) -> np.ndarray:
    """Write the standard scores of each pixel's trace as uint16 codes.

    The frames (n, Y, X) float32 are used up. No score of n values exceeds the root of
    n, so that is the range of the codes; a constant pixel gets nothing but zeros.
    """
    n = max(len(frames), 1)
    frames -= (frames.sum(axis=0, dtype=np.float64) / n).astype(np.float32)
    deviation = np.sqrt(np.square(frames).sum(axis=0, dtype=np.float64) / n)
    varies = deviation > 0
    step = (_CENTRE - 1) / np.sqrt(n) / np.where(varies, deviation, np.inf)
    frames *= step.astype(np.float32)
    np.rint(frames, out=frames)
    frames += np.where(varies, np.float32(_CENTRE), 0)
    return frames.astype(np.uint16)
