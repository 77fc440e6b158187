"""Components that are one cell become one, all others stay as they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from cnmf import cnmf_twins as twins

from napari_cnmf.cnmf.merging import drop_duplicates, merge
from napari_cnmf.cnmf.parameters import MergeParameters

FIELD = (30, 40)
DIAMETER_PX = 11.0
STEP = "round 1"
IN_PLACE_ONLY = {"touching_correlation": 1.0, "max_overlap": 1.0}
CELL = twins.disc(FIELD, (12, 12), 5)
LEFT, RIGHT = CELL.copy(), CELL.copy()
LEFT[:, 12:] = 0
RIGHT[:, :12] = 0
FAR = twins.disc(FIELD, (20, 32), 5)
NEAR = twins.disc(FIELD, (12, 21), 5)  # touches the cell but does not overlap much


def traces(*numbers, noise=0.05):
    """Traces whose number says which cell they belong to, with noise of their own."""
    rng = np.random.default_rng(9)
    cells = twins.transients(max(numbers) + 1, 300)
    some = cells[list(numbers)]
    return (some + noise * rng.standard_normal(some.shape)).astype(np.float32)


def model(images, rows):
    plain = twins.make_model(FIELD, n_cells=0, n_frames=300)
    return replace(
        plain,
        footprints=twins.columns(images),
        traces=rows,
        origin=twins.origin(len(images)),
    )


def merged(images, rows, **changes):
    return merge(model(images, rows), MergeParameters(**changes), DIAMETER_PX, STEP)


def movie(some_model):
    return some_model.footprints @ some_model.traces


@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_two_copies_become_one(scale):
    rows = traces(0, 0)
    rows[1] *= scale
    found = merged([CELL, CELL], rows)
    assert len(found) == 1
    expected = movie(model([CELL, CELL], rows))
    assert np.corrcoef(movie(found).ravel(), expected.ravel())[0, 1] > 0.99


def test_fragments_become_one_cell():
    rows = traces(0, 0)
    found = merged([LEFT, RIGHT], rows)
    assert len(found) == 1
    image = found.footprints.toarray().reshape(FIELD)
    np.testing.assert_array_equal(image > 0, CELL > 0)
    expected = movie(model([LEFT, RIGHT], rows))
    assert np.corrcoef(movie(found).ravel(), expected.ravel())[0, 1] > 0.99


def test_a_merged_footprint_is_sorted():
    found = merged([RIGHT, LEFT], traces(0, 0))
    indices = found.footprints.indices
    np.testing.assert_array_equal(indices, np.sort(indices))


def test_a_chain_of_fragments_becomes_one_cell():
    middle = CELL.copy()
    middle[:, :10] = middle[:, 14:] = 0
    outer = [LEFT.copy(), RIGHT.copy()]
    outer[0][:, 10:] = outer[1][:, :14] = 0
    found = merged([outer[0], middle, outer[1]], traces(0, 0, 0))
    assert len(found) == 1
    image = found.footprints.toarray().reshape(FIELD)
    np.testing.assert_array_equal(image > 0, CELL > 0)


@pytest.mark.parametrize(
    ("images", "numbers"),
    [([CELL, NEAR], (0, 1)), ([LEFT, RIGHT], (0, 1)), ([CELL, FAR], (0, 0))],
    ids=["other traces", "fragments with other traces", "far apart"],
)
def test_different_cells_stay_as_they_are(images, numbers):
    before = model(images, traces(*numbers))
    found = merge(before, MergeParameters(), DIAMETER_PX, STEP)
    assert (found.footprints != before.footprints).nnz == 0
    np.testing.assert_array_equal(found.traces, before.traces)


def test_two_in_the_same_place_are_one_whatever_their_traces():
    rows = traces(0, 1)
    assert len(merged([CELL, CELL], rows)) == 1
    assert len(merged([CELL, CELL], rows, max_overlap=1.0)) == 2


def test_a_merged_candidate_is_on_record_with_its_reason():
    found = merged([FAR, LEFT, RIGHT], traces(1, 0, 0))
    (fate,) = found.fates
    assert (fate.rank, fate.into_rank, fate.step) == (2, 1, STEP)
    assert "fragments of one cell" in fate.reason
    assert found.origin.members.tolist() == [1, 2]


def test_what_two_patches_found_is_kept_once():
    before = model([LEFT, CELL, FAR], traces(0, 1, 2))
    patch = np.array([0, 1, 1])
    apart = replace(before, origin=replace(before.origin, patch=patch))
    found = drop_duplicates(apart, "fit")
    assert found.origin.rank.tolist() == [1, 2]
    (fate,) = found.fates
    assert (fate.patch, fate.into_patch) == (0, 1)
    assert len(drop_duplicates(before, "fit")) == 3


def test_neighbours_too_large_for_one_cell_stay_apart():
    for max_area_somas, n_left in ((1.0, 2), (4.0, 1)):
        limits = {"max_area_somas": max_area_somas, "touching_share": 0.01}
        assert len(merged([CELL, NEAR], traces(0, 0), **limits)) == n_left


def test_a_merged_cell_takes_the_place_of_its_first_member():
    small = twins.disc(FIELD, (25, 5), 3)
    images, rows = [FAR, LEFT, small, RIGHT], traces(1, 0, 2, 0)
    found = merged(images, rows)
    assert len(found) == 3
    dense = found.footprints.toarray()
    np.testing.assert_array_equal(dense[:, 0], FAR.ravel())
    np.testing.assert_array_equal(dense[:, 1] > 0, CELL.ravel() > 0)
    np.testing.assert_array_equal(dense[:, 2], small.ravel())
    np.testing.assert_array_equal(found.traces[[0, 2]], rows[[0, 2]])


def test_the_order_of_the_components_does_not_matter():
    images, rows = [FAR, LEFT, RIGHT], traces(1, 0, 0)
    found, other = merged(images, rows), merged(images[::-1], rows[::-1])
    np.testing.assert_allclose(movie(found), movie(other), atol=1e-4)


@pytest.mark.parametrize(
    ("images", "changes"),
    [
        ([CELL, LEFT], {"min_correlation": 1.0, **IN_PLACE_ONLY}),
        ([CELL, LEFT], {"min_overlap": 1.0, **IN_PLACE_ONLY}),
        ([LEFT, RIGHT], {"touching_correlation": 1.0}),
        ([LEFT, RIGHT], {"touching_share": 1.0}),
        ([LEFT, RIGHT], {"max_area_somas": 0.1}),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_limits_are_held(images, changes):
    assert len(merged(images, traces(0, 0))) == 1
    assert len(merged(images, traces(0, 0), **changes)) == 2


def test_nothing_is_merged_with_nothing():
    empty = twins.make_model(FIELD, n_cells=0, n_frames=300)
    assert len(merge(empty, MergeParameters(), DIAMETER_PX, STEP)) == 0
