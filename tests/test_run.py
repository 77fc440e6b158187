"""A whole run: one folder, the same bytes, nothing lost and nothing left behind."""

from __future__ import annotations

import errno
import logging
import os
import shutil
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from threading import Event
from types import SimpleNamespace

import numpy as np
import pytest
from tiny_movies import RATE_HZ, leftovers, movie, recipe, simulation, write_tif

from napari_cnmf.compute import ProgressEvent, SerialBackend, ThreadBackend
from napari_cnmf.errors import (
    CancelledError,
    InputError,
    MissingFileError,
    MissingStageError,
    OutputError,
    ParameterError,
)
from napari_cnmf.formats.curation import save_curation
from napari_cnmf.formats.readers.hdf5 import new_file
from napari_cnmf.formats.results import MovieInfo, Result, digest, load, save
from napari_cnmf.movie import Movie
from napari_cnmf.movie.chunks import ChunkedArray
from napari_cnmf.pipeline.log import logged_to
from napari_cnmf.pipeline.opening import needed_bytes, open_input
from napari_cnmf.pipeline.records import resolved_parameters
from napari_cnmf.pipeline.runner import rerun, resume, run
from napari_cnmf.pipeline.stages import STAGES, _fit
from napari_cnmf.quality.rule import apply_rule
from napari_cnmf.recipe import Recipe

