"""Every initialiser behind one signature, on sensible, coarse and degenerate movies."""

from __future__ import annotations

import numpy as np
import pytest
from cnmf import cnmf_twins
from threadpoolctl import threadpool_limits

from napari_cnmf.cnmf.initialise.found import Candidate, Found, gathered
from napari_cnmf.cnmf.initialise.kernels import LANES
from napari_cnmf.cnmf.initialise.masks import masks_from_points
from napari_cnmf.cnmf.initialise.methods import initialise
from napari_cnmf.cnmf.initialise.subsample import Subsampling
from napari_cnmf.cnmf.parameters import InitParameters
from napari_cnmf.errors import InputError, ParameterError

SEARCHES = ["event_energy", "variance", "sparse_nmf", "corr_pnr"]
METHODS = [*SEARCHES, "seeded"]
CENTRES = [(9, 9), (20, 25), (30, 42)]


@pytest.fixture(autouse=True)
def one_thread():
    """As in every run: threads of the linear algebra only hinder each other here."""
    with threadpool_limits(1, user_api="blas"):
        yield


def found_in(movie, method, valid=None, n_max=50, **changes):
    """What a method finds in a movie (Y, X, T); one seed in the middle."""
    shape = movie.shape[:2]
    parameters = InitParameters(
        **({"neuron_half_size_px": 2.5, "method": method} | changes)
    )
    valid = np.ones(shape, bool) if valid is None else valid
    masks = masks_from_points(np.array([shape]) // 2, shape, 7.0)
    found = initialise(
        movie.reshape(-1, movie.shape[2]), valid, parameters, n_max, masks
    )
    require_sound(found, movie.shape, valid)
    return found


def require_sound(found, movie_shape, valid):
    """Shapes, types and places are as promised, and all numbers finite."""
    n, (n_y, n_x, n_t) = len(found), movie_shape
    assert found.footprints.shape == (n_y * n_x, n)
    assert found.traces.shape == (n, n_t)
    assert found.footprints.dtype == found.traces.dtype == np.float32
    assert found.footprints.has_sorted_indices
    assert np.isfinite(found.footprints.data).all()
    assert np.isfinite(found.traces).all()
    assert (found.footprints.data > 0).all()
    assert not found.footprints.toarray()[~valid.ravel()].any()
    seeds = found.seeds
    assert len(seeds.yx) == len(seeds.score) == len(seeds.boxes) == n
    assert len(seeds.iterations) == n
    assert (seeds.yx >= 0).all()
    assert (seeds.yx < (n_y, n_x)).all()
    assert (seeds.boxes[:, :2] >= 0).all()
    assert (seeds.boxes[:, 2:] <= (n_y, n_x)).all()


# ---------------------------------------------------------------- one signature


@pytest.mark.parametrize("method", ["event_energy", "variance", "sparse_nmf"])
def test_every_search_finds_the_cells(method):
    movie, images, traces = cnmf_twins.planted(CENTRES)
    found = found_in(movie, method, n_components=3)
    assert len(found) == 3
    both = np.corrcoef(found.footprints.T.toarray(), images.reshape(3, -1))[3:, :3]
    assert both.max(axis=1).min() > 0.8
    for k, partner in enumerate(both.argmax(axis=1)):
        assert np.corrcoef(found.traces[partner], traces[k])[0, 1] > 0.9


@pytest.mark.parametrize("method", METHODS)
def test_the_same_movie_gives_the_same_bytes_and_stays_as_it_is(method):
    movie = cnmf_twins.planted(CENTRES, n_frames=60)[0]
    before = movie.copy()
    first, second = (found_in(movie, method) for _ in range(2))
    np.testing.assert_array_equal(first.traces, second.traces)
    np.testing.assert_array_equal(first.footprints.data, second.footprints.data)
    np.testing.assert_array_equal(movie, before)


@pytest.mark.parametrize("method", SEARCHES)
@pytest.mark.parametrize("limits", [(2, None), (50, 2)], ids=str)
def test_no_more_are_found_than_asked_for(method, limits):
    movie = cnmf_twins.planted(CENTRES)[0]
    n_max, n_components = limits
    found = found_in(movie, method, n_max=n_max, n_components=n_components)
    assert len(found) <= 2
    assert len(found_in(movie, method, n_max=0)) == 0


def test_seeds_need_masks():
    movie = np.zeros((25, 20), np.float32)
    parameters = InitParameters(method="seeded")
    with pytest.raises(ParameterError, match=r"init.method.*'seeded'.*no masks"):
        initialise(movie, np.ones((5, 5), bool), parameters, 10)


def test_a_movie_of_few_bins_is_refused():
    movie = np.zeros((25, LANES - 1), np.float32)
    with pytest.raises(InputError, match=r"15 time bins.*at least 16"):
        initialise(movie, np.ones((5, 5), bool), InitParameters(), 10)


# ---------------------------------------------------------------- degenerate movies


def noise(shape):
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def saturated():
    """Some pixels that never change, among them part of a cell."""
    movie = cnmf_twins.planted(CENTRES, n_frames=80)[0]
    movie[18:21, 23:27] = movie[0] = 0
    return movie


def twins_alike():
    """Two cells at one place that are always active together."""
    movie, images, traces = cnmf_twins.planted([(20, 25)], n_frames=80)
    return (movie + np.tensordot(images[0], traces[0], 0)).astype(np.float32)


DEGENERATE = {
    "one pixel": lambda: noise((1, 1, 50)),
    "one bright pixel": lambda: noise((1, 1, 50)) + 20 * (np.arange(50) == 25),
    "one row": lambda: noise((1, 30, 50)),
    "shortest": lambda: cnmf_twins.planted(CENTRES, n_frames=LANES)[0],
    "odd and short": lambda: cnmf_twins.planted(CENTRES, n_frames=50)[0][:37],
    "zero": lambda: np.zeros((20, 30, 40), np.float32),
    "constant": lambda: np.ones((20, 30, 40), np.float32),
    "silent": lambda: noise((20, 30, 60)),
    "saturated": saturated,
    "twins": twins_alike,
    "cut by the border": lambda: cnmf_twins.planted([(0, 0), (39, 30)])[0],
}


@pytest.mark.parametrize("kind", DEGENERATE)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n_components", [None, 12])
def test_degenerate_movies_are_searched(kind, method, n_components):
    movie = DEGENERATE[kind]().astype(np.float32)
    found = found_in(movie, method, n_components=n_components)
    assert len(found) <= (n_components or 50)
    nothing = ("zero", "constant") if n_components else ("zero", "constant", "silent")
    if kind in nothing and method != "seeded":
        assert len(found) == 0


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("bins", [(2, 1), (1, 3), (16, 100)], ids=str)
def test_degenerate_movies_are_searched_coarsely(method, bins):
    for kind in DEGENERATE:
        movie = DEGENERATE[kind]().astype(np.float32)
        found_in(movie, method, space_bin_px=bins[0], time_bins=bins[1])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("side", [1, 3])
def test_nothing_is_found_where_there_is_no_data(method, side):
    movie = cnmf_twins.planted([(9, 9), (20, 45)], n_frames=100)[0]
    valid = np.ones(movie.shape[:2], bool)
    valid[:, :20] = valid[-3:] = False
    movie[~valid] = 0
    found = found_in(movie, method, valid, space_bin_px=side)
    if method in ("event_energy", "variance"):
        assert len(found) == 1
    movie[:] = 0
    nothing = found_in(movie, method, np.zeros_like(valid), space_bin_px=side)
    assert len(nothing) == 0


# ---------------------------------------------------------------- sub-sampling


def subsampling(valid, n_bins, side, run):
    parameters = InitParameters(space_bin_px=side, time_bins=run)
    return Subsampling(valid, n_bins, parameters)


@pytest.mark.parametrize(("side", "run"), [(1, 1), (2, 3), (3, 2), (5, 4)])
def test_the_coarse_movie_is_of_means_with_a_noise_of_one(side, run):
    valid = np.ones((17, 23), bool)
    valid[:4] = valid[9, 9] = False
    movie = noise((17 * 23, 70)) * valid.reshape(-1, 1)
    coarse = subsampling(valid, 70, side, run)
    found = coarse.movie(movie).reshape(*coarse.valid.shape, -1)
    frames = movie.reshape(17, 23, 70)
    for y, x, t in np.ndindex(found.shape):
        rows = slice(side * y, side * y + side)
        cols = slice(side * x, side * x + side)
        part = frames[rows, cols, run * t : run * t + run]
        n = valid[rows, cols].sum() * part.shape[2]
        assert found[y, x, t] == pytest.approx(part.sum() / max(n, 1) ** 0.5, abs=1e-4)
        assert coarse.valid[y, x] == (n > 0)
    assert found[coarse.valid].std() == pytest.approx(1, abs=0.05)


def test_a_flat_component_is_restored_exactly():
    valid = np.ones((17, 23), bool)
    valid[5:7, 5:7] = False
    movie = np.full((17 * 23, 70), 6, np.float32) * valid.reshape(-1, 1)
    coarse = subsampling(valid, 70, 3, 4)
    small = coarse.movie(movie)
    # As a search would fit it: its first column as the image, a trace of what fits.
    one = Candidate(
        small[:, 0].reshape(coarse.valid.shape), (0, 0), small[9] / small[9, 0],
        (2, 7), 5.0, 4,
    )  # fmt: skip
    found = coarse.restored(gathered([one], coarse.valid.shape, small.shape[1]))
    np.testing.assert_allclose(found.footprints @ found.traces, movie, rtol=1e-5)
    np.testing.assert_array_equal(found.seeds.yx, [[7, 22]])
    np.testing.assert_array_equal(found.seeds.boxes, [[0, 0, 17, 23]])


def test_components_are_drawn_out_linearly():
    valid, n_bins = np.ones((8, 12), bool), 64
    coarse = subsampling(valid, n_bins, 2, 4)
    image, trace = np.zeros((4, 6), np.float32), np.zeros(16, np.float32)
    image[1, 2], trace[5] = 2.0, 2.0  # of squares of 4 pixels, and of runs of 4 bins
    one = Candidate(image, (0, 0), trace, (1, 2), 1.0, 1)
    found = coarse.restored(gathered([one], (4, 6), 16))
    profile = [0, 0.25, 0.75, 0.75, 0.25, 0, 0, 0]
    column = found.footprints.toarray().reshape(8, 12)
    np.testing.assert_allclose(column[:, 4], 0.75 * np.array(profile), atol=1e-6)
    rise = [0, 0.125, 0.375, 0.625, 0.875, 0.875, 0.625, 0.375, 0.125, 0]
    np.testing.assert_allclose(found.traces[0, 17:27], rise, atol=1e-6)


@pytest.mark.parametrize("bins", [(2, 1), (1, 2), (2, 2)], ids=str)
@pytest.mark.parametrize("method", ["event_energy", "variance", "sparse_nmf", "seeded"])
def test_cells_are_found_in_the_coarse_movie(method, bins):
    movie, images, traces = cnmf_twins.planted([(20, 26)])
    side, run = bins
    found = found_in(movie, method, n_components=1, space_bin_px=side, time_bins=run)
    assert len(found) == 1
    column = found.footprints.toarray().ravel()
    assert np.corrcoef(column, images[0].ravel())[0, 1] > 0.85
    assert np.corrcoef(found.traces[0], traces[0])[0, 1] > 0.85
    scale = column.max() * found.traces[0].max() / (images[0].max() * traces[0].max())
    assert 0.6 < scale < 1.4
    assert np.abs(found.seeds.yx[0] - (20, 26)).max() <= 2


# ---------------------------------------------------------------- the values


def test_what_is_found_can_be_joined_and_chosen_from():
    movie = cnmf_twins.planted(CENTRES)[0]
    found = found_in(movie, "event_energy")
    none = Found.none(*found.footprints.shape[:1], movie.shape[2])
    joined = Found.joined([found, none, found])
    again = joined.select(np.array([3, 4, 5]))
    assert (len(none), len(joined), len(again)) == (0, 6, 3)
    np.testing.assert_array_equal(again.traces, found.traces)
    assert (abs(again.footprints - found.footprints)).sum() == 0
    for name in ("yx", "score", "boxes", "iterations"):
        one, other = getattr(again.seeds, name), getattr(found.seeds, name)
        np.testing.assert_array_equal(one, other)
