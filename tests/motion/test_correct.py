"""The stage `correct`: one pass whose results depend on the movie alone."""

from __future__ import annotations

import tracemalloc
from threading import Event

import numpy as np
import pytest
from motion.correction_runs import (
    IMAGES,
    RATE_HZ,
    everything,
    files,
    noisy,
    run,
)
from motion.motion_twins import moved_crops

from napari_cnmf.compute import SerialBackend, ThreadBackend
from napari_cnmf.errors import CancelledError, OutputError
from napari_cnmf.motion.parameters import MotionParameters
from napari_cnmf.motion.stage import Correction
from napari_cnmf.movie import Movie
from napari_cnmf.movie.parameters import StoreParameters
from napari_cnmf.movie.store import TiledStore
from napari_cnmf.summary import SummaryParameters, summarise

NONE = MotionParameters(mode="none")


@pytest.fixture(scope="module")
def shifts() -> np.ndarray:
    return np.clip(np.random.default_rng(2).normal(0, 2, (301, 2)), -6, 6)


@pytest.fixture(scope="module")
def movie(shifts) -> Movie:
    """A noisy movie of 301 frames of 70 x 93 pixels that moves."""
    return noisy(moved_crops((70, 93), shifts))


@pytest.fixture(scope="module")
def corrected(movie, tmp_path_factory) -> Correction:
    return run(movie, tmp_path_factory.mktemp("run") / "registered.zarr")


