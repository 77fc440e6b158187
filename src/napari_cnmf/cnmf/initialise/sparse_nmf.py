"""Sparse non-negative factorisation of a whole patch, for dendrites and axons.

The movie is smoothed a little and set upon each pixel's own baseline. Hierarchical
alternating least squares then lowers::

    1/2 |Y - A C|^2 + sparsity * sqrt(T) * |A|_1,    A, C >= 0,  |C_k|^2 = T

whose penalty takes from every weight so many standard deviations of its own noise.
Every step is the exact minimum in one row or column. No box limits a footprint, so
components of any length stay whole.

References
----------
Cichocki & Phan (2009), IEICE Trans. Fundamentals E92-A:708; Boutsidis & Gallopoulos
(2008), Pattern Recognition 41:1350; Halko et al. (2011), SIAM Review 53:217.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from scipy.ndimage import gaussian_filter, gaussian_filter1d

from napari_cnmf.cnmf.initialise.found import Found, Seeds
from napari_cnmf.cnmf.parameters import InitParameters

_SMOOTHING = 0.5  # px and bins
_BASELINE_PERCENTILE = 20
_BELOW_MEAN_SD = 0.8416  # how far below its mean this percentile of noise lies
# Per product with the movie: with 4 a patch took 49 of these, with 1 it took 116.
_INNER_SWEEPS = 4
_MOST_SWEEPS = 300
_TOLERANCE = 1e-5
# Weights below this share of a footprint's maximum are left out.
_SUPPORT = 0.1
# Auto: dim components share the singular vectors of brighter ones. On simulated
# dendrites three per singular value found .95 of them, one only .65.
_PER_SINGULAR_VALUE = 3
_MOST_SINGULAR_VALUES = 60  # more would cost as much as the factorisation


def sparse_nmf(
    movie: np.ndarray,
    valid: np.ndarray,
    parameters: InitParameters,
    n_max: int,
) -> Found:
    """Find components in a movie.

    Parameters
    ----------
    movie : ndarray
        (pixels, T) float32, mean removed, in units of each pixel's noise; zero where
        there is no data.
    valid : ndarray of bool
        (Y, X), pixels that hold data.
    parameters : InitParameters
    n_max : int
        Most components to return.

    Returns
    -------
    Found
        In order of falling light; a seed is the brightest pixel of its footprint, its
        score the sum of squares that it explains.
    """
    n = parameters.n_components or _PER_SINGULAR_VALUE * count_above_noise(movie)
    if n == 0:
        return Found.none(*movie.shape)
    light = above_baseline(movie, valid)
    start = nndsvd(light, min(n, n_max))
    footprints, traces, sweeps = factorise(light, *start, parameters.sparsity_sd)
    footprints[footprints < _SUPPORT * footprints.max(axis=0)] = 0
    energy = np.square(footprints).sum(axis=0) * movie.shape[1]
    order = np.argsort(-energy, kind="stable")
    order = order[energy[order] > 0]
    footprints = footprints[:, order]
    seeds = _seeds(footprints, valid.shape, energy[order], sweeps)
    columns = sp.csc_array(footprints)
    return Found(columns, np.ascontiguousarray(traces[order]), seeds)


def above_baseline(movie: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Smooth a movie (pixels, T) and subtract each pixel's baseline.

    That is its 20th percentile plus what the mean of its noise lies above. CaImAn
    subtracts the percentile and cuts at zero: noise then has a positive mean, which one
    component with weights everywhere is spent on, and others spread.
    """
    frames = movie.reshape(*valid.shape, -1)
    smooth = gaussian_filter(frames, _SMOOTHING, truncate=2).reshape(movie.shape)
    impulse = gaussian_filter1d(np.eye(1, 9, 4)[0], _SMOOTHING, truncate=2)
    noise = np.square(impulse).sum() ** 1.5  # of the three axes
    level = np.percentile(smooth, _BASELINE_PERCENTILE, axis=1, keepdims=True)
    smooth -= (level + _BELOW_MEAN_SD * noise).astype(np.float32)
    smooth[~valid.ravel()] = 0
    return smooth


def count_above_noise(movie: np.ndarray) -> int:
    """Singular values of a movie that white noise of one would not have.

    Those of noise alone end at the sum of the roots of its two lengths.
    """
    edge = 1.02 * (np.sqrt(movie.shape[0]) + np.sqrt(movie.shape[1]))
    values = leading_vectors(movie, _MOST_SINGULAR_VALUES)[1]
    return int((values > edge).sum())


