"""The microscope: each frame of the moving scene with photon and read noise."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.random import Generator

from napari_cnmf.simulation.motion import shifted, warped
from napari_cnmf.simulation.parameters import SimulationParameters

_BLOCK_FRAMES = 32


def record(
    p: SimulationParameters,
    scene: tuple[sp.csr_array, np.ndarray],
    shifts: np.ndarray,
    bending: tuple[np.ndarray, np.ndarray],
    rng: Generator,
) -> np.ndarray:
    """Move each frame of the scene, then add noise: (T, Y, X) uint16."""
    (light, courses), (modes, mode_traces) = scene, bending
    movie = np.empty((p.n_frames, p.height_px, p.width_px), np.uint16)
    for start in range(0, p.n_frames, _BLOCK_FRAMES):
        frames = (light @ courses[:, start : start + _BLOCK_FRAMES]).T
        for t, frame in enumerate(frames.reshape(-1, *p.scene_shape), start):
            shift = shifts[t]
            if p.max_nonrigid_px > 0:
                bend = np.tensordot(mode_traces[:, t], modes, 1)
                moved = warped(frame, shift[:, None, None] + bend, p.margin_px)
            else:
                moved = shifted(frame, shift, p.margin_px)
            movie[t] = _noisy(p, moved, rng)
    return movie


def _noisy(p: SimulationParameters, photons: np.ndarray, rng: Generator) -> np.ndarray:
    """Add photon and read noise and count in digital units."""
    # One normal deviate, bent to a Poisson count's skewness (Cornish-Fisher): read
    # noise hides the lattice of counts, and drawing both took three times as long.
    photons = np.maximum(photons, 0)
    variance = photons + (p.read_noise / p.gain) ** 2
    bend = photons / (6 * np.maximum(variance, 1))
    z = rng.standard_normal(photons.shape, dtype=np.float32)
    noise = np.sqrt(variance - 2 * bend**2) * z + bend * (z * z - 1)
    return np.clip(np.rint(p.offset + p.gain * (photons + noise)), 0, 65535)
