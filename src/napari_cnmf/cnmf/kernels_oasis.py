"""Kernels of deconvolution: autocovariance and OASIS for AR(1) and AR(2).

OASIS pools frames from left to right. A pool follows the impulse response h from its
first frame on; one whose spike would be too small is merged with the one before it.
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
    g: np.ndarray,
    penalty: np.ndarray,
    s_min: np.ndarray,
    pools: Arrays,
    tables: Arrays,
    denoised: np.ndarray,
    spikes: np.ndarray,
) -> None:
    """Deconvolve each trace with its coefficients (K, 2), penalty and least spike."""
    for k in range(len(traces)):
        if k == 0 or g[k, 0] != g[k - 1, 0] or g[k, 1] != g[k - 1, 1]:
            fill_tables(g[k, 0], g[k, 1], tables)
        g2, phi = g[k, 1], penalty[k] * (1.0 - g[k, 0] - g[k, 1])
        count = load_pools(traces[k], 0.0, penalty[k], g[k], pools)
        count = merge_pools(phi, g2, s_min[k], count, pools, tables)
        write_pools(g2, count, pools, tables, denoised[k], spikes[k])


@kernel
def fill_tables(g1: float, g2: float, tables: Arrays) -> None:
    """Tabulate the impulse response h and its sums over the first n frames.

    ``response[n]`` is h[n-1] (0 for n = 0), ``total[n]`` the sum of h,
    ``cross[n]`` g2 times the sum of h[k] h[k-1], ``energies[n]`` the sum of h^2 and
    ``inverse_energy[n]`` its inverse.
    """
    response, total, cross, energies, inverse_energy = tables
    before, now = 0.0, 1.0
    sum_of_h, products, energy = 0.0, 0.0, 0.0
    for n in range(total.size):
        response[n] = before
        total[n] = sum_of_h
        cross[n] = g2 * products
        energies[n] = energy
        inverse_energy[n] = 1.0 / energy if n > 0 else 0.0
        sum_of_h += now
        products += now * before
        energy += now * now
        before, now = now, g1 * now + g2 * before
    response[total.size] = before


@kernel
def load_pools(
    trace: np.ndarray, offset: float, penalty: float, g: np.ndarray, pools: Arrays
) -> int:
    """Put each frame into its own pool, after an empty silent one; count the pools.

    The last frames bear the part of a spike's penalty that `merge_pools` would dilute
    over frames beyond the end.
    """
    sums, lagged, sizes, _, lasts, nexts = pools
    sums[0], sizes[0], lasts[0], nexts[0] = 0.0, 0, 0.0, 0.0
    for t in range(trace.size):
        sums[t + 1] = trace[t] - offset
        lagged[t + 1] = 0.0
        sizes[t + 1] = 1
    sums[trace.size] -= penalty * (g[0] + g[1])
    sums[trace.size - 1] -= penalty * g[1]
    return trace.size + 1


@kernel
def merge_pools(
    phi: float, g2: float, s_min: float, count: int, pools: Arrays, tables: Arrays
) -> int:
    """Merge pools until each spike exceeds s_min, with phi taken off every frame.

    Half the time goes in mispredicted branches. Pools stored as records and the top
    pool kept in registers were tried: both gained less than 10 %.

    Returns
    -------
    int
        Number of pools left.
    """
    sums, lagged, sizes, values, lasts, nexts = pools
    response, total, cross, _, inverse_energy = tables
    top, last, following = 0, 0.0, 0.0
    for i in range(1, count):
        x, z, size = sums[i], lagged[i], sizes[i]
        value = (x - phi * total[size] - last * cross[size]) * inverse_energy[size]
        while value <= following + s_min and top > 0:
            length = sizes[top]
            x, z = (
                sums[top] + response[length + 1] * x + response[length] * z,
                lagged[top] + g2 * (response[length] * x + response[length - 1] * z),
            )
            size += length
            top -= 1
            last, following = lasts[top], nexts[top]
            value = (x - phi * total[size] - last * cross[size]) * inverse_energy[size]
        if value > following + s_min:
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
def write_pools(
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
