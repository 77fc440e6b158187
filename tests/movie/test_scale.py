"""The scale of the codes: fine enough for the noise, wide enough for the values."""

import numpy as np
import pytest

from napari_cnmf.movie import Movie
from napari_cnmf.movie.kernels import BIN_SHIFT, sum_bins
from napari_cnmf.movie.scale import (
    CENTRE_CODE,
    Scale,
    choose_scale,
    noise_runs,
    sample_frames,
)


def scale_of(sample, noise_steps=16.0):
    return choose_scale(
        sample, sample.mean(axis=0), sample[noise_runs(len(sample))], noise_steps
    )


@pytest.fixture
def noisy() -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.normal(rng.normal(500, 200, (40, 50)), 8, (90, 40, 50)).astype(
        np.float32
    )


def test_the_step_is_a_share_of_the_noise(noisy):
    assert scale_of(noisy).step == pytest.approx(8 / 16, rel=0.05)
    assert scale_of(noisy, 4).step == pytest.approx(8 / 4, rel=0.05)


def test_a_pixels_mean_has_the_centre_code(noisy):
    scale = scale_of(noisy)
    mean = noisy.mean(axis=0)
    np.testing.assert_allclose(scale.values(np.uint16(CENTRE_CODE)), mean, atol=1e-3)


@pytest.mark.parametrize("sign", [1, -1])
def test_values_twice_as_far_out_as_sampled_still_fit(noisy, sign):
    noisy[:, 3, 4] = 0
    noisy[7, 3, 4] = sign * 1e6
    scale = scale_of(noisy)
    twice = noisy.mean(axis=0) + 1.95 * (noisy - noisy.mean(axis=0))
    codes = np.empty(noisy.shape, np.uint16)
    assert scale.encode(twice, codes) == 0
    assert np.abs(scale.values(codes) - twice).max() <= 0.51 * scale.step + 0.1


@pytest.mark.parametrize("n_frames", [1, 2, 3, 50])
def test_a_constant_movie_comes_back(n_frames):
    frames = np.full((n_frames, 4, 5), -12.5, np.float32)
    scale = scale_of(frames)
    assert scale.step == 1
    codes = np.empty(frames.shape, np.uint16)
    assert scale.encode(frames, codes) == 0
    np.testing.assert_array_equal(scale.values(codes), frames)


def test_values_outside_are_clipped_and_counted():
    frames = np.array([[[-0.6, -0.4, 65535.4, 65535.6, np.nan, 7.4]]], np.float32)
    codes = np.empty(frames.shape, np.uint16)
    base = np.zeros((1, 6), np.float32)
    assert Scale(base, 1.0).encode(frames, codes) == 3
    np.testing.assert_array_equal(codes[0, 0], [0, 0, 65535, 65535, 0, 7])


def test_samples_are_runs_of_three_over_the_whole_movie():
    times = np.arange(1000, dtype=np.float32)[:, None, None] * np.ones((2, 3))
    sample = sample_frames(Movie.from_array(times), 100)[:, 0, 0].reshape(-1, 3)
    assert (np.diff(sample) == 1).all()
    assert len(sample) == 33
    assert sample[0, 0] == 0
    assert sample[-1, -1] == 999


@pytest.mark.parametrize("n_frames", [1, 2, 3, 9, 100])
def test_a_short_movie_is_sampled_whole(n_frames):
    frames = np.random.default_rng(0).normal(size=(n_frames, 2, 3)).astype(np.float32)
    np.testing.assert_array_equal(sample_frames(Movie.from_array(frames), 100), frames)


@pytest.mark.parametrize("shape", [(7, 3, 4), (40, 1, 1), (6, 5, 2)])
@pytest.mark.parametrize("length", [1, 2, 3, 6])
def test_bins_are_exact_sums(shape, length):
    codes = np.random.default_rng(0).integers(0, 65536, shape, dtype=np.uint16)
    n_bins = shape[0] // length
    bins = np.empty((n_bins, *shape[1:]), np.uint32)
    sum_bins(codes, length, bins)
    expected = codes[: n_bins * length].reshape(n_bins, length, *shape[1:]).sum(axis=1)
    np.testing.assert_array_equal(bins, expected + BIN_SHIFT * (length - 1))
