"""Kernels of the greedy search against plain numpy and scipy."""

from __future__ import annotations

import numpy as np
import pytest
from cnmf import cnmf_twins as twins
from cnmf import init_twins

from napari_cnmf.cnmf.initialise import kernels
from napari_cnmf.cnmf.initialise.greedy import _shares
from napari_cnmf.cnmf.spatial import gaussian_taps

LANES = kernels.LANES
SHAPES = [(13, 21, 50), (1, 9, 17), (9, 1, 16), (1, 1, 31), (6, 7, 32)]


def random_movie(shape, seed=0):
    return np.random.default_rng(seed).normal(3, 2, shape).astype(np.float32)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("half", [1, 4, 14])
@pytest.mark.parametrize("share", [1.0, 0.7])
def test_the_mean_of_the_pixels_with_data_is_subtracted(shape, half, share):
    movie, first = random_movie(shape), shape[2] - LANES
    valid = np.random.default_rng(2).random(shape[:2]) < share
    movie[~valid] = 0
    out = np.full_like(movie, 7)
    kernels.subtract_local_mean(movie, _shares(valid, half), half, first, out)
    means = np.where(valid[..., None], twins.local_mean(movie, half, valid), 0)
    expected = movie - means
    np.testing.assert_allclose(out[..., first:], expected[..., first:], atol=1e-4)
    assert (out[..., :first] == 7).all()


def test_light_that_is_the_same_everywhere_does_not_matter():
    movie = random_movie((11, 8, LANES))
    flashes = (50 * np.random.default_rng(1).random(LANES)).astype(np.float32)
    found, expected = np.empty((2, *movie.shape), np.float32)
    shares = _shares(np.ones((11, 8), bool), 3)
    kernels.subtract_local_mean(movie + flashes, shares, 3, 0, found)
    kernels.subtract_local_mean(movie, shares, 3, 0, expected)
    np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(("sigma_px", "step"), [(1.0, 1), (2.3, 2), (3.5, 3)])
def test_the_movie_is_blurred_and_thinned_out(shape, sigma_px, step):
    movie, taps = random_movie(shape), gaussian_taps(sigma_px)
    expected = twins.blur_coarse(movie, taps, step)
    first = shape[2] - LANES
    out = np.full(expected.shape, 7, np.float32)
    kernels.blur(movie, taps, step, first, out)
    np.testing.assert_allclose(out[..., first:], expected[..., first:], atol=1e-4)
    assert (out[..., :first] == 7).all()


