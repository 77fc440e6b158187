"""The kernels against their plain twins."""

from __future__ import annotations

import numpy as np
import pytest
from motion.motion_twins import (
    in_view,
    moved_crops,
    shift_by_grid,
    shift_frame_back,
)

from napari_cnmf.motion.rigid import apply_shifts, estimate_shifts, prepare_reference

SHIFTS = np.array([[0, 0], [0.3, -0.4], [-5.5, 2.25], [3, -6], [6.8, 6.9]])


@pytest.mark.parametrize("shape", [(64, 64), (96, 125), (50, 81)])
@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_newton_finds_the_peak_that_a_fine_grid_finds(shape, noise):
    rng = np.random.default_rng(3)
    template = moved_crops(shape, np.zeros((1, 2)))[0]
    frames = moved_crops(shape, SHIFTS)
    frames += noise * rng.standard_normal(frames.shape).astype(np.float32)
    found = estimate_shifts(frames, prepare_reference(template, 8))
    expected = [shift_by_grid(frame, template, 8) for frame in frames]
    np.testing.assert_allclose(found, expected, atol=3e-3)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (7, 2), (16, 16), (13, 40)])
@pytest.mark.parametrize(
    "shift", [(0, 0), (1, -2), (0.5, 0.25), (-3.7, 2.2), (60.5, -60.5), (-80, 80)]
)
def test_moving_back_is_cubic_convolution_of_what_was_in_view(shape, shift):
    frame, fill = np.random.default_rng(1).standard_normal((2, *shape), np.float32)
    moved = apply_shifts(frame[None], np.array([shift]), fill)[0]
    shift = np.float32(shift).astype(float)
    expected = np.where(in_view(shape, *shift), shift_frame_back(frame, *shift), fill)
    np.testing.assert_allclose(moved, expected, atol=1e-5)


@pytest.mark.parametrize("shift", [(3, -2), (2.25, -1.5), (-400, 0), (0, 41)])
def test_what_was_out_of_view_holds_every_bit_of_the_fill(shift):
    frame, fill = np.random.default_rng(2).standard_normal((2, 30, 41), np.float32)
    moved = apply_shifts(frame[None], np.array([shift]), fill)[0]
    unseen = ~in_view(frame.shape, *shift)
    assert unseen.any()
    np.testing.assert_array_equal(moved[unseen], fill[unseen])


def test_no_shift_leaves_every_bit():
    frames = moved_crops((30, 41), np.zeros((3, 2)))
    fill = np.full((30, 41), np.nan, np.float32)
    np.testing.assert_array_equal(apply_shifts(frames, np.zeros((3, 2)), fill), frames)


def test_missing_pixels_stay_local():
    frame = np.ones((1, 20, 20), np.float32)
    frame[0, 10, 10] = np.nan
    moved = apply_shifts(frame, np.array([[0.5, 0.5]]), np.ones((20, 20)))[0]
    bad_rows, bad_columns = np.nonzero(np.isnan(moved))
    assert set(bad_rows) == set(bad_columns) == {8, 9, 10, 11}
    np.testing.assert_allclose(np.nanmax(abs(moved - 1)), 0, atol=1e-6)
