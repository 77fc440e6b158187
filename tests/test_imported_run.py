"""Results of other programs become folders of runs, with and without the movie."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_movies import RATE_HZ, recipe, simulation, write_tif

from napari_cnmf.cli import main
from napari_cnmf.components import Components
from napari_cnmf.errors import InputError, OutputError
from napari_cnmf.formats.exchange.nwb_results import export_nwb
from napari_cnmf.formats.exchange.nwb_time import session_time
from napari_cnmf.formats.exchange.suite2p import export_suite2p
from napari_cnmf.formats.results import Result, load
from napari_cnmf.pipeline.folder import RunFolder
from napari_cnmf.pipeline.imported_run import import_run
from napari_cnmf.pipeline.runner import resume, run
from napari_cnmf.pipeline.stages import registered_movie
from napari_cnmf.recipe import Recipe

START = session_time("2026-05-01T12:00:00+02:00")


@pytest.fixture(autouse=True)
def _quick_report(monkeypatch):
    """Do not draw: that takes longer than all stages of a tiny movie."""
    for function in (run, import_run):
        monkeypatch.setitem(
            function.__globals__, "write_report", lambda _, path: path.touch()
        )


@pytest.fixture(scope="module")
def tif(tmp_path_factory) -> Path:
    """The tiny simulated movie, which has moved."""
    return write_tif(tmp_path_factory.mktemp("movie") / "tiny.tif")


@pytest.fixture(scope="module")
def found(tif) -> Result:
    """What we find in it."""
    told = recipe(f"acquisition.frame_rate_hz={RATE_HZ}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(run.__globals__, "write_report", lambda _, path: path.touch())
        return run(tif, told, tif.parent / "run")


@pytest.fixture(scope="module")
def plane(found, tif) -> Path:
    """The same as suite2p would have it, some verdicts turned."""
    export_suite2p(with_turned(found), tif.parent / "plane0")
    return tif.parent / "plane0"


def with_turned(result: Result) -> Result:
    """Decide the opposite of the rule for every other component."""
    cells = result.components
    manual = np.where(cells.quality.flags == 0, -1, 1).astype(np.int8)
    manual[1::2] = 0
    turned = replace(cells, quality=replace(cells.quality, manual=manual))
    return replace(result, components=turned)


def cells_of(result: Result) -> Components:
    """Components, which are there."""
    assert result.components is not None
    return result.components


def test_without_the_movie_the_file_has_the_say(plane, found, tmp_path):
    result = import_run(plane, tmp_path / "out")
    folder = RunFolder(tmp_path / "out")
    wanted = cells_of(with_turned(found))
    assert cells_of(result).accepted.tolist() == wanted.accepted.tolist()
    assert np.isnan(cells_of(result).quality.snr).all()
    assert result.summary is None
    assert result.shifts is not None
    again = load(folder.result)
    assert len(cells_of(again)) == len(wanted)
    assert "components imported from" in again.log
    assert Recipe.load(folder.recipe).acquisition.frame_rate_hz == RATE_HZ


@pytest.mark.parametrize("with_movie", [False, True])
def test_what_a_run_is_at_work_on_is_not_cleared_away(plane, tif, tmp_path, with_movie):
    folder = RunFolder(tmp_path / "out")
    movie = {"movie": tif, "apply_shifts": True} if with_movie else {}
    with folder.claimed():
        folder.unfinished.mkdir()
        with pytest.raises(OutputError, match="Another run is at work"):
            import_run(plane, folder.path, **movie)
        assert folder.unfinished.exists()


def test_with_the_movie_cells_are_scored_and_verdicts_stand(
    plane, found, tif, tmp_path
):
    result = import_run(plane, tmp_path / "out", movie=tif, apply_shifts=True)
    cells, wanted = cells_of(result), cells_of(with_turned(found))
    assert cells.accepted.tolist() == wanted.accepted.tolist()
    by_rule = cells.quality.flags == 0
    np.testing.assert_array_equal(cells.quality.manual != 0, by_rule != cells.accepted)
    assert not np.isnan(cells.quality.snr).any()
    assert result.summary is not None
    np.testing.assert_allclose(result.shifts.values, found.shifts.values, atol=1e-5)
    np.testing.assert_array_equal(cells.pixel_noise, result.summary.noise)
    # The recording is the same, moved back by the same shifts.
    folder = RunFolder(tmp_path / "out")
    assert registered_movie(folder, result).shape == result.movie.shape


def test_a_registered_movie_is_stored_as_it_is(plane, found, tif, tmp_path):
    before = RunFolder(tif.parent / "run")
    movie = registered_movie(before, load(before.result))
    result = import_run(plane, tmp_path / "out", movie=movie)
    stored = registered_movie(RunFolder(tmp_path / "out"), result)
    pixels = [m.read(slice(0, 20)).astype(float) for m in (movie, stored)]
    np.testing.assert_allclose(*pixels, atol=3)  # codes of 16 bits, twice
    assert result.shifts is None


def test_an_import_is_not_searched_for_cells_again(plane, tif, tmp_path):
    result = import_run(plane, tmp_path / "out", movie=tif)
    done = resume(tmp_path / "out")
    np.testing.assert_array_equal(cells_of(done).spikes, cells_of(result).spikes)
    assert cells_of(done).dff is not None


def test_nwb_files_are_recognised(found, tmp_path):
    export_nwb(found, tmp_path / "a.nwb", session_start=START)
    result = import_run(tmp_path / "a.nwb", tmp_path / "out")
    np.testing.assert_allclose(
        cells_of(result).raw, cells_of(found).raw, rtol=1e-5, atol=1e-3
    )
    assert result.summary is not None


def test_another_movie_is_refused_before_anything_is_written(plane, tmp_path):
    other = write_tif(tmp_path / "other.tif", simulation().movie[:100])
    with pytest.raises(InputError, match="The movie has 100 frames of 64 x 60 px"):
        import_run(plane, tmp_path / "out", movie=other)
    assert not (tmp_path / "out").exists()


def test_a_result_in_the_folder_is_kept(plane, tmp_path):
    import_run(plane, tmp_path / "out")
    with pytest.raises(OutputError, match="already holds a result"):
        import_run(plane, tmp_path / "out")
    import_run(plane, tmp_path / "out", overwrite=True)


def test_the_command_imports_and_exports(plane, tif, tmp_path, capsys):
    out = str(tmp_path / "out")
    told = ["import", str(plane), "--movie", str(tif), "--apply-shifts"]
    assert main([*told, "--output", out]) == 0
    assert "accepted" in capsys.readouterr().out
    back = tmp_path / "plane0"
    assert main(["export", out, "--format", "suite2p", "--output", str(back)]) == 0
    light = [np.load(folder / "F.npy") for folder in (plane, back)]
    np.testing.assert_allclose(*light, rtol=1e-4)


def test_the_command_asks_for_the_session_start(plane, tmp_path, capsys):
    out, file = str(tmp_path / "out"), str(tmp_path / "a.nwb")
    assert main(["import", str(plane), "--output", out]) == 0
    told = ["export", out, "--format", "nwb", "--output", file]
    assert main(told) == 2
    assert "--session-start" in capsys.readouterr().err
    assert main([*told, "--session-start", "2026-05-01T12:00:00"]) == 2
    assert "no time zone" in capsys.readouterr().err
    assert main([*told, "--session-start", "2026-05-01T12:00:00+02:00"]) == 0


def test_what_is_no_result_is_refused(tmp_path, capsys):
    shutil.copy(__file__, tmp_path / "a.h5")
    told = ["import", str(tmp_path / "a.h5"), "--output", str(tmp_path / "out")]
    assert main(told) == 2
    assert "a.h5" in capsys.readouterr().err
