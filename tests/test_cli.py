"""The command line: exit codes, one sentence for each bad input, clean ends."""

from __future__ import annotations

import csv
import io
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
from caiman_values import assert_same
from example_values import make_components
from tiny_movies import RATE_HZ, leftovers, simulation, write_tif

from napari_cnmf.cli import main
from napari_cnmf.cli.console import ProgressLine
from napari_cnmf.cli.demo import comparison, matched
from napari_cnmf.components import Components
from napari_cnmf.compute import ProgressEvent
from napari_cnmf.formats import open_movie
from napari_cnmf.formats.results import load
from napari_cnmf.movie.shifts import Shifts
from napari_cnmf.pipeline.importing import import_result
from napari_cnmf.pipeline.runner import run
from napari_cnmf.recipe import Recipe

RATE = ["--set", f"acquisition.frame_rate_hz={RATE_HZ}"]


@pytest.fixture(autouse=True)
def _quick_report(monkeypatch):
    """Do not draw: that takes longer than all stages of a tiny movie."""
    monkeypatch.setitem(run.__globals__, "write_report", lambda _, path: path.touch())


@pytest.fixture(scope="module")
def tif(tmp_path_factory) -> Path:
    """The tiny simulated movie."""
    return write_tif(tmp_path_factory.mktemp("movie") / "tiny.tif")


@pytest.fixture(scope="module")
def finished(tif) -> Path:
    """Folder of a complete run; not to be changed."""
    folder = tif.parent / "finished"
    assert main(["run", str(tif), "--output", str(folder), *RATE]) == 0
    return folder


@pytest.fixture
def done(finished, tmp_path) -> Path:
    """A copy of that folder, to be changed."""
    return Path(shutil.copytree(finished, tmp_path / "done"))


