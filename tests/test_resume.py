"""The same run again: only what changed is done, and what was cut short goes on."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from threading import Event

import numpy as np
import pytest
from tiny_movies import RATE_HZ, leftovers, movie, recipe, simulation, write_tif

from napari_cnmf.cnmf import assemble, patch_solver, traces
from napari_cnmf.cnmf.patch_solver import PatchSolver
from napari_cnmf.cnmf.refit import Regression
from napari_cnmf.cnmf.traces import Projector
from napari_cnmf.compute import SerialBackend
from napari_cnmf.errors import CancelledError, InputError, OutputError
from napari_cnmf.formats.curation import save_curation
from napari_cnmf.formats.readers.raw import RawFrames
from napari_cnmf.formats.results import Result, digest, load, save
from napari_cnmf.motion import ledger
from napari_cnmf.motion.blockpass import BlockPass
from napari_cnmf.movie import blocks
from napari_cnmf.pipeline import runner, stages
from napari_cnmf.pipeline.keys import outdated_stages
from napari_cnmf.pipeline.runner import rerun, resume, run

ALL = ["correct", "fit", "refit", "evaluate", "dff"]
#: Several patches; and a rate for the file, which does not state one.
USUAL = (
    "motion.mode=rigid",
    f"acquisition.frame_rate_hz={RATE_HZ}",
    "patches.patch_size_px=40",
    "patches.patch_overlap_px=16",
)


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    """Do not draw, and cut the movie into nine blocks."""
    for name in ("write_report", "write_motion_report"):
        monkeypatch.setattr(runner, name, lambda _, path: path.touch())
    monkeypatch.setattr(blocks, "MAX_BLOCK", 18)


def given(
    source: Path, folder: Path, *settings: str, **options
) -> tuple[Result, list[str]]:
    """Run with changes of the usual recipe; return the result and what was run."""
    begun: list[str] = []

    def progress(event) -> None:
        if event.total == 0 and event.payload is None:
            begun.append(event.stage)

    options = {"backend": SerialBackend(), "progress": progress} | options
    result = run(source, recipe(*USUAL, *settings), folder, **options)
    return result, begun


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """Folder of a complete run on a tif beside it; not to be changed."""
    folder = tmp_path_factory.mktemp("finished")
    write_tif(folder / "tiny.tif")
    with pytest.MonkeyPatch.context() as patches:
        patches.setattr(runner, "write_report", lambda _, path: path.touch())
        patches.setattr(blocks, "MAX_BLOCK", 18)
        given(folder / "tiny.tif", folder / "out")
    return folder / "out"


@pytest.fixture
def source(finished, tmp_path) -> Path:
    """A copy of the movie."""
    return Path(shutil.copy(finished.parent / "tiny.tif", tmp_path / "tiny.tif"))


@pytest.fixture
def done(source, finished) -> Path:
    """A copy of that folder, of a run on the copy of the movie."""
    folder = Path(shutil.copytree(finished, source.parent / "done"))
    result = load(folder / "results.h5")
    files = (replace(result.movie.files[0], path=str(source)),)
    moved = replace(result, movie=replace(result.movie, files=files))
    save(moved, folder / "results.h5", overwrite=True)
    return folder


@pytest.fixture(scope="module")
def expected(finished) -> str:
    """Digest of the undisturbed result."""
    return digest(load(finished / "results.h5"))


# --- which stages run again --------------------------------------------------------


def test_what_is_done_is_not_done_again(source, done, expected):
    before = (done / "results.h5").read_bytes()
    result, begun = given(source, done)
    assert begun == []
    assert digest(result) == expected
    assert (done / "results.h5").read_bytes() == before
    assert "nothing to do" in (done / "run.log").read_text()


@pytest.mark.parametrize(
    ("setting", "again"),
    [
        ("dff.method=detrend", ["dff"]),
        ("quality.min_snr=30", ["evaluate"]),
        ("quality.transient_s=0.2", ["evaluate"]),
        ("summary.neighbours=4", ["summarise"]),
        ("merge.min_correlation=0.5", ALL[1:]),
        ("acquisition.decay_time_s=0.7", ALL[1:]),
        ("init.min_event_energy=1", ALL[1:]),
        ("motion.max_shift_px=5", ALL),
        ("store.noise_steps=8", ALL),
        ("acquisition.pixel_size_um=2", ALL),
        ("input.top=2", ALL),
    ],
)
def test_a_parameter_outdates_what_follows_from_it(finished, setting, again):
    result, changed = load(finished / "results.h5"), recipe(*USUAL, setting)
    found = outdated_stages(stages.STAGES, result, changed)
    assert [stage.name for stage in found] == again


@pytest.mark.parametrize(
    ("setting", "again"),
    [
        ("dff.method=detrend", ["dff"]),
        ("quality.min_snr=30", ["evaluate"]),
        ("quality.transient_s=0.2", ["evaluate"]),
        ("merge.min_correlation=0.5", ALL[1:]),
        ("input.top=2", ALL),
    ],
)
def test_what_changes_is_as_in_a_new_run(source, done, setting, again):
    result, begun = given(source, done, setting)
    assert begun == again
    assert result.complete
    fresh, _ = given(source, source.parent / "fresh", setting)
    assert digest(result) == digest(fresh)
    assert given(source, done, setting)[1] == []


def test_other_summary_images_leave_the_rest(source, done):
    before = load(done / "results.h5")
    result, begun = given(source, done, "summary.neighbours=4")
    assert begun == ["summarise"]
    assert (result.summary.correlation != before.summary.correlation).any()
    assert given(source, done, "summary.neighbours=4")[1] == []
    again, begun = given(source, done)
    assert begun == ["summarise"]
    assert digest(again) == digest(before)


def test_other_limits_read_no_movie(source, done, monkeypatch):
    monkeypatch.setattr(stages, "evaluate", None)
    result, _ = given(source, done, "quality.min_snr=30")
    before = load(source.parent / "done" / "results.h5")
    assert digest(result) == digest(before)
    assert rerun("evaluate", done, ["quality.min_snr=5"]).components.accepted.any()


def test_other_limits_keep_decisions_by_hand(source, done):
    result = load(done / "results.h5")
    manual = np.zeros(len(result.components), np.int8)
    manual[0] = -1
    quality = replace(result.components.quality, manual=manual)
    components = replace(result.components, quality=quality)
    save_curation(replace(result, components=components), done / "results.h5")
    after, _ = given(source, done, "quality.min_snr=30")
    np.testing.assert_array_equal(after.components.quality.manual, manual)


def test_other_merging_uses_what_was_found(source, done, monkeypatch):
    monkeypatch.setattr(patch_solver, "search", None)
    result, begun = given(source, done, "merge.min_correlation=0.5")
    assert begun == ALL[1:]
    assert result.complete
    with pytest.raises(TypeError, match="NoneType"):
        given(source, done, "init.min_event_energy=1")


def test_the_cache_holds_the_present_search_alone(source, done):
    before = {path.name for path in (done / "cache" / "fit-1").iterdir()}
    given(source, done, "merge.min_correlation=0.5")
    assert {path.name for path in (done / "cache" / "fit-1").iterdir()} == before
    given(source, done, "init.min_event_energy=1")
    after = {path.name for path in (done / "cache" / "fit-1").iterdir()}
    assert len(after) == 1
    assert after != before


def test_a_refit_of_the_refit_is_not_taken_for_the_first(source, done, expected):
    rerun("refit", done, until="dff")
    result, begun = given(source, done)
    assert begun == ALL[1:]
    assert digest(result) == expected


def test_a_result_without_keys_is_made_again(source, done, expected):
    result = load(done / "results.h5")
    plain = tuple(replace(record, key="") for record in result.stages)
    save(replace(result, stages=plain), done / "results.h5", overwrite=True)
    result, begun = given(source, done)
    assert begun == ALL
    assert digest(result) == expected


def test_a_stage_of_another_version_is_made_again(source, done, monkeypatch):
    newer = tuple(
        replace(stage, version=stage.version + (stage.name == "refit"))
        for stage in stages.STAGES
    )
    monkeypatch.setattr(runner, "STAGES", newer)
    assert given(source, done)[1] == ALL[1:]  # what `fit` found is no longer there


def test_a_run_goes_on_after_its_first_stages(source, tmp_path, expected):
    assert given(source, tmp_path / "out", until="fit")[1] == ALL[:2]
    assert given(source, tmp_path / "out", until="correct")[1] == []
    result, begun = given(source, tmp_path / "out")
    assert begun == ALL[2:]
    assert digest(result) == expected


def test_overwrite_begins_afresh(source, done, expected):
    (done / "unfinished").mkdir()
    result, begun = given(source, done, overwrite=True)
    assert begun == ALL
    assert digest(result) == expected
    assert not (done / "unfinished").exists()


@pytest.mark.parametrize(
    ("setting", "again"), [("dff.method=detrend", ["dff"]), ("quality.min_snr=9", ALL)]
)
def test_a_registered_movie_that_is_gone_is_made_if_needed(
    source, done, setting, again
):
    shutil.rmtree(done / "registered.zarr")
    assert given(source, done)[1] == []
    assert given(source, done, setting)[1] == again


@pytest.mark.parametrize("harm", ["missing", "short"])
def test_a_registered_movie_that_is_damaged_is_made_again(source, done, expected, harm):
    shard = done / "registered.zarr" / "frames" / "c" / "3" / "0" / "0"
    shard.unlink() if harm == "missing" else shard.write_bytes(shard.read_bytes()[:-9])
    given(source, done, "quality.min_snr=9")
    assert digest(given(source, done)[0]) == expected


# --- the movie ---------------------------------------------------------------------


def test_a_movie_that_was_moved_is_the_same(source, done, expected):
    (source.parent / "elsewhere").mkdir()
    moved = source.rename(source.parent / "elsewhere" / source.name)
    assert given(moved, done)[1] == []
    result, begun = given(moved, done, "dff.method=detrend")
    assert begun == ["dff"]
    assert result.movie.files[0].path == str(moved)


def other_frames() -> np.ndarray:
    """The movie, a little brighter."""
    return simulation().movie + np.uint16(1)


@pytest.mark.parametrize(
    ("frames", "how"),
    [
        (other_frames(), "other content of the same size"),
        (other_frames()[:100], "bytes instead of"),
    ],
)
def test_a_movie_that_has_changed_is_refused(source, done, frames, how):
    before = (done / "results.h5").read_bytes()
    write_tif(source, frames)
    for again in (
        lambda: given(source, done),
        lambda: rerun("correct", done),
        lambda: given(source, done, "motion.max_shift_px=5"),
    ):
        with pytest.raises(InputError, match=f"tiny.tif has changed .*{how}") as caught:
            again()
        assert "--overwrite" in str(caught.value)
        assert str(caught.value).count(". ") == 0
    assert (done / "results.h5").read_bytes() == before
    assert given(source, done, overwrite=True)[0].complete


def test_a_movie_of_another_size_is_refused_by_resume(source, done):
    rerun("fit", done)
    write_tif(source, other_frames()[:100])
    with pytest.raises(InputError, match=r"tiny\.tif has changed .* bytes instead of"):
        resume(done)
    source.unlink()  # which only the registration would need
    assert resume(done).complete


def test_another_movie_is_refused(source, done):
    other = write_tif(source.parent / "other.tif", other_frames())
    with pytest.raises(OutputError, match=r"of another movie \(tiny\.tif\)"):
        given(other, done)
    with pytest.raises(OutputError, match=r"of another movie \(tiny\.tif\)"):
        run(movie(), recipe(*USUAL), done)


def test_another_movie_from_memory_is_refused(tmp_path):
    run(movie(), recipe(*USUAL), tmp_path, until="correct")
    assert run(movie(), recipe(*USUAL), tmp_path).complete
    with pytest.raises(OutputError, match=r"of another movie \(from memory\)"):
        run(movie(other_frames()), recipe(*USUAL), tmp_path)


# --- going on within a stage -------------------------------------------------------

#: What is called for each task, by the name that progress is told of.
PASSES = {
    "correct": BlockPass,
    "fit": PatchSolver,
    "fit traces": Projector,
    "refit footprints": Regression,
    "refit traces": Projector,
}


@pytest.fixture
def calls(monkeypatch) -> Counter:
    """How often the function of each kind of task is called from now on."""
    counts: Counter = Counter()

    def counted(kind):
        work = kind.__call__

        def call(self, task):
            counts[kind] += 1
            return work(self, task)

        return call

    for kind in set(PASSES.values()):
        monkeypatch.setattr(kind, "__call__", counted(kind))
    return counts


def cut_short(source: Path, folder: Path, name: str, n_tasks: int, **options) -> None:
    """Run until some tasks of a pass are done."""
    cancel, seen = Event(), Counter()

    def progress(event) -> None:
        seen[event.stage] += event.total > 0
        if seen[name] == n_tasks:
            cancel.set()

    with pytest.raises(CancelledError, match="the same command goes on with it"):
        given(source, folder, progress=progress, cancel=cancel, **options)


@pytest.mark.parametrize("name", PASSES)
def test_no_task_is_worked_on_twice(source, tmp_path, expected, calls, name):
    folder = tmp_path / "out"
    cut_short(source, folder, name, 2)
    cut_short(source, folder, name, 3)
    result, _ = given(source, folder)
    assert digest(result) == expected
    assert calls == {BlockPass: 9, PatchSolver: 4, Regression: 4, Projector: 20}
    assert leftovers(folder) == []
    assert not (folder / "unfinished").exists()


def test_what_was_kept_for_other_parameters_is_not_used(source, tmp_path):
    folder = tmp_path / "out"
    for name in ("correct", "fit traces", "refit footprints"):
        cut_short(source, folder, name, 2)
    changed = ["motion.max_shift_px=5", "merge.min_correlation=0.5"]
    result, _ = given(source, folder, *changed)
    fresh, _ = given(source, tmp_path / "fresh", *changed)
    assert digest(result) == digest(fresh)


def damaged(folder: Path) -> Iterable[Path]:
    """Files that are kept, after each has lost its last bytes."""
    for path in folder.rglob("*.npz"):
        path.write_bytes(path.read_bytes()[:-20])
        yield path


@pytest.mark.parametrize("name", ["correct", "fit", "refit traces"])
def test_what_is_damaged_is_made_again(source, tmp_path, expected, name):
    folder = tmp_path / "out"
    cut_short(source, folder, name, 2)
    assert list(damaged(folder / "unfinished"))
    assert digest(given(source, folder)[0]) == expected


def test_a_block_of_the_draft_that_is_damaged_is_made_again(source, tmp_path, expected):
    folder = tmp_path / "out"
    cut_short(source, folder, "correct", 4)
    shard = folder / "registered.zarr.part" / "frames" / "c" / "1" / "0" / "0"
    shard.write_bytes(shard.read_bytes()[:-9])
    assert digest(given(source, folder)[0]) == expected


def test_a_movie_that_was_finished_but_not_recorded_is_used(
    source, tmp_path, expected, monkeypatch
):
    folder = tmp_path / "out"
    monkeypatch.setattr(ledger, "INTERVAL_S", -1.0)
    monkeypatch.setattr(ledger, "_TIMES_COST", 0.0)
    monkeypatch.setattr(runner, "recorded", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        given(source, folder)
    assert (folder / "registered.zarr").exists()
    monkeypatch.undo()
    monkeypatch.setattr(blocks, "MAX_BLOCK", 18)
    monkeypatch.setattr(BlockPass, "__call__", None)
    assert digest(given(source, folder)[0]) == expected


def test_a_rerun_that_was_cut_short_leaves_the_result_and_goes_on(
    source, done, expected, calls
):
    cancel = Event()

    def progress(event) -> None:
        if event.stage == "fit traces":
            cancel.set()

    with pytest.raises(CancelledError):
        rerun("fit", done, progress=progress, cancel=cancel, backend=SerialBackend())
    assert digest(load(done / "results.h5")) == expected
    assert digest(rerun("fit", done, until="dff")) == expected
    assert calls[PatchSolver] == 4
    assert not (done / "unfinished").exists()


def test_what_is_no_longer_wanted_is_removed(source, done):
    cut_short(source, done, "correct", 3, overwrite=True)
    shutil.rmtree(done)
    given(source, done)
    with pytest.raises(CancelledError):
        rerun("correct", done, ["motion.max_shift_px=5"], cancel=cancelled_later())
    assert leftovers(done) == ["registered.zarr.part"]
    assert given(source, done)[1] == []
    assert leftovers(done) == []
    assert not (done / "unfinished").exists()


def cancelled_later() -> Event:
    """An event that is set when it has been looked at a few times."""

    class Later(Event):
        n_looks = 0

        def is_set(self) -> bool:
            self.n_looks += 1
            return self.n_looks > 12

    return Later()


# --- tasks that fail ---------------------------------------------------------------


@pytest.fixture
def spoil(monkeypatch):
    """Let tasks of a kind fail; return what undoes that."""

    def failing(kind, is_spoilt) -> None:
        work = kind.__call__

        def call(self, task):
            if is_spoilt(task):
                raise InputError("The frames are damaged.")
            return work(self, task)

        monkeypatch.setattr(kind, "__call__", call)

    return failing


def second(task) -> bool:
    """Whether a task is the second of its kind."""
    return task == 18 or task == 16 or getattr(task, "number", -1) == 1


@pytest.mark.parametrize("mode", ["auto", "none"])
def test_frames_that_cannot_be_registered_are_left_out(
    source, tmp_path, spoil, monkeypatch, calls, mode, caplog
):
    folder, setting = tmp_path / "out", f"motion.mode={mode}"
    spoil(BlockPass, second)
    result, _ = given(source, folder, setting)
    assert not result.complete
    (failure,) = load(folder / "results.h5").failures
    assert failure.stage == "correct"
    assert failure.place == "frames 18 to 35"
    assert failure.cause == "The frames are damaged"
    assert "frames 18 to 35 could not be worked on and is left out" in caplog.text
    movie = stages.registered_movie(stages.RunFolder(folder), result)
    assert set(range(18, 36)) <= set(movie.left_out)
    values = movie.read(slice(18, 36))
    assert (values == values[0]).all()
    assert np.isfinite(result.components.denoised).all()
    if mode == "auto":
        assert set(range(18, 36)) <= set(result.registration.bad_frames)
    n_before = calls[BlockPass]
    monkeypatch.undo()
    whole, begun = retried(source, folder, monkeypatch, setting)
    assert begun == ALL
    assert n_before == 8
    assert digest(whole) == digest(given(source, tmp_path / "fresh", setting)[0])


def retried(source, folder, monkeypatch, *settings) -> tuple[Result, list[str]]:
    """Run again as before, now that nothing fails any more."""
    monkeypatch.setattr(runner, "write_report", lambda _, path: path.touch())
    monkeypatch.setattr(runner, "write_motion_report", lambda _, path: path.touch())
    monkeypatch.setattr(blocks, "MAX_BLOCK", 18)
    result, begun = given(source, folder, *settings)
    assert result.complete
    assert result.failures == ()
    assert leftovers(folder) == []
    assert not (folder / "unfinished").exists()
    return result, begun


def test_a_patch_that_cannot_be_worked_on_has_no_cells(
    source, tmp_path, spoil, monkeypatch, expected
):
    folder = tmp_path / "out"
    spoil(PatchSolver, second)
    result, _ = given(source, folder)
    assert [(f.stage, f.place[:7]) for f in result.failures] == [("fit", "patch 1")]
    assert not result.complete
    assert len(result.components)
    assert 1 not in result.components.origin.patch
    monkeypatch.undo()
    spoil(PatchSolver, lambda patch: patch.number != 1)  # only that is tried again
    whole, begun = retried(source, folder, monkeypatch)
    assert begun == ALL[1:]
    assert digest(whole) == expected


def test_a_core_that_cannot_be_regressed_keeps_its_footprints(
    source, tmp_path, spoil, monkeypatch, expected
):
    folder = tmp_path / "out"
    spoil(Regression, second)
    result, _ = given(source, folder)
    assert [(f.stage, f.place[:7]) for f in result.failures] == [("refit", "patch 1")]
    assert len(result.components) >= 0.8 * len(load_expected(source, tmp_path))
    monkeypatch.undo()
    spoil(Regression, lambda patch: patch.number != 1)
    whole, begun = retried(source, folder, monkeypatch)
    assert begun[-3:] == ALL[2:]
    assert digest(whole) == expected


def load_expected(source: Path, tmp_path: Path):
    """Components of an undisturbed run."""
    return given(source, tmp_path / "undisturbed")[0].components


def test_traces_go_straight_over_frames_that_cannot_be_read(
    source, tmp_path, spoil, monkeypatch, expected
):
    folder, seen = tmp_path / "out", []

    def demix(movie, equations, *args, **options):
        seen.append(equations)
        return traces.demix(movie, equations, *args, **options)

    monkeypatch.setattr(assemble, "demix", demix)
    spoil(Projector, second)
    result, _ = given(source, folder)
    assert [f.place for f in result.failures] == ["frames 16 to 31"] * 2
    assert {f.stage for f in result.failures} == {"fit", "refit"}
    for equations in seen:
        bends = np.diff(equations.target[:, 16:32], 2, axis=1)
        assert np.abs(bends).max() < 1e-4 * np.abs(equations.target).max()
    monkeypatch.undo()
    assert digest(retried(source, folder, monkeypatch)[0]) == expected


@pytest.mark.parametrize("kind", [BlockPass, PatchSolver, Regression, Projector])
def test_too_many_failures_end_a_run_with_their_cause(source, tmp_path, spoil, kind):
    spoil(kind, lambda task: True)
    with pytest.raises(InputError, match="The frames are damaged"):
        given(source, tmp_path / "out")


def test_sample_frames_that_cannot_be_read_are_done_without(
    source, tmp_path, monkeypatch
):
    """A damaged stretch of the file spoils the samples of the template, too."""
    read = RawFrames.read

    def damaged(self, frames, *window):
        if frames.start < 52 and frames.stop > 37:
            raise InputError("tiny.tif is damaged.")
        return read(self, frames, *window)

    monkeypatch.setattr(RawFrames, "read", damaged)
    result, _ = given(source, tmp_path / "out", "motion.template_frames=30")
    assert [f.place for f in result.failures] == ["frames 36 to 53"]


def test_resume_tries_what_failed_once_more(source, tmp_path, spoil, monkeypatch):
    folder = tmp_path / "out"
    spoil(PatchSolver, second)
    given(source, folder)
    monkeypatch.undo()
    assert resume(folder).complete