FILES = [
    "cache",
    "motion.png",
    "recipe.toml",
    "registered.zarr",
    "report.png",
    "results.h5",
    "results.previous.h5",
    "run.log",
]
ALL_STAGES = ["correct", "fit", "refit", "evaluate", "dff"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """Folder of a complete run on a tif; not to be changed."""
    folder = tmp_path_factory.mktemp("finished")
    tif = write_tif(folder / "tiny.tif")
    run(tif, recipe(f"acquisition.frame_rate_hz={RATE_HZ}"), folder / "out")
    return folder / "out"


@pytest.fixture
def done(finished, tmp_path) -> Path:
    """A copy of that folder, to be changed."""
    return Path(shutil.copytree(finished, tmp_path / "done"))


@pytest.fixture(autouse=True)
def _quick_report(monkeypatch):
    """Do not draw: that takes longer than all stages of a tiny movie."""
    monkeypatch.setitem(run.__globals__, "write_report", lambda _, path: path.touch())


def stop_at(stage: str, cancel: Event):
    """Progress that cancels the run when a stage begins."""
    return lambda event: cancel.set() if event.stage == stage else None


# --- what a run leaves -------------------------------------------------------------


def test_a_run_leaves_its_files_and_all_stages(finished):
    assert sorted(path.name for path in finished.iterdir()) == FILES
    result = load(finished / "results.h5")
    assert result.complete
    assert [record.stage for record in result.stages] == ALL_STAGES
    assert result.components.quality is not None
    assert result.components.dff is not None
    assert result.movie.files[0].name == "tiny.tif"
    assert Recipe.load(finished / "recipe.toml") == Recipe.from_toml(result.recipe)
    log = (finished / "run.log").read_text()
    assert all(f"{stage}: " in log for stage in ALL_STAGES)
    assert result.log
    assert log.startswith(result.log)


def test_most_cells_of_the_simulation_are_found(finished):
    components = load(finished / "results.h5").components
    found = components.centres[components.accepted]
    truth = simulation()
    clear = (truth.kind == 0) & (truth.snr > 6) & (truth.fraction_in_field > 0.6)
    near = [np.hypot(*(found - centre).T).min() < 5 for centre in truth.centres[clear]]
    assert np.mean(near) >= 0.7


def test_the_result_returned_is_the_one_written(finished, tmp_path):
    settings = recipe(f"acquisition.frame_rate_hz={RATE_HZ}")
    returned = run(finished.parent / "tiny.tif", settings, tmp_path / "out")
    assert digest(returned) == digest(load(tmp_path / "out" / "results.h5"))
    assert digest(returned) == digest(load(finished / "results.h5"))


@pytest.mark.parametrize("workers", [2, 4])
def test_any_number_of_workers_gives_the_same_bytes(tmp_path, workers):
    small = recipe("patches.patch_size_px=40", "patches.patch_overlap_px=16")
    one = run(movie(), small, tmp_path / "1", backend=SerialBackend())
    many = run(movie(), small, tmp_path / "n", backend=ThreadBackend(workers))
    assert digest(one) == digest(many)


# --- input that is refused before anything is written ------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["input.last_frame=151"], "do not fit a movie of 150 frames"),
        (["input.first_frame=150"], "do not fit a movie of 150 frames"),
        (["input.top=40", "input.bottom=24"], "input.top=40 and input.bottom=24 leave"),
        (["input.left=60"], "input.left=60 and input.right=0 leave nothing of 60 px"),
        (["input.last_frame=19"], "has 19 frames, but the method needs"),
        (["input.right=50"], "64 x 10 px, but at least 16 px"),
        (["init.neuron_half_size_px=20"], "makes cells of 55 px, more than half"),
    ],
)
def test_what_would_fail_late_is_refused_at_once(tmp_path, settings, message):
    with pytest.raises((InputError, ParameterError), match=message):
        run(movie(), recipe(*settings), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_movie_without_frame_rate_is_refused_with_the_way_to_give_it(tmp_path):
    plain = Movie.from_array(simulation().movie)
    with pytest.raises(ParameterError, match=r"--set acquisition\.frame_rate_hz=30"):
        run(plain, None, tmp_path / "out")


def test_too_many_missing_values_are_refused(tmp_path):
    array = simulation().movie.astype(np.float32)
    array[:, :32] = np.nan
    with pytest.raises(InputError, match="hold NaN, more than the 20%"):
        run(movie(array), None, tmp_path / "out")


def test_the_recipe_wins_over_the_movie_and_crops_it():
    settings = recipe(
        "acquisition.frame_rate_hz=20",
        "acquisition.pixel_size_um=1.5",
        "input.first_frame=10",
        "input.frame_step=2",
        "input.top=3",
        "input.right=4",
    )
    opened = open_input(movie(), settings).movie
    assert opened.shape == (70, 61, 56)
    assert opened.frame_rate_hz == 10
    assert opened.pixel_size_um == (1.5, 1.5)
    np.testing.assert_array_equal(
        opened.read(slice(0, 1))[0], simulation().movie[10, 3:, :-4]
    )


# --- the output folder -------------------------------------------------------------


def test_an_existing_result_is_kept_unless_told_otherwise(done):
    before = (done / "results.h5").read_bytes()
    with pytest.raises(OutputError, match="already holds a result of another movie"):
        run(movie(), None, done)
    assert (done / "results.h5").read_bytes() == before
    run(movie(), recipe("motion.mode=none"), done, overwrite=True)
    assert load(done / "results.h5").shifts is None


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written to"):
        run(movie(), None, tmp_path / "file" / "out")
    with pytest.raises(OutputError, match="is a file"):
        run(movie(), None, tmp_path / "file")


def test_too_little_space_is_noticed_before_the_work(tmp_path, monkeypatch):
    needed = needed_bytes(movie(), Recipe())
    assert 0 < needed < simulation().movie.nbytes
    usage = SimpleNamespace(free=needed - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(OutputError, match="free space there"):
        run(movie(), None, tmp_path / "out")


def test_what_a_killed_run_left_is_removed_by_the_next(tmp_path):
    out = tmp_path / "out"
    (out / "registered.zarr.part" / "frames").mkdir(parents=True)
    for name in ("results.h5.part", "report.png.part", "recipe.toml.part"):
        (out / name).write_text("half")
    (out / "my notes.txt").write_text("keep me")
    run(movie(), None, out)
    assert sorted(path.name for path in out.iterdir()) == sorted(
        ["my notes.txt", *FILES]
    )


def test_two_runs_do_not_work_in_one_folder(done):
    refused = []

    def begin_another(event: ProgressEvent) -> None:
        if event.stage != "fit" or refused:
            return
        before = {path: path.stat().st_mtime_ns for path in done.rglob("*")}
        for another in (
            lambda: run(movie(), None, done, overwrite=True),
            lambda: rerun("dff", done),
        ):
            with pytest.raises(OutputError, match="Another run is at work") as caught:
                another()
            refused.append(caught.value)
        assert {path: path.stat().st_mtime_ns for path in done.rglob("*")} == before

    rerun("fit", done, progress=begin_another)
    assert len(refused) == 2
    assert not (done / "run.lock").exists()
    assert resume(done).complete


# --- ends before the end -----------------------------------------------------------


@pytest.mark.parametrize(
    ("stage", "kept"), [("correct", []), ("fit", ["correct"]), ("dff", ALL_STAGES[:4])]
)
def test_a_cancelled_run_keeps_finished_stages_and_no_other_files(
    tmp_path, stage, kept
):
    cancel = Event()
    with pytest.raises(CancelledError):
        run(
            movie(),
            recipe("patches.patch_size_px=40"),
            tmp_path,
            backend=SerialBackend(),
            progress=stop_at(stage, cancel),
            cancel=cancel,
        )
    assert leftovers(tmp_path) == []
    assert (tmp_path / "results.h5").exists() == bool(kept)
    if kept:
        result = load(tmp_path / "results.h5")
        assert [record.stage for record in result.stages] == kept
        assert not result.complete


def test_a_cancelled_run_finished_stage_by_stage_gives_the_same_bytes(
    tmp_path, finished
):
    cancel = Event()
    with pytest.raises(CancelledError):
        run(
            finished.parent / "tiny.tif",
            recipe(f"acquisition.frame_rate_hz={RATE_HZ}"),
            tmp_path,
            progress=stop_at("fit", cancel),
            cancel=cancel,
        )
    for stage in ALL_STAGES[1:]:
        result = rerun(stage, tmp_path)
    assert result.complete
    assert digest(result) == digest(load(finished / "results.h5"))
    assert sorted(path.name for path in tmp_path.iterdir()) == FILES


def test_a_full_disk_keeps_finished_stages_and_the_same_run_goes_on(
    tmp_path, monkeypatch, finished
):
    files = []

    @contextmanager
    def full_at_third(path: Path):
        files.append(path)
        if len(files) == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        with new_file(path) as file:
            yield file

    settings = recipe(f"acquisition.frame_rate_hz={RATE_HZ}")
    monkeypatch.setitem(save.__globals__, "new_file", full_at_third)
    with pytest.raises(OutputError, match="the same command goes on") as caught:
        run(finished.parent / "tiny.tif", settings, tmp_path)
    assert "No space left on device" in str(caught.value)
    assert str(caught.value).count(". ") == 0
    assert leftovers(tmp_path) == []
    stages = [record.stage for record in load(tmp_path / "results.h5").stages]
    assert stages == ["correct", "fit"]
    again = run(finished.parent / "tiny.tif", settings, tmp_path)
    assert digest(again) == digest(load(finished / "results.h5"))


def test_a_disk_full_of_frames_leaves_a_draft_to_go_on_with(tmp_path, monkeypatch):
    def write(self, first: int, codes: np.ndarray) -> None:
        if self.path.name == "base":
            write_base(self, first, codes)
            return
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    write_base = ChunkedArray.write
    monkeypatch.setattr(ChunkedArray, "write", write)
    with pytest.raises(OutputError, match=r"No space left .* the same command goes on"):
        run(movie(), None, tmp_path)
    assert not (tmp_path / "registered.zarr").exists()
    monkeypatch.undo()
    assert run(movie(), None, tmp_path).complete
    assert leftovers(tmp_path) == []


def test_a_defect_is_logged_and_keeps_finished_stages(tmp_path, monkeypatch):
    monkeypatch.setitem(_fit.__globals__, "fit", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run(movie(), None, tmp_path)
    assert "ZeroDivisionError" in (tmp_path / "run.log").read_text()
    assert [r.stage for r in load(tmp_path / "results.h5").stages] == ["correct"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_log_that_finds_no_room_stops_nothing(capsys):
    with logged_to(Path("/dev/full")):
        logging.getLogger("napari_cnmf").info("no room")
    assert capsys.readouterr().err == ""


def test_the_log_leaves_logging_as_it_was(tmp_path):
    logger = logging.getLogger("napari_cnmf")
    before = logger.level, list(logger.handlers)
    with logged_to(tmp_path / "run.log"):
        logger.info("inside")
    assert (logger.level, logger.handlers) == before
    assert "inside" in (tmp_path / "run.log").read_text()


def test_a_log_that_cannot_be_opened_is_a_sentence(tmp_path):
    with pytest.raises(OutputError, match="log file"), logged_to(tmp_path):
        pass


# --- unusual movies ----------------------------------------------------------------


def test_a_constant_movie_gives_no_cells_and_a_warning(tmp_path, caplog):
    still = np.full((60, 40, 50), 7, np.uint16)
    result = run(movie(still), None, tmp_path)
    assert len(result.components) == 0
    assert result.complete
    assert (tmp_path / "report.png").exists()
    assert "the movie is constant" in caplog.text
    assert "no component was found" in caplog.text


def test_noise_gives_no_accepted_cells(tmp_path):
    noise = np.random.default_rng(0).normal(-5, 1, (100, 40, 50)).astype(np.float32)
    result = run(movie(noise), recipe("motion.mode=none"), tmp_path)
    assert not result.components.accepted.any()
    assert result.complete


def test_missing_values_are_repaired_and_masked(tmp_path, caplog):
    array = simulation().movie.astype(np.float32)
    array[:, :3] = np.nan
    array[70] = np.nan
    result = run(movie(array), None, tmp_path)
    before = result.registration.before.valid
    assert not before[:3].any()
    assert before[3:].all()
    top, *others = result.summary.borders
    assert top >= 3 + min(others)  # the missing rows, and what motion took of the rest
    assert np.isfinite(result.components.denoised).all()
    assert result.components.accepted.any()
    log = (tmp_path / "run.log").read_text()
    assert "frames interpolated [70], pixels masked 180" in log
    assert "180 pixels masked" in caplog.text


def test_frames_at_the_limit_of_the_search_are_told_of(tmp_path, caplog):
    run(movie(), recipe("motion.max_shift_px=1"), tmp_path)
    assert "raise motion.max_shift_px" in caplog.text


def test_all_rejected_is_told_of(tmp_path, caplog):
    run(movie(), recipe("quality.min_snr=1000"), tmp_path)
    assert "all components were rejected" in caplog.text


def test_several_files_are_one_recording(tmp_path):
    array = simulation().movie
    parts = [
        write_tif(tmp_path / f"part{i}.tif", part)
        for i, part in enumerate(np.array_split(array, 3))
    ]
    settings = recipe(f"acquisition.frame_rate_hz={RATE_HZ}")
    result = run(parts, settings, tmp_path / "out")
    whole = run(movie(), settings, tmp_path / "whole")
    assert [span.first for span in result.movie.files] == [0, 50, 100]
    np.testing.assert_array_equal(result.components.denoised, whole.components.denoised)


# --- one stage again ---------------------------------------------------------------


def test_other_limits_change_the_verdict_alone(done):
    before = load(done / "results.h5")
    after = rerun("evaluate", done, ["quality.min_snr=30"])
    assert after.components.accepted.sum() < before.components.accepted.sum()
    np.testing.assert_array_equal(after.components.dff, before.components.dff)
    assert after.complete
    assert Recipe.from_toml(after.recipe).quality.min_snr == 30
    assert Recipe.load(done / "recipe.toml").quality.min_snr == 30
    assert digest(load(done / "results.h5")) == digest(after)


@pytest.mark.parametrize("stage", ["evaluate", "dff", "summarise"])
def test_the_same_parameters_give_the_same_again(done, stage):
    before = load(done / "results.h5")
    assert digest(rerun(stage, done)) == digest(before)


def test_a_new_fit_drops_what_was_made_of_the_old_one(done):
    after = rerun("fit", done, {"init.min_event_energy": 100.0})
    assert after.components.quality is None
    assert after.components.dff is None
    assert [record.stage for record in after.stages] == ["correct", "fit"]
    assert not after.complete
    assert (done / "report.png").exists()


def test_a_new_registration_reads_the_files_again_and_drops_all(done):
    after = rerun("correct", done, ["motion.max_shift_px=5"])
    assert after.components is None
    assert after.shifts.max_shift_px == 5
    assert [record.stage for record in after.stages] == ["correct"]
    assert not (done / "report.png").exists()
    with pytest.raises(MissingStageError, match="run 'fit' first"):
        rerun("refit", done)


def test_a_movie_from_memory_cannot_be_registered_again(tmp_path):
    run(movie(), None, tmp_path)
    with pytest.raises(InputError, match="came from no file"):
        rerun("correct", tmp_path)


def test_parameters_of_other_stages_are_refused(done):
    with pytest.raises(ParameterError, match="belong to the stage 'dff' but to 'fit'"):
        rerun("dff", done, ["init.neuron_half_size_px=6"])
    with pytest.raises(ParameterError, match="'fit' but to 'correct'"):
        rerun("fit", done, ["acquisition.frame_rate_hz=15"])


def test_a_folder_without_a_result_is_refused(tmp_path):
    with pytest.raises(MissingFileError, match="run the movie first"):
        rerun("dff", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_registered_movie_of_another_run_is_refused(done, tmp_path):
    run(movie(), recipe("motion.mode=none"), tmp_path / "other")
    shutil.rmtree(done / "registered.zarr")
    shutil.copytree(tmp_path / "other" / "registered.zarr", done / "registered.zarr")
    with pytest.raises(InputError, match="is not the movie that the components"):
        rerun("evaluate", done)


def test_dff_needs_no_movie(done):
    shutil.rmtree(done / "registered.zarr")
    assert rerun("dff", done, ["dff.method=detrend"]).complete
    with pytest.raises(MissingFileError, match="run the registration first"):
        rerun("evaluate", done)


def test_a_stage_that_fails_leaves_the_result_as_it_was(done):
    before = (done / "results.h5").read_bytes()
    cancel = Event()
    cancel.set()
    with pytest.raises(CancelledError):
        rerun("fit", done, cancel=cancel)
    assert (done / "results.h5").read_bytes() == before
    assert leftovers(done) == []


# --- some stages -------------------------------------------------------------------


def test_a_run_ends_where_it_is_told_to_and_is_resumed(tmp_path, finished):
    tif = finished.parent / "tiny.tif"
    settings = recipe(f"acquisition.frame_rate_hz={RATE_HZ}")
    first = run(tif, settings, tmp_path, until="correct")
    assert [record.stage for record in first.stages] == ["correct"]
    assert not first.complete
    assert not (tmp_path / "report.png").exists()
    second = resume(tmp_path, until="refit")
    assert [record.stage for record in second.stages] == ALL_STAGES[:3]
    whole = resume(tmp_path)
    assert whole.complete
    assert digest(whole) == digest(load(finished / "results.h5"))


def test_what_is_complete_is_not_run_again(done):
    before = (done / "results.h5").read_bytes()
    assert digest(resume(done)) == digest(load(done / "results.h5"))
    assert (done / "results.h5").read_bytes() == before


def test_several_stages_are_run_again_with_the_parameters_of_each(done):
    settings = {"init.min_event_energy": 100.0, "quality.min_snr": 30.0}
    after = rerun("fit", done, settings, until="evaluate")
    assert [record.stage for record in after.stages] == ALL_STAGES[:4]
    assert after.components.quality.limits["low SNR"] == 30
    with pytest.raises(ParameterError, match="'fit' but to 'dff'"):
        rerun("fit", done, {"dff.method": "detrend"}, until="evaluate")


def test_what_is_cancelled_leaves_the_recipe_of_the_stages_before(done):
    cancel = Event()
    settings = {"init.min_event_energy": 100.0, "quality.min_snr": 30.0}
    with pytest.raises(CancelledError):
        rerun(
            "fit",
            done,
            settings,
            until="evaluate",
            progress=stop_at("refit", cancel),
            cancel=cancel,
        )
    result = load(done / "results.h5")
    assert [record.stage for record in result.stages] == ["correct", "fit"]
    assert Recipe.load(done / "recipe.toml") == Recipe.from_toml(result.recipe)
    assert Recipe.from_toml(result.recipe).init.min_event_energy == 100


def test_stages_that_do_not_exist_or_come_too_early_are_refused(tmp_path, done):
    with pytest.raises(ParameterError, match="no stage 'motion'; the stages are corr"):
        run(movie(), None, tmp_path / "out", until="motion")
    assert not (tmp_path / "out").exists()
    with pytest.raises(ParameterError, match="'fit' comes before 'dff'"):
        rerun("dff", done, until="fit")


def test_another_movie_can_be_registered_instead_of_the_files(done, finished):
    (finished.parent / "tiny.tif").rename(finished.parent / "gone.tif")
    try:
        after = rerun("correct", done, movie=movie())
    finally:
        (finished.parent / "gone.tif").rename(finished.parent / "tiny.tif")
    assert after.movie.files == ()
    assert resume(done).complete


def test_each_stage_hands_over_the_result_as_it_was_saved(tmp_path):
    seen = []

    def progress(event: ProgressEvent) -> None:
        if isinstance(event.payload, Result):
            saved = digest(load(tmp_path / "results.h5"))
            seen.append((event.stage, digest(event.payload) == saved))

    run(movie(), None, tmp_path, progress=progress)
    assert seen == [(stage, True) for stage in ALL_STAGES]


# --- decisions by hand -------------------------------------------------------------


def decide(folder: Path, **verdicts: int) -> dict[int, int]:
    """Decide on the first and last component by hand, as the window does."""
    result = load(folder / "results.h5")
    manual = np.zeros(len(result.components), np.int8)
    manual[[0, -1]] = verdicts["first"], verdicts["last"]
    quality = replace(result.components.quality, manual=manual)
    components = replace(result.components, quality=quality)
    save_curation(replace(result, components=components), folder / "results.h5")
    ids = components.ids.tolist()
    return {ids[0]: verdicts["first"], ids[-1]: verdicts["last"]}


def decisions(result: Result) -> dict[int, int]:
    """Decisions by hand by id."""
    components = result.components
    pairs = zip(components.ids, components.quality.manual, strict=True)
    return {int(i): int(verdict) for i, verdict in pairs if verdict}


@pytest.mark.parametrize("stage", ["evaluate", "dff", "summarise"])
def test_decisions_by_hand_outlive_a_stage(done, stage):
    made = decide(done, first=-1, last=1)
    assert decisions(rerun(stage, done)) == made
    assert not (done / "results.curation.json").exists()
    assert decisions(load(done / "results.h5")) == made


def test_decisions_by_hand_wait_for_the_evaluation_after_a_refit(done):
    made = decide(done, first=-1, last=1)
    between = rerun("refit", done)
    assert between.components.quality is None
    assert load(done / "results.h5").decisions == {str(i): v for i, v in made.items()}
    after = resume(done)
    assert decisions(after) == made
    assert after.decisions is None


def test_decisions_by_hand_are_dropped_with_their_cells(done):
    decide(done, first=-1, last=1)
    rerun("refit", done)
    assert decisions(rerun("fit", done, until="evaluate")) == {}


@pytest.mark.parametrize("stage", ["refit", "evaluate", "dff"])
def test_what_is_decided_while_a_stage_works_is_kept(done, stage):
    made = {}

    def progress(event: ProgressEvent) -> None:
        if event.stage == stage and not made:
            made.update(decide(done, first=-1, last=1))

    rerun(stage, done, progress=progress)
    assert decisions(resume(done)) == made


def test_limits_that_were_moved_by_hand_are_those_of_the_next_stage(done):
    result = load(done / "results.h5")
    settings = Recipe.from_toml(result.recipe).with_settings({"quality.min_snr": 25.0})
    quality = apply_rule(result.components.quality, settings.quality)
    moved = replace(
        result,
        recipe=settings.to_toml(),
        components=replace(result.components, quality=quality),
    )
    save_curation(moved, done / "results.h5")
    assert digest(rerun("dff", done)) == digest(moved)
    assert Recipe.load(done / "recipe.toml").quality.min_snr == 25
    assert digest(rerun("evaluate", done)) == digest(moved)


def test_a_new_run_forgets_decisions_on_the_old_one(done, caplog):
    decide(done, first=-1, last=1)
    fresh = run(movie(), None, done, overwrite=True)
    assert decisions(fresh) == {}
    assert not (done / "results.curation.json").exists()
    assert "decisions" not in caplog.text


# --- provenance --------------------------------------------------------------------


def all_parameters() -> list[str]:
    """Full names of all parameters."""
    return [
        f"{group}.{name}"
        for group, values in Recipe().to_dict().items()
        for name in values
    ]


def other_value(full_name: str) -> object:
    """A value that is allowed, but neither the default nor what auto stands for."""
    group, name = full_name.split(".")
    parameters = getattr(Recipe(), group)
    item = next(item for item in fields(parameters) if item.name == name)
    value, about = getattr(parameters, name), item.metadata
    if about["choices"]:
        return next(choice for choice in about["choices"] if choice != value)
    if isinstance(value, bool):
        return not value
    if value is None and name == "dataset":
        return "data"
    if isinstance(value, str):
        return "labels.tif"
    if value is None:
        return int(about["low"]) + 1
    low, high = about["low"], about["high"]
    return value + 1 if high is None or value + 1 <= high else type(value)(low)


@pytest.mark.parametrize("name", all_parameters())
def test_every_parameter_changes_the_provenance(name):
    info = MovieInfo((150, 64, 60), "abc", frame_rate_hz=30.0, pixel_size_um=(9.0, 9.0))
    changed = Recipe().with_settings({name: other_value(name)})
    rate, size = changed.acquisition.frame_rate_hz, changed.acquisition.pixel_size_um
    new_info = replace(
        info,
        frame_rate_hz=rate or info.frame_rate_hz,
        pixel_size_um=(size, size) if size else info.pixel_size_um,
    )
    old, new = Result(info, ""), Result(new_info, "")
    before = [resolved_parameters(stage, Recipe(), old) for stage in STAGES]
    after = [resolved_parameters(stage, changed, new) for stage in STAGES]
    assert before != after
    assert any(stage.accepts(name) for stage in STAGES)
    for stage, old, new in zip(STAGES, before, after, strict=True):
        assert old != new or not {name, name.split(".")[0]} & set(stage.reads)


def test_nothing_is_left_on_auto_in_the_record(finished):
    for record in load(finished / "results.h5").stages:
        acquisition = record.parameters.get("acquisition")
        if acquisition is not None:
            assert acquisition["frame_rate_hz"] == RATE_HZ
        if record.stage in ("fit", "refit"):
            assert acquisition["decay_time_s"] == 0.5
            assert acquisition["rise_time_s"] == 0.08
