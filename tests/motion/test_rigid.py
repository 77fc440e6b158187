"""What the shifts must obey, whatever computes them."""

from __future__ import annotations

import numpy as np
import pytest
from motion.motion_twins import cells, moved_crops

from napari_cnmf.motion.rigid import apply_shifts, estimate_shifts, prepare_reference
from napari_cnmf.motion.template import build_template


@pytest.fixture(scope="module")
def recording():
    """True shifts (40, 2) and noisy frames (40, 96, 130)."""
    rng = np.random.default_rng(7)
    shifts = np.clip(rng.normal(0, 2, (40, 2)), -6, 6)
    frames = moved_crops((96, 130), shifts)
    frames += rng.standard_normal(frames.shape).astype(np.float32)
    return shifts, frames


def still(shape: tuple[int, int]) -> np.ndarray:
    return moved_crops(shape, np.zeros((1, 2)))[0]


@pytest.mark.parametrize(
    ("shape", "reach", "tolerance"),
    [((500, 512), 12, 0.02), ((101, 127), 6, 0.1), ((96, 130), 3, 0.03)],
)
def test_true_shifts_are_found(shape, reach, tolerance):
    truth = np.random.default_rng(2).uniform(-reach, reach, (6, 2))
    found = estimate_shifts(
        moved_crops(shape, truth), prepare_reference(still(shape), 12)
    )
    np.testing.assert_allclose(found, truth, atol=tolerance)


