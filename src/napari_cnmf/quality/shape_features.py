"""Numbers that say what a footprint and its event image look like, at any angle.

Both images are cut out around the footprint's centre, scaled by the size of a neuron
and described by rings: how bright each ring is (order 0), and how strongly brightness
goes around it once, twice ... four times. The size of these circular harmonics does not
change when the cell is turned or mirrored, so no classifier has to learn that. Then
come the footprint's outline and its size.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from napari_cnmf.quality.events import EventImages

GRID = 24
_HALF_DIAMETERS = 1.5
_RINGS = 9
_ORDERS = 5
#: How many numbers come from circular harmonics, the first ones of all.
N_HARMONICS = 3 * (_RINGS + (_ORDERS - 1) * (_RINGS - 1)) - _RINGS
#: How many numbers describe a component: seven of its outline, four of its size.
N_FEATURES = N_HARMONICS + 7 + 4
_CORE_LEVEL = 0.2  # of a footprint's peak; as far as its area goes
_MIN_VARIANCE = 0.002  # diameters squared, of a footprint as narrow as the grid
_TINY = 1e-12


def shape_features(
    images: EventImages, diameter_px: float, typical_area_px: float
) -> np.ndarray:
    """Describe components by circular harmonics, outline and size.

    Parameters
    ----------
    images : EventImages
        In boxes around K components.
    diameter_px : float
        Of a cell body, as the user gave it.
    typical_area_px : float
        Of the clearest components, see `scores.typical_area`.

    Returns
    -------
    ndarray
        (K, N_FEATURES) float32: brightness of the footprint's rings and the size of
        its harmonics, the same of the event image, how far their harmonics agree, the
        footprint's outline, and its size.
    """
    # Either size alone did worse on simulated movies whose size was told wrong.
    found_px = np.sqrt(4 / np.pi * typical_area_px)
    scale_px = float(np.sqrt(diameter_px * found_px))
    footprints, events = scaled_crops(images, scale_px)
    own, seen = _harmonics(footprints), _harmonics(events)
    agreement = (own * seen.conj()).real[:, _RINGS:]
    parts = (
        own.real[:, :_RINGS],
        np.abs(own[:, _RINGS:]),
        seen.real[:, :_RINGS],
        np.abs(seen[:, _RINGS:]),
        agreement,
        _outline(footprints),
        _size(images.footprints, diameter_px, typical_area_px),
    )
    return np.concatenate(parts, axis=1).astype(np.float32)


def scaled_crops(
    images: EventImages, diameter_px: float
) -> tuple[np.ndarray, np.ndarray]:
    """Footprints and event images on a grid that spans three diameters.

    Parameters
    ----------
    images : EventImages
        In boxes around K components.
    diameter_px : float
        All lengths count in units of it.

    Returns
    -------
    footprints, events : ndarray
        (K, GRID, GRID) float32. Footprints have unit norm; events are scaled so that
        an event image that equals its footprint has unit norm too.
    """
    positive = np.maximum(images.footprints, 0)
    rows = _resampling(positive.sum(axis=2), diameter_px)
    cols = _resampling(positive.sum(axis=1), diameter_px).transpose(0, 2, 1)
    footprints, events = rows @ positive @ cols, rows @ images.events @ cols
    norm = np.sqrt((footprints**2).sum(axis=(1, 2), keepdims=True))
    footprints /= np.maximum(norm, _TINY)
    scale = (footprints * events).sum(axis=(1, 2), keepdims=True)
    peak = np.abs(events).max(axis=(1, 2), keepdims=True)
    events /= np.maximum(scale, np.maximum(1e-3 * peak, _TINY))
    return footprints, np.clip(events, -3, 3)


def _resampling(profile: np.ndarray, diameter_px: float) -> np.ndarray:
    """Weights (K, GRID, side) that take a box to the grid, along one axis.

    The grid is centred on the profile's (K, side) centre of mass. Triangles as wide as
    the wider of the two pitches interpolate small cells and average large ones.
    """
    place = np.arange(profile.shape[1], dtype=np.float32)
    centre = profile @ place / np.maximum(profile.sum(axis=1), _TINY)
    pitch_px = np.float32(2 * _HALF_DIAMETERS * diameter_px / GRID)
    grid = (np.arange(GRID, dtype=np.float32) - (GRID - 1) / 2) * pitch_px
    distance = np.abs(place - (centre[:, None] + grid)[:, :, None])
    width = max(np.float32(1), pitch_px)
    return np.maximum(0, 1 - distance / width) / width


def _harmonics(crops: np.ndarray) -> np.ndarray:
    """Complex amplitude of each order on each ring, (K, H); the order 0 comes first."""
    real, imaginary = _basis()
    flat = crops.reshape(len(crops), -1)
    return flat @ real + 1j * (flat @ imaginary)


def _outline(crops: np.ndarray) -> np.ndarray:
    """How a footprint's outline looks, (K, 7), of crops of unit norm (K, GRID, GRID).

    Elongation, length and width; how densely it fills an ellipse of these; how steep it
    is: the share of its area that is brighter than half of its peak; and how ragged
    both areas are: perimeter squared over area.
    """
    peak = np.maximum(crops.max(axis=(1, 2), keepdims=True), _TINY)
    core, bright = crops >= _CORE_LEVEL * peak, crops >= 0.5 * peak
    area, bright_area = _pixels(core), _pixels(bright)
    long, short = _axes(crops)
    px_per_diameter = GRID / (2 * _HALF_DIAMETERS)
    ellipse = 4 * np.pi * long * short * px_per_diameter**2
    shares = (long / short, long, short, area / ellipse, bright_area / area)
    ragged = (_perimeter(core) ** 2 / area, _perimeter(bright) ** 2 / bright_area)
    return np.stack([*shares, *ragged], axis=1)


def _axes(crops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Long and short axis (K,) each, as standard deviations in diameters."""
    axis = ((np.arange(GRID) + 0.5) / GRID * 2 - 1) * _HALF_DIAMETERS
    y, x = (part.ravel() for part in np.meshgrid(axis, axis, indexing="ij"))
    powers = np.stack([np.ones_like(y), y, x, y * y, x * x, y * x], axis=1)
    moments = crops.reshape(len(crops), -1) @ powers
    total, *sums = moments.T
    y_mean, x_mean, yy, xx, yx = np.divide(sums, np.maximum(total, _TINY))
    yy, xx, yx = yy - y_mean**2, xx - x_mean**2, yx - y_mean * x_mean
    half_sum, half_gap = (yy + xx) / 2, np.hypot((yy - xx) / 2, yx)
    variances = half_sum + half_gap, half_sum - half_gap
    long, short = np.sqrt(np.maximum(variances, _MIN_VARIANCE))
    return long, short


