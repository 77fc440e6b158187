"""The spatial update: the best non-negative footprints, sought and cut as asked."""

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


def alone(image):
    """A model of one cell of known shape, of which 200 frames are seen."""
    model = twins.make_model(image.shape, n_cells=1, n_frames=200)
    return replace(model, footprints=twins.columns([image]))


def test_candidates_lie_within_reach_and_start_at_zero(model):
    found = candidates(model, with_spatial(search_px=2))
    assert not found.data.any()
    for k in range(len(model)):
        support = model.footprints[:, [k]].toarray().reshape(model.field_shape) > 0
        expected = np.flatnonzero(twins.dilate(support, 2))
        np.testing.assert_array_equal(found[:, [k]].tocoo().coords[0], expected)


@pytest.mark.parametrize("distance", [1.0, 3.0])
@pytest.mark.parametrize("image", ["round", "long", "one pixel", "at the edge"])
def test_the_ellipse_is_that_of_the_footprint_s_moments(image, distance):
    images = {
        "round": twins.disc((40, 60), (20, 30), 6),
        "long": np.eye(40, 60) + np.eye(40, 60, 1),
        "one pixel": twins.disc((40, 60), (3, 50), 0.4),
        "at the edge": twins.disc((40, 60), (0, 59), 5),
    }
    model = alone(images[image])
    spatial = SpatialParameters(
        search="ellipse",
        ellipse_distance=distance,
        ellipse_min_diameters=0.2,
        ellipse_max_diameters=0.5,
    )
    found = candidates(model, CnmfParameters(spatial=spatial))
    assert not found.data.any()
    expected = twins.ellipse(images[image], 0.2 * 11, 0.5 * 11, distance)
    place = found.tocoo().coords[0]
    np.testing.assert_array_equal(place, np.flatnonzero(expected))


def test_an_empty_footprint_is_searched_for_nowhere(model):
    empty = model.footprints.copy()
    empty.data[empty.indptr[1] : empty.indptr[2]] = 0
    gone = empty.copy()
    gone.eliminate_zeros()
    for footprints in (empty, gone):
        start = replace(model, footprints=footprints)
        found = candidates(start, with_spatial(search="ellipse")).tocsc()
        assert (np.diff(found.indptr) > 0).tolist() == [True, False, *4 * [True]]


def test_an_ellipse_does_not_reach_where_there_is_no_data(cut):
    found = candidates(cut, with_spatial(search="ellipse"))
    everywhere = replace(cut, valid=np.ones_like(cut.valid))
    whole = candidates(everywhere, with_spatial(search="ellipse"))
    n_near = np.diff(whole.indptr)
    assert n_near[~cut.valid.ravel()].any()
    np.testing.assert_array_equal(np.diff(found.indptr), n_near * cut.valid.ravel())


def test_a_start_a_little_off_finds_the_cell_in_either_region(model, movie):
    moved = np.roll(dense(model).reshape(23, 31, -1), 1, axis=0)
    start = replace(model, footprints=twins.columns(np.moveaxis(moved, 2, 0)))
    for search in ("dilate", "ellipse"):
        again = dense(update_footprints(movie, start, with_spatial(search=search)))
        cosine = (again * dense(model)).sum(axis=0) / np.linalg.norm(again, axis=0)
        assert (cosine / np.linalg.norm(dense(model), axis=0)).min() > 0.95


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


def test_closing_keeps_a_cell_whole_across_a_vessel():
    image = 5 * twins.disc((23, 31), (11, 15), 5)
    image[:, 14:16] *= 0.1
    model, sides = alone(image), ([11, 11], [11, 18])
    found = {}
    for closing_px in (0, 2):
        parameters = with_spatial(support_smoothing_px=0.1, closing_px=closing_px)
        again = update_footprints(twins.render(model), model, parameters)
        found[closing_px] = dense(again).reshape(23, 31)[sides] > 0
    assert found[0].sum() == 1
    assert found[2].all()


def test_several_pieces_are_kept_if_they_are_large_enough():
    model = twins.make_model(n_cells=1, n_frames=300)
    discs = ((11, 8), 4), ((11, 17), 2), ((4, 25), 1)
    image = sum(twins.disc((23, 31), *place) for place in discs)
    model = replace(model, footprints=twins.columns([5 * image]))
    found = {}
    for least in (1, 10, 60):
        parameters = with_spatial(pieces="all", min_piece_px=least)
        again = update_footprints(twins.render(model), model, parameters)
        found[least] = [dense(again).reshape(23, 31)[at] > 0 for at, _ in discs]
    assert found == {1: [1, 1, 1], 10: [1, 1, 0], 60: [1, 0, 0]}


