"""A small movie with its truth, for single steps of CNMF."""

from __future__ import annotations

import numpy as np
from cnmf import cnmf_twins as twins

from napari_cnmf.cnmf.parameters import (
    BackgroundParameters,
    CnmfParameters,
    InitParameters,
    TemporalParameters,
)

FIELD, N_FRAMES, RATE_HZ = (36, 44), 400, 10.0
CENTRES = [(9, 9), (20, 25), (24, 32), (30, 8)]
IMAGES = np.array([twins.disc(FIELD, centre, 4.0) for centre in CENTRES])
TRACES = 60 * twins.transients(len(CENTRES), N_FRAMES, seed=3)
PARAMETERS = CnmfParameters(
    init=InitParameters(method="variance", n_components=5, neuron_half_size_px=3),
    background=BackgroundParameters(model="low_rank", rank=1),
    temporal=TemporalParameters(method="constrained", ar_order=2),
)


def recorded(seed=0):
    """Movie (T, Y, X) of four cells on a background that goes up and down."""
    rng = np.random.default_rng(seed)
    level = 200 + 100 * rng.random(FIELD)
    noise_sd = 5 + 5 * rng.random(FIELD)
    course = 1 + 0.05 * np.sin(np.arange(N_FRAMES) / 15)
    movie = np.tensordot(TRACES.T, IMAGES, 1) + course[:, None, None] * level
    movie += noise_sd * rng.standard_normal(movie.shape)
    return movie.astype(np.float32), noise_sd


MOVIE, NOISE_SD = recorded()


def pairs_with_truth(components):
    """Correlation (K, 4) of raw traces with the true ones."""
    return np.corrcoef(components.raw, TRACES)[: len(components), len(components) :]


def assert_sound(components, recording):
    """Unit norms, and background and cells that add up to the mean of the movie."""
    norms = np.sqrt(components.footprints.power(2).sum(axis=0))
    np.testing.assert_allclose(norms, 1, rtol=1e-5)
    background = components.background
    moving = components.footprints @ components.denoised.mean(axis=1)
    moving += background.maps @ background.traces.mean(axis=1)
    mean = moving.reshape(FIELD) + background.constant
    np.testing.assert_allclose(mean, recording.mean, rtol=1e-5)
    assert components.frame_rate_hz == RATE_HZ
    np.testing.assert_array_equal(components.pixel_noise, recording.noise)
