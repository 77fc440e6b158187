"""From fluorescence traces to activity: noise, time constants and spikes.

A trace is modelled as a baseline, plus white noise, plus calcium ``c`` that follows an
autoregressive process of order 1 or 2 driven by spikes
``s[t] = c[t] - g1 c[t-1] - g2 c[t-2] >= 0``. The spikes are found by OASIS: frames are
pooled from left to right, a pool follows the impulse response from its first frame
on, and a pool that would need a negative spike is merged with the one before it.

OASIS is exact for order 1 and a greedy, nearly exact method for order 2. Traces are
taken to be free of NaN.

References
----------
Friedrich, Zhou, Paninski (2017). Fast online deconvolution of calcium imaging data.
PLoS Comput Biol 13(3): e1005423. Algorithms 1-3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_cnmf.cnmf.kernels_oasis import (
    Arrays,
    autocovariance,
    constrain_ar1,
    deconvolve_ar,
)
from napari_cnmf.errors import ParameterError

_SEGMENT_FRAMES = 256
_BLOCK_TRACES = 32
_START_FRAMES = 1000


@dataclass(frozen=True)
class ConstrainedFit:
    """Noise-constrained AR(1) deconvolution of K traces of T frames.

    Attributes
    ----------
    denoised, spikes : np.ndarray, shape (K, T), float32
        Calcium without its baseline and the spikes that drive it, in trace units.
    baseline, g, noise, penalty : np.ndarray, shape (K,), float64
        Baseline, AR(1) coefficient, noise sd and the sparsity penalty in trace units.
    """

    denoised: np.ndarray
    spikes: np.ndarray
    baseline: np.ndarray
    g: np.ndarray
    noise: np.ndarray
    penalty: np.ndarray


def trace_noise(
    traces: np.ndarray, band: tuple[float, float] = (0.25, 0.5)
) -> np.ndarray:
    """Estimate the standard deviation of the white noise in each trace.

    Takes the mean of Welch's power spectrum (Hann window of 256 frames, half
    overlapping) over a band of high frequencies, where calcium has little power. It is
    unbiased for white noise, unlike the median or the mean of logarithms.

    Parameters
    ----------
    traces : np.ndarray, shape (K, T)
        Traces; T >= 2.
    band : tuple of float
        Frequencies in cycles per frame, both excluded. If no frequency of a short
        trace falls inside, its highest one is used.

    Returns
    -------
    np.ndarray, shape (K,), float64
        Noise sd in trace units.
    """
    frames = traces.shape[1]
    length = min(_SEGMENT_FRAMES, frames)
    frequencies = np.fft.rfftfreq(length)
    inside = np.flatnonzero((frequencies > band[0]) & (frequencies < band[1]))
    bins = slice(inside[0], inside[-1] + 1) if inside.size else slice(-1, None)
    window = np.sin(np.pi * np.arange(length) / length) ** 2
    scaled_window = (window / np.sqrt(np.sum(window**2))).astype(np.float32)
    power = np.empty(len(traces))
    # Blocks of traces whose spectra fit into the cache: 2x faster than all at once.
    for start in range(0, len(traces), _BLOCK_TRACES):
        block = np.asarray(traces[start : start + _BLOCK_TRACES], np.float32)
        block = block - block.mean(axis=1, keepdims=True)
        segments = np.lib.stride_tricks.sliding_window_view(block, length, axis=1)
        segments = segments[:, :: length - length // 2]
        spectrum = np.fft.rfft(segments * scaled_window)[..., bins]
        squares = spectrum.real**2 + spectrum.imag**2
        power[start : start + _BLOCK_TRACES] = squares.mean(axis=(1, 2))
    return np.sqrt(power)


def ar_coefficients(
    traces: np.ndarray,
    noise: np.ndarray,
    order: int,
    lags: int = 5,
    fudge: float = 0.96,
) -> np.ndarray:
    """Autoregressive coefficients of each trace from its autocovariance.

    Regresses the autocovariance at lags 1 to ``lags + order`` on its predecessors
    after the noise variance is removed from lag 0. Roots of the process above 1
    become 0.95 and those below 0 become 0.15, then all are multiplied by `fudge`.

    Parameters
    ----------
    traces : np.ndarray, shape (K, T)
        Traces.
    noise : np.ndarray, shape (K,)
        Noise sd of each trace.
    order : int
        1 (decay) or 2 (rise and decay).
    lags : int
        Number of lags used beyond the order.
    fudge : float
        Factor on the roots, which the noise biases upwards.

    Returns
    -------
    np.ndarray, shape (K, order), float64
        Coefficients g1 (and g2).

    Raises
    ------
    ParameterError
        If `order` is neither 1 nor 2.
    """
    if order not in (1, 2):
        message = f"The autoregressive order is {order} but must be 1 or 2; set 1 or 2."
        raise ParameterError(message)
    rows = lags + order
    covariance = np.empty((len(traces), rows + 1))
    autocovariance(_read_only(traces), covariance)
    distance = np.abs(np.arange(rows)[:, None] - np.arange(order))
    design = covariance[:, distance]
    design[:, distance == 0] -= np.square(noise)[:, None]
    g = (np.linalg.pinv(design) @ covariance[:, 1:, None])[..., 0]
    if order == 1:
        return fudge * _guarded(g)
    half_gap = np.sqrt(np.maximum(g[:, 0] ** 2 + 4 * g[:, 1], 0)) / 2
    slow = fudge * _guarded(g[:, 0] / 2 + half_gap)
    fast = fudge * _guarded(g[:, 0] / 2 - half_gap)
    return np.stack([slow + fast, -slow * fast], axis=1)


def kinetics(
    decay_s: float, rise_s: float, frame_rate_hz: float
) -> tuple[float, float]:
    """Coefficients of the AR(2) process with given decay and rise times.

    Parameters
    ----------
    decay_s, rise_s : float
        Time constants in s; a rise of 0 gives the AR(1) process (g2 = 0).
    frame_rate_hz : float
        Frames per second.

    Returns
    -------
    tuple of float
        Coefficients g1 and g2.
    """
    slow = np.exp(-1 / (decay_s * frame_rate_hz))
    fast = np.exp(-1 / (rise_s * frame_rate_hz)) if rise_s > 0 else 0.0
    return float(slow + fast), float(-slow * fast)


def deconvolve(
    traces: np.ndarray, g: tuple[float, ...], penalty: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Denoised calcium and spikes of traces whose kinetics are known.

    Minimises ``0.5 * sum((y - c)**2) + penalty * sum(s)`` over ``s >= 0``, with
    ``s[t] = c[t] - g1 c[t-1] - g2 c[t-2]`` and nothing before the first frame.

    Parameters
    ----------
    traces : np.ndarray, shape (K, T)
        Traces without baseline.
    g : tuple of float
        Coefficients (g1,) or (g1, g2), shared by all traces.
    penalty : np.ndarray, shape (K,)
        Sparsity penalty in trace units; 1 noise sd is a good choice.

    Returns
    -------
    denoised, spikes : np.ndarray, shape (K, T), float32
        Calcium and spikes in trace units.
    """
    g1, g2 = (*g, 0.0)[:2]
    denoised, spikes = np.empty((2, *traces.shape), np.float32)
    deconvolve_ar(
        _read_only(traces),
        (float(g1), float(g2)),
        np.array(penalty, float),
        *_scratch(traces.shape[1]),
        denoised,
        spikes,
    )
    return denoised, spikes