def test_the_movie_of_a_result_proposes_parameters(finished, capsys):
    assert main(["propose", str(finished)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("init.neuron_half_size_px: ")
    assert lines[1].startswith("  ")
    named = [line.split(":")[0] for line in lines if line[0] != " "]
    assert named[:6] == [
        "init.neuron_half_size_px",
        "acquisition.decay_time_s",
        "acquisition.rise_time_s",
        "patches.patch_size_px",
        "patches.patch_overlap_px",
        "patches.max_components",
    ]
    assert "acquisition.rise_time_s: 0.08 s, a guess" in lines


def test_without_a_run_nothing_is_proposed(tmp_path, capsys):
    assert main(["propose", str(tmp_path / "none")]) == 2
    assert_one_sentence(capsys.readouterr().err, "There is no result file")


# --- bad input ---------------------------------------------------------------------


def frames(n: int = 60, side: int = 32, dtype: str = "uint16") -> np.ndarray:
    """Some noise to write into files."""
    return np.random.default_rng(0).integers(0, 99, (n, side, side)).astype(dtype)


def text_file(folder: Path) -> list[Path]:
    path = folder / "text.tif"
    path.write_text("this is no picture\n" * 99)
    return [path]


def empty_file(folder: Path) -> list[Path]:
    path = folder / "empty.tif"
    path.touch()
    return [path]


def truncated_file(folder: Path) -> list[Path]:
    path = write_tif(folder / "cut.tif", frames())
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return [path]


def rgb_file(folder: Path) -> list[Path]:
    path = folder / "rgb.tif"
    colours = np.zeros((40, 32, 32, 3), np.uint8)
    tifffile.imwrite(path, colours, photometric="rgb")
    return [path]


def h5_with(folder: Path, *names: str) -> list[Path]:
    path = folder / "many.h5"
    with h5py.File(path, "w") as file:
        for name in names:
            file[name] = frames()
        file["scalar"] = 1.0
    return [path]


def nan_file(folder: Path) -> list[Path]:
    array = frames(dtype="float32")
    array[:, :16] = np.nan
    return [write_tif(folder / "nan.tif", array)]


def different_sizes(folder: Path) -> list[Path]:
    return [
        write_tif(folder / "a.tif", frames(side=32)),
        write_tif(folder / "b.tif", frames(side=40)),
    ]


BAD_MOVIES = {
    "missing": (lambda folder: [folder / "gone.tif"], "gone.tif does not exist"),
    "text": (text_file, "text.tif is not a TIFF file"),
    "empty": (empty_file, "empty.tif is not a TIFF file"),
    "truncated": (truncated_file, "cut.tif"),
    "rgb": (rgb_file, "rgb.tif"),
    "one frame": (lambda f: [write_tif(f / "one.tif", frames(1))], "one.tif"),
    "several datasets": (lambda f: h5_with(f, "left", "right"), "left"),
    "no dataset": (h5_with, "many.h5"),
    "sizes": (different_sizes, "b.tif has frames of 40 x 40"),
    "few frames": (lambda f: [write_tif(f / "few.tif", frames(19))], "at least 20"),
    "NaN": (nan_file, "hold NaN"),
    "unknown suffix": (
        lambda f: [Path(shutil.copy(__file__, f))],
        "known movie format",
    ),
}


def assert_one_sentence(text: str, words: str) -> None:
    """Standard error holds one line, which names the program and says the words."""
    assert text.startswith("napari-cnmf: "), text
    assert text.count("\n") == 1, text
    assert words in text
    assert len(text) < 500


@pytest.mark.parametrize("case", BAD_MOVIES)
def test_a_bad_movie_is_refused_in_one_sentence(case, tmp_path, capsys):
    make, words = BAD_MOVIES[case]
    paths = [str(path) for path in make(tmp_path)]
    assert main(["run", *paths, "--output", str(tmp_path / "out"), *RATE]) == 2
    told = capsys.readouterr().err.splitlines(keepends=True)
    # A movie of floats is read for NaN first, which is progress.
    assert_one_sentence("".join(s for s in told if not s.startswith("check ")), words)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("motion.max_shft_px=3", "did you mean 'motion.max_shift_px'?"),
        ("motion.max_shift_px=1000", "from 1 to 200 px. Got 1000"),
        ("motion.mode=elastic", "one of auto, none, rigid"),
        ("motion.max_shift_px=wide", "Got 'wide'"),
        ("motion.max_shift_px", "write it as group.name=value"),
    ],
)
def test_a_bad_parameter_is_refused_in_one_sentence(
    setting, words, tif, tmp_path, capsys
):
    arguments = ["run", str(tif), "--output", str(tmp_path / "out"), "--set", setting]
    assert main(arguments) == 2
    assert_one_sentence(capsys.readouterr().err, words)
    assert not (tmp_path / "out").exists()


def test_a_missing_frame_rate_is_asked_for(tif, tmp_path, capsys):
    assert main(["run", str(tif), "--output", str(tmp_path / "out")]) == 2
    assert_one_sentence(capsys.readouterr().err, "--set acquisition.frame_rate_hz=30")


def test_an_output_that_cannot_be_written_is_refused(tif, tmp_path, capsys):
    (tmp_path / "file").touch()
    out = tmp_path / "file" / "out"
    assert main(["run", str(tif), "--output", str(out), *RATE]) == 2
    assert_one_sentence(capsys.readouterr().err, "cannot be written to")


def test_a_result_of_another_movie_is_kept(tif, done, capsys):
    before = (done / "results.h5").read_bytes()
    other = write_tif(done.parent / "other.tif")
    assert main(["run", str(other), "--output", str(done), *RATE]) == 2
    assert_one_sentence(capsys.readouterr().err, "--overwrite")
    assert (done / "results.h5").read_bytes() == before
    assert main(["run", str(other), "--output", str(done), *RATE, "--overwrite"]) == 0


def test_a_run_says_what_was_done_before(tif, done, capsys):
    command = ["run", str(tif), "--output", str(done), *RATE]
    assert main(command) == 0
    assert "Nothing to do: all stages are done" in capsys.readouterr().out
    assert main([*command, "dff.method=detrend"]) == 0
    kept = "Done by an earlier run and kept: correct, fit, refit, evaluate."
    assert kept in capsys.readouterr().out


