"""The low-rank background: a few maps over the whole field, each with one time course.

The model of Pnevmatikakis et al. 2016 (doi:10.1016/j.neuron.2015.11.037): maps are
non-negative, time courses are free, as the movie's mean is removed. Patches find modes
of their own, which are then brought together into the modes of the field.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

_ROUNDS = 20
_JOINING_ROUNDS = 100


def find_modes(residual: np.ndarray, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """Factorise what the cells leave over.

    Alternating least squares, from the means of bands of pixels.

    Parameters
    ----------
    residual : ndarray
        (pixels, T) float32.
    rank : int
        Number of modes, at most as many as there are pixels.

    Returns
    -------
    maps : ndarray
        (pixels, rank) float32, non-negative.
    traces : ndarray
        (rank, T) float32.
    """
    rank = min(rank, len(residual))
    bands = np.array_split(np.arange(len(residual)), rank)
    traces = np.stack([residual[band].mean(axis=0) for band in bands])
    maps = np.ones((len(residual), rank), np.float32)
    for _ in range(_ROUNDS):
        traces = _unit(traces)
        maps = _updated(maps, residual @ traces.T, traces @ traces.T)
        traces = np.linalg.pinv(maps.T @ maps) @ (maps.T @ residual)
    return maps, traces.astype(np.float32)


def join_modes(
    maps: sp.csc_array, traces: np.ndarray, rank: int
) -> tuple[sp.csc_array, np.ndarray]:
    """Bring the modes of patches together into modes of the field.

    Parameters
    ----------
    maps : csc_array
        (pixels, N), of all patches, each within its core.
    traces : ndarray
        (N, T) float32.
    rank : int
        Modes of the field.

    Returns
    -------
    maps : csc_array
        (pixels, rank) float32, non-negative.
    traces : ndarray
        (rank, T) float32.
    """
    if maps.shape[1] <= rank:
        return maps, traces
    bands = np.array_split(np.arange(maps.shape[1]), rank)
    joined = np.stack([traces[band].mean(axis=0) for band in bands])
    shares = np.ones((maps.shape[0], rank), np.float32)
    for _ in range(_JOINING_ROUNDS):
        joined = _unit(joined)
        shares = _updated(shares, maps @ (traces @ joined.T), joined @ joined.T)
        joined = np.linalg.pinv(shares.T @ shares) @ ((maps.T @ shares).T @ traces)
    return sp.csc_array(shares), joined.astype(np.float32)


def _updated(maps: np.ndarray, products: np.ndarray, gram: np.ndarray) -> np.ndarray:
    """One sweep of non-negative coordinate descent on each pixel's share of a mode."""
    maps = maps.copy()
    for n in range(maps.shape[1]):
        slope = products[:, n] - maps @ gram[n]
        maps[:, n] = np.maximum(maps[:, n] + slope / max(gram[n, n], 1e-12), 0)
    return maps


def _unit(traces: np.ndarray) -> np.ndarray:
    """Traces of unit norm, so that the maps carry the size."""
    return traces / np.maximum(np.linalg.norm(traces, axis=1, keepdims=True), 1e-12)