@pytest.mark.parametrize(
    ("smaller", "larger"),
    [
        ({"support_threshold": 0.6}, {"support_threshold": 0.05}),
        ({"support_noise_sd": 20.0}, {"support_noise_sd": 0.0}),
        ({"search_px": 1}, {"search_px": 6}),
        ({"sparsity_sd": 3.0}, {"sparsity_sd": 0.0}),
        (
            {"threshold_by": "energy", "energy_share": 0.8},
            {"threshold_by": "energy", "energy_share": 0.99},
        ),
        (
            {"search": "ellipse", "ellipse_distance": 1.0},
            {"search": "ellipse", "ellipse_distance": 3.0},
        ),
        (
            {"search": "ellipse", "ellipse_max_diameters": 0.1},
            {"search": "ellipse", "ellipse_max_diameters": 1.0},
        ),
        (
            {"search": "ellipse", "ellipse_min_diameters": 0.05},
            {"search": "ellipse", "ellipse_min_diameters": 0.5},
        ),
    ],
    ids=lambda changes: list(changes)[-1],
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
    by_pixel = candidates(model, with_spatial(search_px=1))
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


SEARCHES = [{}, {"search": "ellipse"}, {"threshold_by": "energy", "pieces": "all"}]


@pytest.mark.parametrize("changes", SEARCHES, ids=str)
def test_a_silent_cell_loses_its_footprint_and_the_others_nothing(
    model, movie, changes
):
    traces = model.traces.copy()
    traces[2] = 7
    parameters = with_spatial(**changes)
    again = dense(update_footprints(movie, replace(model, traces=traces), parameters))
    others = np.array([0, 1, 3, 4, 5])
    without = update_footprints(movie, model.select(others), parameters)
    assert not again[:, 2].any()
    np.testing.assert_allclose(again[:, others], dense(without), atol=0.01)


@pytest.mark.parametrize("loudness", [1.0, 3.0])
def test_twins_leave_every_pixel_to_the_first(model, movie, loudness):
    twice = np.array([0, 0, 1, 2, 3, 4, 5])
    traces = model.traces[twice]
    traces[1] *= loudness
    doubled = replace(model.select(twice), traces=traces)
    again = dense(update_footprints(movie, doubled, PARAMETERS))
    single = dense(update_footprints(movie, model, PARAMETERS))
    assert not again[:, 1].any()
    np.testing.assert_allclose(np.delete(again, 1, axis=1), single, atol=0.01)


@pytest.mark.parametrize("changes", SEARCHES, ids=str)
def test_a_field_of_one_pixel_may_hold_a_cell(changes):
    model = twins.make_model((1, 1), n_cells=1, n_frames=300)
    model = replace(model, footprints=twins.columns(np.full((1, 1, 1), 9.0)))
    again = update_footprints(twins.render(model, 0.5), model, with_spatial(**changes))
    # The Gaussian's outer taps fall beyond the field.
    share = gaussian_taps(0.8).max() ** 2
    assert dense(again)[0, 0] == pytest.approx(9 * share, rel=0.02)


@pytest.mark.parametrize("changes", SEARCHES, ids=str)
@pytest.mark.parametrize("centre", [(0, 0), (22, 15), (10, 30)], ids=str)
def test_a_cell_cut_by_the_edge_keeps_its_part(centre, changes):
    image = 5 * twins.disc((23, 31), centre, 4)
    model = alone(image)
    parameters = with_spatial(support_noise_sd=6.0, **changes)
    again = dense(update_footprints(twins.render(model, 1.0), model, parameters))
    kept = again.reshape(23, 31) > 0
    assert kept[image > 2.5].all()
    assert not kept[twins.disc((23, 31), centre, 7) == 0].any()


@pytest.mark.parametrize("sigma_px", [0.1, 0.8, 3.0])
def test_taps_are_a_gaussian(sigma_px):
    taps = gaussian_taps(sigma_px)
    assert taps.dtype == np.float32
    assert len(taps) % 2 == 1
    assert taps.sum() == pytest.approx(1)
    np.testing.assert_array_equal(taps, taps[::-1])
    assert (np.diff(taps[len(taps) // 2 :]) < 0).all()
