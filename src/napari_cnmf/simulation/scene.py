"""Light of the whole scene: neuropil, vessels and sources as pictures with courses."""

from __future__ import annotations

import numpy as np
import scipy.ndimage as ndi
import scipy.sparse as sp
from numpy.random import Generator

from napari_cnmf.simulation.parameters import SimulationParameters
from napari_cnmf.simulation.randomness import coloured, texture


def light_scene(
    p: SimulationParameters,
    images: sp.csr_array,
    brightness: np.ndarray,
    traces: np.ndarray,
    rng: Generator,
) -> tuple[sp.csr_array, np.ndarray]:
    """Photons of the scene as pictures (H*W, N) times their courses (N, T).

    The first is what rests, and bleaches; then the domains of neuropil and the sources.
    """
    shape = p.scene_shape
    textures = [texture(shape, s * p.diameter_px, rng) for s in (0.15, 0.5, 1.5)]
    neuropil = p.neuropil * np.exp(np.tensordot([0.04, 0.14, 0.1], textures, 1))
    # Vessels run where another texture changes its sign.
    lines = np.exp(-((texture(shape, 2.5 * p.diameter_px, rng) / 0.1) ** 2) / 2)
    neuropil *= 1 - p.vessel_depth * lines
    patches = [texture(shape, 1.2 * p.diameter_px, rng) for _ in range(p.n_domains)]
    domains = np.exp(np.multiply(1.5, patches))
    domains *= neuropil / domains.sum(axis=0)
    rest = neuropil + p.resting * (images @ brightness).reshape(shape)
    maps = np.reshape([rest, *domains], (1 + p.n_domains, -1)).T.astype(np.float32)
    courses = np.concatenate([np.ones((1, p.n_frames)), _fluctuations(p, rng)])
    courses *= 1 - p.bleaching * np.linspace(0, 1, p.n_frames)
    courses = np.concatenate([courses.astype(np.float32), traces])
    return sp.hstack([sp.csr_array(maps), images], format="csr"), courses


def _fluctuations(p: SimulationParameters, rng: Generator) -> np.ndarray:
    """Relative change of each domain (D, T): shared and own, slow and fast, skewed."""
    shape = (1 + p.n_domains, p.n_frames)
    slow, fast = (coloured(shape, s * p.frame_rate_hz, rng) for s in (10, 0.6))
    smooth = ndi.gaussian_filter1d(slow + fast, 0.15 * p.frame_rate_hz, axis=1)
    skewed = np.exp(0.4 * smooth)
    skewed -= skewed.mean(axis=1, keepdims=True)
    skewed *= p.neuropil_modulation / skewed.std(axis=1, keepdims=True)
    return 1.1 * skewed[:1] + 0.9 * skewed[1:]
