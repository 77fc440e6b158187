"""Many movies: the table is checked first, failures are isolated, a batch goes on."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from threading import Event

import numpy as np
import pytest
from tiny_movies import RATE_HZ, leftovers, recipe, simulation, write_tif

from napari_cnmf.cli import main
from napari_cnmf.compute.kept import Failure
from napari_cnmf.errors import CancelledError, InputError, OutputError
from napari_cnmf.formats.results import load, save
from napari_cnmf.pipeline import batch
from napari_cnmf.pipeline.batch import (
    TABLE,
    BatchProgress,
    Entry,
    beside,
    free_folder,
    run_batch,
)
from napari_cnmf.pipeline.batch_table import read_table
from napari_cnmf.pipeline.folder import RunFolder
from napari_cnmf.pipeline.runner import run

RATE = f"acquisition.frame_rate_hz={RATE_HZ}"
BASE = recipe(RATE)


@pytest.fixture(autouse=True)
def _quick_pictures(monkeypatch):
    """Do not draw: that takes longer than all stages of a tiny movie."""
    for name in ("write_report", "write_motion_report"):
        monkeypatch.setitem(run.__globals__, name, lambda _, path: path.touch())
    monkeypatch.setattr("napari_cnmf.report.outcome.strip_picture", lambda _: b"")


@pytest.fixture(scope="module")
def movies(tmp_path_factory) -> Path:
    """Folder of a movie, one with holes that cannot be repaired, and a recipe."""
    folder = tmp_path_factory.mktemp("movies")
    write_tif(folder / "good.tif")
    holes = simulation().movie.astype(np.float32)
    holes[:, :30] = np.nan
    write_tif(folder / "holes.tif", holes)
    recipe(RATE, "motion.mode=none").save(folder / "still.toml")
    return folder


def table(movies: Path, text: str | bytes, name: str = "table.csv") -> Path:
    """Write a table beside the movies."""
    path = movies / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def faults(movies: Path, text: str | bytes) -> str:
    with pytest.raises(InputError) as error:
        read_table(table(movies, text), BASE)
    return str(error.value)


# --- the table -----------------------------------------------------------------------


def test_a_line_is_a_movie_with_its_folder_recipe_seeds_and_overrides(movies):
    text = (
        "movie,output,recipe,seeds,motion.max_shift_px,input.last_frame\n"
        "good.tif,found,still.toml,good.tif,7,\n"
        "good.tif;good.tif,,,,,100\n"
    )
    first, second = read_table(table(movies, text), BASE, ["dff.window_s=9"])
    assert first == Entry(
        (movies / "good.tif",),
        movies / "found",
        recipe("motion.mode=none", RATE, "dff.window_s=9"),
        ("motion.max_shift_px=7",),
        movies / "good.tif",
    )
    assert first.parameters(BASE).motion.max_shift_px == 7
    assert first.parameters(BASE).motion.mode == "none"
    assert second.movie == (movies / "good.tif", movies / "good.tif")
    assert second.output == movies / "good-cnmf"
    assert second.name == "good.tif and 1 more"
    assert second.parameters(BASE) == recipe(RATE, "input.last_frame=100")


def test_the_example_of_the_pages_is_a_table(movies, tmp_path):
    example = Path(__file__).parents[1] / "examples" / "batch.csv"
    for name in ("day 1/mouse-7", "day 2/mouse-7", "day 2/mouse-8_part1", "awake/a"):
        path = tmp_path / f"{name}.tif"
        path.parent.mkdir(exist_ok=True)
        path.symlink_to(movies / "good.tif")
    (tmp_path / "day 2" / "mouse-8_part2.tif").symlink_to(movies / "good.tif")
    copy = tmp_path / "batch.csv"
    copy.write_bytes(example.read_bytes())
    entries = read_table(copy, recipe())
    outputs = [entry.output.relative_to(tmp_path).as_posix() for entry in entries]
    assert outputs == [
        "day 1/mouse-7-cnmf",
        "day 2/mouse-7-cnmf",
        "mouse-8",
        "awake-cnmf",
    ]


@pytest.mark.parametrize(
    "content",
    [
        b"movie,motion.max_shift_px\ngood.tif,4.25\n",
        b"\xef\xbb\xbfmovie;motion.max_shift_px\r\ngood.tif;4,25\r\n;\r\n",
        "movie\tmotion.max_shift_px\r\ngood.tif\t4.25\r\n".encode("utf-16"),
        b'"Movie";"Motion.max_shift_px"\n"good.tif";"4,25"\n',
        b"movie;motion.max_shift_px;\ngood.tif;4,25;\n",
    ],
    ids=["plain", "excel", "unicode", "quoted", "empty column"],
)
def test_it_is_read_as_spreadsheets_write_it(movies, content):
    (entry,) = read_table(table(movies, content), BASE)
    assert entry.parameters(BASE).motion.max_shift_px == 4.25


def test_names_in_the_code_of_windows_are_read(movies):
    write_tif(movies / "K\u00f6rper.tif")
    (entry,) = read_table(table(movies, b"movie\nK\xf6rper.tif\n"), BASE)
    assert entry.name == "K\u00f6rper.tif"


def test_truth_values_are_read_as_spreadsheets_write_them(movies):
    text = "movie,motion.leave_out_bad\ngood.tif,FALSE\n"
    (entry,) = read_table(table(movies, text), BASE)
    assert entry.parameters(BASE).motion.leave_out_bad is False


def test_all_faults_are_told_together_in_order_with_their_places(movies):
    text = (
        "movie,output,motion.max_shift,slurm.memory,acquisition.frame_rate_hz,recipe\n"
        "gone.tif,,,,fast,\n"
        "good.tif,here,,,,none.toml\n"
        ",here,,,,\n"
        "good.tif,,,,,,9\n"
        "holes.tif,,,,,still.tif\n"
    )
    lines = faults(movies, text).splitlines()
    assert lines[0] == "table.csv has 9 faults, so nothing was run:"
    about = "The 'acquisition.frame_rate_hz' parameter must be a number"
    expected = [
        (
            "1, column 'motion.max_shift'",
            "there is no such column or parameter; perhaps",
        ),
        ("1, column 'slurm.memory'", "where to compute is the same for all movies"),
        ("2, column 'movie'", f"{movies / 'gone.tif'} does not exist"),
        ("2, column 'acquisition.frame_rate_hz'", about),
        ("3, column 'recipe'", f"There is no recipe file {movies / 'none.toml'}."),
        ("4, column 'output'", f"{movies / 'here'} is the folder of line 3 already"),
        ("4, column 'movie'", "it is empty; name the file of the movie."),
        ("5", "'9' stands below no name of a column"),
        ("6, column 'recipe'", "There is no recipe file"),
    ]
    for line, (place, text) in zip(lines[1:], expected, strict=True):
        assert line.startswith(f"  line {place}: {text}")
    assert "perhaps 'motion.max_shift_px' is meant." in lines[1]


def test_what_a_run_would_refuse_is_told_beforehand(movies):
    assert "line 2, column 'movie': text.tif is not a TIFF file" in faults(
        movies, f"movie\n{table(movies, 'text', 'text.tif')}\n"
    )
    with pytest.raises(InputError, match=r"line 2, column 'movie': The frame rate is"):
        read_table(table(movies, "movie\ngood.tif\n"), recipe())
    text = "movie,input.first_frame\ngood.tif,999\n"
    assert "input.first_frame=999" in faults(movies, text)


def test_results_do_not_go_among_the_files_of_the_movie(movies, tmp_path):
    (tmp_path / "files").mkdir()
    text = f"movie,output\n{tmp_path / 'files'},{tmp_path / 'files'}\n"
    assert "column 'output': " in faults(movies, text)
    assert "is the folder of the movie itself" in faults(movies, text)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "there is no column 'movie'"),
        ("file\ngood.tif\n", "there is no column 'movie'"),
        ("movie\n\n", "line 2: no movie is listed"),
        ("movie,movie\ngood.tif,good.tif\n", "it stands there twice"),
        (b"PK\x03\x04\0\0", "table.csv is no text"),
    ],
)
def test_what_is_no_table_is_refused(movies, content, said):
    assert said in faults(movies, content)


def test_a_missing_table_is_named(tmp_path, capsys):
    assert main(["batch", str(tmp_path / "none.csv")]) == 2
    assert "There is no table" in capsys.readouterr().err


def test_folders_are_unlike_each_other_and_stay_free_for_those_that_are_chosen(movies):
    text = "movie,output\ngood.tif,\ngood.tif,good-cnmf\ngood.tif,\n"
    entries = read_table(table(movies, text), BASE)
    names = [entry.output.name for entry in entries]
    assert names == ["good-cnmf-2", "good-cnmf", "good-cnmf-3"]
    below = read_table(table(movies, text), BASE, output=movies / "all")
    assert [e.output for e in below] == [movies / "all" / name for name in names]


def test_the_usual_folder_keeps_dots_of_a_name():
    assert beside(Path("/a/2024.05.01_m7.tif")) == Path("/a/2024.05.01_m7-cnmf")
    assert beside(Path("/a/m.OME.tif").with_name("m.ome.tif")) == Path("/a/m-cnmf")
    assert beside(Path("/a/day 1.d"), Path("/b"), "") == Path("/b/day 1.d")
    assert free_folder(Path("/a/b"), {Path("/a/b"), Path("/a/b-2")}) == Path("/a/b-3")


# --- the batch -----------------------------------------------------------------------


@pytest.fixture
def entries(movies, tmp_path) -> list[Entry]:
    """A movie that fails between two that do not."""
    names = ("good.tif", "holes.tif", "good.tif")
    return [
        Entry((movies / name,), tmp_path / f"found-{i}") for i, name in enumerate(names)
    ]


def states(folder: Path) -> list[str]:
    """States in the table of a batch."""
    text = (folder / "overview.csv").read_text(encoding="utf-8-sig")
    return [row["state"] for row in csv.DictReader(text.splitlines())]


def test_a_failure_is_told_in_its_place_and_the_next_movie_begins(entries, tmp_path):
    told: list[tuple[int, str]] = []

    def hear(event: BatchProgress) -> None:
        if event.step is None:
            told.append((event.place, event.outcome.state))
            assert states(tmp_path)[event.place] == event.outcome.state

    outcomes = run_batch(entries, BASE, tmp_path, progress=hear)
    assert [outcome.state for outcome in outcomes] == ["done", "failed", "done"]
    assert outcomes[1].reason.startswith("1800 of the movie's 3840 pixels hold NaN")
    found = load(tmp_path / "found-0" / "results.h5").components
    assert outcomes[0].findings.n_accepted == found.accepted.sum() > 0
    assert told == [
        (place, state)
        for place, end in enumerate(["done", "failed", "done"])
        for state in ("running", end)
    ]
    assert states(tmp_path) == ["done", "failed", "done"]
    page = (tmp_path / "overview.html").read_text(encoding="utf-8")
    assert "good.tif" in page
    assert "pixels hold NaN" in page
    assert "holes.tif: failed: 1800 of" in (tmp_path / "overview.log").read_text()
    assert leftovers(tmp_path) == []


def test_steps_of_a_run_are_told_with_its_place(entries, tmp_path):
    steps: list[tuple[int, str]] = []

    def hear(event: BatchProgress) -> None:
        if event.step is not None:
            steps.append((event.place, event.step.stage))
            assert event.outcome.state == "running"

    run_batch(entries[:1], BASE, tmp_path, progress=hear)
    assert {(0, "correct"), (0, "fit"), (0, "dff")} <= set(steps)


def test_a_defect_is_told_with_its_last_line_and_the_place_of_the_log(
    entries, tmp_path, monkeypatch
):
    def broken(*_args, **_options):
        raise KeyError("something")

    monkeypatch.setattr(batch, "run", broken)
    (outcome,) = run_batch(entries[:1], BASE, tmp_path)
    log = tmp_path / "overview.log"
    assert outcome.state == "failed"
    assert "(KeyError: 'something')" in outcome.reason
    assert str(log) in outcome.reason
    assert "in broken" in log.read_text()


def test_a_result_with_gaps_is_incomplete(entries, tmp_path, monkeypatch):
    first = run(entries[0].movie, BASE, tmp_path / "other")
    gaps = tuple(Failure("fit", f"patch {i}", "OSError: cut off") for i in (3, 4))
    partial = replace(first, complete=False, failures=gaps)
    monkeypatch.setattr(batch, "run", lambda *_, **__: partial)
    (outcome,) = run_batch(entries[:1], BASE, tmp_path)
    assert outcome.state == "incomplete"
    assert "fit, patch 3 (OSError: cut off) and 1 more;" in outcome.reason
    assert outcome.findings.n_accepted == first.components.accepted.sum()


def test_a_cancelled_batch_goes_on_with_what_is_left(entries, tmp_path):
    cancel = Event()
    batch_entries = [entries[0], entries[2]]

    def stop(event: BatchProgress) -> None:
        if event.place == 1 and event.step is not None:
            cancel.set()

    folder = tmp_path
    with pytest.raises(CancelledError, match=r"good\.tif.*, movie 2 of 2"):
        run_batch(batch_entries, BASE, folder, progress=stop, cancel=cancel)
    assert states(tmp_path) == ["done", "cancelled"]
    assert leftovers(tmp_path) == []
    written = (entries[0].output / "results.h5").stat().st_mtime_ns
    outcomes = run_batch(batch_entries, BASE, folder)
    assert [outcome.state for outcome in outcomes] == ["done", "done"]
    assert (entries[0].output / "results.h5").stat().st_mtime_ns == written


def test_overwriting_replaces_what_was_found(entries, tmp_path):
    run_batch(entries[:1], BASE, tmp_path)
    file = RunFolder(entries[0].output).result
    save(replace(load(file), components=None), file, overwrite=True)
    (outcome,) = run_batch(entries[:1], BASE, tmp_path, overwrite=True)
    assert outcome.findings.n_accepted == load(file).components.accepted.sum()


def test_where_the_overview_cannot_be_written_nothing_is_run(entries, tmp_path):
    place = tmp_path / "file"
    place.touch()
    with pytest.raises(OutputError, match="overview"):
        run_batch(entries, BASE, place)
    assert not entries[0].output.exists()


def test_an_overview_that_cannot_be_written_any_more_stops_nothing(
    entries, tmp_path, caplog
):
    folder = tmp_path / "overview"

    def spoil(event: BatchProgress) -> None:
        if event.step is None and event.outcome.state == "running":
            (folder / TABLE).unlink()
            (folder / TABLE).mkdir()

    (outcome,) = run_batch(entries[:1], BASE, folder, progress=spoil)
    assert outcome.state == "done"
    assert "overview.csv cannot be written" in caplog.text


# --- the command ---------------------------------------------------------------------


def test_the_command_sums_up_and_its_exit_code_tells_of_failures(
    movies, tmp_path, capsys
):
    text = "movie,motion.mode\ngood.tif,none\nholes.tif,\n"
    arguments = ["batch", str(table(movies, text)), "--output", str(tmp_path / "out")]
    assert main([*arguments, "--set", RATE, "--workers", "1"]) == 2
    told = capsys.readouterr()
    assert "good.tif   done: " in told.out
    assert "holes.tif  failed: 1800 of the movie's" in told.out
    assert f"Look at {tmp_path / 'out' / 'overview.html'}" in told.out
    assert "1 of 2: good.tif: running" in told.err
    assert "1 of 2 movies are not done" in told.err
    assert load(tmp_path / "out" / "good-cnmf" / "results.h5").shifts is None


def test_the_command_ends_well_if_all_is_done(movies, tmp_path, capsys):
    path = table(movies, "movie,recipe,output\ngood.tif,still.toml,x\n")
    assert main(["batch", str(path), "--output", str(tmp_path)]) == 0
    assert (tmp_path / "x" / "results.h5").exists()


def test_a_table_can_be_checked_alone(movies, tmp_path, capsys):
    path = table(movies, "movie\ngood.tif\n")
    arguments = ["batch", str(path), "--output", str(tmp_path), "--check"]
    assert main([*arguments, "--set", RATE]) == 0
    told = capsys.readouterr().out
    assert f"good.tif  {tmp_path / 'good-cnmf'}" in told
    assert not list(tmp_path.iterdir())
    assert main(arguments) == 2
    assert "The frame rate is neither" in capsys.readouterr().err
