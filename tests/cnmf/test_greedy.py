"""The greedy search finds planted cells, in order, and stops where none are left."""

from __future__ import annotations

import numpy as np
import pytest
from cnmf import cnmf_twins as twins

from napari_cnmf.cnmf.initialise.greedy import greedy
from napari_cnmf.cnmf.initialise.kernels import LANES
from napari_cnmf.cnmf.parameters import InitParameters

FIELD = (40, 52)
INIT = InitParameters(neuron_half_size_px=2.5)


def searched(movie, n_max=100, valid=None, **changes):
    """Footprints as images, and traces; `movie` is (Y, X, T)."""
    parameters = InitParameters(**({"neuron_half_size_px": 2.5} | changes))
    pixels = movie.reshape(-1, movie.shape[2])
    valid = np.ones(movie.shape[:2], bool) if valid is None else valid
    found = greedy(pixels, valid, parameters, n_max)
    footprints, traces = found.footprints, found.traces
    assert footprints.shape == (len(pixels), len(traces))
    assert footprints.dtype == traces.dtype == np.float32
    assert footprints.has_sorted_indices
    return footprints.toarray().T.reshape(-1, *movie.shape[:2]), traces


def test_planted_cells_are_found_and_no_others():
    movie, images, traces = twins.planted([(9, 9), (20, 25), (30, 42), (9, 44)])
    found, courses = searched(movie)
    assert len(found) == 4
    similar = np.corrcoef(found.reshape(4, -1), images.reshape(4, -1))[:4, 4:]
    partner = similar.argmax(axis=1)
    assert sorted(partner) == [0, 1, 2, 3]
    assert similar.max(axis=1).min() > 0.9
    for course, truth in zip(courses, traces[partner], strict=True):
        assert np.corrcoef(course, truth)[0, 1] > 0.9


def test_it_finds_what_a_search_without_shortcuts_finds():
    centres = [(8, 9), (20, 25), (25, 29), (1, 40), (33, 2), (39, 51)]
    movie = twins.planted(centres)[0]
    found, traces = searched(movie)
    expected = twins.search(movie, INIT)
    assert len(found) == len(expected) >= 5
    for k, (image, trace) in enumerate(expected):
        np.testing.assert_allclose(found[k], image, atol=0.01)
        np.testing.assert_allclose(traces[k], trace, atol=0.05)


def test_the_movie_is_not_changed():
    movie = twins.planted([(9, 9)])[0]
    before = movie.copy()
    searched(movie)
    np.testing.assert_array_equal(movie, before)


def test_the_most_active_cell_comes_first():
    movie, images, traces = twins.planted([(20, 12), (20, 38)])
    movie += np.tensordot(images[1], traces[1], 0)
    found, _ = searched(movie)
    assert found[0, 20, 38] > 0
    assert found[1, 20, 12] > 0


@pytest.mark.parametrize("n_frames", [LANES, LANES + 1, 300])
def test_nothing_is_found_in_noise(n_frames):
    found, traces = searched(twins.planted([], n_frames=n_frames)[0])
    assert len(found) == 0
    assert traces.shape == (0, n_frames)


def test_a_cell_is_found_in_few_frames():
    movie, images, _ = twins.planted([(20, 25)], n_frames=100, height=20.0)
    found, traces = searched(movie)
    assert traces.shape[1] == 100
    assert np.corrcoef(found[0].ravel(), images[0].ravel())[0, 1] > 0.9


def test_no_more_are_found_than_asked_for():
    movie = twins.planted([(8, 9), (20, 25), (33, 42)])[0]
    most, _ = searched(movie)
    two, _ = searched(movie, n_max=2)
    assert len(most) == 3
    np.testing.assert_array_equal(two, most[:2])


@pytest.mark.parametrize("n", [1, 8, 30])
def test_exactly_as_many_as_asked_for_are_found(n):
    movie = twins.planted([(8, 9), (20, 25), (33, 42)])[0]
    found, _ = searched(movie, n_components=n)
    assert len(found) == n
    np.testing.assert_array_equal(found[:3], searched(movie)[0][:n])


def test_it_is_told_where_each_cell_began():
    centres = [(8, 9), (20, 25), (33, 42)]
    movie = twins.planted(centres)[0]
    found = greedy(movie.reshape(-1, 300), np.ones(FIELD, bool), INIT, 100)
    seeds = found.seeds
    expected = twins.search(movie, INIT)
    for k, (image, _) in enumerate(expected):
        y, x = seeds.yx[k]
        assert np.abs(np.subtract(centres, (y, x))).max(axis=1).min() <= 1
        y0, x0, y1, x1 = seeds.boxes[k]
        assert (y0, x0) == (max(y - 5, 0), max(x - 5, 0))
        assert (y1, x1) == (min(y + 6, 40), min(x + 6, 52))
        assert not np.delete(image, np.s_[y0:y1], axis=0).any()
    assert (np.diff(seeds.score) < 0).all()
    assert seeds.score[-1] > INIT.min_event_energy * 300
    np.testing.assert_array_equal(seeds.iterations, 4)


def test_dim_cells_need_a_lower_limit():
    movie = twins.planted([(20, 25)], height=1.0)[0]
    assert len(searched(movie, min_event_energy=3.0)[0]) == 0
    assert searched(movie, min_event_energy=0.03)[0][0, 20, 25] > 0


def test_a_higher_threshold_leaves_less_energy():
    movie = twins.planted([(20, 25)], height=1.0)[0]
    assert len(searched(movie)[0]) == 1
    assert len(searched(movie, event_threshold_sd=20.0)[0]) == 0


@pytest.mark.parametrize("value", [0.0, 1.0])
@pytest.mark.parametrize("limit", [0.0, 0.08])
def test_a_constant_movie_has_no_cells(value, limit):
    movie = np.full((20, 30, 40), value, np.float32)
    assert len(searched(movie, min_event_energy=limit)[0]) == 0


def test_it_ends_on_a_movie_without_noise():
    _, images, traces = twins.planted([(8, 9), (20, 25)])
    clean = np.tensordot(images, traces, (0, 0)).astype(np.float32)
    assert len(searched(clean, n_max=30)[0]) <= 30


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (3, 4)], ids=str)
def test_tiny_fields_are_searched(shape):
    movie = twins.planted([], shape=shape, n_frames=60)[0]
    movie[0, 0, 20:25] += 50
    found, _ = searched(movie)
    assert len(found) <= 3


def test_light_that_ends_where_the_data_ends_is_no_cell():
    movie = twins.planted([(20, 30)])[0]
    movie += 4 * twins.transients(1, 300, seed=8)[0]  # neuropil, everywhere alike
    valid = np.ones(FIELD, bool)
    valid[:, :9] = valid[:4] = False
    movie[~valid] = 0
    found, _ = searched(movie, valid=valid)
    assert len(found) == 1
    assert found[0, 20, 30] > 0
