"""How the tissue moves: drift, breathing, jitter and jerks, and smooth bending."""

from __future__ import annotations

import numpy as np
import scipy.ndimage as ndi
from numpy.random import Generator
from scipy.signal import lfilter

from napari_cnmf.simulation.parameters import FILTER_PX, SimulationParameters
from napari_cnmf.simulation.randomness import coloured

_TAPS = np.arange(FILTER_PX) - FILTER_PX // 2


def rigid_shifts(p: SimulationParameters, rng: Generator) -> np.ndarray:
    """Drift, breathing, jitter and jerks that decay within 0.2 s, (T, 2) px."""
    shifts = coloured((2, p.n_frames), 2.0 * p.frame_rate_hz, rng).T
    shifts += 0.1 * rng.standard_normal((p.n_frames, 2))
    phase = 2 * np.pi * 1.3 / p.frame_rate_hz * np.arange(p.n_frames)
    shifts += np.sin(phase)[:, None] * rng.normal(0, 0.1, 2)
    jerks = rng.random((p.n_frames, 1)) < p.jerk_rate_hz / p.frame_rate_hz
    kicks = jerks * rng.normal(0, 1.7, (p.n_frames, 2))
    shifts += lfilter([1], [1, -np.exp(-5 / p.frame_rate_hz)], kicks, axis=0)
    return np.clip(p.motion_sd_px * shifts, -p.max_shift_px, p.max_shift_px)


def bending(p: SimulationParameters, rng: Generator) -> tuple[np.ndarray, np.ndarray]:
    """Smooth displacement modes (M, 2, Y, X) and their courses (M, T) px."""
    shape = (3 if p.max_nonrigid_px > 0 else 0, 2, p.height_px, p.width_px)
    noise = rng.standard_normal(shape, dtype=np.float32)
    modes = ndi.gaussian_filter(noise, min(shape[2:]) / 4, axes=(2, 3), mode="wrap")
    modes /= np.abs(modes).max(axis=(2, 3), keepdims=True)
    courses = np.tanh(coloured((len(modes), p.n_frames), p.frame_rate_hz, rng))
    courses *= p.max_nonrigid_px / 3
    return modes, courses.astype(np.float32)


def shifted(frame: np.ndarray, shift: np.ndarray, margin: int) -> np.ndarray:
    """Move by (y, x) px with a Lanczos filter and cut the margin off."""
    whole = np.rint(shift).astype(int)
    for axis, fraction in enumerate(shift - whole):
        t = _TAPS - fraction
        weights = np.sinc(t) * np.sinc(t / (_TAPS[-1] + 0.5))
        frame = ndi.convolve1d(frame, weights / weights.sum(), axis)
    (top, left), (height, width) = margin - whole, np.subtract(frame.shape, 2 * margin)
    return frame[top : top + height, left : left + width]


def warped(frame: np.ndarray, displacement: np.ndarray, margin: int) -> np.ndarray:
    """Move every pixel by its own (2, Y, X) px and cut the margin off."""
    source = np.indices(displacement.shape[1:]) + margin - displacement
    return ndi.map_coordinates(frame, source, order=3)
