"""A registration applied to other movies: channels, files, frames recorded later."""

from __future__ import annotations

from pathlib import Path
from threading import Event

import numpy as np
import pytest
from tiny_movies import RATE_HZ, leftovers, movie, simulation, write_tif

from napari_cnmf.errors import (
    CancelledError,
    InputError,
    MissingStageError,
    OutputError,
    ParameterError,
)
from napari_cnmf.formats import open_movie
from napari_cnmf.formats.results import Result, load
from napari_cnmf.movie import Movie
from napari_cnmf.movie.store import TiledStore
from napari_cnmf.pipeline.apply import apply_registration
from napari_cnmf.pipeline.folder import RunFolder
from napari_cnmf.pipeline.runner import resume, run
from napari_cnmf.recipe import Recipe

MODES = ("rigid", "piecewise")


@pytest.fixture(scope="module", params=MODES)
def first(request, tmp_path_factory) -> RunFolder:
    """A registered movie; not to be changed."""
    folder = tmp_path_factory.mktemp(request.param)
    recipe = Recipe().with_settings(
        {"motion.mode": request.param, "acquisition.frame_rate_hz": RATE_HZ}
    )
    run(write_tif(folder / "first.tif"), recipe, folder / "out", until="correct")
    return RunFolder(folder / "out")


@pytest.fixture
def result(first) -> Result:
    return load(first.result)


def noise() -> np.ndarray:
    """A movie in which nothing moves and nothing is alike."""
    return np.random.default_rng(0).integers(0, 999, simulation().movie.shape, "uint16")


def test_the_same_movie_is_registered_as_before(first, tmp_path):
    before = TiledStore.open(first.movie)
    again = apply_registration(first.path, movie(), tmp_path / "again")
    # What was out of view is filled from the template, which is another movie's here.
    inside = slice(None), slice(8, -8), slice(8, -8)
    error = again.read(*inside) - before.movie().read(*inside)
    assert np.abs(error).max() <= 1.01 * before.header.step


def test_another_channel_has_the_shifts_of_the_first(first, result, tmp_path):
    apply_registration(first.path, movie(noise()), tmp_path / "second")
    second = load(tmp_path / "second" / "results.h5").shifts
    np.testing.assert_array_equal(second.values, result.shifts.values)
    if result.shifts.patches is not None:
        np.testing.assert_array_equal(
            second.patches.values, result.shifts.patches.values
        )


def test_a_result_may_stand_for_its_folder(first, result, tmp_path):
    one = apply_registration(first.path, movie(noise()), tmp_path / "one")
    two = apply_registration(result, movie(noise()), tmp_path / "two")
    np.testing.assert_array_equal(one.read(), two.read())


def test_later_frames_find_the_template_of_the_first(first, result, tmp_path):
    later = movie(simulation().movie[-60:])
    apply_registration(first.path, later, tmp_path / "later", register=True)
    found = load(tmp_path / "later" / "results.h5").shifts
    like = np.corrcoef(found.template.ravel(), result.shifts.template.ravel())[0, 1]
    assert like > 0.99999
    error = found.values - result.shifts.values[-60:]
    # Patches are weighted by how much the frames at hand vary, which are few here.
    allowed_px = 0.01 if result.shifts.patches is None else 0.1
    assert np.median(np.abs(error)) < allowed_px


def test_a_few_later_frames_are_enough(first, tmp_path):
    later = movie(simulation().movie[-5:])
    moved = apply_registration(first.path, later, tmp_path / "a.tif", register=True)
    assert moved.n_frames == 5


def test_the_folder_is_one_that_a_run_goes_on_in(first, tmp_path):
    other = movie(simulation().movie // 2)
    apply_registration(first.path, other, tmp_path / "second")
    assert {file.name for file in (tmp_path / "second").iterdir()} == {
        "registered.zarr",
        "results.h5",
        "recipe.toml",
        "run.log",
    }
    assert resume(tmp_path / "second", until="fit").components is not None


@pytest.mark.parametrize("name", ["other.tif", "other.h5"])
def test_the_other_movie_can_be_a_file_of_its_own_type(first, tmp_path, name):
    other = movie(noise().astype("int16"))
    whole = apply_registration(first.path, other, tmp_path / "whole")
    moved = apply_registration(first.path, other, tmp_path / name)
    assert sorted(file.name for file in tmp_path.iterdir()) == [name, "whole"]
    assert moved.dtype == "int16"
    assert moved.frame_rate_hz == pytest.approx(RATE_HZ)
    np.testing.assert_array_equal(moved.read(), np.rint(whole.read()))


def test_what_the_other_file_does_not_state_is_as_in_the_first(first, tmp_path):
    silent = Movie.from_array(noise())
    assert apply_registration(first.path, silent, tmp_path / "o").frame_rate_hz == 30


def test_the_first_recordings_choice_of_frames_is_not_that_of_later_ones(tmp_path):
    recipe = Recipe().with_settings(
        {"input.last_frame": 40, "input.top": 4, "acquisition.frame_rate_hz": 30}
    )
    run(movie(), recipe, tmp_path / "first", until="correct")
    moved = apply_registration(
        tmp_path / "first", movie(), tmp_path / "all", register=True
    )
    assert moved.shape == (150, 60, 60)
    same = apply_registration(tmp_path / "first", movie(), tmp_path / "same")
    assert same.shape == (40, 60, 60)


def test_sizes_that_differ_are_told_with_both_names(first, tmp_path):
    other = open_movie(write_tif(tmp_path / "other.tif", noise()[:, :-4]))
    words = r"other\.tif has frames of 60 x 60 px, but first\.tif, .* has 64 x 60 px"
    for register in (False, True):
        with pytest.raises(InputError, match=words):
            apply_registration(first.path, other, tmp_path / "out", register=register)
    assert not (tmp_path / "out").exists()


def test_lengths_that_differ_are_told_with_both_names(first, tmp_path):
    words = r"The movie from memory has 149 frames, but first\.tif, .* has 150; give"
    with pytest.raises(InputError, match=words):
        apply_registration(first.path, movie(noise()[1:]), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_movie_that_was_not_registered_has_nothing_to_apply(tmp_path):
    still = Recipe().with_settings({"motion.mode": "none"})
    run(movie(), still, tmp_path / "still", until="correct")
    with pytest.raises(MissingStageError, match="no shifts to apply"):
        apply_registration(tmp_path / "still", movie(), tmp_path / "out")


def test_the_registration_is_not_to_be_changed(first, tmp_path):
    with pytest.raises(ParameterError, match=r"'motion\.max_shift_px' is decided by"):
        apply_registration(
            first.path, movie(), tmp_path / "out", ["motion.max_shift_px=3"]
        )


def test_results_and_recordings_are_kept(first, result, tmp_path):
    before = first.result.read_bytes()
    with pytest.raises(OutputError, match="already holds a result, which is kept"):
        apply_registration(first.path, movie(), first.path)
    raw = Path(result.movie.files[0].path)
    with pytest.raises(OutputError, match="the recording itself and is kept"):
        apply_registration(first.path, movie(), raw)
    assert first.result.read_bytes() == before


def test_a_cancelled_one_leaves_nothing_unfinished(first, tmp_path):
    cancel = Event()
    with pytest.raises(CancelledError):
        apply_registration(
            first.path,
            movie(),
            tmp_path / "file.tif",
            progress=lambda event: cancel.set(),
            cancel=cancel,
        )
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(CancelledError):
        apply_registration(first.path, movie(), tmp_path / "folder", cancel=cancel)
    assert leftovers(tmp_path) == []
    assert not (tmp_path / "folder" / "results.h5").exists()
