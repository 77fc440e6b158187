"""Kernel of noise-constrained deconvolution: the sparsest calcium within the noise.

Minimises sum(s) such that ``sum((y - b - c)^2) <= T noise^2`` over spikes s, calcium c
and baseline b. Baseline and penalty act together, as phi = b + penalty (1 - g1 - g2),
on all frames but the last ones. As long as the pools stay as they are, calcium is
linear and the residual sum of squares quadratic in phi, so each step solves a
quadratic equation and pools anew (Friedrich, Zhou, Paninski 2017, PLoS Comput Biol
13(3): e1005423, Algorithm 3).
"""

from __future__ import annotations

import numpy as np

from napari_cnmf.cnmf.kernels_oasis import (
    Arrays,
    fill_tables,
    load_pools,
    merge_pools,
    write_pools,
)
from napari_cnmf.jit import kernel

_TOLERANCE = 1e-4


@kernel
def constrain_ar(
    traces: np.ndarray,
    noise: np.ndarray,
    g: np.ndarray,
    start: np.ndarray,
    limits: np.ndarray,
    max_iterations: int,
    pools: Arrays,
    tables: Arrays,
    denoised: np.ndarray,
    spikes: np.ndarray,
    baseline: np.ndarray,
    penalty: np.ndarray,
) -> None:
    """Deconvolve each trace so that its residual is as large as its noise.

    `start` guesses baseline plus shrinkage; the baseline stays within `limits` (K, 2).
    """
    for k in range(len(traces)):
        fill_tables(g[k, 0], g[k, 1], tables)
        target = traces.shape[1] * noise[k] ** 2
        goal = (target, limits[k, 0] - start[k], limits[k, 1] - start[k])
        count, b, penalty[k] = _constrain(
            traces[k], g[k], start[k], goal, max_iterations, pools, tables
        )
        baseline[k] = start[k] + b
        write_pools(g[k, 1], count, pools, tables, denoised[k], spikes[k])


@kernel
def _constrain(
    trace: np.ndarray,
    g: np.ndarray,
    start: float,
    goal: tuple[float, float, float],
    max_iterations: int,
    pools: Arrays,
    tables: Arrays,
) -> tuple[int, float, float]:
    """Find pools, baseline and penalty for a residual sum of squares.

    `phi`, the baseline b and its limits in `goal` count from `start`.
    """
    target, low, high = goal
    frames, sums, sizes, response = trace.size, pools[0], pools[2], tables[0]
    gap = 1.0 - g[0] - g[1]
    count = load_pools(trace, start, 0.0, g, pools)
    total, square = 0.0, 0.0
    for t in range(frames):
        total += trace[t] - start
        square += (trace[t] - start) ** 2
    phi, penalty, iteration = 0.0, 0.0, 0
    while True:
        count = merge_pools(phi, g[1], 0.0, count, pools, tables)
        misfit = _misfit(penalty, g[1], count, pools, tables)
        calcium, change, fall, along, bend = misfit
        rest = total - calcium
        b = min(max(rest / frames, low), high)
        excess = square + change + b * (frames * b - 2.0 * rest) - target
        lift = fall / frames if low < b < high else 0.0
        slope, curvature = along - b * fall, bend - lift * fall
        met = abs(excess) <= _TOLERANCE * target
        if met or curvature <= 0.0 or iteration == max_iterations:
            break
        root = np.sqrt(max(slope * slope - curvature * excess, 0.0))
        # The penalty must not fall below 0.
        step = max((root - slope) / curvature, (b - phi) / (1.0 - lift))
        phi += step
        raised = max(phi - b - lift * step, 0.0) / gap - penalty
        penalty += raised
        if step < 0.0 or g[1] != 0.0:
            count = load_pools(trace, start, penalty, g, pools)
        else:
            # Pools of AR(1) only merge as phi grows: go on from the last ones.
            sums[count - 1] -= raised * g[0] * response[sizes[count - 1]]
        iteration += 1
    return count, b, max(phi - b, 0.0) / gap


@kernel
def _misfit(
    penalty: float, g2: float, count: int, pools: Arrays, tables: Arrays
) -> tuple[float, float, float, float, float]:
    """Sum up calcium c and d, what it loses per unit of phi, over the pools.

    Returns
    -------
    tuple of float
        The sums of c, of ``c^2 - 2 y c``, of d, of ``(y - c) d``, and of d^2.
    """
    sums, lagged, sizes, values, lasts, nexts = pools
    response, total, cross, energies, inverse_energy = tables
    # The last frames were loaded without the end penalty, which is no part of y.
    calcium, change = 0.0, -2.0 * penalty * (nexts[count - 1] + g2 * lasts[count - 1])
    fall, along, bend = 0.0, 0.0, 0.0
    before, ahead = 0.0, 0.0
    for i in range(1, count):
        size, value, last = sizes[i], values[i], lasts[i - 1]
        energy, products = energies[size], cross[size]
        old = g2 * g2 * energies[size - 1]
        x, z = sums[i], lagged[i]
        loss = (total[size] - before * products) * inverse_energy[size]
        # Sums over the pool's frames of c^2, c d and d^2.
        cc = value * (value * energy + 2.0 * last * products) + last * last * old
        cd = loss * (value * energy + last * products)
        cd += before * (value * products + last * old)
        dd = loss * (loss * energy + 2.0 * before * products) + before * before * old
        calcium += value * total[size] + g2 * last * total[size - 1]
        change += cc - 2.0 * (value * x + last * z)
        fall += loss * total[size] + g2 * before * total[size - 1]
        along += loss * x + before * z - cd
        bend += dd
        ahead = response[size + 1] * loss + g2 * response[size] * before
        before = response[size] * loss + g2 * response[size - 1] * before
    along += penalty * (ahead + g2 * before)
    return calcium, change, fall, along, bend
