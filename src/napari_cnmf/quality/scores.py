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
    generate_binary_structure,
    uniform_filter1d,
)

_SMOOTHING_PX = 1.0
_LEAST_PX = 3
_CROSS = generate_binary_structure(2, 1)[None]  # of each image by itself
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
    events: np.ndarray, footprints: np.ndarray, inside: np.ndarray
) -> np.ndarray:
    """Scores of components from their event images.

    Parameters
    ----------
    events, footprints : ndarray
        (K, side, side) float32, centred boxes; footprints are zero outside of their
        supports.
    inside : ndarray of bool
        (K, side, side), which pixels lie inside the field and hold data.

    Returns
    -------
    ndarray
        (3, K) float32. The r value: correlation of event image and footprint. The
        ring: mean event image around the footprint over that inside. The slope of the
        event image at the footprint's border, as a share of its brightness per pixel.
    """
    support = footprints > 0
    events = gaussian_filter(events, _SMOOTHING_PX, axes=(1, 2))
    smooth = gaussian_filter(footprints, _SMOOTHING_PX, axes=(1, 2))
    near = _grown(support, 2)
    around = _grown(support, 5) & ~near & inside
    core = support & (footprints >= 0.2 * footprints.max(axis=(1, 2), keepdims=True))
    within, ring = _means(events, core), np.ones(len(events))
    lit = (within > 0) & around.any(axis=(1, 2))
    ring[lit] = _means(events, around)[lit] / within[lit]
    border = core & ~binary_erosion(core, _CROSS)
    slope = np.hypot(*np.gradient(events, axis=(1, 2)))
    top = _percentiles(events, core, 90)
    steepness = np.zeros(len(events))
    np.divide(_means(slope, border), top, out=steepness, where=top > 0)
    scores = np.stack([_pearson(events, smooth, near & inside), ring, steepness])
    tiny = support.sum(axis=(1, 2)) < _LEAST_PX
    return np.where(tiny, [[0], [1], [0]], scores).astype(np.float32)


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


def _grown(masks: np.ndarray, by_px: int) -> np.ndarray:
    """Masks (K, side, side) grown by some pixels."""
    return np.asarray(binary_dilation(masks, _CROSS, iterations=by_px))


def _means(images: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Mean (K,) of each image (K, side, side) in its mask; 0 where that is empty."""
    count = np.maximum(masks.sum(axis=(1, 2)), 1)
    return np.asarray(
        (images * masks).sum(axis=(1, 2), dtype=np.float64) / count, np.float64
    )


def _percentiles(
    images: np.ndarray, masks: np.ndarray, percentile: float
) -> np.ndarray:
    """Percentile (K,) of each image (K, side, side) in its mask, linearly between."""
    values = np.where(masks, images, np.finfo(np.float32).max).reshape(len(images), -1)
    values.sort(axis=1)
    last = np.maximum(masks.sum(axis=(1, 2)) - 1, 0)
    place = percentile / 100 * last
    low = place.astype(np.int64)
    k = np.arange(len(images))
    below, above = values[k, low], values[k, np.minimum(low + 1, last)]
    return np.asarray(below + (place - low) * (above - below))


def _pearson(a: np.ndarray, b: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Correlation (K,) of images (K, side, side) in masks; 0 if one is constant."""
    a, b = ((image - _means(image, masks)[:, None, None]) * masks for image in (a, b))
    norm = np.sqrt((a * a).sum(axis=(1, 2)) * (b * b).sum(axis=(1, 2)))
    return np.divide(
        (a * b).sum(axis=(1, 2)), norm, out=np.zeros(len(a)), where=norm > 0
    )