@pytest.mark.parametrize("n_frames", [1, 2, 7, 50, 101])
def test_every_pixel_is_centred_by_its_median(n_frames):
    movie = random_movie((5, 4, n_frames))
    movie[0, 0] = 1  # all alike
    movie[0, 1] = np.arange(n_frames)
    movie[0, 2] = -np.arange(n_frames)
    # Of an even number of values, the upper middle one.
    expected = movie - np.sort(movie, axis=2)[:, :, n_frames // 2, None]
    kernels.centre_by_median(movie)
    np.testing.assert_array_equal(movie, expected)


@pytest.mark.parametrize("n_frames", [1, 2, 3, 4, 500])
def test_noise_is_that_of_second_differences(n_frames):
    movie, out = random_movie((3, 5, n_frames)), np.empty((3, 5), np.float32)
    kernels.noise_image(movie, out)
    expected = np.apply_along_axis(twins.noise_of, 2, movie)
    np.testing.assert_allclose(out, expected, rtol=1e-4)


def test_noise_of_white_noise_is_its_standard_deviation():
    out = np.empty((10, 10), np.float32)
    kernels.noise_image(random_movie((10, 10, 500)), out)
    assert out.mean() == pytest.approx(2.0, rel=0.02)


@pytest.mark.parametrize("threshold", [0.0, 1.5, 2.5, 100.0])
def test_event_energy_counts_squares_above_the_threshold(threshold):
    movie = random_movie((4, 6, 300))
    noise = np.random.default_rng(1).uniform(1, 3, (4, 6)).astype(np.float32)
    noise[1, 2] = 0
    out = np.full((4, 6), -1, np.float32)
    kernels.event_energy(movie, noise, threshold, (1, 4), (0, 5), out)
    for y, x in np.ndindex(3, 5):
        found = out[y + 1, x]
        if noise[y + 1, x] == 0:
            assert found == 0
        else:
            trace, sd = movie[y + 1, x], noise[y + 1, x]
            expected = twins.event_energy(trace, sd, threshold)
            assert found == pytest.approx(expected, rel=1e-4)
    assert (out[0] == -1).all()
    assert (out[:, 5] == -1).all()


@pytest.mark.parametrize("window", [1, 7, 100, 1000])
def test_window_energy_is_the_best_running_mean_of_squares(window):
    movie = random_movie((4, 6, 300)) * 100
    out = np.full((4, 6), -1, np.float32)
    kernels.window_energy(movie, window, (1, 4), (0, 5), out)
    expected = init_twins.window_energy(movie, window)[1:, :5]
    np.testing.assert_allclose(out[1:, :5], expected, rtol=1e-5)
    assert (out[0] == -1).all()
    assert (out[:, 5] == -1).all()


@pytest.mark.parametrize("shape", [(9, 12), (1, 7), (1, 1)], ids=str)
@pytest.mark.parametrize("level", [-0.5, 0.0, 0.4])
def test_only_the_piece_at_a_pixel_is_kept(shape, level):
    for seed in range(5):
        rng = np.random.default_rng(seed)
        image = rng.normal(0, 1, shape).astype(np.float32)
        y, x = rng.integers(shape)
        expected = twins.keep_piece(image, level, y, x)
        kernels.keep_piece(image, np.float32(level), y, x)
        np.testing.assert_array_equal(image, expected)


@pytest.mark.parametrize("centre", [(20, 25), (0, 0), (39, 51)], ids=str)
def test_rank_one_fits_image_and_trace(centre):
    movie, images, traces = twins.planted([centre], n_frames=150)
    rows, cols = (slice(max(c - 6, 0), c + 7) for c in centre)
    box = movie[rows, cols]
    image, trace = np.empty(box.shape[:2], np.float32), np.empty(150, np.float32)
    seed = movie[centre]
    corner = rows.start, cols.start
    kernels.rank_one(movie, seed, corner, 4, image, trace)
    expected = twins.rank_one(box, seed)
    np.testing.assert_allclose(image, expected[0], atol=1e-3)
    np.testing.assert_allclose(trace, expected[1], atol=1e-3)
    assert np.corrcoef(image.ravel(), images[0][rows, cols].ravel())[0, 1] > 0.9
    assert np.corrcoef(trace, traces[0])[0, 1] > 0.9


def test_more_rounds_of_rank_one_fit_better():
    movie, _, traces = twins.planted([(20, 25)], n_frames=150, height=1.0)
    similar = []
    for rounds in (1, 6):
        image, trace = np.empty((13, 13), np.float32), np.empty(150, np.float32)
        kernels.rank_one(movie, movie[20, 25], (14, 19), rounds, image, trace)
        similar.append(np.corrcoef(trace, traces[0])[0, 1])
    assert similar[1] > similar[0]


def test_rank_one_of_a_seed_that_is_never_positive_is_nothing():
    movie, _, _ = twins.planted([(20, 25)], n_frames=50)
    image, trace = np.ones((5, 5), np.float32), np.ones(50, np.float32)
    kernels.rank_one(movie, np.full(50, -1, np.float32), (3, 3), 4, image, trace)
    assert not image.any()


def component(shape):
    """Image with some zeros, and trace."""
    rng = np.random.default_rng(8)
    image = np.maximum(rng.normal(0, 1, shape), 0).astype(np.float32)
    return image, rng.normal(0, 1, 20).astype(np.float32)


def test_subtract_takes_a_component_out_of_its_box():
    movie = random_movie((11, 13, 20))
    image, trace = component((4, 5))
    expected = movie.copy()
    expected[6:10, 8:13] -= image[..., None] * trace
    kernels.subtract(movie, 6, 8, image, trace)
    np.testing.assert_allclose(movie, expected, atol=1e-5)


@pytest.mark.parametrize("corner", [(0, 0), (5, 6), (7, 8)], ids=str)
@pytest.mark.parametrize(("sigma_px", "step"), [(1.0, 1), (2.3, 2)])
def test_subtract_blurred_is_as_if_blurred_afterwards(corner, sigma_px, step):
    movie, taps = random_movie((11, 13, 20)), gaussian_taps(sigma_px)
    image, trace = component((4, 5))
    blurred = twins.blur_coarse(movie, taps, step).astype(np.float32)
    kernels.subtract(movie, *corner, image, trace)
    expected = twins.blur_coarse(movie, taps, step)
    whole = tuple((0, n) for n in blurred.shape[:2])
    kernels.subtract_blurred(blurred, *corner, image, trace, taps, step, *whole)
    np.testing.assert_allclose(blurred, expected, atol=1e-4)


def test_subtract_blurred_works_on_a_region():
    taps = gaussian_taps(1.0)
    image, trace = component((4, 5))
    part, whole = random_movie((2, 11, 13, 20))
    whole[:] = part
    before = part.copy()
    everywhere = (0, 11), (0, 13)
    kernels.subtract_blurred(whole, 5, 6, image, trace, taps, 1, *everywhere)
    kernels.subtract_blurred(part, 5, 6, image, trace, taps, 1, (3, 7), (6, 10))
    inside = np.s_[3:7, 6:10]
    np.testing.assert_array_equal(part[inside], whole[inside])
    part[inside] = before[inside]
    np.testing.assert_array_equal(part, before)
