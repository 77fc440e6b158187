"""How exceptional traces are: the fitness of CaImAn's older evaluation.

What lies below the mode of a trace, mirrored about it, stands for its noise. For each
frame, the logarithm of the probability that noise (of three times its sd) lies as high
is added up over the length of a transient; the least sum is the trace's fitness.
Differences of the trace have one as well. As in CaImAn (Giovannucci et al., eLife 2019,
doi:10.7554/eLife.38173), whose later SNR follows from the same number.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.ndimage import spline_filter1d
from scipy.special import log_ndtr, ndtri

from napari_cnmf.errors import InputError

_BASELINE_PERCENTILE = 8
_BASELINE_SHARE = 5
_BASELINE_MAX_FRAMES = 800
_SD_FACTOR = 3
# Interquartile range of a normal distribution, in sd.
_IQR_SD = 2 * float(ndtri(0.75))
# Of fewer frames, every one would be its own baseline.
_LEAST_FRAMES = 2 * _BASELINE_SHARE
# Samples worked on together: few calls, and temporaries that fit the cache.
_AT_ONCE = 2**18


class Exceptionality(NamedTuple):
    """How improbable traces are, were they noise.

    Attributes
    ----------
    fitness : ndarray
        (K,) float32, the least of each trace's log probabilities; 0 for a trace without
        any noise or with NaN.
    log_probabilities : ndarray
        (K, T) float32, of the frames up to each one.
    """

    fitness: np.ndarray
    log_probabilities: np.ndarray


def exceptionality(
    traces: np.ndarray, n_frames: int, *, robust_sd: bool = False
) -> Exceptionality:
    """Measure how improbable each run of frames is, were the trace noise.

    Parameters
    ----------
    traces : ndarray
        (K, T), any offset; `above_baseline` takes a slow drift out.
    n_frames : int
        Length of a transient: frames whose log probabilities are added up; fewer at
        the beginning of a trace.
    robust_sd : bool
        Take the noise from the interquartile range of what lies below the mode and its
        mirror image, not from its sum of squares: a few deep dips have no say.

    Returns
    -------
    Exceptionality

    Raises
    ------
    InputError
        If a transient would be shorter than one frame.
    """
    if n_frames < 1:
        raise InputError(
            f"A transient must last for at least 1 frame. Got {n_frames} instead; give "
            "about the frame rate times the decay time."
        )
    sums = np.empty(traces.shape, np.float32)
    for part in _parts(traces):
        sums[part] = _window_sums(traces[part].astype(np.float64), n_frames, robust_sd)
    return Exceptionality(sums.min(axis=1, initial=0), sums)


def significant_samples(
    log_probabilities: np.ndarray, n_frames: int, limit: float
) -> np.ndarray:
    """Find the frames of exceptional transients.

    Parameters
    ----------
    log_probabilities : ndarray
        (K, T) from `exceptionality`.
    n_frames : int
        Length of a transient, as there.
    limit : float
        Log probability below which a run of frames is no noise, such as -20.

    Returns
    -------
    ndarray
        (K, T) bool: frames that belong to a run below the limit.
    """
    ends = np.pad(log_probabilities < limit, ((0, 0), (1, 0)))
    n_before = np.cumsum(ends, axis=1)
    length = log_probabilities.shape[1]
    # A frame belongs to the runs that end with it or within the next frames.
    last = np.minimum(np.arange(length) + n_frames, length)
    return np.asarray(n_before[:, last] > n_before[:, :-1])


def trace_fitness(traces: np.ndarray, n_frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Fitness of raw traces and of their differences.

    Parameters
    ----------
    traces : ndarray
        (K, T) float32, C + YrA in CaImAn's words; any offset.
    n_frames : int
        Length of a transient.

    Returns
    -------
    raw, delta : ndarray
        (K,) float32, of the traces above their baseline and of the differences from
        frame to frame; 0 for traces shorter than 10 frames.
    """
    raw, delta = np.zeros((2, len(traces)), np.float32)
    if traces.shape[1] < _LEAST_FRAMES:
        return raw, delta
    for part in _parts(traces):
        exact = traces[part].astype(np.float64)
        raw[part] = exceptionality(above_baseline(exact), n_frames).fitness
        delta[part] = exceptionality(np.diff(exact), n_frames).fitness
    return raw, delta


