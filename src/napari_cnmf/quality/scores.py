"""Scores of the default rule, which ask whether a component is one cell in focus.

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
    binary_fill_holes,
    gaussian_filter,
    uniform_filter1d,
)

_SMOOTHING_PX = 1.0
_BORDER_FACTOR = 1.6
_CLEAR_R_VALUE = 0.8
_PIXEL_VAR = 1 / 12  # of the places within a pixel, in px squared


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
    event: np.ndarray, footprint: np.ndarray, inside: np.ndarray
) -> tuple[float, float, float]:
    """Scores of one component from its event image.

    Parameters
    ----------
    event, footprint : ndarray
        (side, side) float32, centred box; the footprint is zero outside its support.
    inside : ndarray of bool
        (side, side), which pixels lie inside the field and hold data.

    Returns
    -------
    r_value, ring, slope : float
        Correlation of event image and footprint; mean event image around the
        footprint over that inside; slope of the event image at the footprint's
        border, as a share of its brightness per pixel.
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
    steepness = slope[border].mean() / top if top > 0 else 0.0
    return r_value, float(ring), float(steepness)


def areas(footprints: sp.csc_array, valid: np.ndarray) -> np.ndarray:
    """Pixels of each footprint above a fifth of its maximum, (K,) float32.

    A cell at the border of the pixels (Y, X) that hold data is cut: its area counts
    more. A missing pixel in their midst is no border.
    """
    area = np.diff(cores(footprints).indptr).astype(np.float32)
    k = np.repeat(np.arange(len(area)), np.diff(footprints.indptr))
    border = border_pixels(valid).ravel()[footprints.indices]
    area[np.unique(k[border])] *= _BORDER_FACTOR
    return area


def cores(footprints: sp.csc_array) -> sp.csc_array:
    """Pixels of each footprint above a fifth of its maximum, as ones (Y*X, K)."""
    peak = footprints.max(axis=0).toarray().ravel()
    k = np.repeat(np.arange(len(peak)), np.diff(footprints.indptr))
    core = footprints.data >= 0.2 * peak[k]
    ends = np.cumsum(np.bincount(k[core], minlength=len(peak)))
    return sp.csc_array(
        (
            np.ones(core.sum(), np.float32),
            footprints.indices[core],
            np.append(0, ends),
        ),
        shape=footprints.shape,
    )


def border_pixels(valid: np.ndarray) -> np.ndarray:
    """Outermost of the pixels (Y, X) that hold data, as a mask (Y, X)."""
    field = binary_fill_holes(valid)
    border: np.ndarray = field & ~binary_erosion(field)
    return border


def eccentricities(
    footprints: sp.csc_array, field_shape: tuple[int, int]
) -> np.ndarray:
    """Long axis of each footprint over its short one, (K,) float32; 1 is round.

    Axes are those of the covariance of its pixels' places, weighted by its values. An
    axis counts as one pixel wide at least.

    Parameters
    ----------
    footprints : csc_array
        (Y*X, K) non-negative.
    field_shape : tuple of int
        (Y, X).
    """
    n = footprints.shape[1]
    k = np.repeat(np.arange(n), np.diff(footprints.indptr))
    weight = footprints.data.astype(np.float64)
    weight /= np.maximum(np.bincount(k, weight, minlength=n), 1e-30)[k]

    def mean(values: np.ndarray) -> np.ndarray:
        return np.bincount(k, weight * values, minlength=n)

    y, x = np.divmod(footprints.indices, field_shape[1])
    y, x = y - mean(y)[k], x - mean(x)[k]
    half_sum = (mean(y * y) + mean(x * x)) / 2
    half_gap = np.hypot((mean(y * y) - mean(x * x)) / 2, mean(x * y))
    long, short = np.maximum([half_sum + half_gap, half_sum - half_gap], _PIXEL_VAR)
    return np.sqrt(long / short).astype(np.float32)


def typical_area(area: np.ndarray, snr: np.ndarray, r_value: np.ndarray) -> float:
    """Median area of the clearest third of the components.

    Taken from the movie itself, so that limits of size and sharpness hold when the
    neuron's size was given somewhat wrong.
    """
    if len(area) == 0:
        return 1.0
    clear = (snr >= np.quantile(snr, 2 / 3)) & (r_value > _CLEAR_R_VALUE)
    return float(np.median(area[clear] if clear.any() else area))


def focused_slope(area_px: float) -> float:
    """Slope at the border of a cell in focus, as a share of its brightness per pixel.

    The border is as wide as a tenth of the cell, blurred by the smoothing here.
    """
    width = np.hypot(_SMOOTHING_PX, 0.1 * np.sqrt(4 / np.pi * area_px))
    return float(1 / (np.sqrt(2 * np.pi) * width))


def _pearson(a: np.ndarray, b: np.ndarray) -> float:
    """Correlation of two sets of pixels; 0 if one is constant."""
    a, b = a - a.mean(), b - b.mean()
    norm = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / norm) if norm > 0 else 0.0
