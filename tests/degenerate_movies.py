"""Small movies of round cells whose every event is known, to be spoilt on purpose."""

from __future__ import annotations

import numpy as np

from napari_cnmf.movie import Movie

RATE_HZ = 30.0
FIELD = (44, 48)
N_FRAMES = 300
#: Four cells of 11 px well inside the field, and apart.
CENTRES = ((11.0, 12.0), (12.0, 34.0), (31.0, 11.0), (30.0, 35.0))
_RADIUS_PX = 5.5
_DECAY_FRAMES = 15.0
_RISE_FRAMES = 3.0


def traces(n_cells: int, n_frames: int = N_FRAMES) -> np.ndarray:
    """(n_cells, n_frames): an event about every 60 frames, unlike the other cells."""
    rng = np.random.default_rng(5)
    spikes = rng.random((n_cells, n_frames)) < 1 / 60
    spikes[:, n_frames // 3] |= ~spikes.any(axis=1)
    after = np.arange(n_frames)
    kernel = np.exp(-after / _DECAY_FRAMES) * (1 - np.exp(-after / _RISE_FRAMES))
    return np.array([np.convolve(row, kernel)[:n_frames] for row in spikes])


def footprints(
    centres: tuple[tuple[float, float], ...] = CENTRES,
    field_shape: tuple[int, int] = FIELD,
) -> np.ndarray:
    """(n_cells, Y, X): discs of height one with an edge a pixel wide."""
    y, x = np.indices(field_shape)
    away = [np.hypot(y - cy, x - cx) for cy, cx in centres]
    return np.clip(_RADIUS_PX + 0.5 - np.array(away), 0, 1)


def light(shapes: np.ndarray, activity: np.ndarray) -> np.ndarray:
    """Photons (T, Y, X) expected of cells on a background of a hundred."""
    return 100 + 20 * np.tensordot(activity.T, shapes, axes=1) + 20 * shapes.sum(axis=0)


def recorded(expected: np.ndarray) -> np.ndarray:
    """Counts (T, Y, X) uint16 of the photons expected."""
    return np.random.default_rng(6).poisson(expected).astype(np.uint16)


def four_cells(n_frames: int = N_FRAMES) -> np.ndarray:
    """(T, Y, X) uint16, four cells."""
    return recorded(light(footprints(), traces(4, n_frames)))


def as_movie(array: np.ndarray) -> Movie:
    """Movie at the usual frame rate."""
    return Movie.from_array(array, frame_rate_hz=RATE_HZ)
