"""Kernels of the greedy search against plain numpy and scipy."""

from __future__ import annotations

import numpy as np
import pytest
from cnmf import cnmf_twins as twins

from napari_cnmf.cnmf.initialise import kernels
from napari_cnmf.cnmf.initialise.greedy import greedy
from napari_cnmf.cnmf.parameters import InitParameters
from napari_cnmf.cnmf.spatial import gaussian_taps

SHAPES = [(13, 21, 50), (1, 9, 17), (9, 1, 16), (1, 1, 31), (6, 7, 32)]


def random_movie(shape, seed=0):
    return np.random.default_rng(seed).normal(3, 2, shape).astype(np.float32)


def corner_of_a_larger_image(shape):
    """As the search uses images: the same kind of array, so compiled once."""
    return np.ones((50, 50), np.float32)[: shape[0], : shape[1]]


def filtered(movie, half, taps, step):
    residual = np.empty_like(movie)
    coarse = [-(-n // step) for n in movie.shape[:2]]
    blurred = np.empty((*coarse, movie.shape[2]), np.float32)
    kernels.filter_movie(movie, half, taps, step, residual, blurred)
    return residual, blurred


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("half", [1, 4, 14])
def test_the_mean_of_the_pixels_that_exist_is_subtracted(shape, half):
    movie = random_movie(shape)
    residual, _ = filtered(movie, half, gaussian_taps(1.0), 1)
    expected = movie - twins.local_mean(movie, half)
    np.testing.assert_allclose(residual, expected, atol=1e-4)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(("sigma_px", "step"), [(1.0, 1), (2.3, 2), (3.5, 3)])
def test_what_is_left_is_blurred_and_thinned_out(shape, sigma_px, step):
    movie, taps = random_movie(shape), gaussian_taps(sigma_px)
    residual, blurred = filtered(movie, 4, taps, step)
    expected = twins.blur_coarse(residual, taps, step)
    np.testing.assert_allclose(blurred, expected, atol=1e-4)


def test_light_that_is_the_same_everywhere_does_not_matter():
    movie = random_movie((11, 8, 30))
    flashes = (50 * np.random.default_rng(1).random(30)).astype(np.float32)
    for found, expected in zip(
        filtered(movie + flashes, 3, gaussian_taps(1.0), 1),
        filtered(movie, 3, gaussian_taps(1.0), 1),
        strict=True,
    ):
        np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.parametrize("n_frames", [1, 2, 7, 50, 101])
def test_every_pixel_is_centred_by_its_median(n_frames):
    movie = random_movie((5, 4, n_frames))
    movie[0, 0] = 1  # all alike
    movie[0, 1] = np.arange(n_frames)
    movie[0, 2] = -np.arange(n_frames)
    # Of an even number of values, the upper middle one.
    middle = np.sort(movie, axis=2)[:, :, n_frames // 2, None]
    expected = movie - middle
    kernels.centre_by_median(movie)
    np.testing.assert_array_equal(movie, expected)


@pytest.mark.parametrize("n_frames", [1, 2, 3, 4, 500])
def test_noise_is_that_of_second_differences(n_frames):
    trace = random_movie((n_frames,))
    assert kernels.noise_of(trace) == pytest.approx(twins.noise_of(trace), rel=1e-4)


def test_noise_of_white_noise_is_its_standard_deviation():
    noise = [kernels.noise_of(random_movie((500,), seed)) for seed in range(50)]
    assert np.mean(noise) == pytest.approx(2.0, rel=0.02)


@pytest.mark.parametrize("threshold", [0.0, 1.5, 2.5, 100.0])
def test_event_energy_counts_squares_above_the_threshold(threshold):
    trace = random_movie((300,))
    found = kernels.event_energy(trace, np.float32(2), threshold)
    expected = twins.event_energy(trace, 2.0, threshold)
    assert found == pytest.approx(expected, rel=1e-4)


def test_a_trace_without_noise_has_no_event_energy():
    assert kernels.event_energy(np.ones(9, np.float32), np.float32(0), 2.5) == 0


@pytest.mark.parametrize("shape", [(9, 12), (1, 7), (1, 1)], ids=str)
@pytest.mark.parametrize("level", [-0.5, 0.0, 0.4])
def test_only_the_piece_at_a_pixel_is_kept(shape, level):
    for seed in range(5):
        image = corner_of_a_larger_image(shape)
        image[:] = np.random.default_rng(seed).normal(0, 1, shape)
        y, x = np.random.default_rng(seed).integers(shape)
        expected = twins.keep_piece(image, level, y, x)
        kernels.keep_piece(image, np.float32(level), y, x)
        np.testing.assert_array_equal(image, expected)


def planted(centres, shape=(40, 52), n_frames=300, height=3.0):
    """Noise of one and sharply outlined cells (Y, X, T), their images and traces."""
    images = np.array([twins.disc(shape, c, 3.0) for c in centres]).reshape(-1, *shape)
    traces = height * twins.transients(len(centres), n_frames, seed=3)
    movie = np.random.default_rng(5).normal(0, 1, (*shape, n_frames))
    movie += np.tensordot(images, traces, (0, 0))
    return movie.astype(np.float32), images, traces


@pytest.mark.parametrize("centre", [(20, 25), (0, 0), (39, 51)])
def test_rank_one_fits_image_and_trace(centre):
    movie, images, traces = planted([centre], n_frames=150)
    rows, cols = (slice(max(c - 6, 0), c + 7) for c in centre)
    box = movie[rows, cols]
    image, trace = corner_of_a_larger_image(box.shape), np.empty(150, np.float32)
    seed = movie[centre]
    kernels.rank_one(movie, seed, rows.start, cols.start, image, trace)
    expected = twins.rank_one(box, seed)
    np.testing.assert_allclose(image, expected[0], atol=1e-3)
    np.testing.assert_allclose(trace, expected[1], atol=1e-3)
    assert np.corrcoef(image.ravel(), images[0][rows, cols].ravel())[0, 1] > 0.9
    assert np.corrcoef(trace, traces[0])[0, 1] > 0.9


def test_rank_one_of_a_seed_that_is_never_positive_is_nothing():
    movie, _, _ = planted([(20, 25)], n_frames=50)
    image, trace = corner_of_a_larger_image((5, 5)), np.ones(50, np.float32)
    kernels.rank_one(movie, np.full(50, -1, np.float32), 3, 3, image, trace)
    assert not image.any()


def searched(movie, n_max=50, stop=25.0, step=2, half=6):
    taps = gaussian_taps(2.5)
    residual, blurred = filtered(movie, 11, taps, step)
    kernels.centre_by_median(blurred)
    twin = twins.search(residual, taps, step, half, 2.5, stop, n_max)
    arguments = (taps, step, half, 2.5, stop, n_max)
    return kernels.search(residual, blurred, *arguments), twin


def whole(corner, image, shape):
    """A boxed image in its field."""
    field = np.zeros(np.add(shape, image.shape))
    y, x = corner
    field[y : y + image.shape[0], x : x + image.shape[1]] = image
    return field[: shape[0], : shape[1]]


def test_search_finds_what_a_search_without_shortcuts_finds():
    centres = [(8, 9), (20, 25), (25, 29), (1, 40), (33, 2), (39, 51)]
    (corners, images, traces, energies), twin = searched(planted(centres)[0])
    assert len(images) == len(twin) >= 5
    for k, (image, trace, energy) in enumerate(twin):
        found = whole(corners[k], images[k], image.shape)
        np.testing.assert_allclose(found, image, atol=0.01)
        np.testing.assert_allclose(traces[k], trace, atol=0.05)
        assert energies[k] == pytest.approx(energy, rel=0.01)


def test_search_gives_the_most_active_first():
    movie, images, traces = planted([(20, 12), (20, 38)])
    traces[1] *= 2
    movie += np.tensordot(images[1], 0.5 * traces[1], 0)
    (corners, _, _, energies), _ = searched(movie)
    np.testing.assert_allclose(corners[0] + 6, (20, 38), atol=2)
    assert (np.diff(energies) <= 0).all()


def test_search_stops_on_noise():
    (corners, images, traces, energies), _ = searched(planted([])[0])
    assert len(corners) == len(images) == len(traces) == len(energies) == 0


def test_search_stops_at_the_largest_number():
    movie = planted([(8, 9), (20, 25), (33, 42)])[0]
    (corners, *_), _ = searched(movie, n_max=2)
    assert len(corners) == 2


def test_search_ends_on_a_movie_without_noise():
    shape = (20, 20, 40)
    diagonal = np.eye(20)[..., None] + np.zeros(40)
    for movie in (np.zeros(shape), np.ones(shape), diagonal):
        residual, blurred = filtered(
            np.ascontiguousarray(movie, np.float32), 5, gaussian_taps(2.0), 1
        )
        found = kernels.search(
            residual, blurred, gaussian_taps(2.0), 1, 5, 2.5, 25.0, 50
        )
        assert len(found[0]) <= 50


def test_greedy_finds_planted_cells_and_no_others():
    centres = [(9, 9), (20, 25), (30, 42), (9, 44)]
    movie, images, traces = planted(centres)
    movie -= movie.mean(axis=2, keepdims=True)
    init = InitParameters(neuron_half_size_px=2.5)
    footprints, found = greedy(movie.reshape(-1, 300), (40, 52), init, 100)
    assert footprints.shape == (40 * 52, 4)
    assert footprints.has_sorted_indices
    similar = np.corrcoef(footprints.toarray().T, images.reshape(4, -1))[:4, 4:]
    partner = similar.argmax(axis=1)
    assert sorted(partner) == [0, 1, 2, 3]
    assert similar.max(axis=1).min() > 0.9
    for k, truth in enumerate(partner):
        assert np.corrcoef(found[k], traces[truth])[0, 1] > 0.9
