"""Slow twins of the initialisers, in plain numpy and scipy on dense arrays."""

from __future__ import annotations

import numpy as np
import scipy.ndimage as ndi
from scipy.optimize import nnls
from scipy.signal import lfilter


def variance_search(movie, half_size_px, window, rounds, n):
    """CaImAn's greedy search on a movie (Y, X, T): (seed, score, image, trace) each."""
    n_y, n_x, n_t = movie.shape
    half = int(half_size_px + 0.5)
    taps = np.exp(-0.5 * (np.arange(-half, half + 1) / half_size_px) ** 2)
    residual = movie.astype(np.float64)
    # The median as the kernel takes it: the upper one of an even number of frames.
    residual = residual - np.sort(residual, axis=2)[:, :, n_t // 2, None]
    found = []
    for _ in range(n):
        blurred = residual
        for axis in (0, 1):
            blurred = ndi.correlate1d(blurred, taps / taps.sum(), axis, mode="constant")
        energy = window_energy(blurred, window)
        y, x = np.unravel_index(energy.argmax(), energy.shape)
        rows = slice(max(y - half, 0), min(y + half + 1, n_y))
        cols = slice(max(x - half, 0), min(x + half + 1, n_x))
        trace = blurred[y, x]
        for _ in range(rounds):
            image = np.maximum(residual[rows, cols] @ trace, 0)
            image = image / np.sqrt((image**2).sum())
            trace = np.tensordot(image, residual[rows, cols], 2)
        residual[rows, cols] -= image[..., None] * trace
        whole = np.zeros((n_y, n_x))
        whole[rows, cols] = image
        found.append(((y, x), energy[y, x], whole, trace))
    return found


def window_energy(movie, window):
    """Largest value over time of a causal running mean of squares."""
    window = min(window, movie.shape[2])
    taps = np.ones(window) / window
    return lfilter(taps, [1], movie.astype(np.float64) ** 2, axis=2).max(axis=2)


def nmf_objective(movie, footprints, traces, sparsity_sd):
    """Half the squared residual plus the penalty on the footprints."""
    residual = movie.astype(np.float64) - footprints.astype(np.float64) @ traces
    penalty = sparsity_sd * np.sqrt(movie.shape[1]) * footprints.sum()
    return 0.5 * (residual**2).sum() + penalty


def alternating_nnls(movie, traces, rounds):
    """Plain NMF: all footprints, then all traces, by non-negative regression."""
    for _ in range(rounds):
        footprints = np.stack([nnls(traces.T, pixel)[0] for pixel in movie])
        traces = np.stack([nnls(footprints, frame)[0] for frame in movie.T], axis=1)
    return footprints, traces


def masked_traces(movie, masks, background):
    """Least squares of masks (pixels, K) with a background trace (K, T) for each."""
    light = masks.T @ movie - masks.sum(axis=0)[:, None] * background
    return np.linalg.pinv(masks.T @ masks) @ light
