"""CaImAn's greedy search: equal to its definition, exact in number, robust."""

from __future__ import annotations

import numpy as np
import pytest
from cnmf import cnmf_twins, init_twins

from napari_cnmf.cnmf.initialise.kernels import LANES
from napari_cnmf.cnmf.initialise.variance import variance
from napari_cnmf.cnmf.parameters import InitParameters

CENTRES = [(8, 9), (20, 25), (25, 29), (1, 40), (33, 2), (39, 51)]


def searched(movie, valid=None, n_max=100, **changes):
    """What is found in a movie (Y, X, T)."""
    parameters = InitParameters(**({"neuron_half_size_px": 2.5} | changes))
    valid = np.ones(movie.shape[:2], bool) if valid is None else valid
    return variance(movie.reshape(-1, movie.shape[2]), valid, parameters, n_max)


@pytest.mark.parametrize("half_size_px", [2.0, 2.5])
@pytest.mark.parametrize("window", [40, 100, 1000])
def test_it_is_the_definition(half_size_px, window):
    movie = cnmf_twins.planted(CENTRES, n_frames=150)[0]
    changes = {"rolling_bins": window, "neuron_half_size_px": half_size_px}
    found = searched(movie, n_components=8, **changes)
    expected = init_twins.variance_search(movie, half_size_px, window, 4, 8)
    assert len(found) == 8
    for k, (yx, score, image, trace) in enumerate(expected):
        assert tuple(found.seeds.yx[k]) == yx
        assert found.seeds.score[k] == pytest.approx(score, rel=1e-3)
        column = found.footprints[:, [k]].toarray().ravel()
        np.testing.assert_allclose(column, image.ravel(), atol=0.002)
        np.testing.assert_allclose(found.traces[k], trace, atol=0.05)


def test_more_rounds_fit_better():
    movie = cnmf_twins.planted(CENTRES, n_frames=150)[0]
    once, often = (searched(movie, n_components=1, iterations=n) for n in (1, 10))
    expected = init_twins.variance_search(movie, 2.5, 100, 10, 1)[0]
    np.testing.assert_allclose(often.traces[0], expected[3], atol=0.05)
    assert np.abs(once.traces - often.traces).max() > 0.01
    assert (once.seeds.iterations[0], often.seeds.iterations[0]) == (1, 10)


def test_without_a_number_it_ends_where_noise_begins():
    movie, images, _ = cnmf_twins.planted(CENTRES)
    found = searched(movie)
    assert len(found) == len(CENTRES)
    similar = np.corrcoef(found.footprints.T.toarray(), images.reshape(6, -1))
    assert similar[6:, :6].max(axis=1).min() > 0.8


@pytest.mark.parametrize("n", [1, 9, 40])
def test_exactly_as_many_as_asked_for_come_out(n):
    assert len(searched(cnmf_twins.planted(CENTRES)[0], n_components=n)) == n


def test_a_short_window_prefers_a_short_burst():
    movie = np.random.default_rng(0).normal(0, 0.1, (30, 40, 400)).astype(np.float32)
    movie[15, 10] += np.where(np.arange(400) % 8 < 2, 3, 0)  # all the time, a little
    movie[15, 30, 200:220] += 5  # once, strongly
    short = searched(movie, n_components=1, rolling_bins=20)
    whole = searched(movie, n_components=1, rolling_bins=1000)
    assert abs(short.seeds.yx[0, 1] - 30) <= 3
    assert abs(whole.seeds.yx[0, 1] - 10) <= 3


def test_no_seed_lies_where_there_is_no_data():
    movie = cnmf_twins.planted(CENTRES)[0]
    valid = np.ones(movie.shape[:2], bool)
    valid[:, :12] = False
    movie[~valid] = 0
    found = searched(movie, valid, n_components=20)
    assert valid[tuple(found.seeds.yx.T)].all()
    assert not found.footprints.toarray()[~valid.ravel()].any()


def test_the_movie_is_not_changed():
    movie = cnmf_twins.planted(CENTRES, n_frames=LANES)[0]
    before = movie.copy()
    searched(movie, n_components=2)
    np.testing.assert_array_equal(movie, before)
