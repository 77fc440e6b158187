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

_SMOOTHING_PX = 1.0
_BORDER_FACTOR = 1.6
_CLEAR_R_VALUE = 0.8


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


def areas(
    footprints: sp.csc_array, field_shape: tuple[int, int], diameter_px: float
) -> np.ndarray:
    """Area of each footprint above a fifth of its maximum, in cell bodies.

    A cell at the border of the field is cut: its area counts more.
    """
    peak = footprints.max(axis=0).toarray().ravel()
    k = np.repeat(np.arange(len(peak)), np.diff(footprints.indptr))
    core = footprints.data >= 0.2 * peak[k]
    area = np.bincount(k[core], minlength=len(peak)).astype(float)
    y, x = np.divmod(footprints.indices, field_shape[1])
    border = (y == 0) | (x == 0) | (y == field_shape[0] - 1) | (x == field_shape[1] - 1)
    area[np.unique(k[border])] *= _BORDER_FACTOR
    return (area / (np.pi / 4 * diameter_px**2)).astype(np.float32)


def relative(area: np.ndarray, snr: np.ndarray, r_value: np.ndarray) -> np.ndarray:
    """Areas over the median area of the clearest third of the components."""
    if len(area) == 0:
        return area
    clear = (snr >= np.quantile(snr, 2 / 3)) & (r_value > _CLEAR_R_VALUE)
    reference = np.median(area[clear] if clear.any() else area)
    return (area / max(reference, 1e-6)).astype(np.float32)


def _pearson(a: np.ndarray, b: np.ndarray) -> float:
    """Correlation of two sets of pixels; 0 if one is constant."""
    a, b = a - a.mean(), b - b.mean()
    norm = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / norm) if norm > 0 else 0.0
