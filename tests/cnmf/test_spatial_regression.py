"""The regression of pixels: exact, sparse if wanted, with background modes or none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from cnmf import cnmf_twins as twins
from scipy.ndimage import gaussian_filter

from napari_cnmf.cnmf.background.grid import HatGrid
from napari_cnmf.cnmf.parameters import (
    BackgroundParameters,
    CnmfParameters,
    SpatialParameters,
)
from napari_cnmf.cnmf.spatial import candidates, regress, update_footprints

PARAMETERS = CnmfParameters()


@pytest.fixture(scope="module")
def model():
    return twins.make_model(n_cells=6, n_frames=300)


@pytest.fixture(scope="module")
def movie(model):
    return twins.render(model, noise=1.0)


@pytest.mark.parametrize("sparsity_sd", [0.0, 2.0])
@pytest.mark.parametrize("pixels", [np.arange(23 * 31), np.arange(5, 600, 7)], ids=len)
def test_pixels_are_regressed_to_the_optimum(model, movie, pixels, sparsity_sd):
    by_pixel = candidates(model, PARAMETERS)[pixels]
    values, weights = regress(movie[pixels], by_pixel, model, pixels, sparsity_sd)
    here = replace(
        model,
        grid=_Rows(model.grid, pixels),
        weights=model.weights[pixels],
    )
    best, best_weights = twins.regress_pixels(
        movie[pixels], here, by_pixel, sparsity_sd
    )
    # A trace's energy is about 80 here: an error of 0.01 is a tenth of the noise.
    np.testing.assert_allclose(values, best, atol=0.01)
    np.testing.assert_allclose(weights, best_weights, atol=0.01)


class _Rows:
    """Some pixels of a grid."""

    def __init__(self, grid, pixels):
        self.nodes, self.shares = grid.nodes[pixels], grid.shares[pixels]
        self.n_nodes = grid.n_nodes


def test_the_penalty_is_in_units_of_each_value_s_noise(model, movie):
    # Where a cell is alone, with no background.
    one = replace(model.select(np.array([2])), background=0 * model.background)
    trace = twins.centred(one.traces)[0]
    by_pixel = candidates(one, PARAMETERS)
    values, _ = regress(movie, by_pixel, one, np.arange(len(movie)), 1.5)
    plain = movie[np.flatnonzero(np.diff(by_pixel.indptr))] @ trace / (trace @ trace)
    expected = np.maximum(plain - 1.5 / np.linalg.norm(trace), 0)
    np.testing.assert_allclose(values, expected, atol=1e-4)


def test_the_penalty_is_caimans_alpha_once_coefficients_are_divided_back(model, movie):
    # CaImAn minimises |y - Xw|^2 / 2T + alpha * sum(w), X's columns of unit variance.
    n_t, sparsity_sd = movie.shape[1], 2.0
    alpha = sparsity_sd / np.sqrt(n_t)
    by_pixel = candidates(model, PARAMETERS)
    still = replace(model, background=0 * model.background)
    values, _ = regress(movie, by_pixel, still, np.arange(len(movie)), sparsity_sd)
    for pixel in np.flatnonzero(np.diff(by_pixel.indptr)):
        first, last = by_pixel.indptr[pixel : pixel + 2]
        traces = twins.centred(model.traces[by_pixel.indices[first:last]])
        scale = traces.std(axis=1)
        penalties = np.full(len(scale), n_t * alpha)
        found = twins.sparse_nnls(traces.T / scale, movie[pixel], penalties)
        np.testing.assert_allclose(values[first:last], found / scale, atol=0.01)


def test_sparsity_empties_pixels_and_leaves_the_background_alone(model, movie):
    by_pixel = candidates(model, PARAMETERS)
    everything = np.arange(len(movie))
    found = [regress(movie, by_pixel, model, everything, s) for s in (0.0, 3.0, 20.0)]
    filled = [np.count_nonzero(values) for values, _ in found]
    assert filled[0] > filled[1] > filled[2]
    away = np.diff(by_pixel.indptr) == 0
    np.testing.assert_array_equal(found[0][1][away], found[2][1][away])


def test_many_cells_in_one_pixel_are_regressed_to_the_optimum():
    model = twins.make_model((7, 9), n_cells=30, n_frames=400)
    images = np.random.default_rng(1).exponential(1, (30, 7, 9))
    model = replace(model, footprints=twins.columns(images))
    movie = twins.render(model, noise=1.0)
    by_pixel = candidates(model, PARAMETERS)
    assert (np.diff(by_pixel.indptr) == 30).all()
    values, _ = regress(movie, by_pixel, model, np.arange(63))
    best, _ = twins.regress_pixels(movie, model, by_pixel)
    np.testing.assert_allclose(values, best, atol=0.02)


def test_near_twins_share_what_one_would_have(model, movie):
    twice = np.array([0, 0, 1, 2, 3, 4, 5])
    traces = model.traces[twice]
    noise = np.random.default_rng(2).normal(size=traces.shape[1])
    traces[1] += 1e-3 * noise.astype(np.float32)
    doubled = replace(model.select(twice), traces=traces)
    values, _ = regress(movie, candidates(doubled, PARAMETERS), doubled, np.arange(713))
    single, _ = regress(movie, candidates(model, PARAMETERS), model, np.arange(713))
    both = candidates(doubled, PARAMETERS)
    both.data[:] = values
    one = candidates(model, PARAMETERS)
    one.data[:] = single
    both, one = both.toarray(), one.toarray()
    np.testing.assert_allclose(both[:, :2].sum(axis=1), one[:, 0], atol=0.02)


@pytest.fixture
def washed(model):
    """The model on two modes that reach everywhere, but for a column without data."""
    rng = np.random.default_rng(6)
    valid = np.ones((23, 31), bool)
    valid[:, 4] = False
    maps = np.ones((23 * 31, 2), np.float32)
    maps[:, 1] += np.linspace(0, 2, 23 * 31)
    maps[~valid.ravel()] = 0
    courses = gaussian_filter(rng.normal(size=(2, 300)), (0, 6)) * 10
    return replace(
        model,
        valid=valid,
        footprints=sp.csc_array(sp.diags_array(valid.ravel() * 1.0) @ model.footprints),
        grid=HatGrid.none((23, 31)),
        weights=np.zeros(23 * 31, np.float32),
        modes=sp.csc_array(maps),
        background=courses.astype(np.float32),
    )


def modes_movie(model, noise=0.0):
    movie = twins.centred(model.footprints @ model.traces)
    movie += model.modes @ twins.centred(model.background)
    movie += noise * np.random.default_rng(1).standard_normal(movie.shape)
    return (movie * model.valid.reshape(-1, 1)).astype(np.float32)


@pytest.mark.parametrize("sparsity_sd", [0.0, 2.0])
def test_cells_and_modes_are_regressed_together(washed, sparsity_sd):
    movie = modes_movie(washed, 1.0)
    by_pixel = candidates(washed, PARAMETERS)
    some = np.arange(3, 700, 5)
    near = by_pixel[some]
    values, weights = regress(movie[some], near, washed, some, sparsity_sd)
    best, _ = twins.regress_pixels(movie[some], washed, near, sparsity_sd)
    np.testing.assert_allclose(values, best, atol=0.02)
    assert not weights.any()


def test_modes_are_neither_cut_nor_lost(washed):
    empty = replace(washed, modes=sp.csc_array((23 * 31, 2), dtype=np.float32))
    parameters = CnmfParameters(
        spatial=SpatialParameters(support_smoothing_px=0.1, sparsity_sd=0.1),
        background=BackgroundParameters(weight_smoothing_px=0.0),
    )
    movie = modes_movie(washed)
    for start in (washed, empty):
        again = update_footprints(movie, start, parameters)
        np.testing.assert_allclose(
            again.modes.toarray(), washed.modes.toarray(), atol=0.03
        )
        assert again.modes.dtype == np.float32
        assert (np.diff(again.footprints.indptr) > 10).all()
        assert not again.weights.any()


def test_modes_are_smoothed_where_there_is_data(washed):
    rough = modes_movie(washed, 3.0)
    truth = washed.modes.toarray()
    errors = []
    for sigma_px in (0.0, 1.5):
        background = BackgroundParameters(weight_smoothing_px=sigma_px)
        parameters = CnmfParameters(background=background)
        again = update_footprints(rough, washed, parameters).modes.toarray()
        assert not again[~washed.valid.ravel()].any()
        errors.append(np.abs(again - truth).mean())
    assert errors[1] < errors[0] / 2
