"""Slow twins of `napari_cnmf.cnmf.deconvolution`: scipy, one trace at a time."""

from __future__ import annotations

import numpy as np
from scipy.linalg import solve_triangular, toeplitz
from scipy.optimize import nnls
from scipy.signal import lfilter, welch


def simulate(
    n_traces: int,
    n_frames: int,
    g: tuple[float, ...],
    noise: float,
    rate: float = 0.02,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Noisy traces, calcium and spikes (0 or 1) of an autoregressive process."""
    rng = np.random.default_rng(seed)
    spikes = (rng.random((n_traces, n_frames)) < rate).astype(np.float64)
    calcium = lfilter([1.0], np.r_[1.0, -np.asarray(g)], spikes, axis=1)
    traces = calcium + noise * rng.standard_normal(calcium.shape)
    return traces.astype(np.float32), calcium, spikes


def trace_noise(trace: np.ndarray) -> float:
    """Root of the mean Welch power between 0.25 and 0.5 cycles per frame."""
    length = min(256, trace.size)
    f, power = welch(trace.astype(np.float64), nperseg=length, noverlap=length // 2)
    return float(np.sqrt(np.mean(power[(f > 0.25) & (f < 0.5)] / 2)))


def periodogram(trace: np.ndarray) -> np.ndarray:
    """Squared Fourier sums per frame, from 0 to 0.5 cycles per frame."""
    t = np.arange(trace.size)
    waves = np.exp(-2j * np.pi * np.outer(np.arange(trace.size // 2 + 1), t) / t.size)
    return np.abs(waves @ (trace.astype(np.float64) - trace.mean())) ** 2 / t.size


def ar_coefficients(
    trace: np.ndarray, noise: float, order: int, lags: int = 5, fudge: float = 0.96
) -> np.ndarray:
    """Least squares on the autocovariance, then the guard on the roots."""
    equations = ar_equations(trace, noise, order, lags)
    return plausible(np.linalg.lstsq(*equations, rcond=None)[0], fudge)


def ar_equations(
    trace: np.ndarray, noise: float, order: int, lags: int = 5
) -> tuple[np.ndarray, np.ndarray]:
    """Toeplitz matrix of the autocovariance without noise, and the next lags."""
    y = trace.astype(np.float64) - trace.mean(dtype=np.float64)
    rows = lags + order
    products = [y[lag:] @ y[: y.size - lag] for lag in range(rows + 1)]
    covariance = np.array(products) / y.size
    design = toeplitz(covariance[:rows], covariance[:order])
    return design - noise**2 * np.eye(rows, order), covariance[1:]


def plausible(g: np.ndarray, fudge: float) -> np.ndarray:
    """Coefficients with impossible roots replaced and all multiplied by `fudge`."""
    roots = np.roots(np.r_[1.0, -g]).real
    roots = np.where(roots > 1, 0.95, np.where(roots < 0, 0.15, roots))
    return -np.poly(fudge * roots)[1:]


def response(n_frames: int, g: tuple[float, ...]) -> np.ndarray:
    """Matrix (T, T) that turns spikes into calcium."""
    impulse = np.zeros(n_frames)
    impulse[0] = 1.0
    column = lfilter([1.0], np.r_[1.0, -np.asarray(g)], impulse)
    return toeplitz(column, np.zeros(n_frames))


def deconvolve(
    trace: np.ndarray, g: tuple[float, ...], penalty: float
) -> tuple[np.ndarray, np.ndarray]:
    """Calcium and spikes by non-negative least squares, which is exact.

    The penalty is completed to a square: it shifts the trace by ``K^-T 1``.
    """
    matrix = response(trace.size, g)
    shift = solve_triangular(matrix, np.ones(trace.size), trans="T", lower=True)
    spikes, _ = nnls(matrix, trace.astype(np.float64) - penalty * shift)
    return matrix @ spikes, spikes


def objective(
    trace: np.ndarray, denoised: np.ndarray, spikes: np.ndarray, penalty: float
) -> float:
    """Half the residual sum of squares plus the penalised spikes."""
    residual = trace.astype(np.float64) - denoised
    return 0.5 * float(residual @ residual) + penalty * float(spikes.sum())


def thresholded(
    trace: np.ndarray, g: tuple[float, ...], s_min: float
) -> tuple[np.ndarray, np.ndarray]:
    """Pools whose spikes exceed `s_min`, each refitted by least squares on its own."""
    h = response(trace.size + 1, g)[:, 0]
    g2 = (*g, 0.0)[1]
    pools: list[tuple[int, int, float, float, float]] = []

    def fit(start: int, stop: int) -> tuple[int, int, float, float, float]:
        """First calcium, last calcium and the next one predicted."""
        last = pools[-1][3] if pools else 0.0
        n = stop - start
        past = g2 * last * np.r_[0.0, h[:n]]
        shape = h[:n]
        value = shape @ (trace[start:stop] - past[:n]) / (shape @ shape)
        course = value * h[: n + 1] + past
        return start, stop, value, course[n - 1], course[n]

    for t in range(trace.size):
        start = t
        while True:
            found = fit(start, t + 1)
            predicted = pools[-1][4] if pools else 0.0
            if found[2] > predicted + s_min:
                pools.append(found)
                break
            if not pools:
                break
            start = pools.pop()[0]
    spikes = np.zeros(trace.size)
    before = 0.0
    for start, _, value, _, predicted in pools:
        spikes[start], before = value - before, predicted
    return lfilter([1.0], np.r_[1.0, -np.asarray(g)], spikes), spikes
