"""The spatial update: the best non-negative footprints, cut to one piece each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from cnmf import cnmf_twins as twins
from scipy.ndimage import gaussian_filter

from napari_cnmf.cnmf.parameters import (
    BackgroundParameters,
    CnmfParameters,
    SpatialParameters,
)
from napari_cnmf.cnmf.spatial import (
    candidates,
    gaussian_taps,
    outlined,
    regress,
    update_footprints,
)

PARAMETERS = CnmfParameters()


@pytest.fixture(scope="module")
def model():
    return twins.make_model(n_cells=6, n_frames=300)


@pytest.fixture(scope="module")
def movie(model):
    return twins.render(model, noise=1.0)


def with_spatial(**changes) -> CnmfParameters:
    return replace(PARAMETERS, spatial=SpatialParameters(**changes))


def dense(model):
    return model.footprints.toarray()


@pytest.mark.parametrize("pixels", [np.arange(23 * 31), np.arange(5, 600, 7)], ids=len)
def test_pixels_are_regressed_to_the_optimum(model, movie, pixels):
    by_pixel = candidates(model, 3)[pixels]
    values, weights = regress(movie[pixels], by_pixel, model, pixels)
    here = replace(
        model,
        grid=_Rows(model.grid, pixels),
        weights=model.weights[pixels],
    )
    best, best_weights = twins.regress_pixels(movie[pixels], here, by_pixel)
    # A trace's energy is about 80 here: an error of 0.01 is a tenth of the noise.
    np.testing.assert_allclose(values, best, atol=0.01)
    np.testing.assert_allclose(weights, best_weights, atol=0.01)


class _Rows:
    """Some pixels of a grid."""

    def __init__(self, grid, pixels):
        self.nodes, self.shares = grid.nodes[pixels], grid.shares[pixels]


def test_candidates_lie_within_reach_and_start_at_zero(model):
    found = candidates(model, 2)
    assert not found.data.any()
    for k in range(len(model)):
        support = model.footprints[:, [k]].toarray().reshape(model.field_shape) > 0
        expected = np.flatnonzero(twins.dilate(support, 2))
        np.testing.assert_array_equal(found[:, [k]].tocoo().coords[0], expected)


@pytest.fixture
def cut(model):
    """The model, of which two columns through a cell hold no data."""
    first = int(model.footprints[:, [0]].argmax()) % 31
    valid = np.ones((23, 31), bool)
    valid[:, first : first + 2] = False
    a = sp.csc_array(sp.diags_array(valid.ravel() * 1.0) @ model.footprints)
    weights = model.weights * valid.ravel()
    return replace(model, valid=valid, weights=weights, footprints=a.astype("f4"))


def test_supports_do_not_grow_to_where_there_is_no_data(cut):
    grown = cut.grown(3)
    assert (grown.data == 1).all()
    everywhere = replace(cut, valid=np.ones_like(cut.valid)).grown(3).toarray()
    everywhere[~cut.valid.ravel()] = 0
    np.testing.assert_array_equal(grown.toarray(), everywhere)


def test_an_update_leaves_pixels_without_data_alone(cut):
    again = update_footprints(twins.render(cut), cut, PARAMETERS)
    outside = ~cut.valid.ravel()
    assert outside[cut.grown(0).indices].sum() == 0
    assert not again.footprints.toarray()[outside].any()
    assert not again.weights[outside].any()
    background = BackgroundParameters(weight_smoothing_px=2.0)
    even = replace(cut, weights=cut.valid.ravel().astype(np.float32))
    parameters = CnmfParameters(background=background)
    smooth = update_footprints(twins.render(even), even, parameters).weights
    np.testing.assert_allclose(smooth[~outside], 1, atol=0.05)


def test_the_true_footprints_stay_what_they_are(model):
    again = update_footprints(
        twins.render(model), model, with_spatial(support_smoothing_px=0.1)
    )
    truth = dense(model)
    truth[truth < 0.2 * truth.max(axis=0)] = 0
    np.testing.assert_allclose(dense(again), truth, atol=0.1)


def test_a_noisy_movie_gives_footprints_like_the_true_ones(model, movie):
    again = dense(update_footprints(movie, model, PARAMETERS))
    cosine = (again * dense(model)).sum(axis=0) / np.linalg.norm(again, axis=0)
    assert (cosine / np.linalg.norm(dense(model), axis=0)).min() > 0.95


def test_the_order_of_the_cells_does_not_matter(model, movie):
    order = np.array([3, 0, 5, 1, 4, 2])
    expected = dense(update_footprints(movie, model, PARAMETERS))[:, order]
    found = dense(update_footprints(movie, model.select(order), PARAMETERS))
    np.testing.assert_allclose(found, expected, atol=0.01)


def test_twice_the_trace_is_half_the_footprint(model, movie):
    louder = replace(model, traces=2 * model.traces)
    expected = dense(update_footprints(movie, model, PARAMETERS))
    found = dense(update_footprints(movie, louder, PARAMETERS))
    np.testing.assert_allclose(2 * found, expected, atol=0.02)


def test_a_cell_that_is_not_there_loses_its_footprint(model, movie):
    traces = model.traces.copy()
    traces[2] = twins.transients(1, traces.shape[1], seed=77)[0]
    again = update_footprints(movie, replace(model, traces=traces), PARAMETERS)
    sizes = np.diff(again.footprints.indptr)
    assert sizes[2] <= 3
    assert np.delete(sizes, 2).min() > 10


def test_only_the_largest_piece_is_kept():
    model = twins.make_model(n_cells=1, n_frames=300)
    pieces = twins.disc((23, 31), (11, 8), 4) + twins.disc((23, 31), (11, 17), 2)
    model = replace(model, footprints=twins.columns([5 * pieces]))
    again = update_footprints(twins.render(model), model, PARAMETERS)
    image = dense(again).reshape(23, 31)
    assert image[11, 8] > 4
    assert not image[:, 14:].any()


@pytest.mark.parametrize(
    ("smaller", "larger"),
    [
        ({"support_threshold": 0.6}, {"support_threshold": 0.05}),
        ({"support_noise_sd": 20.0}, {"support_noise_sd": 0.0}),
        ({"search_px": 1}, {"search_px": 6}),
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_supports_follow_their_limits(model, movie, smaller, larger):
    small_seeds = model.footprints.copy()
    small_seeds.data[small_seeds.data < 4.9] = 0
    small_seeds.eliminate_zeros()
    start = replace(model, footprints=small_seeds)
    sizes = [
        update_footprints(movie, start, with_spatial(**changes)).footprints.nnz
        for changes in (smaller, larger)
    ]
    assert sizes[0] < sizes[1]


def test_the_weights_of_the_background_are_smoothed(model):
    by_pixel = candidates(model, 1)
    spike = np.zeros(23 * 31, np.float32)
    spike[11 * 31 + 15] = 1
    background = BackgroundParameters(weight_smoothing_px=1.0)
    parameters = CnmfParameters(background=background)
    smooth = outlined(model, by_pixel, spike, parameters).weights.reshape(23, 31)
    assert smooth.sum() == pytest.approx(1, rel=1e-3)
    assert smooth.max() == smooth[11, 15] == pytest.approx(1 / (2 * np.pi), rel=0.05)


def test_no_cells_are_no_footprints():
    model = twins.make_model(n_cells=0)
    background = BackgroundParameters(weight_smoothing_px=1.0)
    parameters = CnmfParameters(background=background)
    again = update_footprints(twins.render(model, 1.0), model, parameters)
    assert again.footprints.shape == (23 * 31, 0)
    expected = gaussian_filter(model.weights.reshape(23, 31), 1.0).ravel()
    assert np.corrcoef(again.weights, expected)[0, 1] > 0.8


@pytest.mark.parametrize("sigma_px", [0.1, 0.8, 3.0])
def test_taps_are_a_gaussian(sigma_px):
    taps = gaussian_taps(sigma_px)
    assert taps.dtype == np.float32
    assert len(taps) % 2 == 1
    assert taps.sum() == pytest.approx(1)
    np.testing.assert_array_equal(taps, taps[::-1])
    assert (np.diff(taps[len(taps) // 2 :]) < 0).all()
