"""The stage `correct` on movies that bend, drift, or hold frames that are bad."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from motion.correction_runs import (
    FOUND,
    RATE_HZ,
    as_movie,
    everything,
    files,
    noisy,
    run,
)
from motion.field_twins import bent_crops, displacements, rms, smooth_fields
from motion.motion_twins import moved_crops

from napari_cnmf.compute import SerialBackend, ThreadBackend
from napari_cnmf.motion.borders import seen_borders
from napari_cnmf.motion.parameters import MotionParameters
from napari_cnmf.motion.stage import Correction
from napari_cnmf.movie import Movie
from napari_cnmf.movie.images import crispness
from napari_cnmf.summary import SummaryParameters, summarise

N, SHAPE = 301, (70, 93)
PIECEWISE = MotionParameters(mode="piecewise")


@pytest.fixture(scope="module")
def fields() -> np.ndarray:
    shifts = np.clip(np.random.default_rng(2).normal(0, 2, (N, 2)), -5, 5)
    return smooth_fields(N, SHAPE, 3.0) + shifts[:, :, None, None]


@pytest.fixture(scope="module")
def movie(fields) -> Movie:
    """A noisy movie that shifts and bends."""
    return noisy(bent_crops(fields))


@pytest.fixture(scope="module")
def corrected(movie, tmp_path_factory) -> Correction:
    return run(movie, tmp_path_factory.mktemp("run") / "registered.zarr", PIECEWISE)


@pytest.mark.parametrize("block", [18, 144])
def test_no_result_depends_on_the_length_of_the_blocks(
    corrected, movie, tmp_path, block
):
    other = run(movie, tmp_path / "registered.zarr", PIECEWISE, block=block)
    assert other.movie.source.block_frames == block
    assert everything(other) == everything(corrected)


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_no_result_depends_on_the_number_of_workers(
    corrected, movie, tmp_path, workers
):
    backend = ThreadBackend(workers)
    threaded = run(movie, tmp_path / "run", PIECEWISE, backend, block=36)
    assert everything(threaded) == everything(corrected)


def test_local_templates_depend_on_no_block_or_worker(movie, tmp_path):
    local = MotionParameters(mode="piecewise", local_template_s=2.5)
    serial = run(movie, tmp_path / "serial", local, block=36)
    threaded = run(movie, tmp_path / "many", local, ThreadBackend(2), block=36)
    assert everything(threaded) == everything(serial)
    assert files(tmp_path / "many") == files(tmp_path / "serial")
    other = run(movie, tmp_path / "other", local, block=144)
    assert everything(other) == everything(serial)


def test_the_fields_are_those_of_the_content(corrected, fields):
    patches = corrected.shifts.patches
    assert patches.values.dtype == np.float32
    truth = displacements(fields, patches.centres.astype(float))
    error = patches.values - truth
    assert rms(error - error.mean(axis=0)) < 0.15
    whole = corrected.shifts.values - fields.mean(axis=(2, 3))
    assert rms(whole - whole.mean(axis=0)) < 0.15


def test_the_registration_tells_what_it_did(corrected):
    found = corrected.registration
    for name in FOUND[:2]:
        assert getattr(found, name).shape == (N,)
    assert len(found.residual_before) == len(found.residual_after)
    assert len(found.residual_before) == -(-N // found.bin_frames)
    assert found.correlation_after.min() > 0.9
    assert found.correlation_after.mean() > found.correlation_before.mean() + 0.2
    assert found.residual_after.mean() < 0.3 * found.residual_before.mean()
    assert found.flags.shape == (N,)
    assert not found.flags.any()
    assert crispness(corrected.summary.mean) > 1.2 * crispness(found.before.mean)


def test_the_images_before_are_those_of_the_raw_movie(corrected, movie):
    with SerialBackend() as backend:
        raw = summarise(movie, SummaryParameters(), backend=backend)
    step = corrected.movie.source.header.step  # that of the other one is larger
    before = corrected.registration.before
    np.testing.assert_allclose(before.mean, raw.mean, atol=step)
    np.testing.assert_allclose(before.maximum, raw.maximum, atol=2 * step)
    np.testing.assert_allclose(before.std, raw.std, rtol=0.02)
    np.testing.assert_allclose(before.correlation, raw.correlation, atol=0.01)


def test_bending_is_better_than_shifting(corrected, movie, tmp_path):
    rigid = run(movie, tmp_path / "rigid", MotionParameters(mode="rigid")).registration
    assert (
        corrected.registration.correlation_after.mean() > rigid.correlation_after.mean()
    )
    assert rms(corrected.registration.residual_after) < 0.5 * rms(rigid.residual_after)


# --- known shifts, and a known template --------------------------------------------


@pytest.mark.parametrize("mode", ["rigid", "piecewise"])
def test_known_motion_is_applied_as_it_is(movie, tmp_path, mode):
    found = run(movie, tmp_path / "first", MotionParameters(mode=mode))
    other = run(
        movie, tmp_path / "second", MotionParameters(mode="none"), shifts=found.shifts
    )
    np.testing.assert_array_equal(other.shifts.values, found.shifts.values)
    if mode == "piecewise":
        for name in ("values", "centres"):
            np.testing.assert_array_equal(
                getattr(other.shifts.patches, name), getattr(found.shifts.patches, name)
            )
    np.testing.assert_array_equal(other.summary.valid, found.summary.valid)
    step = max(m.movie.source.header.step for m in (found, other))
    inside = np.s_[:, 9:-9, 9:-9]
    error = other.movie.read()[inside] - found.movie.read()[inside]
    assert np.abs(error).max() <= 1.02 * step


def test_another_channel_is_moved_by_the_shifts_of_the_first(
    corrected, fields, tmp_path
):
    structure = noisy(bent_crops(fields, seed=9))
    moved = run(structure, tmp_path / "second", shifts=corrected.shifts)
    found = moved.registration
    assert found.correlation_after.mean() > found.correlation_before.mean() + 0.2


@pytest.mark.parametrize("mode", ["rigid", "piecewise"])
def test_frames_find_the_template_of_an_earlier_recording(movie, tmp_path, mode):
    template = 200 + 50 * moved_crops(SHAPE, np.array([[3.0, -2.0]]), margin=12)[0]
    parameters = MotionParameters(mode=mode)
    earlier = run(movie, tmp_path / "earlier", parameters, template=template)
    same = np.corrcoef(earlier.shifts.template.ravel(), template.ravel())[0, 1]
    assert same > 0.99999
    brighter = run(movie, tmp_path / "like", parameters, template=3 * template - 9000)
    np.testing.assert_allclose(brighter.shifts.values, earlier.shifts.values, atol=0.01)
    own = run(movie, tmp_path / "own", parameters)
    apart = own.shifts.values - earlier.shifts.values
    np.testing.assert_allclose(np.median(apart, axis=0), (3, -2), atol=0.3)
    assert earlier.movie.fingerprint != own.movie.fingerprint


# --- drift -------------------------------------------------------------------------


def test_drift_further_than_the_largest_shift_is_no_shift_at_the_limit(tmp_path):
    rng = np.random.default_rng(1)
    shifts = rng.normal(0, 0.7, (1200, 2)) + np.linspace((-15, 7), (15, -7), 1200)
    drifting = noisy(moved_crops((64, 72), shifts, margin=24), 1.0)
    local = MotionParameters(local_template_s=10)
    found = run(drifting, tmp_path / "local", local)
    assert found.shifts.drift.shape == (1200, 2)
    assert np.ptp(found.shifts.values[:, 0]) > 28
    assert found.shifts.n_at_limit == 0
    assert not found.registration.flags.any()
    error = found.shifts.values - shifts
    assert rms(error - error.mean(axis=0)) < 0.12
    top, bottom, left, right = found.summary.borders
    assert min(top, bottom) >= 7
    assert min(left, right) >= 3
    again = run(drifting, tmp_path / "again", shifts=found.shifts)
    np.testing.assert_array_equal(again.shifts.drift, found.shifts.drift)
    assert again.shifts.n_at_limit == 0
    one = run(drifting, tmp_path / "one")
    assert one.shifts.drift is None
    assert one.shifts.n_at_limit > 0


# --- bad frames --------------------------------------------------------------------


def spoiled(movie: Movie) -> tuple[Movie, list[int]]:
    frames = movie.read().copy()
    rng = np.random.default_rng(5)
    frames[40:43] = 150 + rng.normal(0, 10, (3, *SHAPE))
    frames[100] = 900
    frames[200] = frames[200, ::-1, ::-1]
    return as_movie(frames), [40, 41, 42, 100, 200]


@pytest.mark.parametrize("mode", ["rigid", "piecewise"])
def test_bad_frames_are_left_out_of_the_summary(movie, tmp_path, mode):
    bad_movie, bad = spoiled(movie)
    found = run(bad_movie, tmp_path / "out", MotionParameters(mode=mode))
    assert found.registration.bad_frames.tolist() == bad
    assert found.movie.left_out == tuple(bad)
    good = np.delete(found.movie.read(), bad, axis=0)
    np.testing.assert_allclose(found.summary.mean, good.mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(found.summary.maximum, good.max(axis=0), rtol=1e-4)
    parameters = MotionParameters(mode=mode, leave_out_bad=False)
    kept = run(bad_movie, tmp_path / "kept", parameters)
    assert kept.registration.bad_frames.tolist() == bad
    assert kept.movie.left_out == ()
    every = kept.movie.read()
    np.testing.assert_allclose(kept.summary.mean, every.mean(axis=0), rtol=1e-4)
    assert kept.summary.maximum.min() >= 890


def test_bad_frames_make_no_border(movie, tmp_path):
    bad_movie, bad = spoiled(movie)
    found = run(bad_movie, tmp_path / "run", MotionParameters(min_seen=1.0))
    borders = seen_borders(found.shifts, 1.0, tuple(bad))
    assert found.summary.borders == borders != seen_borders(found.shifts, 1.0)


def test_saturated_frames_are_bent_like_others(movie, corrected, tmp_path):
    frames = movie.read()
    clipped = as_movie(np.minimum(frames, np.quantile(frames, 0.97).astype(np.int16)))
    found = run(clipped, tmp_path / "clipped", PIECEWISE)
    apart = found.shifts.patches.values - corrected.shifts.patches.values
    assert rms(apart - apart.mean(axis=0)) < 0.1


# --- few and small frames ----------------------------------------------------------


@pytest.mark.parametrize("mode", ["rigid", "piecewise"])
@pytest.mark.parametrize("n_frames", [1, 2, 3, 7, 17])
def test_a_movie_shorter_than_a_group_is_registered(tmp_path, n_frames, mode):
    shifts = np.random.default_rng(0).uniform(-2, 2, (n_frames, 2))
    short = noisy(moved_crops((60, 70), shifts))
    found = run(short, tmp_path / "run", MotionParameters(mode=mode))
    assert found.movie.shape == (n_frames, 60, 70)
    assert len(found.registration.residual_after) == 1 + n_frames // 17
    error = found.shifts.values - shifts
    assert rms(error - np.median(error, axis=0)) < 0.3


@pytest.mark.parametrize("local_s", [None, 1.0])
@pytest.mark.parametrize("shape", [(1, 1), (16, 16), (9, 11), (3, 40), (200, 18)])
def test_tiny_and_narrow_fields_are_bent(tmp_path, shape, local_s):
    rng = np.random.default_rng(0)
    small = as_movie(rng.normal(300, 20, (70, *shape)).astype(np.int16))
    parameters = MotionParameters(mode="piecewise", local_template_s=local_s)
    found = run(small, tmp_path / "run", parameters)
    assert found.movie.shape == (70, *shape)
    assert np.isfinite(found.shifts.patches.values).all()
    top, bottom, left, right = found.summary.borders
    assert top + bottom < shape[0]
    assert left + right < shape[1]


def test_a_narrow_field_may_move_far_along_its_length(tmp_path):
    shifts = np.zeros((60, 2))
    shifts[:, 0] = np.random.default_rng(0).uniform(-8, 8, 60)
    found = run(noisy(moved_crops((200, 24), shifts)), tmp_path / "run")
    error = found.shifts.values - shifts
    assert rms(error - error.mean(axis=0)) < 0.1
    assert found.shifts.n_at_limit == 0


@pytest.mark.parametrize("shape", [(1, 9, 11), (40, 16, 3), (8, 3, 3), (20, 60, 60)])
def test_constant_movies_are_not_bent(tmp_path, shape):
    movie = as_movie(np.full(shape, 7, np.uint8))
    found = run(movie, tmp_path / "run", PIECEWISE)
    np.testing.assert_array_equal(found.movie.read(), movie.read())
    assert not found.shifts.patches.values.any()
    assert not found.registration.flags.any()


class EndlessSource:
    """As many frames of a wobbling scene as wanted, made when they are read."""

    dtype = np.dtype(np.uint16)

    def __init__(self, n_frames):
        self.shape = (n_frames, 64, 64)

    def read(self, frames, rows=slice(None), cols=slice(None)):
        times = range(*frames.indices(self.shape[0]))
        noise = [np.random.default_rng(t).normal(500, 20, (64, 64)) for t in times]
        return np.array(noise, np.uint16)[:, rows, cols]


def test_memory_does_not_grow_with_the_recording(tmp_path):
    few = MotionParameters(mode="piecewise", template_frames=30)
    peaks = []
    for n_frames in (360, 360, 1080):  # the first compiles and imports
        source = EndlessSource(n_frames)
        movie = Movie(source, frame_rate_hz=RATE_HZ, fingerprint="endless")
        tracemalloc.start()
        run(movie, tmp_path / "registered.zarr", few, block=72)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < 1.05 * peaks[1]
