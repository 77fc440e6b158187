"""Scores of the default rule: is a component one cell in focus?

All but the SNR look at the event image: the mean movie of the moments when the
component is active, after its neighbours and the background are taken out. A cell in
focus fills its footprint, ends at its border and is dark around it.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from scipy.ndimage import (
    binary_dilation,
    binary_erosion,
    gaussian_filter,
    uniform_filter1d,
)

from napari_cnmf.quality import kernels

_SMOOTHING_PX = 1.0


def peak_snr(above: np.ndarray, noise: np.ndarray, window: int) -> np.ndarray:
    """Mean of the highest hundredth of each averaged trace, over its noise.

    Parameters
    ----------
    above : ndarray
        (K, T) float32, raw traces above their baseline.
    noise : ndarray
        (K,) noise sd of the raw traces.
    window : int
        Frames to average over: about 0.4 decay times.

    Returns
    -------
    ndarray
        (K,) float32.
    """
    n_top = max(1, round(0.01 * above.shape[1]))
    averaged = uniform_filter1d(above, window, axis=1)
    top = np.partition(averaged, -n_top, axis=1)[:, -n_top:].mean(axis=1)
    return (top * np.sqrt(window) / np.maximum(noise, 1e-12)).astype(np.float32)


def event_weights(denoised: np.ndarray) -> sp.csr_array:
    """Weight of each frame in a component's event image, (K, T), rows add up to one.

    Frames count by how far the denoised trace exceeds half of its peak.
    """
    peak = denoised.max(axis=1, keepdims=True)
    above = np.maximum(denoised - 0.5 * peak, 0)
    weights = sp.csr_array(above / np.maximum(above.sum(axis=1, keepdims=True), 1e-12))
    weights.sort_indices()
    return weights.astype(np.float32)


def shape_scores(
    event: np.ndarray, footprint: np.ndarray, inside: np.ndarray, diameter_px: float
) -> tuple[float, float, float]:
    """Scores of one component from its event image.

    Parameters
    ----------
    event, footprint : ndarray
        (side, side) float32, centred box; the footprint is zero outside its support.
    inside : ndarray of bool
        (side, side), which pixels lie inside the field.
    diameter_px : float
        Of a cell body.

    Returns
    -------
    r_value, ring, edge : float
        Correlation of event image and footprint; mean event image around the
        footprint over that inside; sharpness of the event image's border.
    """
    support = footprint > 0
    if support.sum() < 3:
        return 0.0, 1.0, 0.0
    event = gaussian_filter(event, _SMOOTHING_PX)
    near = binary_dilation(support, iterations=2) & inside
    r_value = _pearson(event[near], gaussian_filter(footprint, _SMOOTHING_PX)[near])
    core = footprint >= 0.2 * footprint.max()
    within = event[core].mean()
    around = binary_dilation(support, iterations=5) & ~binary_dilation(
        support, iterations=2
    )
    around &= inside
    ring = event[around].mean() / within if within > 0 and around.any() else 1.0
    slope = np.hypot(*np.gradient(event))
    border = core ^ binary_erosion(core)
    top = np.percentile(event[core], 90)
    edge = slope[border].mean() / top * diameter_px / 11 if top > 0 else 0.0
    return r_value, float(ring), float(edge)


def _pearson(a: np.ndarray, b: np.ndarray) -> float:
    """Correlation of two sets of pixels; 0 if one is constant."""
    a, b = a - a.mean(), b - b.mean()
    norm = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / norm) if norm > 0 else 0.0