def test_a_tiny_field_is_registered():
    truth = np.array([[1, -1], [0.5, 0.5], [-0.8, 0]])
    found = estimate_shifts(
        moved_crops((16, 16), truth), prepare_reference(still((16, 16)), 12)
    )
    np.testing.assert_allclose(found, truth, atol=0.3)


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (1, 40), (5, 5)])
def test_fields_too_small_for_motion_are_not_moved_far(shape):
    frames = np.random.default_rng(0).random((4, *shape), np.float32)
    shifts = estimate_shifts(frames, prepare_reference(frames[0], 12))
    assert np.all(np.abs(shifts) <= np.array(shape) // 4)


def test_error_in_a_noisy_512_field_is_below_the_goal():
    truth = np.random.default_rng(4).uniform(-6, 6, (10, 2))
    frames = moved_crops((512, 512), truth)
    rng = np.random.default_rng(5)
    frames += 3 * rng.standard_normal(frames.shape, np.float32)
    found = estimate_shifts(frames, prepare_reference(still((512, 512)), 8))
    assert np.sqrt(np.mean((found - truth) ** 2)) < 0.04


@pytest.mark.parametrize("shape", [(64, 64), (101, 127), (16, 16)])
def test_the_template_itself_has_no_shift(shape):
    template = cells(shape)
    shifts = estimate_shifts(template[None], prepare_reference(template, 6))
    np.testing.assert_allclose(shifts, 0, atol=1e-3)


def test_moving_a_frame_by_whole_pixels_moves_its_shift():
    scene = moved_crops((120, 160), np.array([[0.3, 0.6]]))[0]
    reference = prepare_reference(scene[12:-12, 15:-15], 8)
    moves = [(0, 0), (3, 0), (0, -4), (-5, 4), (5, 5)]
    frames = np.array([scene[12 - i : 108 - i, 15 - j : 145 - j] for i, j in moves])
    np.testing.assert_allclose(estimate_shifts(frames, reference), moves, atol=0.03)


def test_brightness_and_offset_do_not_matter(recording):
    _, frames = recording
    reference = prepare_reference(frames[:10].mean(axis=0), 8)
    expected = estimate_shifts(frames, reference)
    np.testing.assert_allclose(
        estimate_shifts(37 * frames + 5000, reference), expected, atol=2e-3
    )
    brighter = prepare_reference(0.01 * frames[:10].mean(axis=0) - 3, 8)
    np.testing.assert_allclose(estimate_shifts(frames, brighter), expected, atol=1e-3)


def test_frames_do_not_influence_each_other(recording):
    _, frames = recording
    reference = prepare_reference(frames[0], 8)
    together = estimate_shifts(frames, reference)
    order = np.random.default_rng(0).permutation(len(frames))
    np.testing.assert_array_equal(
        estimate_shifts(frames[order], reference), together[order]
    )
    parts = [estimate_shifts(part, reference) for part in np.array_split(frames, 7)]
    np.testing.assert_array_equal(np.concatenate(parts), together)


def test_frames_in_parts_are_moved_alike(recording):
    shifts, frames = recording
    fill = frames.mean(axis=0)
    parts = [
        apply_shifts(frames[i : i + 9], shifts[i : i + 9], fill)
        for i in range(0, 40, 9)
    ]
    together = apply_shifts(frames, shifts, fill)
    np.testing.assert_array_equal(np.concatenate(parts), together)


@pytest.mark.parametrize("level", [0.0, 1000.3, -7.7, 65535.0])
@pytest.mark.parametrize("shape", [(101, 127), (128, 96)])
def test_frames_without_signal_get_no_shift(level, shape):
    frames = np.full((2, *shape), level, np.float32)
    shifts = estimate_shifts(frames, prepare_reference(cells(shape), 6))
    np.testing.assert_array_equal(shifts, 0)


def test_a_template_without_signal_moves_nothing(recording):
    _, frames = recording
    reference = prepare_reference(np.full(frames.shape[1:], 3.3, np.float32), 6)
    np.testing.assert_array_equal(estimate_shifts(frames, reference), 0)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_frame_that_is_no_number_gets_no_shift_and_spoils_no_other(recording, bad):
    _, frames = recording
    reference = prepare_reference(frames[0], 8)
    expected = estimate_shifts(frames[:3], reference)
    spoiled = frames[:3].copy()
    spoiled[1, 5, 5] = bad
    expected[1] = 0
    np.testing.assert_array_equal(estimate_shifts(spoiled, reference), expected)


def test_saturation_is_survived(recording):
    truth, frames = recording
    clipped = np.minimum(frames, np.quantile(frames, 0.95))
    found = estimate_shifts(clipped, prepare_reference(still((96, 130)), 8))
    np.testing.assert_allclose(found, truth, atol=0.3)


def test_the_search_stops_at_the_limit():
    truth = np.array([[5.0, -1.0], [-9.0, 9.0]])
    reference = prepare_reference(still((96, 96)), 3.5)
    shifts = estimate_shifts(moved_crops((96, 96), truth), reference)
    assert np.all(np.abs(shifts) <= 3.5)


def test_no_frames_give_no_shifts():
    empty = np.empty((0, 20, 30), np.float32)
    shifts = estimate_shifts(empty, prepare_reference(cells((20, 30)), 4))
    assert shifts.shape == (0, 2)
    assert apply_shifts(empty, shifts, cells((20, 30))).shape == (0, 20, 30)


def test_moving_back_undoes_the_motion(recording):
    truth, _ = recording
    frames = moved_crops((96, 130), truth)
    image = still((96, 130))
    back = apply_shifts(frames, truth, image)
    np.testing.assert_allclose(back, np.broadcast_to(image, back.shape), atol=0.5)
    error = (back - image)[:, 8:-8, 8:-8]
    assert np.abs(error).max() < 0.2
    assert error.std() < 0.02


def test_the_template_is_sharp_and_its_frames_lie_around_it(recording):
    truth, frames = recording
    template = build_template(frames, 8)
    shifts = estimate_shifts(frames, prepare_reference(template, 8))
    np.testing.assert_allclose(np.median(shifts, axis=0), 0, atol=0.03)
    error = shifts - truth
    assert np.sqrt(np.mean((error - np.median(error, axis=0)) ** 2)) < 0.06
    still_part = still((96, 130))
    assert _similarity(template, still_part) > _similarity(frames.mean(0), still_part)


def test_the_template_survives_flashes_and_dark_frames(recording):
    truth, frames = recording
    spoiled = frames.copy()
    spoiled[4:8, 30:60] = 65535
    spoiled[20:23] = 0
    good = np.r_[0:4, 8:20, 23:40]
    shifts = estimate_shifts(frames, prepare_reference(build_template(spoiled, 8), 8))
    error = (shifts - truth)[good]
    assert np.sqrt(np.mean((error - np.median(error, axis=0)) ** 2)) < 0.08


def test_the_template_is_the_same_every_time(recording):
    _, frames = recording
    np.testing.assert_array_equal(build_template(frames, 8), build_template(frames, 8))


@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_frames_give_a_template(n):
    frames = moved_crops((40, 40), np.zeros((n, 2)))
    np.testing.assert_allclose(build_template(frames, 4), frames[0], atol=0.02)


def _similarity(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])