def above_baseline(traces: np.ndarray) -> np.ndarray:
    """Take a slow baseline out: a cubic spline through low percentiles.

    Parameters
    ----------
    traces : ndarray
        (K, T), not changed. Traces shorter than 10 frames come back as they are.

    Returns
    -------
    ndarray
        (K, T) float64, minus the spline through the 8th percentiles of blocks of a
        fifth of the trace, at most 800 frames.
    """
    n_frames = traces.shape[1]
    traces = traces.astype(np.float64, copy=False)
    if n_frames < _LEAST_FRAMES:
        return traces
    length = min(n_frames // _BASELINE_SHARE, _BASELINE_MAX_FRAMES)
    padded = np.pad(traces, ((0, 0), (0, -n_frames % length)), mode="reflect")
    n_blocks = padded.shape[1] // length
    blocks = padded.reshape(len(traces), n_blocks, length)
    low = np.percentile(blocks, _BASELINE_PERCENTILE, axis=2)
    start = low[:, :1]  # of a constant trace, the spline is exactly as constant
    return traces - start - _drawn_out(low - start, length)[:, :n_frames]


def _drawn_out(values: np.ndarray, factor: int) -> np.ndarray:
    """Cubic splines (K, n * factor) through values (K, n), mirrored at both ends.

    As scipy's `zoom`, in a fifth of the time: from the four coefficients around each
    place, whose weights all traces share.
    """
    n = values.shape[1]
    coefficients = spline_filter1d(values, 3, axis=1, mode="mirror")
    padded = np.pad(coefficients, ((0, 0), (1, 2)), mode="reflect")
    place = np.arange(n * factor) * ((n - 1) / (n * factor - 1))
    before = place.astype(np.int64)
    part = place - before
    rest = 1 - part
    weights = (
        rest**3 / 6,
        2 / 3 - part**2 * (2 - part) / 2,
        2 / 3 - rest**2 * (2 - rest) / 2,
        part**3 / 6,
    )
    total = np.zeros((len(values), n * factor))
    for shift, weight in enumerate(weights):
        total += weight * np.take(padded, before + shift, axis=1)
    return total


def _parts(traces: np.ndarray) -> list[slice]:
    """Traces to work on together."""
    n_traces, n_frames = traces.shape
    rows = max(1, _AT_ONCE // max(n_frames, 1))
    return [slice(first, first + rows) for first in range(0, n_traces, rows)]


def _window_sums(traces: np.ndarray, n_frames: int, robust_sd: bool) -> np.ndarray:
    """Log probabilities (K, T) of the frames up to each; 0 if there is no noise."""
    above = traces - _half_sample_mode(traces)[:, None]
    below = np.minimum(above, 0)
    sd = _robust_sd(below) if robust_sd else _sd(below)
    sd[sd == 0] = np.nan
    improbable = log_ndtr(above / (-_SD_FACTOR * sd[:, None]))
    sums = np.cumsum(improbable, axis=1)
    sums[:, n_frames:] -= sums[:, :-n_frames]
    # A NaN anywhere makes the last running sum one.
    sums[np.isnan(sums[:, -1:]).any(axis=1)] = 0
    return np.asarray(sums)


def _sd(below: np.ndarray) -> np.ndarray:
    """Root of the mean square (K,) of what is below zero."""
    n_below = np.maximum(np.count_nonzero(below, axis=1), 1)
    return np.asarray(np.sqrt((below**2).sum(axis=1) / n_below))


def _robust_sd(below: np.ndarray) -> np.ndarray:
    """Sd (K,) of what is below zero and its mirror image, by the interquartile range.

    The quartiles of both together are the median of one half and its mirror image.
    """
    ascending = np.sort(below, axis=1)
    n_below = np.maximum(np.count_nonzero(below, axis=1), 1)
    middle = np.stack([(n_below - 1) // 2, n_below // 2], axis=1)
    median = np.take_along_axis(ascending, middle, axis=1).mean(axis=1)
    return np.asarray(-2 * median / _IQR_SD)


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
