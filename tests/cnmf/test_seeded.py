"""Components from given outlines, and the outlines from what marks cells."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from cnmf import cnmf_twins, init_twins

from napari_cnmf.cnmf.initialise.masks import (
    masks_from,
    masks_from_footprints,
    masks_from_labels,
    masks_from_points,
)
from napari_cnmf.cnmf.initialise.seeded import (
    regress_traces,
    regress_weights,
    seeded,
    surround,
)
from napari_cnmf.cnmf.parameters import InitParameters
from napari_cnmf.errors import InputError

FIELD = (40, 52)
EVERYWHERE = np.ones(FIELD, bool)
CENTRES = [(9, 9), (20, 25), (24, 29), (38, 50)]
INIT = InitParameters(neuron_half_size_px=2.5)


def fitted(movie, masks, valid=EVERYWHERE, **changes):
    parameters = InitParameters(**({"neuron_half_size_px": 2.5} | changes))
    return seeded(movie.reshape(-1, movie.shape[2]), valid, parameters, masks)


def discs(centres=CENTRES, diameter_px=8.0):
    return masks_from_points(np.array(centres, float), FIELD, diameter_px)


def test_cells_are_found_in_the_order_of_their_masks():
    movie, images, traces = cnmf_twins.planted(CENTRES)
    found = fitted(movie, discs())
    for k in range(len(CENTRES)):
        assert np.corrcoef(found.traces[k], traces[k])[0, 1] > 0.9
        column = found.footprints[:, [k]].toarray().ravel()
        assert np.corrcoef(column, images[k].ravel())[0, 1] > 0.9
    np.testing.assert_array_equal(found.seeds.yx[:2], CENTRES[:2])
    np.testing.assert_array_equal(found.seeds.boxes[0], (5, 5, 14, 14))
    np.testing.assert_array_equal(found.seeds.iterations, 4)


def test_a_component_stays_within_its_mask():
    masks = discs(diameter_px=5.0)
    found = fitted(cnmf_twins.planted(CENTRES)[0], masks)
    assert not found.footprints[masks.toarray() == 0].any()


def test_neuropil_around_the_masks_is_no_activity():
    movie, _, traces = cnmf_twins.planted(CENTRES)
    movie += 6 * cnmf_twins.transients(1, 300, seed=9)[0]
    found = fitted(movie, discs())
    for k in range(len(CENTRES)):
        assert np.corrcoef(found.traces[k], traces[k])[0, 1] > 0.9


def test_traces_are_the_regression_on_all_masks():
    rng = np.random.default_rng(0)
    movie = rng.standard_normal((FIELD[0] * FIELD[1], 30)).astype(np.float32)
    background = rng.standard_normal((4, 30)).astype(np.float32)
    expected = init_twins.masked_traces(movie, discs().toarray(), background)
    traces = regress_traces(movie, discs(), background)
    np.testing.assert_allclose(traces, expected, atol=1e-3)


def test_weights_are_the_best_that_are_not_negative():
    movie, _, traces = cnmf_twins.planted(CENTRES)
    pixels, masks = movie.reshape(-1, 300), discs()
    background = np.zeros_like(traces)
    weights = regress_weights(pixels, masks, traces, background)
    centred = traces - traces.mean(axis=1, keepdims=True)
    slope = centred @ (pixels - weights @ centred).T
    inside = masks.T.toarray() > 0
    used = inside & (weights.T.toarray() > 0)
    assert np.abs(slope[used]).max() < 1e-2 * np.abs(centred @ pixels.T).max()
    assert slope[inside & ~used].max() < 1e-2 * np.abs(centred @ pixels.T).max()


def test_surround_is_the_mean_of_free_pixels_near_by():
    masks, reach = discs([(20, 25), (20, 32)]), 4
    valid = EVERYWHERE.copy()
    valid[16] = False
    means = surround(masks, valid, reach).toarray().reshape(2, *FIELD)
    free = valid & ~masks.toarray().any(axis=1).reshape(FIELD)
    box = np.zeros(FIELD, bool)
    box[12:29, 17:34] = True
    np.testing.assert_allclose(means[0], (box & free) / (box & free).sum(), rtol=1e-5)


def test_identical_masks_share_the_light():
    movie, _, traces = cnmf_twins.planted([(20, 25)])
    found = fitted(movie, discs([(20, 25), (20, 25)]))
    for trace in found.traces:
        assert np.corrcoef(trace, traces[0])[0, 1] > 0.8
    together = found.footprints @ found.traces
    assert np.corrcoef(together[20 * 52 + 25], traces[0])[0, 1] > 0.9


def test_a_silent_mask_keeps_its_place():
    movie = cnmf_twins.planted([(9, 9)])[0]
    movie[25:] = 0
    found = fitted(movie, discs([(35, 20), (9, 9)]))
    assert len(found) == 2
    assert found.footprints[:, [0]].nnz
    assert not found.traces[0].any()


def test_a_mask_without_data_has_no_footprint():
    movie, valid = cnmf_twins.planted([(9, 9)])[0], EVERYWHERE.copy()
    valid[25:] = False
    movie[~valid] = 0
    found = fitted(movie, discs([(33, 20), (9, 9)]), valid)
    assert np.diff(found.footprints.indptr)[0] == 0
    assert not found.traces[0].any()


def test_more_rounds_go_further_from_the_mask():
    movie, masks = cnmf_twins.planted(CENTRES)[0], discs()
    once, often = (fitted(movie, masks, iterations=n) for n in (1, 8))
    assert abs(once.footprints - often.footprints).max() > 1e-3


def test_masks_of_another_field_are_refused():
    masks = masks_from_points(np.array([[3.0, 3.0]]), (10, 10), 4.0)
    with pytest.raises(InputError, match=r"100 pixels.*40 x 52"):
        fitted(cnmf_twins.planted(CENTRES)[0], masks)


# ---------------------------------------------------------------- masks


def test_labels_become_masks_in_rising_order():
    labels = np.zeros(FIELD, np.int32)
    labels[3:5, 6:9] = 7
    labels[20, 20] = 2
    masks = masks_from_labels(labels, FIELD)
    assert masks.dtype == np.float32
    expected = np.stack([labels == 2, labels == 7]).reshape(2, -1)
    np.testing.assert_array_equal(masks.toarray().T, expected)


def test_points_become_discs_of_a_cell():
    masks = masks_from_points(np.array([[20.3, 25.0], [0.0, 51.4]]), FIELD, 7.0)
    rows, cols = np.indices(FIELD)
    for k, (y, x) in enumerate([(20.3, 25.0), (0.0, 51.4)]):
        inside = np.hypot(rows - y, cols - x) <= 3.5
        np.testing.assert_array_equal(masks[:, [k]].toarray().ravel(), inside.ravel())


def test_footprints_become_masks_with_a_peak_of_one():
    footprints = sp.csc_array(np.array([[0, 0, 4], [5, 0, 2], [0, 0, 0]], np.float32).T)
    masks = masks_from_footprints(footprints, (1, 3))
    np.testing.assert_allclose(masks.toarray().T, [[0, 0, 1], [1, 0, 0.4]])


def test_the_kind_of_source_is_recognised():
    labels = np.zeros(FIELD, np.uint8)
    labels[5, 5] = 1
    assert masks_from(labels, FIELD, 5.0).shape == (labels.size, 1)
    assert masks_from(np.array([[5, 5], [9, 9]]), FIELD, 5.0).shape[1] == 2
    assert masks_from(discs(), FIELD, 5.0).shape[1] == 4


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (np.zeros((5, 6), np.int32), "shape.*5, 6.*40, 52"),
        (np.zeros(FIELD, np.int32), "mark no cell"),
        (np.zeros(FIELD, np.float32), "float32"),
        (np.zeros((0, 2)), "no points"),
        (np.array([[3.0, 3.0], [40.0, 3.0]]), r"Point 1 at \(40, 3\).*40 x 52"),
        (np.array([[3.0, np.nan]]), "Point 0"),
        (sp.csc_array((7, 2), dtype=np.float32), "7 pixels.*40 x 52"),
        (sp.csc_array((40 * 52, 2), dtype=np.float32), "all empty"),
    ],
    ids=str,
)
def test_what_marks_nothing_here_is_refused(source, message):
    with pytest.raises(InputError, match=message):
        masks_from(source, FIELD, 5.0)