def leading_vectors(
    matrix: np.ndarray, n: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Largest singular values and their vectors, by a seeded random projection.

    Parameters
    ----------
    matrix : ndarray
        (P, T) float32.
    n : int
        How many; fewer if the matrix is smaller.

    Returns
    -------
    left : ndarray
        (P, n).
    values : ndarray
        (n,), falling.
    right : ndarray
        (n, T).
    """
    n = min(n, *matrix.shape)
    rng = np.random.default_rng(0)
    extra = min(n + 10, *matrix.shape)
    span = rng.standard_normal((matrix.shape[1], extra), np.float32)
    for _ in range(5):
        span = np.linalg.qr(matrix @ span)[0]
        span = np.linalg.qr((span.T @ matrix).T)[0]
    left, values, right = np.linalg.svd(matrix @ span, full_matrices=False)
    return left[:, :n], values[:n], (right @ span.T)[:n]


def nndsvd(matrix: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Non-negative factors to start from: the larger signed part of singular vectors.

    Parameters
    ----------
    matrix : ndarray
        (P, T) float32.
    n : int

    Returns
    -------
    footprints : ndarray
        (P, n) float32.
    traces : ndarray
        (n, T) float32.
    """
    left, values, right = leading_vectors(matrix, n)
    footprints, traces = np.zeros_like(left), np.zeros_like(right)
    for k, value in enumerate(values):
        parts = [
            (np.maximum(sign * left[:, k], 0), np.maximum(sign * right[k], 0))
            for sign in (1, -1)
        ]
        sizes = [np.linalg.norm(u) * np.linalg.norm(v) for u, v in parts]
        u, v = parts[int(np.argmax(sizes))]
        footprints[:, k], traces[k] = value * u, v
    return footprints, traces


def factorise(
    movie: np.ndarray, footprints: np.ndarray, traces: np.ndarray, sparsity_sd: float
) -> tuple[np.ndarray, np.ndarray, int]:
    """Lower the objective of this module until it hardly falls any more.

    Parameters
    ----------
    movie : ndarray
        (P, T) float32.
    footprints : ndarray
        (P, K) float32 to start from.
    traces : ndarray
        (K, T) float32 to start from.
    sparsity_sd : float

    Returns
    -------
    footprints : ndarray
        (P, K) float32.
    traces : ndarray
        (K, T) float32, each with a mean square of one; zero if it explains nothing.
    sweeps : int
        How many it took.
    """
    n_t = movie.shape[1]
    scale = np.sqrt(np.square(traces).mean(axis=1) + np.finfo(np.float32).tiny)
    traces = traces / scale[:, None]
    weights = np.ascontiguousarray((footprints * scale).T)  # (K, P)
    penalty = np.float32(sparsity_sd * np.sqrt(n_t))
    before, sweeps = np.inf, 0
    while sweeps < _MOST_SWEEPS:
        sweeps += 1
        _update_traces(traces, weights @ movie, weights @ weights.T)
        shared = traces @ movie.T - penalty
        overlap = traces @ traces.T
        _update_weights(weights, shared, overlap)
        # |Y|^2 / 2 apart, the objective from what is at hand.
        value = 0.5 * np.sum((weights @ weights.T) * overlap, dtype=np.float64)
        value -= np.sum(weights * shared, dtype=np.float64)
        if before - value <= _TOLERANCE * abs(value):
            break
        before = value
    return weights.T, traces, sweeps


def _update_traces(traces: np.ndarray, shared: np.ndarray, overlap: np.ndarray) -> None:
    """Best non-negative traces of mean square one, a few times each in turn."""
    for _ in range(_INNER_SWEEPS):
        for k in range(len(traces)):
            slope = shared[k] - overlap[k] @ traces + overlap[k, k] * traces[k]
            positive = np.maximum(slope, 0)
            size = np.sqrt(np.mean(positive**2))
            if size > 0:
                traces[k] = positive / size


def _update_weights(
    weights: np.ndarray, shared: np.ndarray, overlap: np.ndarray
) -> None:
    """Best non-negative weights, given traces, a few times each in turn."""
    for _ in range(_INNER_SWEEPS):
        for k in range(len(weights)):
            if overlap[k, k] > 0:
                slope = shared[k] - overlap[k] @ weights
                weights[k] = np.maximum(weights[k] + slope / overlap[k, k], 0)


def _seeds(
    footprints: np.ndarray,
    field_shape: tuple[int, int],
    energy: np.ndarray,
    sweeps: int,
) -> Seeds:
    """Brightest pixel and bounding box of each footprint (pixels, K)."""
    boxes = np.zeros((footprints.shape[1], 4), np.int64)
    for box, image in zip(boxes, footprints.T, strict=True):
        y, x = np.divmod(np.flatnonzero(image), field_shape[1])
        box[:] = y.min(), x.min(), y.max() + 1, x.max() + 1
    peaks = np.unravel_index(footprints.argmax(axis=0), field_shape)
    return Seeds(
        yx=np.stack(peaks, axis=1).astype(np.int64),
        score=energy.astype(np.float32),
        boxes=boxes,
        iterations=np.full(len(boxes), sweeps, np.int64),
    )
