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


def ar_coefficients(
    trace: np.ndarray, noise: float, order: int, lags: int = 5, fudge: float = 0.96
) -> np.ndarray:
    """Least squares on the autocovariance, then the guard on the roots."""
    y = trace.astype(np.float64) - trace.mean(dtype=np.float64)
    rows = lags + order
    products = [y[lag:] @ y[: y.size - lag] for lag in range(rows + 1)]
    covariance = np.array(products) / y.size
    design = toeplitz(covariance[:rows], covariance[:order])
    design -= noise**2 * np.eye(rows, order)
    g = np.linalg.lstsq(design, covariance[1:], rcond=None)[0]
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
