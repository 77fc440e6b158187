"""A part of a recording, averaged, through the command line and whole runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tiny_movies

from napari_cnmf.cli import main
from napari_cnmf.formats.results import digest, load
from napari_cnmf.movie import Movie
from napari_cnmf.pipeline.folder import RunFolder
from napari_cnmf.pipeline.opening import crop
from napari_cnmf.pipeline.runner import run
from napari_cnmf.pipeline.seeds import masks_of

AVERAGED = ["input.top=4", "input.resample_space=0.75", "input.resample_time=0.5"]
RATE = "acquisition.frame_rate_hz=30"


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> list[Path]:
    """The tiny recording in two files of 80 and 70 frames."""
    folder = tmp_path_factory.mktemp("recording")
    parts = np.split(tiny_movies.simulation().movie, [80])
    return [
        tiny_movies.write_tif(folder / f"part {i}.tif", part)
        for i, part in enumerate(parts)
    ]


@pytest.fixture(scope="module")
def averaged(files, tmp_path_factory) -> Path:
    """Folder of a run on averages."""
    out = tmp_path_factory.mktemp("averaged") / "out"
    movies = map(str, files)
    assert main(["run", *movies, "--output", str(out), "--set", RATE, *AVERAGED]) == 0
    return out


def test_a_run_works_on_averages_and_knows_its_files(averaged):
    result = load(averaged / "results.h5")
    assert result.complete
    assert result.movie.shape == (75, 45, 45)
    assert result.movie.frame_rate_hz == result.components.frame_rate_hz == 15
    assert [(f.name, f.first, f.stop) for f in result.movie.files] == [
        ("part 0.tif", 0, 40),
        ("part 1.tif", 40, 75),
    ]
    assert len(result.components)


def test_it_finds_what_a_run_on_averages_made_beforehand_finds(averaged, tmp_path):
    recipe = tiny_movies.recipe(*AVERAGED)
    made = crop(tiny_movies.movie(), recipe.input).read()
    movie = Movie.from_array(made, frame_rate_hz=15.0)
    beforehand = run(movie, None, tmp_path / "out").components
    found = load(averaged / "results.h5").components
    np.testing.assert_array_equal(found.denoised, beforehand.denoised)
    assert (found.footprints != beforehand.footprints).nnz == 0


def test_the_same_again_does_nothing_and_a_stage_can_be_run_again(
    averaged, files, capsys
):
    before = digest(load(averaged / "results.h5"))
    again = ["run", *map(str, files), "--output", str(averaged), "--set", RATE]
    assert main([*again, *AVERAGED]) == 0
    assert "Nothing to do" in capsys.readouterr().out
    assert main(["correct", str(averaged)]) == 0
    assert main([*again, *AVERAGED]) == 0
    assert digest(load(averaged / "results.h5")) == before


def test_info_shows_what_is_used(averaged, files, capsys):
    assert main(["info", str(averaged)]) == 0
    shown = capsys.readouterr().out
    assert "75 frames of 45 x 45 px at 15 Hz" in shown
    assert "input.top=4, input.resample_space=0.75, input.resample_time=0.5" in shown
    assert main(["info", str(files[0]), "--set", RATE, *AVERAGED]) == 0
    shown = capsys.readouterr().out
    assert "45 x 45 px" in shown
    assert "15 Hz" in shown
    assert "float32" in shown


def test_frames_of_each_file_are_used_by_a_run(files, tmp_path):
    recipe = tiny_movies.recipe(RATE, "input.last_frame=75", "input.per_file=true")
    result = run(files, recipe, tmp_path / "out", until="correct")
    assert result.movie.shape[0] == 145
    assert [(f.first, f.stop) for f in result.movie.files] == [(0, 75), (75, 145)]


def test_labels_of_the_recorded_field_are_those_of_the_averages(tmp_path):
    labels = np.zeros((64, 60), np.int32)
    labels[10:20, 30:40] = 1
    np.save(tmp_path / "labels.npy", labels)
    recipe = tiny_movies.recipe(
        "input.top=4",
        "input.resample_space=0.5",
        "init.method=seeded",
        f"init.seeds='{tmp_path / 'labels.npy'}'",
    )
    masks = masks_of(recipe, RunFolder(tmp_path), (30, 30))
    rows, cols = np.divmod(masks.indices, 30)
    assert (rows.min(), rows.max(), cols.min(), cols.max()) == (3, 7, 15, 19)
