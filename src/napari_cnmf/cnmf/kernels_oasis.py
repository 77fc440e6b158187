"""Kernels of deconvolution: autocovariance and OASIS for AR(1) and AR(2).

OASIS pools frames from left to right. A pool follows the impulse response h from its
first frame on; one that would need a negative spike is merged with the one before it.
As h[l+k] = h[l] h[k] + g2 h[l-1] h[k-1], a merge is a few products of tabulated sums
over h, without a pass over the frames (Friedrich, Zhou, Paninski 2017, PLoS Comput
Biol 13(3): e1005423, Algorithms 1-3).

A trace of T frames has T + 1 pools at most, kept in six arrays: `sums` and `lagged`,
sum(h[k] y[k]) and g2 sum(h[k-1] y[k]) over the pool; `sizes`; `values` and `lasts`,
its first and last calcium; `nexts`, the calcium it predicts for the frame after it.
Pool 0 is silent: it holds the frames before the first spike.
"""

from __future__ import annotations

import numpy as np

from napari_cnmf.jit import kernel

_TOLERANCE = 1e-4

Arrays = tuple[np.ndarray, ...]


@kernel
def autocovariance(traces: np.ndarray, covariance: np.ndarray) -> None:
    """Write the biased autocovariance (K, lags) of traces (K, T)."""
    count, frames = traces.shape
    for k in range(count):
        mean = 0.0
        for t in range(frames):
            mean += traces[k, t]
        mean /= frames
        for lag in range(covariance.shape[1]):
            total = 0.0
            for t in range(frames - lag):
                total += (traces[k, t] - mean) * (traces[k, t + lag] - mean)
            covariance[k, lag] = total / frames


@kernel
def deconvolve_ar(
    traces: np.ndarray,
    g: tuple[float, float],
    penalty: np.ndarray,
    pools: Arrays,
    tables: Arrays,
    denoised: np.ndarray,
    spikes: np.ndarray,
) -> None:
    """Deconvolve each trace with the same coefficients."""
    g1, g2 = g
    frames, sums = traces.shape[1], pools[0]
    _fill_tables(g1, g2, tables)
    for k in range(len(traces)):
        count = _load(traces[k], 0.0, pools)
        # The penalty of a spike is not diluted over frames beyond the end.
        sums[frames] -= penalty[k] * (g1 + g2)
        sums[frames - 1] -= penalty[k] * g2
        count = _merge(penalty[k] * (1.0 - g1 - g2), g2, count, pools, tables)
        _write(g2, count, pools, tables, denoised[k], spikes[k])


@kernel
def constrain_ar1(
    traces: np.ndarray,
    noise: np.ndarray,
    g: np.ndarray,
    start: np.ndarray,
    lowest: float,
    max_iterations: int,
    pools: Arrays,
    tables: Arrays,
    denoised: np.ndarray,
    spikes: np.ndarray,
    baseline: np.ndarray,
    penalty: np.ndarray,
) -> None:
    """Deconvolve each trace so that its residual is as large as its noise."""
    frames = traces.shape[1]
    for k in range(len(traces)):
        _fill_tables(g[k], 0.0, tables)
        goal = (frames * noise[k] ** 2, lowest - start[k], max_iterations)
        count, phi, b = _constrain(traces[k], g[k], start[k], goal, pools, tables)
        baseline[k] = start[k] + b
        penalty[k] = max(phi - b, 0.0) / (1.0 - g[k])
        _write(0.0, count, pools, tables, denoised[k], spikes[k])


@kernel
def _fill_tables(g1: float, g2: float, tables: Arrays) -> None:
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
def _load(trace: np.ndarray, offset: float, pools: Arrays) -> int:
    """Put each frame into its own pool, after an empty silent one; count the pools."""
    sums, lagged, sizes, _, lasts, nexts = pools
    sums[0], sizes[0], lasts[0], nexts[0] = 0.0, 0, 0.0, 0.0
    for t in range(trace.size):
        sums[t + 1] = trace[t] - offset
        lagged[t + 1] = 0.0
        sizes[t + 1] = 1
    return trace.size + 1


