"""What finds the motion of frames: one template, one for each stretch, or knowledge."""

from __future__ import annotations

import numpy as np
import pytest
from motion.field_twins import bent_crops, rms, smooth_fields
from motion.motion_twins import moved_crops

from napari_cnmf.motion.parameters import MotionParameters
from napari_cnmf.motion.piecewise import PatchGrid
from napari_cnmf.motion.registrar import (
    KnownMotion,
    build_local,
    build_registrar,
    move_back,
    target_of,
)
from napari_cnmf.movie.shifts import PatchShifts, Shifts

SHAPE = (96, 112)
N = 40
RIGID, PIECEWISE = (MotionParameters(mode=mode) for mode in ("rigid", "piecewise"))


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    """Noisy frames that shift by up to 4 px and bend by up to 2."""
    rng = np.random.default_rng(0)
    shifts = rng.uniform(-4, 4, (N, 2))
    clean = bent_crops(smooth_fields(N, SHAPE, 3.0) + shifts[:, :, None, None])
    return clean + 0.5 * rng.standard_normal(clean.shape, np.float32)


def known(registrar, frames) -> Shifts:
    """What a registrar finds, as a result keeps it."""
    motion = registrar.find(frames, np.arange(len(frames)))
    patches = None
    if motion.fields is not None:
        patches = PatchShifts(motion.fields, registrar.target.model.grid.centres)
    return Shifts(motion.shifts, registrar.target.template, 12.0, patches)


@pytest.mark.parametrize("parameters", [RIGID, PIECEWISE], ids=["rigid", "piecewise"])
def test_known_motion_moves_the_same_bytes_as_when_it_was_found(frames, parameters):
    registrar = build_registrar(frames, parameters)
    numbers = np.array([3, 4, 5, 20, 39])
    some, template = frames[numbers], registrar.target.template
    found = registrar.find(some, numbers)
    again = KnownMotion(known(registrar, frames))
    moved = move_back(some, found, registrar.places, template)
    np.testing.assert_array_equal(
        move_back(some, again.find(some, numbers), again.places, template), moved
    )
    assert rms(moved - template) < 0.8 * rms(some - template)


def test_the_shift_of_a_bent_frame_is_the_mean_of_its_field(frames):
    registrar = build_registrar(frames, PIECEWISE)
    motion = registrar.find(frames, np.arange(N))
    rigid = build_registrar(frames, RIGID).find(frames, np.arange(N))
    difference = motion.shifts - rigid.shifts
    assert rms(difference - difference.mean(axis=0)) < 0.3
    mean = registrar.target.model.grid.mean(motion.fields, SHAPE)
    np.testing.assert_array_equal(motion.shifts, mean)


def test_a_given_template_is_the_one_that_frames_are_registered_to(frames):
    template = moved_crops(SHAPE, np.zeros((1, 2)), margin=12)[0]
    given = build_registrar(frames, PIECEWISE, template)
    like = np.corrcoef(given.target.template.ravel(), template.ravel())[0, 1]
    assert like > 0.99999
    own = build_registrar(frames, PIECEWISE)
    numbers = np.arange(N)
    apart = given.find(frames, numbers).fields - own.find(frames, numbers).fields
    assert rms(apart - apart.mean(axis=0)) < 0.1


def test_a_template_of_frames_whose_motion_is_known_is_like_that_found(frames):
    registrar = build_registrar(frames, PIECEWISE)
    finder = KnownMotion(known(registrar, frames))
    target = target_of(frames, np.arange(N), finder, PIECEWISE)
    inside = np.s_[8:-8, 8:-8]
    difference = target.template[inside] - registrar.target.template[inside]
    assert difference.std() < 0.1


@pytest.fixture(scope="module")
def drifting() -> tuple[np.ndarray, np.ndarray]:
    """Shifts (1200, 2) that drift by 30 px, and frames (1200, 64, 72)."""
    rng = np.random.default_rng(1)
    drift = np.linspace(-15, 15, 1200)
    shifts = np.clip(rng.normal(0, 1, (1200, 2)), -3, 3)
    shifts += np.stack([drift, -0.5 * drift], axis=1)
    frames = moved_crops((64, 72), shifts, margin=24)
    return shifts, frames + rng.standard_normal(frames.shape, np.float32)


def test_drift_further_than_the_largest_shift_is_followed(drifting):
    shifts, frames = drifting
    local = build_local(
        lambda first, last: frames[first:last:5], 1200, 300, MotionParameters()
    )
    found = local.find(frames, np.arange(1200)).shifts
    error = found - shifts
    error -= error.mean(axis=0)
    assert rms(error) < 0.12
    assert np.ptp(local.drift, axis=0)[0] == pytest.approx(22.5, abs=1)
    one = build_registrar(frames[::10], MotionParameters())
    astray = one.find(frames, np.arange(1200)).shifts - shifts
    assert rms(astray - astray.mean(axis=0)) > 5 * rms(error)


def test_each_frame_has_the_template_of_its_stretch(drifting):
    _, frames = drifting
    local = build_local(
        lambda first, last: frames[first:last:10], 1200, 500, MotionParameters()
    )
    assert len(local.templates) == 2
    np.testing.assert_array_equal(
        local.stretch(np.array([0, 499, 500, 999, 1000, 1199])), [0, 0, 1, 1, 1, 1]
    )
    together = local.find(frames[480:520], np.arange(480, 520)).shifts
    alone = [local.find(frames[[t]], np.array([t])).shifts[0] for t in range(480, 520)]
    np.testing.assert_array_equal(together, alone)


def test_local_templates_bend_too(drifting):
    _, frames = drifting
    local = build_local(lambda first, last: frames[first:last:10], 1200, 300, PIECEWISE)
    motion = local.find(frames[::100], np.arange(0, 1200, 100))
    grid = PatchGrid.covering((64, 72), None, None)
    mean = grid.mean(motion.fields, (64, 72))
    np.testing.assert_allclose(motion.shifts, mean, atol=1e-5)


@pytest.mark.parametrize("n_frames", [1, 2, 7, 299, 300, 599])
def test_a_recording_shorter_than_two_stretches_has_one_template(n_frames):
    frames = moved_crops((40, 50), np.zeros((1, 2)))
    local = build_local(lambda first, last: frames, n_frames, 300, MotionParameters())
    assert len(local.templates) == 1
    np.testing.assert_allclose(local.find(frames, np.array([0])).shifts, 0, atol=1e-3)


# --- the mode that is chosen --------------------------------------------------------


@pytest.mark.parametrize(
    ("bend_px", "is_bent"), [(0.0, False), (0.2, False), (1.2, True), (3.0, True)]
)
def test_auto_bends_frames_if_they_are_bent(bend_px, is_bent):
    rng = np.random.default_rng(5)
    shifts = rng.normal(0, 1, (90, 2))
    # Each run of three frames is bent alike.
    bends = np.repeat(smooth_fields(30, SHAPE, bend_px), 3, axis=0)
    clean = bent_crops(bends + shifts[:, :, None, None])
    sample = clean + 0.5 * rng.standard_normal(clean.shape, np.float32)
    assert build_registrar(sample, MotionParameters()).is_piecewise is is_bent
