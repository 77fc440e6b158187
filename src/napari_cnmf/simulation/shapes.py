"""Pictures of the sources: somata, pieces of dendrite, blurs, scraps of neuropil."""

from __future__ import annotations

import numpy as np
import scipy.ndimage as ndi
import scipy.sparse as sp
from numpy.random import Generator

from napari_cnmf.simulation.cells import DEFOCUSED, FRAGMENT, PROCESS, SOMA
from napari_cnmf.simulation.parameters import SimulationParameters
from napari_cnmf.simulation.randomness import texture

_CUTOFF = 0.03  # of a footprint's peak; dimmer pixels are not part of it


def draw_sources(
    p: SimulationParameters, kind: np.ndarray, centres: np.ndarray, rng: Generator
) -> sp.csr_array:
    """Draw every source into a column (H*W, K) of the scene, with a peak of 1."""
    height, width = p.scene_shape
    diameters = p.diameter_px * rng.spawn(1)[0].lognormal(
        0, p.diameter_sigma, len(kind)
    )
    half = int(2 * diameters.max(initial=0))
    window = np.mgrid[-half : half + 1, -half : half + 1]
    columns = [sp.csc_array((height * width, 0), dtype=np.float32)]
    for k, centre in enumerate(centres + p.margin_px):
        pixels = window + np.rint(centre[:, None, None]).astype(int)
        image = _DRAW[int(kind[k])](pixels - centre[:, None, None], diameters[k], rng)
        image /= image.max()
        inside = (pixels >= 0).all(axis=0) & (pixels[0] < height) & (pixels[1] < width)
        inside &= image > _CUTOFF
        picture = np.zeros((height, width), np.float32)
        picture[tuple(pixels[:, inside])] = image[inside]
        columns.append(sp.csc_array(picture.reshape(-1, 1)))
    return sp.hstack(columns, format="csr")


def _soma(yx: np.ndarray, diameter: float, rng: Generator) -> np.ndarray:
    """Ragged disc with a dimmer nucleus and uneven filling."""
    order = np.arange(2, 5)[:, None, None]
    waves = np.cos(order * np.arctan2(*yx) + rng.uniform(0, 2 * np.pi, order.shape))
    ragged = (rng.normal(0, 0.1, order.shape) / (order - 1) * waves).sum(axis=0)
    radius = 0.54 * diameter * rng.lognormal(0, 0.06) * (1 + ragged)
    disc = 1 / (1 + np.exp((np.hypot(*yx) - radius) / 0.4))
    offset = rng.normal(0, 0.08 * diameter, (2, 1, 1))
    from_nucleus = np.hypot(*(yx - offset)) / (0.3 * diameter)
    hollow = 1 - rng.uniform(0.1, 0.7) * np.exp(-(from_nucleus**4))
    filling = np.exp(0.2 * texture(yx.shape[1:], 0.15 * diameter, rng))
    return ndi.gaussian_filter(disc * hollow * filling, 1.0)


def _process(yx: np.ndarray, diameter: float, rng: Generator) -> np.ndarray:
    """Short, winding, unevenly bright piece of dendrite, 3 px thick."""
    steps = int(rng.uniform(0.8, 2.0) * diameter)
    heading = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, 0.15, steps))
    path = np.cumsum([np.sin(heading), np.cos(heading)], axis=1)
    path -= path.mean(axis=1, keepdims=True)
    weight = 1 + 0.3 * ndi.gaussian_filter1d(rng.standard_normal(steps), 1.5)
    distance = np.hypot(yx[0, ..., None] - path[0], yx[1, ..., None] - path[1])
    return (weight * np.exp(-((distance / 1.2) ** 2) / 2)).max(axis=-1)


def _defocused(yx: np.ndarray, diameter: float, rng: Generator) -> np.ndarray:
    """Blur of a soma above or below the focal plane."""
    width = rng.uniform(0.37, 0.52) * diameter
    return np.exp(-(yx**2).sum(axis=0) / (2 * width**2))


def _fragment(yx: np.ndarray, diameter: float, rng: Generator) -> np.ndarray:
    """Torn streak of neuropil: longer than a soma, far thinner, with holes."""
    angle = rng.uniform(0, np.pi)
    along = np.sin(angle) * yx[0] + np.cos(angle) * yx[1]
    across = np.cos(angle) * yx[0] - np.sin(angle) * yx[1]
    length, width = diameter * rng.uniform((0.45, 0.12), (0.8, 0.25))
    streak = np.exp(-((along / length) ** 2 + (across / width) ** 2) / 2)
    torn = 1 / (1 + np.exp(-3 * texture(yx.shape[1:], 0.12 * diameter, rng)))
    return ndi.gaussian_filter(streak * torn, 0.7)


_DRAW = {SOMA: _soma, PROCESS: _process, DEFOCUSED: _defocused, FRAGMENT: _fragment}
