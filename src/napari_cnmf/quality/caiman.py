"""CaImAn's two scores of a component, for users who know their thresholds.

The SNR says how improbable the longest run of high values of the raw trace is, were it
noise about its mode. The r value is the correlation between the footprint and the mean
of the movie over the component's highest peaks, without the frames in which a component
that it overlaps has its own. Both as in CaImAn (Giovannucci et al., eLife 2019,
doi:10.7554/eLife.38173), but for its overflow and its groups of 50 components.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from threading import Event

import numpy as np
import scipy.sparse as sp
from scipy.ndimage import zoom
from scipy.sparse.linalg import norm
from scipy.special import log_ndtr, ndtri_exp

from napari_cnmf.compute import Backend, Stopwatch
from napari_cnmf.movie import Movie
from napari_cnmf.movie.blocks import block_frames
from napari_cnmf.quality import kernels

_BASELINE_PERCENTILE = 8
_BASELINE_SHARE = 5
_BASELINE_MAX_FRAMES = 800
_SD_FACTOR = 3
_N_PEAKS = 10
_PEAK_LEVEL = 0.3
_BEFORE_PEAK_S = 5 / 30
_AFTER_PEAK_S = 25 / 30
_OVERLAP_COSINE = 0.1
_LEAST_PIXELS = 3
# Of fewer frames, every one would be its own baseline.
_LEAST_FRAMES = 2 * _BASELINE_SHARE
# Samples worked on together: few calls, and temporaries that fit the cache.
_AT_ONCE = 2**18


def caiman_snr(raw: np.ndarray, frame_rate_hz: float, decay_s: float) -> np.ndarray:
    """CaImAn's SNR of raw traces.

    Parameters
    ----------
    raw : ndarray
        (K, T) float32, C + YrA in CaImAn's words; any offset.
    frame_rate_hz : float
    decay_s : float
        Length of a transient.

    Returns
    -------
    ndarray
        (K,) float32. A transient that stays `s` times three standard deviations above
        the mode for `decay_s` has an SNR of about `s`; a trace without any noise,
        with NaN or shorter than 10 frames has 0.
    """
    n_traces, n_frames = raw.shape
    snr = np.zeros(n_traces, np.float32)
    if n_frames < _LEAST_FRAMES:
        return snr
    window = math.ceil(frame_rate_hz * decay_s)
    rows = max(1, _AT_ONCE // n_frames)
    for first in range(0, n_traces, rows):
        part = slice(first, first + rows)
        snr[part] = _snr(_above_baseline(raw[part].astype(np.float64)), window)
    return np.where(np.isnan(snr), np.float32(0), snr)


def event_frames(
    denoised: np.ndarray,
    footprints: sp.csc_array,
    frame_rate_hz: float,
    left_out: tuple[int, ...] = (),
) -> sp.csr_array:
    """Frames around each component's highest peaks in which no neighbour has its own.

    Parameters
    ----------
    denoised : ndarray
        (K, T) float32, denoised traces; any offset.
    footprints : csc_array
        (pixels, K). Components are neighbours if the cosine between their footprints
        is above 0.1.
    frame_rate_hz : float
    left_out : tuple of int
        Frames of no use.

    Returns
    -------
    csr_array
        (K, T) bool. A component whose neighbours leave it no frame keeps them all; one
        without peaks has none.
    """
    events = _peak_windows(denoised, frame_rate_hz, left_out)
    norms = np.maximum(norm(footprints, axis=0), 1e-30)
    unit = footprints @ sp.diags_array(1 / norms)
    overlaps = sp.csr_array((unit.T @ unit) > _OVERLAP_COSINE, dtype=np.int32)
    others = (overlaps @ events) - events
    alone = events - events.multiply(others > 0)
    none_left = (alone.sum(axis=1) == 0)[:, None]
    return sp.csr_array(alone + events.multiply(none_left), dtype=bool)


def caiman_r_values(
    movie: Movie,
    footprints: sp.csc_array,
    frames: sp.csr_array,
    *,
    backend: Backend,
    watch: Stopwatch,
    cancel: Event | None,
) -> np.ndarray:
    """CaImAn's r value: correlation of footprints with the movie during events.

    Parameters
    ----------
    movie : Movie
        Registered; read once, in blocks of whole frames.
    footprints : csc_array
        (Y*X, K) non-negative.
    frames : csr_array
        (K, T) from `event_frames`.
    backend, watch, cancel
        Runs the blocks; told the frames done; set to stop.

    Returns
    -------
    ndarray
        (K,) float32. 0 for a component without events or with less than 3 pixels, -1
        if the correlation is undefined.

    Raises
    ------
    CancelledError
        If it was cancelled.
    """
    a = footprints.copy()
    a.eliminate_zeros()
    reader = EventReader(
        movie,
        block_frames(movie.field_shape, 1),
        a.indptr.astype(np.int32),
        a.indices.astype(np.int32),
        frames.indptr.astype(np.int32),
        frames.indices.astype(np.int32),
    )
    image = np.zeros(a.nnz)

    def collect(part: EventSum) -> None:
        np.add(image, part.values, out=image)
        watch.advance(part.n_frames)

    blocks = range(0, movie.n_frames, reader.block)
    backend.run(reader, blocks, collect, cancel)
    r = _column_correlations(image, a.data, a.indptr)
    r[np.isnan(r)] = -1
    r[(np.diff(a.indptr) < _LEAST_PIXELS) | (np.diff(frames.indptr) == 0)] = 0
    return r.astype(np.float32)


@dataclass(frozen=True, eq=False)
class EventSum:
    """Sum over the event frames of one block, at each entry of the footprints."""

    values: np.ndarray
    n_frames: int


@dataclass(frozen=True, eq=False)
class EventReader:
    """Sums the movie over the events in one block of frames; sent to the workers.

    `pixels` are the footprints' pixels and `frames` the components' event frames,
    both with their first entries per component.
    """

    movie: Movie
    block: int
    pixel_indptr: np.ndarray
    pixels: np.ndarray
    frame_indptr: np.ndarray
    frames: np.ndarray

    def __call__(self, first: int) -> EventSum:
        """Read and sum the block that begins at frame `first`."""
        block = self.movie.read(slice(first, first + self.block))
        # Writable, so that the kernel is compiled for one kind of array.
        movie = np.require(block, np.float32, ("C", "W")).reshape(len(block), -1)
        values = np.zeros(len(self.pixels))
        kernels.sum_events(
            movie,
            first,
            self.pixel_indptr,
            self.pixels,
            self.frame_indptr,
            self.frames,
            values,
        )
        return EventSum(values, len(block))


def _above_baseline(traces: np.ndarray) -> np.ndarray:
    """Traces minus the cubic spline through a low percentile of each fifth of them.

    Enlarging the image of the percentiles with mirrored borders; the splines of the
    blocks are worked out once, in a tenth of the time.
    """
    n_frames = traces.shape[1]
    length = min(n_frames // _BASELINE_SHARE, _BASELINE_MAX_FRAMES)
    padded = np.pad(traces, ((0, 0), (0, -n_frames % length)), mode="reflect")
    n_blocks = padded.shape[1] // length
    blocks = padded.reshape(len(traces), n_blocks, length)
    low = np.percentile(blocks, _BASELINE_PERCENTILE, axis=2)
    basis = zoom(np.eye(n_blocks), (1, length), order=3, mode="mirror")[:, :n_frames]
    start = low[:, :1]
    return traces - start - (low - start) @ basis


def _half_sample_mode(traces: np.ndarray) -> np.ndarray:
    """Mode (K,) of each row: the shortest half of its values, again and again.

    As the SNRs that CaImAn saves show it to be: the uppermost half of an even number of
    values is not looked at, and of three values the last two, if closer, give the
    middle one.
    """
    values = np.sort(traces, axis=1)
    while values.shape[1] > 3:
        half = (values.shape[1] + 1) // 2
        widths = values[:, half - 1 : 2 * half - 1] - values[:, :half]
        first = widths.argmin(axis=1)[:, None]
        values = np.take_along_axis(values, first + np.arange(half), axis=1)
    if values.shape[1] < 3:
        return values.mean(axis=1)
    low, middle, high = values.T
    return np.where(middle - low < high - middle, (low + middle) / 2, middle)


def _snr(traces: np.ndarray, window: int) -> np.ndarray:
    """SNR (K,) of traces without baseline; NaN if a trace has no noise."""
    above = traces - _half_sample_mode(traces)[:, None]
    below = np.minimum(above, 0)
    n_below = np.maximum(np.count_nonzero(below, axis=1), 1)
    sd = np.sqrt((below**2).sum(axis=1) / n_below)
    sd[sd == 0] = np.nan
    improbable = log_ndtr(above / (-_SD_FACTOR * sd[:, None]))
    sums = np.cumsum(improbable, axis=1)
    sums[:, window:] -= sums[:, :-window]
    # From the logarithm: the probability itself underflows above an SNR of 38.
    return -ndtri_exp(sums.min(axis=1) / window)


def _peak_windows(
    denoised: np.ndarray, frame_rate_hz: float, left_out: tuple[int, ...]
) -> sp.csr_array:
    """Frames (K, T) int32 around the highest peaks of each trace."""
    before = min(-2, math.floor(-_BEFORE_PEAK_S * frame_rate_hz))
    after = max(5, math.ceil(_AFTER_PEAK_S * frame_rate_hz))
    n_frames = denoised.shape[1]
    usable = np.ones(n_frames, bool)
    usable[list(left_out)] = False
    windows = []
    for trace in denoised:
        peaks = _highest_peaks(trace)
        frames = np.unique(peaks[:, None] + np.arange(before, after))
        frames = frames[(frames >= 0) & (frames < n_frames)]
        windows.append(frames[usable[frames]])
    indptr = np.cumsum([0, *map(len, windows)])
    indices = np.concatenate([np.zeros(0, np.int64), *windows])
    ones = np.ones(len(indices), np.int32)
    return sp.csr_array((ones, indices, indptr), shape=denoised.shape)


def _highest_peaks(trace: np.ndarray) -> np.ndarray:
    """Positions of the highest local maxima above 0.3 of a trace's range."""
    low, high = trace.min(), trace.max()
    peaks = _local_maxima(trace)
    peaks = peaks[trace[peaks] > low + _PEAK_LEVEL * (high - low)]
    falling = np.argsort(-trace[peaks], kind="stable")
    return peaks[falling[:_N_PEAKS]]


def _local_maxima(trace: np.ndarray) -> np.ndarray:
    """Positions of strict local maxima, the middle of a plateau; not at the ends.

    As scipy.signal's `find_peaks`, whose import takes longer than a small run.
    """
    first = np.flatnonzero(np.diff(trace, prepend=np.nan) != 0)
    last = np.append(first[1:], len(trace)) - 1
    step = np.diff(trace[first])
    top = np.flatnonzero((step[:-1] > 0) & (step[1:] < 0)) + 1
    return (first[top] + last[top]) // 2


def _column_correlations(
    x: np.ndarray, y: np.ndarray, indptr: np.ndarray
) -> np.ndarray:
    """Pearson correlation (K,) of the entries of each column; NaN if undefined."""
    n = np.diff(indptr)
    column = np.repeat(np.arange(len(n)), n)

    def column_sums(values: np.ndarray) -> np.ndarray:
        return np.bincount(column, values, minlength=len(n))

    x, y = (v - (column_sums(v) / np.maximum(n, 1))[column] for v in (x, y))
    with np.errstate(invalid="ignore"):
        norms = np.sqrt(column_sums(x * x) * column_sums(y * y))
        return column_sums(x * y) / norms
