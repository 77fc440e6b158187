"""The border that motion moved out of view, counted pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest
from motion.field_twins import dense

from napari_cnmf.motion.borders import seen_borders, valid_area, with_data
from napari_cnmf.movie.images import SummaryImages
from napari_cnmf.movie.shifts import PatchShifts, Shifts

SHAPE = (60, 83)


def rigid(values, shape=SHAPE) -> Shifts:
    return Shifts(np.float32(values), np.zeros(shape, np.float32), 12.0)


def piecewise(n: int, seed: int = 0) -> Shifts:
    """Shifts of a grid of three by four patches that differ by up to 3 px."""
    rng = np.random.default_rng(seed)
    whole = rng.normal((2, -1), 3, (n, 1, 2))
    values = (whole + rng.uniform(-1.5, 1.5, (n, 12, 2))).astype(np.float32)
    places = np.meshgrid([15.0, 29.5, 44.0], [15.0, 32.0, 50.0, 67.0], indexing="ij")
    centres = np.stack(places, axis=-1).reshape(-1, 2).astype(np.float32)
    return Shifts(
        values.mean(axis=1),
        np.zeros(SHAPE, np.float32),
        12.0,
        PatchShifts(values, centres),
    )


def shares(shifts: Shifts) -> list[np.ndarray]:
    """Share of the frames with a whole line in view, inwards from each of four sides.

    Rows are looked at along y, whatever the motion along x, and columns along x.
    """
    patches = shifts.patches
    places = (np.zeros(1), np.zeros(1)) if patches is None else patches.places
    values = shifts.values if patches is None else patches.values
    grid = len(values), len(places[0]), len(places[1]), 2
    seen = np.zeros((len(values), 2, *SHAPE), bool)
    for views, nodes in zip(seen, values.astype(float).reshape(grid), strict=True):
        at = np.indices(SHAPE) + dense(nodes, places, SHAPE)
        views[:] = (at >= 0) & (at <= np.reshape(SHAPE, (2, 1, 1)) - 1)
    rows = seen[:, 0].all(axis=2).mean(axis=0)
    cols = seen[:, 1].all(axis=1).mean(axis=0)
    return [rows, rows[::-1], cols, cols[::-1]]


@pytest.mark.parametrize("min_seen", [0.5, 0.8, 1.0])
@pytest.mark.parametrize(
    "shifts",
    [rigid(np.random.default_rng(0).normal((2, -3), 3, (101, 2))), piecewise(90)],
    ids=["rigid", "piecewise"],
)
def test_rows_and_columns_seen_too_rarely_are_borders(shifts, min_seen):
    borders = seen_borders(shifts, min_seen)
    n = len(shifts.values)
    for border, share in zip(borders, shares(shifts), strict=True):
        assert share[border:30].min() >= min_seen
        if border:
            assert share[border - 1] < min_seen + 1 / n


@pytest.mark.parametrize(
    ("shift", "borders"),
    [
        ((-3, 0), (3, 0, 0, 0)),
        ((3, 0), (0, 3, 0, 0)),
        ((0, -2.2), (0, 0, 3, 0)),
        ((0, 2.2), (0, 0, 0, 3)),
        ((-1, 5), (1, 0, 0, 5)),
    ],
)
def test_content_that_moved_out_at_one_side_leaves_a_border_there(shift, borders):
    assert seen_borders(rigid([shift] * 4), 1.0) == borders


def test_the_border_of_a_bent_movie_is_that_of_its_outermost_patches():
    shifts = piecewise(40)
    values = np.zeros((40, 3, 4, 2), np.float32)
    values[:, 0, 2] = -2.5, 0
    values[:, 1, 0] = -9, -4
    values[:, 1, 1] = -9, 9
    shifts.patches.values[:] = values.reshape(40, 12, 2)
    assert seen_borders(shifts, 0.8) == (3, 0, 4, 0)


def test_frames_left_out_make_no_border():
    values = np.zeros((10, 2))
    values[[2, 7]] = (-8, 8), (8, -8)
    assert seen_borders(rigid(values), 1.0) == (8, 8, 8, 8)
    assert seen_borders(rigid(values), 1.0, (2,)) == (0, 8, 8, 0)
    assert seen_borders(rigid(values), 1.0, (2, 7)) == (0, 0, 0, 0)
    assert seen_borders(rigid(values), 1.0, tuple(range(10))) == (0, 0, 0, 0)


def test_seldom_motion_makes_no_border():
    values = np.zeros((100, 2))
    values[:15] = -9, 4
    assert seen_borders(rigid(values), 0.8) == (0, 0, 0, 0)
    assert seen_borders(rigid(values), 0.9) == (9, 0, 0, 4)


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (9, 40)])
def test_something_is_left_of_the_smallest_field(shape):
    shifts = rigid([(-50, -50), (50, 50)], shape)
    top, bottom, left, right = seen_borders(shifts, 1.0)
    assert top + bottom < shape[0]
    assert left + right < shape[1]


@pytest.mark.parametrize(
    "borders", [(0, 0, 0, 0), (3, 0, 0, 5), (1, 4, 2, 0), (2, 2, 2, 2)]
)
def test_a_pixel_is_valid_if_all_it_came_from_is(borders):
    valid = np.random.default_rng(0).random((23, 31)) > 0.01
    valid[:, 28:] = False
    top, bottom, left, right = borders
    expected = np.zeros(valid.shape, bool)
    for y in range(top, 23 - bottom):
        for x in range(left, 31 - right):
            expected[y, x] = valid[
                y - top : y + bottom + 1, x - left : x + right + 1
            ].all()
    assert 0 < expected.sum() < expected.size
    np.testing.assert_array_equal(valid_area(valid, borders), expected)


def test_without_holes_the_valid_area_is_what_the_borders_leave():
    expected = np.zeros((20, 30), bool)
    expected[4:19, 2:27] = True
    valid = valid_area(np.ones((20, 30), bool), (4, 1, 2, 3))
    np.testing.assert_array_equal(valid, expected)


def test_rows_and_columns_that_never_change_hold_no_data():
    noise = np.ones((9, 12), np.float32)
    noise[:2], noise[:, -3:], noise[5, 5] = 0, 0, 0
    valid = np.ones((9, 12), bool)
    valid[8] = False
    recorded = SummaryImages(noise, noise, noise, noise, noise, valid)
    expected = np.zeros((9, 12), bool)
    expected[2:8, :9] = True  # a still pixel in their midst is one of them
    np.testing.assert_array_equal(with_data(recorded), expected)