def test_a_bad_recipe_is_refused(tif, tmp_path, capsys):
    (tmp_path / "recipe.toml").write_text("[motion]\nmode = ")
    options = ["--recipe", str(tmp_path / "recipe.toml")]
    assert main(["run", str(tif), "--output", str(tmp_path / "out"), *options]) == 2
    assert_one_sentence(capsys.readouterr().err, "recipe.toml cannot be read")


def test_too_few_workers_are_refused(tif, tmp_path, capsys):
    options = ["--output", str(tmp_path / "out"), "--workers", "0", *RATE]
    assert main(["run", str(tif), *options]) == 2
    assert_one_sentence(capsys.readouterr().err, "from 1 to 1024")


def test_a_wrong_command_is_explained():
    with pytest.raises(SystemExit) as end:
        main(["frobnicate"])
    assert end.value.code == 2


def test_a_full_disk_is_one_sentence(tif, tmp_path, capsys, monkeypatch):
    def full(*_, **__):
        raise OSError(28, os.strerror(28))

    monkeypatch.setitem(run.__globals__, "write_report", full)
    arguments = ["run", str(tif), "--output", str(tmp_path / "out"), *RATE]
    assert main(arguments) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("napari-cnmf: The disk is full; free space")
    assert load(tmp_path / "out" / "results.h5").complete


def test_a_defect_keeps_its_traceback_and_asks_for_a_report(tif, tmp_path, monkeypatch):
    monkeypatch.setitem(run.__globals__, "write_report", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError) as defect:
        main(["run", str(tif), "--output", str(tmp_path / "out"), *RATE])
    assert "napari-cnmf doctor" in defect.value.__notes__[0]


# --- interrupted -------------------------------------------------------------------


def interrupt(monkeypatch, times: int) -> None:
    """Press Ctrl-C so many times when the fit begins."""
    shown = ProgressLine.__call__

    def show(self, event):
        shown(self, event)
        if event.stage == "fit" and event.total == 0:
            for _ in range(times):
                signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(ProgressLine, "__call__", show)


@pytest.mark.parametrize(
    ("times", "words"), [(1, "what is finished is kept"), (2, "Aborted")]
)
def test_ctrl_c_keeps_finished_stages(tif, tmp_path, monkeypatch, capsys, times, words):
    interrupt(monkeypatch, times)
    before = signal.getsignal(signal.SIGINT)
    out = tmp_path / "out"
    assert main(["run", str(tif), "--output", str(out), *RATE]) == 130
    assert words in capsys.readouterr().err.splitlines()[-1]
    assert [record.stage for record in load(out / "results.h5").stages] == ["correct"]
    assert leftovers(tmp_path) == []
    assert signal.getsignal(signal.SIGINT) is before


