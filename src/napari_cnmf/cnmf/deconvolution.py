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

from napari_cnmf.errors import ParameterError
from napari_cnmf.jit import kernel

_SEGMENT_FRAMES = 256
_BLOCK_TRACES = 32
_START_PERCENTILE = 15
_TOLERANCE = 1e-4


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
    """Standard deviation of the white noise in each trace.

    The mean of Welch's power spectrum (Hann window of 256 frames, half overlapping)
    over a band of high frequencies, where calcium has little power. The mean is
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
    covariance = _autocovariance(_read_only(traces), rows + 1)
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
    penalties = np.array(penalty, np.float64)
    return _deconvolve(_read_only(traces), float(g1), float(g2), penalties)


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
    sd = trace_noise(traces) if noise is None else np.array(noise, np.float64)
    decay = (
        ar_coefficients(traces, sd, 1)[:, 0]
        if g is None
        else np.array(g, np.float64)
    )
    start = np.percentile(traces, _START_PERCENTILE, axis=1).astype(np.float64)
    lowest = 0.0 if nonnegative_baseline else -np.inf
    denoised, spikes, baseline, penalty = _constrained_ar1(
        _read_only(traces), sd, decay, start, lowest, max_iterations
    )
    return ConstrainedFit(denoised, spikes, baseline, decay, sd, penalty)


def _read_only(traces: np.ndarray) -> np.ndarray:
    """Give the one kind of array for which the kernels are compiled."""
    view = np.ascontiguousarray(traces, np.float32).view()
    view.flags.writeable = False
    return view


def _guarded(roots: np.ndarray) -> np.ndarray:
    """Replace roots outside 0 to 1 by plausible ones."""
    return np.where(roots > 1, 0.95, np.where(roots < 0, 0.15, roots))


@kernel
def _autocovariance(traces, lags):
    """Biased autocovariance (K, lags) at lags 0, 1, ..."""
    count, frames = traces.shape
    covariance = np.zeros((count, lags))
    centred = np.empty(frames)
    for k in range(count):
        total = 0.0
        for t in range(frames):
            total += traces[k, t]
        mean = total / frames
        for t in range(frames):
            centred[t] = traces[k, t] - mean
        for lag in range(min(lags, frames)):
            total = 0.0
            for t in range(frames - lag):
                total += centred[t] * centred[t + lag]
            covariance[k, lag] = total / frames
    return covariance


@kernel
def _fill_tables(g1, g2, tables):
    """Tabulate the impulse response h and its sums over the first n frames.

    ``response[n]`` is h[n-1] (0 for n = 0), ``total[n]`` the sum of h,
    ``cross[n]`` g2 times the sum of h[k] h[k-1], ``inverse_energy[n]`` 1 / sum of h^2.
    """
    response, total, cross, inverse_energy = tables
    before, now = 0.0, 1.0
    sum_of_h, products, energy = 0.0, 0.0, 0.0
    for n in range(total.size):
        response[n] = before
        total[n] = sum_of_h
        cross[n] = g2 * products
        inverse_energy[n] = 1.0 / energy if n > 0 else 0.0
        sum_of_h += now
        products += now * before
        energy += now * now
        before, now = now, g1 * now + g2 * before
    response[total.size] = before


@kernel
def _load(trace, shift, pools):
    """Start with one pool per frame behind an empty silent pool; return their number."""
    sums, lagged, sizes, _, lasts, nexts = pools
    sizes[0] = 0
    lasts[0] = 0.0
    nexts[0] = 0.0
    for t in range(trace.size):
        sums[t + 1] = trace[t] - shift
        lagged[t + 1] = 0.0
        sizes[t + 1] = 1
    return trace.size + 1


@kernel
def _merge(phi, g2, count, pools, tables):
    """Merge neighbouring pools until no spike is negative; return how many are left.

    Pool 0 holds the silent frames before the first spike. Pool i starts at calcium
    ``values[i]``, ends at ``lasts[i]`` and predicts ``nexts[i]`` for the frame after
    it; ``sums`` and ``lagged`` are sum(h[k] y[k]) and sum(h[k-1] y[k]). The recurrence
    h[l+k] = h[l] h[k] + g2 h[l-1] h[k-1] makes each merge a few products.
    """
    sums, lagged, sizes, values, lasts, nexts = pools
    response, total, cross, inverse_energy = tables
    top = 0
    for i in range(1, count):
        x, z, size = sums[i], lagged[i], sizes[i]
        while True:
            last = lasts[top]
            value = (x - phi * total[size] - last * cross[size]) * inverse_energy[size]
            if value > nexts[top] or top == 0:
                break
            length = sizes[top]
            x, z = (
                sums[top] + response[length + 1] * x + g2 * response[length] * z,
                lagged[top] + response[length] * x + g2 * response[length - 1] * z,
            )
            size += length
            top -= 1
        if value > nexts[top]:
            top += 1
            sums[top], lagged[top], sizes[top], values[top] = x, z, size, value
            lasts[top] = response[size] * value + g2 * response[size - 1] * last
            nexts[top] = response[size + 1] * value + g2 * response[size] * last
        else:
            sizes[0] += size
    return top + 1


@kernel
def _write(g2, count, pools, tables, denoised, spikes):
    """Spell the pools out frame by frame."""
    _, _, sizes, values, lasts, nexts = pools
    response = tables[0]
    start = sizes[0]
    spikes[:] = 0.0
    denoised[:start] = 0.0
    for i in range(1, count):
        value, last = values[i], g2 * lasts[i - 1]
        for k in range(sizes[i]):
            denoised[start + k] = response[k + 1] * value + response[k] * last
        spikes[start] = value - nexts[i - 1]
        start += sizes[i]


@kernel
def _scratch(frames):
    """Room for the pools and the tables of one trace."""
    sums, lagged = np.empty(frames + 1), np.empty(frames + 1)
    values, lasts, nexts = np.empty(frames + 1), np.empty(frames + 1), np.empty(frames + 1)
    pools = (sums, lagged, np.empty(frames + 1, np.int64), values, lasts, nexts)
    total, cross, energy = np.empty(frames + 1), np.empty(frames + 1), np.empty(frames + 1)
    return pools, (np.empty(frames + 2), total, cross, energy)


@kernel
def _deconvolve(traces, g1, g2, penalty):
    """Deconvolve each trace with the same coefficients."""
    count, frames = traces.shape
    denoised = np.empty((count, frames), np.float32)
    spikes = np.empty((count, frames), np.float32)
    pools, tables = _scratch(frames)
    _fill_tables(g1, g2, tables)
    sums = pools[0]
    for k in range(count):
        pool_count = _load(traces[k], 0.0, pools)
        # A spike in the last frames has fewer frames of calcium to be charged for.
        sums[frames] -= penalty[k] * (g1 + g2)
        if frames > 1:
            sums[frames - 1] -= penalty[k] * g2
        phi = penalty[k] * (1.0 - g1 - g2)
        pool_count = _merge(phi, g2, pool_count, pools, tables)
        _write(g2, pool_count, pools, tables, denoised[k], spikes[k])
    return denoised, spikes


@kernel
def _summary(phi, count, pools, tables):
    """Sums over AR(1) pools: calcium, what it explains of sum(y^2), its compliance."""
    sums, _, sizes, values, _, _ = pools
    _, total, _, inverse_energy = tables
    calcium, explained, compliance = 0.0, 0.0, 0.0
    for i in range(1, count):
        size = sizes[i]
        calcium += values[i] * total[size]
        explained += values[i] * (sums[i] + phi * total[size])
        compliance += total[size] ** 2 * inverse_energy[size]
    return calcium, explained, compliance


@kernel
def _constrained_ar1(traces, noise, g, start, lowest, max_iterations):
    """Deconvolve each trace with the penalty that leaves a residual like the noise.

    Baseline b and penalty act together, as phi = b + penalty (1 - g), on all frames
    but the last. While the pools stay as they are, a step d of phi lowers calcium by
    d sum(h) / sum(h^2) h in each pool, lifts b by d q / T, and so adds
    ``q (1 - q/T) d^2 + 2 (phi - b) q d`` to the residual sum of squares, where q is
    the sum of sum(h)^2 / sum(h^2) over pools. Pools only merge as phi grows, so each
    step goes on from those of the last.
    """
    count, frames = traces.shape
    denoised = np.empty((count, frames), np.float32)
    spikes = np.empty((count, frames), np.float32)
    baseline, penalty = np.empty(count), np.empty(count)
    pools, tables = _scratch(frames)
    sums, sizes, lasts = pools[0], pools[2], pools[4]
    for k in range(count):
        _fill_tables(g[k], 0.0, tables)
        pool_count = _load(traces[k], start[k], pools)
        total, square = 0.0, 0.0
        for t in range(1, frames + 1):
            total += sums[t]
            square += sums[t] ** 2
        target = frames * noise[k] ** 2
        floor = lowest - start[k]
        phi, b, end_charge = 0.0, 0.0, 0.0
        for iteration in range(max_iterations + 1):
            pool_count = _merge(phi, 0.0, pool_count, pools, tables)
            calcium, explained, q = _summary(phi, pool_count, pools, tables)
            rest = total - calcium
            b = max(rest / frames, floor)
            if pool_count > 1:
                explained += 2.0 * end_charge * lasts[pool_count - 1]
            excess = square - explained + b * (frames * b - 2.0 * rest) - target
            if q == 0.0 or abs(excess) <= _TOLERANCE * target or iteration == max_iterations:
                break
            slope = (phi - b) * q
            curvature = q * (1.0 - q / frames) if b > floor else q
            step = (np.sqrt(max(slope**2 - curvature * excess, 0.0)) - slope) / curvature
            phi += step
            if pool_count > 1:
                charge = g[k] / (1.0 - g[k]) * max(phi - b - step * q / frames, 0.0)
                top = pool_count - 1
                sums[top] -= (charge - end_charge) * tables[0][sizes[top]]
                end_charge = charge
        baseline[k] = start[k] + b
        penalty[k] = max(phi - b, 0.0) / (1.0 - g[k])
        _write(0.0, pool_count, pools, tables, denoised[k], spikes[k])
    return denoised, spikes, baseline, penalty
