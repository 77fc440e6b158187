"""Smooth random courses and pictures."""

from __future__ import annotations

import numpy as np
import scipy.ndimage as ndi
from numpy.random import Generator
from scipy.signal import lfilter


def coloured(shape: tuple[int, int], memory: float, rng: Generator) -> np.ndarray:
    """Stationary Ornstein-Uhlenbeck noise (n, T) of unit variance, memory in frames."""
    pole = np.exp(-1 / memory)
    noise = rng.standard_normal(shape)
    noise[:, 1:] *= np.sqrt(1 - pole**2)
    return lfilter([1], [1, -pole], noise, axis=1)


def texture(shape: tuple[int, int], scale_px: float, rng: Generator) -> np.ndarray:
    """Smooth random picture of zero mean and unit variance."""
    noise = ndi.gaussian_filter(rng.standard_normal(shape), scale_px, mode="wrap")
    return (noise - noise.mean()) / noise.std()