KILLED = """
import os, signal, sys
from napari_cnmf.cli import main
from napari_cnmf.cli.console import ProgressLine
def strike(self, event):
    if event.stage == sys.argv[1] and event.total:
        os.kill(os.getpid(), signal.SIGKILL)
ProgressLine.__call__ = strike
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_killed_run_leaves_no_broken_result_and_the_next_one_works(tif, tmp_path):
    out = tmp_path / "out"
    arguments = ["run", str(tif), "--output", str(out), *RATE]
    command = [sys.executable, "-c", KILLED, "correct", *arguments]
    killed = subprocess.run(command, capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert leftovers(out) == ["registered.zarr.part"]
    assert not (out / "results.h5").exists()
    assert main(arguments) == 0
    assert leftovers(out) == []
    assert load(out / "results.h5").complete


# --- what it says ------------------------------------------------------------------


def test_a_run_sums_up_what_it_found_and_where_it_lies(tif, tmp_path, capsys):
    assert main(["run", str(tif), "--output", str(tmp_path / "out"), *RATE]) == 0
    said = capsys.readouterr()
    assert "tiny.tif: 150 frames of 64 x 60 px at 30 Hz" in said.out
    assert "accepted" in said.out
    assert "results.h5, registered.zarr, report.png, motion.png, run.log" in said.out
    assert "correct" in said.err
    assert "150 frames in" in said.err


def test_warnings_are_shown(tmp_path, capsys):
    still = write_tif(tmp_path / "still.tif", np.full((60, 32, 32), 5, np.uint16))
    assert main(["run", str(still), "--output", str(tmp_path / "out"), *RATE]) == 0
    said = capsys.readouterr()
    assert "warning: the movie is constant" in said.err
    assert "0 accepted, 0 rejected" in said.out


def test_a_run_begins_with_the_cells_of_a_file(tif, tmp_path, capsys):
    points, out = tmp_path / "points.csv", tmp_path / "out"
    points.write_text("y,x\n20,20\n40,30\n")
    seeds = ["--seeds", str(points)]
    assert main(["run", str(tif), "--output", str(out), *RATE, *seeds]) == 0
    found = load(out / "results.h5")
    assert found.components.origin.seed_yx.tolist() == [[20, 20], [40, 30]]
    assert Recipe.from_toml(found.recipe).init.method == "seeded"
    points.write_text("y,x\n40,30\n")
    assert main(["fit", str(out), *seeds]) == 0
    assert len(load(out / "results.h5").components) == 1
    capsys.readouterr()
    assert main(["fit", str(out), "--seeds", str(tmp_path / "gone.tif")]) == 2
    assert_one_sentence(capsys.readouterr().err, "gone.tif")


def test_a_recipe_file_and_settings_go_together(tif, tmp_path, capsys):
    path = tmp_path / "mine.toml"
    path.write_text("[motion]\nmode = 'none'\n[acquisition]\nframe_rate_hz = 10\n")
    out = tmp_path / "out"
    options = ["--recipe", str(path), *RATE, "--workers", "1"]
    assert main(["run", str(tif), "--output", str(out), *options]) == 0
    recipe = Recipe.load(out / "recipe.toml")
    assert recipe.motion.mode == "none"
    assert recipe.acquisition.frame_rate_hz == RATE_HZ


def test_the_default_recipe_is_printed_with_comments(capsys):
    assert main(["recipe"]) == 0
    text = capsys.readouterr().out
    assert Recipe.from_toml(text) == Recipe()
    assert "# " in text


def test_a_movie_is_described(tif, capsys):
    assert main(["info", str(tif), *RATE]) == 0
    said = capsys.readouterr().out
    for words in ("150", "64 x 60 px", "uint16", "30 Hz", "5.0 s", "tiny.tif"):
        assert words in said
    assert main(["info", str(tif)]) == 0
    assert "not stated in the file" in capsys.readouterr().out


def test_a_movie_in_hdf5_is_described(tmp_path, capsys):
    (path,) = h5_with(tmp_path, "data")
    assert main(["info", str(path)]) == 0
    assert "60" in capsys.readouterr().out
    (path,) = h5_with(tmp_path, "left", "right")
    assert main(["info", str(path), "--set", "input.dataset=left"]) == 0


@pytest.mark.parametrize("name", ["", "results.h5"])
def test_a_result_is_described(finished, capsys, name):
    assert main(["info", str(finished / name)]) == 0
    said = capsys.readouterr().out
    result = load(finished / "results.h5")
    assert f"{result.components.accepted.sum()} accepted" in said
    for record in result.stages:
        assert record.stage in said
    digest = next(line for line in said.splitlines() if line.startswith("SHA-256"))
    assert len(digest.split()[1]) == 64
    flagged = result.components.quality.flags.astype(bool).any()
    assert ("limit" in said) == flagged


def test_two_runs_print_the_same_digest(tif, finished, tmp_path, capsys):
    out = str(tmp_path / "again")
    main(["run", str(tif), "--output", out, *RATE, "--workers", "1"])
    lines = []
    for folder in (finished, out):
        capsys.readouterr()
        main(["info", str(folder)])
        lines.append(capsys.readouterr().out.splitlines()[-1])
    assert lines[0] == lines[1]


def test_npz_holds_all_or_the_accepted(finished, tmp_path, capsys):
    result = load(finished / "results.h5")
    for options, expected in (
        ([], len(result.components)),
        (["--accepted"], result.components.accepted.sum()),
    ):
        path = tmp_path / f"{expected}.npz"
        arguments = ["--format", "npz", "--output", str(path), *options]
        assert main(["export", str(finished), *arguments]) == 0
        with np.load(path, allow_pickle=False) as arrays:
            assert arrays["C"].shape == (expected, 150)
        assert str(path) in capsys.readouterr().out


def test_csv_is_a_folder_of_tables(finished, tmp_path):
    out = tmp_path / "tables"
    arguments = ["--format", "csv", "--output", str(out)]
    assert main(["export", str(finished), *arguments]) == 0
    with (out / "cells.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(load(finished / "results.h5").components)


@pytest.mark.parametrize("options", [[], ["--accepted"]])
def test_caiman_gets_the_cells_of_a_run_and_gives_them_back(
    finished, tmp_path, options
):
    path = tmp_path / "caiman.hdf5"
    arguments = ["--format", "caiman", "--output", str(path), *options]
    assert main(["export", str(finished), *arguments]) == 0
    cells = load(finished / "results.h5").components
    expected = cells.select(cells.accepted) if options else cells
    assert_same(import_result(path).components, expected)


@pytest.mark.parametrize(
    ("kind", "ending"), [("mat", "mat"), ("rois", "zip"), ("npz", "npz")]
)
def test_a_result_of_caiman_is_written_in_other_formats(
    finished, tmp_path, capsys, kind, ending
):
    theirs, path = tmp_path / "caiman.hdf5", tmp_path / f"cells.{ending}"
    arguments = ["--format", "caiman", "--output", str(theirs)]
    assert main(["export", str(finished), *arguments]) == 0
    arguments = ["--format", kind, "--output", str(path)]
    assert main(["export", str(theirs), *arguments]) == 0
    assert f"Written: {path}" in capsys.readouterr().out
    assert path.stat().st_size > 1000


def test_nwb_is_not_written_without_the_time_of_the_recording(
    finished, tmp_path, capsys
):
    arguments = ["--format", "nwb", "--output", str(tmp_path / "cells.nwb")]
    assert main(["export", str(finished), *arguments]) == 2
    assert_one_sentence(capsys.readouterr().err, "give it with --session-start 2026")
    assert main(["export", str(finished), *arguments, "--session-start", "now"]) == 2
    assert_one_sentence(capsys.readouterr().err, "is no date and time")


def test_a_result_of_caiman_is_described(finished, tmp_path, capsys):
    path = tmp_path / "caiman.hdf5"
    arguments = ["--format", "caiman", "--output", str(path)]
    assert main(["export", str(finished), *arguments]) == 0
    capsys.readouterr()
    assert main(["info", str(path)]) == 0
    cells = load(finished / "results.h5").components
    assert f"{cells.accepted.sum()} accepted" in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["tif", "h5"])
def test_the_corrected_movie_is_written_in_the_type_of_the_recording(
    finished, tmp_path, capsys, kind
):
    path = tmp_path / f"corrected.{kind}"
    arguments = ["--format", kind, "--output", str(path)]
    assert main(["export", str(finished), *arguments]) == 0
    said = capsys.readouterr()
    assert f"Written: {path}" in said.out
    assert "150 frames" in said.err
    movie = open_movie(path)
    assert (movie.shape, movie.dtype, movie.frame_rate_hz) == (
        (150, 64, 60),
        np.uint16,
        pytest.approx(RATE_HZ),
    )


def test_a_movie_whose_ending_is_of_another_format_is_refused(
    finished, tmp_path, capsys
):
    arguments = ["--format", "h5", "--output", str(tmp_path / "a.tif")]
    assert main(["export", str(finished), *arguments]) == 2
    assert_one_sentence(capsys.readouterr().err, "a.tif does not end with .h5 or .hdf5")


def test_what_the_model_makes_of_the_movie_is_a_film(finished, tmp_path, capsys):
    path = tmp_path / "panels.mp4"
    arguments = ["export", str(finished), "--format", "mp4", "--output", str(path)]
    assert main([*arguments, "--speed", "0"]) == 2
    assert_one_sentence(capsys.readouterr().err, "give a number above 0")
    assert main([*arguments, "--speed", "2", "--accepted"]) == 0
    film = open_movie(path)
    assert film.n_frames == 150
    assert film.shape[2] > 3 * 60  # three panels side by side
    assert film.frame_rate_hz == pytest.approx(2 * RATE_HZ)


def test_the_recording_is_not_replaced_by_its_corrected_movie(finished, tif, capsys):
    before = tif.read_bytes()
    arguments = ["--format", "tif", "--output", str(tif)]
    assert main(["export", str(finished), *arguments]) == 2
    assert_one_sentence(capsys.readouterr().err, "the recording itself and is kept")
    assert tif.read_bytes() == before


def test_another_channel_is_moved_back_alike(finished, tmp_path, capsys):
    frames = simulation().movie
    path = tmp_path / "both.tif"
    both = np.stack([frames, frames // 2], axis=1)
    tifffile.imwrite(path, both, imagej=True, metadata={"axes": "TCYX"})
    out = tmp_path / "second"
    arguments = [str(finished), str(path), "--output", str(out)]
    assert main(["apply", *arguments]) == 2
    assert_one_sentence(capsys.readouterr().err, "choose one with channel=0")
    assert main(["apply", *arguments, "--set", "input.channel=1"]) == 0
    said = capsys.readouterr()
    assert f"Written: {out}" in said.out
    assert "150 frames" in said.err
    first, second = (load(folder / "results.h5") for folder in (finished, out))
    np.testing.assert_array_equal(first.shifts.values, second.shifts.values)


def test_frames_recorded_later_are_registered_to_the_template(finished, tmp_path):
    later = write_tif(tmp_path / "later.tif", simulation().movie[90:])
    path = tmp_path / "later_corrected.tif"
    arguments = [str(finished), str(later), "--output", str(path), "--register"]
    assert main(["apply", *arguments]) == 0
    assert open_movie(path).shape == (60, 64, 60)


def test_a_movie_of_another_length_is_refused(finished, tmp_path, capsys):
    short = write_tif(tmp_path / "short.tif", simulation().movie[1:])
    arguments = [str(finished), str(short), "--output", str(tmp_path / "out")]
    assert main(["apply", *arguments]) == 2
    words = "short.tif has 149 frames, but tiny.tif, whose shifts are applied, has 150"
    assert_one_sentence(capsys.readouterr().err, words)
    assert not (tmp_path / "out").exists()


def test_export_without_a_result_is_refused(tmp_path, capsys):
    arguments = ["--format", "npz", "--output", str(tmp_path / "x.npz")]
    assert main(["export", str(tmp_path), *arguments]) == 2
    assert_one_sentence(capsys.readouterr().err, "There is no result file")


def test_a_stage_runs_again_and_says_what_it_drops(done, capsys):
    assert main(["evaluate", str(done), "--set", "quality.min_snr=30"]) == 0
    assert "dropped" not in capsys.readouterr().out
    assert main(["fit", str(done)]) == 0
    said = capsys.readouterr().out
    assert "dropped: refit, evaluate, dff." in said
    assert "not evaluated yet" in said
    for stage in ("refit", "evaluate", "dff"):
        assert main([stage, str(done)]) == 0
    assert load(done / "results.h5").complete


def test_a_stage_refuses_what_belongs_to_another(done, capsys):
    assert main(["dff", str(done), "--set", "motion.mode=none"]) == 2
    assert_one_sentence(capsys.readouterr().err, "'dff' but to 'correct'")


def test_the_doctor_names_versions_cores_and_the_cache(capsys):
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    for words in (
        "napari-cnmf",
        "python",
        "cores",
        "kernel cache",
        "numpy",
        "not used",
    ):
        assert words in said


# --- progress ----------------------------------------------------------------------


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def steps(stage: str) -> list[ProgressEvent]:
    """All steps of a stage of a hundred frames."""
    begin = ProgressEvent(stage, 0, 0, "", 0.0)
    later = [ProgressEvent(stage, n, 100, "frames", n / 20) for n in range(1, 101)]
    return [begin, *later]


@pytest.fixture
def clock(monkeypatch) -> list[float]:
    """A clock that the test moves."""
    now = [0.0]
    monkeypatch.setattr("napari_cnmf.cli.console.time.monotonic", lambda: now[0])
    return now


def test_a_log_gets_a_line_every_few_seconds_and_one_at_the_end(clock):
    stream = io.StringIO()
    line = ProgressLine(stream)
    for event in steps("correct"):
        clock[0] = 2 * event.seconds
        line(event)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    assert lines[0].split() == [
        "correct",
        "51",
        "%",
        "20",
        "frames/s",
        "2",
        "s",
        "left",
    ]
    assert lines[1].split()[:5] == ["correct", "100", "frames", "in", "5.0"]
    assert "\r" not in stream.getvalue()


def test_a_terminal_gets_one_line_that_is_written_over(clock):
    stream = Terminal()
    line = ProgressLine(stream)
    for event in steps("fit"):
        clock[0] = 10 * event.seconds + 1
        line(event)
    line.write("warning: odd")
    line.close()
    assert stream.getvalue().count("\n") == 2
    assert stream.getvalue().count("\r") > 100
    assert stream.getvalue().endswith("warning: odd\n")


# --- the demo ----------------------------------------------------------------------


def components_of_truth(which: np.ndarray) -> Components:
    """A perfect result: chosen true sources as they are."""
    truth = simulation()
    start = make_components(np.arange(len(which)), truth.movie.shape[1:], 150)
    return Components(
        **{
            name: getattr(start, name)
            for name in ("residual_traces", "spikes", "trace_fit", "background", "ids")
        },
        footprints=truth.footprints[:, which],
        fov_shape=truth.movie.shape[1:],
        denoised=truth.traces[which],
        pixel_noise=np.ones(truth.movie.shape[1:], np.float32),
        frame_rate_hz=RATE_HZ,
    )


def test_a_perfect_result_is_scored_as_perfect():
    truth = simulation()
    shifts = Shifts(truth.shifts + 3.0, truth.mean_image, 12.0)
    somata = np.flatnonzero(truth.kind == 0)
    said = dict(comparison(components_of_truth(somata), shifts, truth))
    assert (said["precision"], said["recall"], said["F1"]) == ("1.00", "1.00", "1.00")
    assert said["traces"] == "median correlation 1.000"
    assert said["shifts"] == "error 0.000 px"


def test_defocused_sources_are_false_and_processes_do_not_count():
    truth = simulation()
    some = truth.footprints[:, :5]
    match = matched(some, replace(truth, kind=np.full_like(truth.kind, 2)))
    assert (len(match.found), match.n_found, match.n_true) == (0, 5, 0)
    match = matched(some, replace(truth, kind=np.full_like(truth.kind, 1)))
    assert (len(match.found), match.n_found, match.n_true) == (0, 0, 0)


def test_the_demo_ends_with_the_truth_and_the_report(tmp_path, capsys, monkeypatch):
    truth = simulation()
    monkeypatch.setattr("napari_cnmf.cli.demo.simulate", lambda *_: truth)
    assert main(["demo", "--output", str(tmp_path / "demo")]) == 0
    said = capsys.readouterr().out
    for words in ("precision", "recall", "F1", "median correlation", "report.png"):
        assert words in said


def test_the_demo_finds_a_new_folder_by_itself(tmp_path, monkeypatch):
    monkeypatch.setattr("napari_cnmf.cli.demo.simulate", lambda *_: simulation())
    monkeypatch.chdir(tmp_path)
    assert main(["demo"]) == 0
    assert main(["demo", "--seed", "1"]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "cnmf-demo",
        "cnmf-demo-2",
    ]
