"""Small one-photon movies with their truth: blurred cells under a moving glow.

The background is smooth in space, many times stronger than any cell, and follows
several time courses, one of them as quick as a cell; vessels cast their shadows on all
of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import scipy.ndimage as ndi
from scipy.signal import lfilter

HALF_SIZE_PX = 3.0


@dataclass(frozen=True, eq=False)
class OnePhoton:
    """A movie in units of each pixel's noise, and what it is made of.

    Attributes
    ----------
    movie : ndarray
        (Y*X, T) float32, mean removed, with a noise of one.
    background : ndarray
        (Y*X, T) float32, without its mean.
    images : ndarray
        (K, Y, X) float32, peak 1.
    traces : ndarray
        (K, T) float32.
    centres : ndarray
        (K, 2), y and x.
    """

    movie: np.ndarray
    background: np.ndarray
    images: np.ndarray
    traces: np.ndarray
    centres: np.ndarray
    field_shape: tuple[int, int]

    @property
    def valid(self) -> np.ndarray:
        """All pixels."""
        return np.ones(self.field_shape, bool)


@cache
def one_photon(
    n_cells: int = 14,
    field_shape: tuple[int, int] = (72, 80),
    n_frames: int = 600,
    height: float = 6.0,
    glow: float = 15.0,
    seed: int = 0,
) -> OnePhoton:
    """Make a movie at about 10 frames a second.

    Parameters
    ----------
    n_cells : int
        At least a cell apart from each other and from the border.
    field_shape : tuple of int
        (Y, X).
    n_frames : int
    height : float
        Of an event at the peak of a footprint, in units of the noise.
    glow : float
        Deviation of the background over time, in units of the noise.
    seed : int
    """
    rng = np.random.default_rng(seed)
    centres = _centres(n_cells, field_shape, rng)
    images = np.array([_cell(field_shape, c) for c in centres], np.float32)
    images = images.reshape(n_cells, *field_shape)
    spikes = rng.random((n_cells, n_frames)) < 0.02
    spikes[np.arange(n_cells), rng.integers(5, n_frames // 2, n_cells)] = True
    heights = height * rng.uniform(0.7, 1.3, (n_cells, 1))
    traces = lfilter([1], [1, -0.85], spikes * heights, axis=1).astype(np.float32)
    background = _glow(field_shape, n_frames, glow, rng)
    movie = np.tensordot(images, traces, (0, 0)).reshape(-1, n_frames) + background
    movie += rng.standard_normal(movie.shape)
    movie -= movie.mean(axis=1, keepdims=True)
    background -= background.mean(axis=1, keepdims=True)
    return OnePhoton(
        movie.astype(np.float32),
        background.astype(np.float32),
        images,
        traces,
        centres,
        field_shape,
    )


def _cell(field_shape: tuple[int, int], centre: np.ndarray) -> np.ndarray:
    """A blurred cell, (Y, X) with a peak of 1."""
    y, x = np.indices(field_shape)
    squares = (y - centre[0]) ** 2 + (x - centre[1]) ** 2
    image = np.exp(-squares / (2 * HALF_SIZE_PX**2))
    return np.where(image > 0.05, image, 0)


def _centres(
    n: int, field_shape: tuple[int, int], rng: np.random.Generator
) -> np.ndarray:
    """Places (n, 2) at least three half-sizes apart and two from the border."""
    found: list[np.ndarray] = []
    margin = 2 * HALF_SIZE_PX
    while len(found) < n:
        place = rng.uniform(margin, np.array(field_shape) - margin)
        if all(np.hypot(*(place - other)) > 3 * HALF_SIZE_PX for other in found):
            found.append(place)
    return np.array(found).reshape(-1, 2)


def _glow(
    field_shape: tuple[int, int],
    n_frames: int,
    deviation: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Smooth fields with time courses of their own, under one pattern of vessels."""
    total = np.zeros((*field_shape, n_frames))
    for sigma_px, sigma_frames in ((40, 50), (25, 15), (20, 4), (15, 1.5)):
        field = _unit(
            ndi.gaussian_filter(rng.normal(size=field_shape), sigma_px, mode="wrap")
        )
        course = _unit(ndi.gaussian_filter1d(rng.normal(size=n_frames), sigma_frames))
        total += (2 + field)[..., None] * course
    lines = ndi.gaussian_filter(rng.normal(size=field_shape), 3)
    vessels = 1 - 0.15 * np.exp(-((_unit(lines) / 0.3) ** 2))
    total *= vessels[..., None]
    total *= deviation / total.std(axis=2).mean()
    return total.reshape(-1, n_frames)


def _unit(values: np.ndarray) -> np.ndarray:
    """Values with a deviation of one around zero."""
    return (values - values.mean()) / values.std()