@pytest.mark.parametrize("block", [18, 36, 144, 10**4 // 18 * 18])
def test_no_result_depends_on_the_length_of_the_blocks(
    corrected, movie, tmp_path, block
):
    other = run(movie, tmp_path / "registered.zarr", block=block)
    assert other.movie.source.block_frames == min(block, 301)
    assert everything(other) == everything(corrected)


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_no_result_depends_on_the_number_of_workers(movie, tmp_path, workers):
    serial = run(movie, tmp_path / "serial", block=36)
    threaded = run(movie, tmp_path / "many", backend=ThreadBackend(workers), block=36)
    assert everything(threaded) == everything(serial)
    assert files(tmp_path / "many") == files(tmp_path / "serial")


def test_the_shifts_are_those_of_the_content(corrected, shifts):
    found = corrected.shifts.values
    assert found.dtype == np.float32
    error = found - shifts
    assert np.sqrt(((error - error.mean(axis=0)) ** 2).mean()) < 0.1
    assert np.abs(np.median(found, axis=0)).max() < 0.5


def test_the_registered_movie_stands_still(corrected, movie):
    inner = (slice(None), slice(8, -8), slice(8, -8))
    frames = corrected.movie.read()[inner]
    raw = movie.read()[inner].astype(np.float32)
    assert frames.std(axis=0).mean() < 0.5 * raw.std(axis=0).mean()


def test_without_registration_the_movie_is_kept_as_it_is(movie, tmp_path):
    kept = run(movie, tmp_path / "registered.zarr", NONE)
    assert kept.shifts is None
    assert kept.registration is None
    step = kept.movie.source.header.step
    assert np.abs(kept.movie.read() - movie.read()).max() <= 0.51 * step


def test_the_summary_is_that_of_the_stored_movie(corrected):
    with ThreadBackend(2) as backend:
        again = summarise(
            corrected.movie,
            SummaryParameters(),
            backend=backend,
            valid=corrected.summary.valid,
        )
    for name in IMAGES:
        np.testing.assert_array_equal(
            getattr(again, name), getattr(corrected.summary, name), err_msg=name
        )


def test_a_raw_movie_is_summarised_as_if_it_were_stored(movie, tmp_path):
    kept = run(movie, tmp_path / "registered.zarr", NONE)
    with SerialBackend() as backend:
        raw = summarise(movie, SummaryParameters(), backend=backend)
    for name in IMAGES:
        np.testing.assert_array_equal(
            getattr(raw, name), getattr(kept.summary, name), err_msg=name
        )


def test_the_summary_is_in_the_movies_units(movie):
    with SerialBackend() as backend:
        summary = summarise(movie, SummaryParameters(neighbours=4), backend=backend)
    frames = movie.read().astype(np.float64)
    step = frames.std() / 16
    np.testing.assert_allclose(summary.mean, frames.mean(axis=0), atol=step)
    np.testing.assert_allclose(summary.maximum, frames.max(axis=0), atol=step)
    np.testing.assert_allclose(summary.std, frames.std(axis=0), rtol=0.02)


def test_pixels_without_data_have_no_noise(movie, tmp_path):
    recorded = np.ones(movie.field_shape, bool)
    recorded[:, :5] = False
    corrected = run(movie, tmp_path / "registered.zarr", valid=recorded)
    np.testing.assert_array_equal(corrected.registration.before.valid, recorded)
    for summary in (corrected.registration.before, corrected.summary):
        valid = summary.valid
        assert not valid[~recorded].any()
        assert not summary.noise[~valid].any()
        assert not summary.correlation[~valid].any()
        assert summary.noise[valid].all()


def test_the_border_out_of_view_is_not_valid(corrected, shifts):
    top, bottom, left, right = corrected.summary.borders
    # 0.8 of normal shifts of sd 2 px lie below 1.7 px
    assert {top, bottom, left, right} <= {1, 2}
    height, width = corrected.movie.field_shape
    seen = np.zeros((height, width), bool)
    seen[top : height - bottom, left : width - right] = True
    np.testing.assert_array_equal(corrected.summary.valid, seen)
    assert corrected.registration.before.valid.all()


def test_what_was_out_of_view_holds_the_template(corrected):
    frames, shifts = corrected.movie.read(), corrected.shifts
    step = corrected.movie.source.header.step
    far = np.argmin(shifts.values[:, 0])
    rows = int(-shifts.values[far, 0])
    assert rows >= 3
    error = frames[far, :rows] - shifts.template[:rows]
    assert np.abs(error).max() <= 0.51 * step


def test_it_is_opened_again_from_its_folder(corrected, movie):
    store = TiledStore.open(corrected.movie.source.path)
    again = store.movie()
    assert again.fingerprint == corrected.movie.fingerprint != movie.fingerprint
    assert store.header.source_fingerprint == movie.fingerprint
    assert again.frame_rate_hz == RATE_HZ
    np.testing.assert_array_equal(again.read(), corrected.movie.read())


def test_bins_are_as_long_as_asked(movie, tmp_path):
    store = StoreParameters(bin_s=0.2)
    correction = run(movie, tmp_path / "registered.zarr", NONE, store=store)
    assert correction.movie.source.read_binned().shape == (301 // 6, 70, 93)


def test_progress_counts_all_frames(movie, tmp_path):
    events = []
    run(movie, tmp_path / "registered.zarr", NONE, progress=events.append, block=36)
    assert [event.done for event in events] == [*range(36, 301, 36), 301]
    assert {event.total for event in events} == {301}


@pytest.mark.parametrize("backend", [SerialBackend(), ThreadBackend(2)])
def test_a_cancelled_run_leaves_nothing(movie, tmp_path, backend):
    cancel = Event()
    with pytest.raises(CancelledError):
        run(
            movie,
            tmp_path / "run" / "registered.zarr",
            backend=backend,
            cancel=cancel,
            block=18,
            progress=lambda event: cancel.set(),
        )
    assert list((tmp_path / "run").iterdir()) == []


def test_an_unwritable_place_is_explained(movie, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="another output folder"):
        run(movie, tmp_path / "file" / "registered.zarr", NONE)


def test_clipped_values_are_told(movie, tmp_path, caplog):
    frames = movie.read().astype(np.float32)
    frames[200, 30, 40] = 1e7
    flashed = Movie.from_array(frames, frame_rate_hz=RATE_HZ)
    parameters = MotionParameters(mode="none", template_frames=6)
    kept = run(flashed, tmp_path / "registered.zarr", parameters)
    assert kept.movie.source.header.n_clipped == 1
    assert "1 of 1959510 values" in caplog.text


@pytest.mark.parametrize("mode", ["rigid", "none"])
@pytest.mark.parametrize("shape", [(1, 9, 11), (2, 9, 11), (40, 16, 3)])
def test_tiny_and_constant_movies_pass(tmp_path, mode, shape):
    movie = Movie.from_array(np.full(shape, 7, np.uint8), frame_rate_hz=RATE_HZ)
    result = run(movie, tmp_path / "registered.zarr", MotionParameters(mode=mode))
    np.testing.assert_array_equal(result.movie.read(), movie.read())
    assert not result.summary.noise.any()
    assert not result.summary.correlation.any()


class EndlessSource:
    """As many noisy frames as wanted, made when they are read."""

    dtype = np.dtype(np.uint16)

    def __init__(self, n_frames):
        self.shape = (n_frames, 64, 64)

    def read(self, frames, rows=slice(None), cols=slice(None)):
        times = range(*frames.indices(self.shape[0]))
        noise = [np.random.default_rng(t).normal(500, 20, (64, 64)) for t in times]
        return np.array(noise, np.uint16)[:, rows, cols]


def test_memory_does_not_grow_with_the_recording(tmp_path):
    peaks = []
    for n_frames in (360, 360, 1440):  # the first compiles and imports
        source = EndlessSource(n_frames)
        movie = Movie(source, frame_rate_hz=RATE_HZ, fingerprint="endless")
        few = MotionParameters(template_frames=30)
        tracemalloc.start()
        run(movie, tmp_path / "registered.zarr", few, block=72)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < 1.05 * peaks[1]