def constrained_ar1(
    traces: np.ndarray,
    *,
    noise: np.ndarray | None = None,
    g: np.ndarray | None = None,
    nonnegative_baseline: bool = False,
    max_iterations: int = 5,
) -> ConstrainedFit:
    """Sparsest AR(1) calcium that leaves a residual as large as the noise.

    Minimises ``sum(s)`` over spikes, baseline b and calcium c such that
    ``sum((y - b - c)**2) <= T * noise**2``.

    Parameters
    ----------
    traces : np.ndarray, shape (K, T)
        Traces with their baseline.
    noise : np.ndarray, shape (K,), optional
        Noise sd; from `trace_noise` if not given.
    g : np.ndarray, shape (K,), optional
        AR(1) coefficients, 0 <= g < 1; from `ar_coefficients` if not given.
    nonnegative_baseline : bool
        Do not let the baseline fall below 0.
    max_iterations : int
        Largest number of updates of the penalty.

    Returns
    -------
    ConstrainedFit
        Calcium, spikes and what was estimated.
    """
    sd = trace_noise(traces) if noise is None else np.array(noise, float)
    decay = ar_coefficients(traces, sd, 1)[:, 0] if g is None else np.array(g, float)
    denoised, spikes = np.empty((2, *traces.shape), np.float32)
    baseline, penalty = np.empty((2, len(traces)))
    constrain_ar1(
        _read_only(traces),
        sd,
        decay,
        _start(traces, sd),
        0.0 if nonnegative_baseline else -np.inf,
        max_iterations,
        *_scratch(traces.shape[1]),
        denoised,
        spikes,
        baseline,
        penalty,
    )
    return ConstrainedFit(denoised, spikes, baseline, decay, sd, penalty)


def _start(traces: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Guess baseline plus shrinkage: 1 sd above the 15th percentile of some frames."""
    some = traces[:, :: 1 + traces.shape[1] // _START_FRAMES]
    rank = some.shape[1] * 15 // 100
    return np.partition(some, rank, axis=1)[:, rank] + noise


def _scratch(frames: int) -> tuple[Arrays, Arrays]:
    """Make room for the pools of a trace and the tables of the impulse response."""
    sums, lagged, values, lasts, nexts, *tables = np.empty((8, frames + 1))
    sizes = np.empty(frames + 1, np.int64)
    pools = (sums, lagged, sizes, values, lasts, nexts)
    return pools, (np.empty(frames + 2), *tables)


def _read_only(traces: np.ndarray) -> np.ndarray:
    """View traces as the one kind of array for which the kernels are compiled."""
    view = np.ascontiguousarray(traces, np.float32).view()
    view.flags.writeable = False
    return view


def _guarded(roots: np.ndarray) -> np.ndarray:
    """Replace roots outside 0 to 1 by plausible ones."""
    return np.where(roots > 1, 0.95, np.where(roots < 0, 0.15, roots))
