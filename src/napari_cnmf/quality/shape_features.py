"""Numbers that say what a footprint and its event image look like, at any angle.

Both images are cut out around the footprint's centre, scaled by the size of a neuron
and described by rings: how bright each ring is (order 0), and how strongly brightness
goes around it once, twice ... four times. The size of these circular harmonics does not
change when the cell is turned or mirrored, so no classifier has to learn that.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from napari_cnmf.quality.events import EventImages

GRID = 24
_HALF_DIAMETERS = 1.5
_RINGS = 9
_ORDERS = 5
#: How many numbers describe a component.
N_FEATURES = 3 * (_RINGS + (_ORDERS - 1) * (_RINGS - 1)) - _RINGS
_TINY = 1e-12


def shape_features(images: EventImages, diameter_px: float) -> np.ndarray:
    """Describe footprints and event images by circular harmonics.

    Parameters
    ----------
    images : EventImages
        In boxes around K components.
    diameter_px : float
        Of a cell body; all lengths count in units of it.

    Returns
    -------
    ndarray
        (K, N_FEATURES) float32: brightness of the footprint's rings and the size of
        its harmonics, the same of the event image, and how far their harmonics agree.
    """
    footprints, events = scaled_crops(images, diameter_px)
    own, seen = _harmonics(footprints), _harmonics(events)
    agreement = (own * seen.conj()).real[:, _RINGS:]
    parts = (
        own.real[:, :_RINGS],
        np.abs(own[:, _RINGS:]),
        seen.real[:, :_RINGS],
        np.abs(seen[:, _RINGS:]),
        agreement,
    )
    return np.concatenate(parts, axis=1).astype(np.float32)


def scaled_crops(
    images: EventImages, diameter_px: float
) -> tuple[np.ndarray, np.ndarray]:
    """Footprints and event images on a grid that spans three diameters.

    Parameters
    ----------
    images, diameter_px
        As for `shape_features`.

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