@kernel
def _merge(phi: float, g2: float, count: int, pools: Arrays, tables: Arrays) -> int:
    """Merge pools until no spike is negative, with phi taken off every frame.

    Half the time goes in mispredicted branches. Pools stored as records and the top
    pool kept in registers were tried: both gained less than 10 %.

    Returns
    -------
    int
        Number of pools left.
    """
    sums, lagged, sizes, values, lasts, nexts = pools
    response, total, cross, inverse_energy = tables
    top, last, following = 0, 0.0, 0.0
    for i in range(1, count):
        x, z, size = sums[i], lagged[i], sizes[i]
        value = (x - phi * total[size] - last * cross[size]) * inverse_energy[size]
        while value <= following and top > 0:
            length = sizes[top]
            x, z = (
                sums[top] + response[length + 1] * x + response[length] * z,
                lagged[top] + g2 * (response[length] * x + response[length - 1] * z),
            )
            size += length
            top -= 1
            last, following = lasts[top], nexts[top]
            value = (x - phi * total[size] - last * cross[size]) * inverse_energy[size]
        if value > following:
            top += 1
            last, following = (
                response[size] * value + g2 * response[size - 1] * last,
                response[size + 1] * value + g2 * response[size] * last,
            )
            sums[top], lagged[top], sizes[top] = x, z, size
            values[top], lasts[top], nexts[top] = value, last, following
        else:
            sizes[0] += size
    return top + 1


@kernel
def _write(
    g2: float,
    count: int,
    pools: Arrays,
    tables: Arrays,
    denoised: np.ndarray,
    spikes: np.ndarray,
) -> None:
    """Spell the pools out frame by frame."""
    _, _, sizes, values, lasts, nexts = pools
    response, start = tables[0], sizes[0]
    for t in range(spikes.size):
        spikes[t] = 0.0
    for t in range(start):
        denoised[t] = 0.0
    for i in range(1, count):
        value, last = values[i], g2 * lasts[i - 1]
        for k in range(sizes[i]):
            denoised[start + k] = response[k + 1] * value + response[k] * last
        spikes[start] = value - nexts[i - 1]
        start += sizes[i]


@kernel
def _constrain(
    trace: np.ndarray,
    g: float,
    start: float,
    goal: tuple[float, float, int],
    pools: Arrays,
    tables: Arrays,
) -> tuple[int, float, float]:
    """Find AR(1) pools, phi and baseline b for a given residual sum of squares.

    Baseline and penalty act together, as phi = b + penalty (1 - g), on all frames but
    the last, which bears the rest of the penalty. While the pools stay as they are, a
    step d of phi lowers calcium by d sum(h) / sum(h^2) h in each, lifts b by d q / T
    and adds ``q (1 - q/T) d^2 + 2 (phi - b) q d`` to the sum of squares, where q is
    the sum of sum(h)^2 / sum(h^2) over pools. As phi grows pools only merge: a step up
    goes on from the last pools, a step down starts anew. The solution is exact for its
    phi after every step. `phi`, `b` and the floor of b in `goal` count from `start`.
    """
    target, floor, max_iterations = goal
    frames, sums, sizes, response = trace.size, pools[0], pools[2], tables[0]
    count = _load(trace, start, pools)
    total, square = 0.0, 0.0
    for t in range(1, frames + 1):
        total += sums[t]
        square += sums[t] ** 2
    phi, b, end_charge = 0.0, 0.0, 0.0
    for iteration in range(max_iterations + 1):
        count = _merge(phi, 0.0, count, pools, tables)
        calcium, change, q = _misfit(phi, end_charge, count, pools, tables)
        rest = total - calcium
        b = max(rest / frames, floor)
        excess = square + change + b * (frames * b - 2.0 * rest) - target
        lift = q / frames if b > floor else 0.0
        slope, curvature = (phi - b) * q, q * (1.0 - lift)
        met = abs(excess) <= _TOLERANCE * target
        if met or curvature <= 0.0 or iteration == max_iterations:
            break
        root = np.sqrt(max(slope * slope - curvature * excess, 0.0))
        step = (root - slope) / curvature
        if step < 0.0:
            count = _load(trace, start, pools)
            end_charge = 0.0
        phi += step
        charge = g / (1.0 - g) * max(phi - b - lift * step, 0.0)
        sums[count - 1] -= (charge - end_charge) * response[sizes[count - 1]]
        end_charge = charge
    return count, phi, b


@kernel
def _misfit(
    phi: float, end_charge: float, count: int, pools: Arrays, tables: Arrays
) -> tuple[float, float, float]:
    """Sum up AR(1) pools: calcium c, (y - c)^2 - y^2, and the q of `_constrain`."""
    sums, _, sizes, values, lasts, _ = pools
    _, total, _, inverse_energy = tables
    calcium, change, q = 0.0, -2.0 * end_charge * lasts[count - 1], 0.0
    for i in range(1, count):
        share = total[sizes[i]]
        calcium += values[i] * share
        change -= values[i] * (sums[i] + phi * share)
        q += share * share * inverse_energy[sizes[i]]
    return calcium, change, q