def _perimeter(masks: np.ndarray) -> np.ndarray:
    """Pixel edges (K,) between inside and outside of masks (K, GRID, GRID)."""
    rows = (masks[:, 1:] != masks[:, :-1]).sum(axis=(1, 2))
    cols = (masks[:, :, 1:] != masks[:, :, :-1]).sum(axis=(1, 2))
    return rows + cols


def _pixels(masks: np.ndarray) -> np.ndarray:
    """Area (K,) of masks, at least one pixel."""
    count: np.ndarray = np.maximum(masks.sum(axis=(1, 2)), 1)
    return count


def _size(
    footprints: np.ndarray, diameter_px: float, typical_area_px: float
) -> np.ndarray:
    """Logarithms (K, 4) of sizes: to the one told and the one found, and of these."""
    peak = np.maximum(footprints.max(axis=(1, 2), keepdims=True), _TINY)
    area = _pixels(footprints >= _CORE_LEVEL * peak)
    told = np.full(len(area), np.pi / 4 * diameter_px**2)
    found = np.full(len(area), typical_area_px)
    ratios = (area / told, area / found, found / told, np.sqrt(told))
    return np.log(np.stack(ratios, axis=1))


@cache
def _basis() -> tuple[np.ndarray, np.ndarray]:
    """Waves on rings, real and imaginary part (GRID**2, H) float32."""
    axis = (np.arange(GRID) + 0.5) / GRID * 2 - 1
    y, x = np.meshgrid(axis, axis, indexing="ij")
    radius, angle = np.hypot(y, x), np.arctan2(y, x)
    centres = np.arange(_RINGS)[:, None, None]
    rings = np.maximum(0, 1 - np.abs(radius * (_RINGS - 1) - centres))
    rings /= np.sqrt((rings**2).sum(axis=(1, 2), keepdims=True))
    # Nothing goes around the innermost ring, which is a disc.
    waves = [rings, *(rings[1:] * np.exp(1j * m * angle) for m in range(1, _ORDERS))]
    basis = np.concatenate(waves).reshape(-1, GRID**2).T
    return basis.real.astype(np.float32), basis.imag.astype(np.float32)
