"""Scanbox: channels, planes and rate from the .mat, and files that lack it."""

from __future__ import annotations

import os

import numpy as np
import pytest
from formats.recordings import write_scanbox

from napari_cnmf.errors import ChoiceError, InputError, MissingFileError
from napari_cnmf.formats import open_movie


@pytest.fixture
def array() -> np.ndarray:
    """Frames, rows, columns, channels."""
    return np.random.default_rng(3).integers(0, 65535, (12, 8, 10, 2), dtype=np.uint16)


def test_a_channel_is_chosen_and_turned_the_right_way_up(tmp_path, array):
    write_scanbox(tmp_path / "a.sbx", array)
    with pytest.raises(ChoiceError, match="2 channels") as caught:
        open_movie(tmp_path / "a.sbx")
    assert caught.value.parameter == "channel"
    movie = open_movie(tmp_path / "a.sbx", channel=1)
    np.testing.assert_array_equal(movie.read(), array[..., 1])
    window = slice(1, 9, 3), slice(2, 5), slice(4, 9)
    np.testing.assert_array_equal(movie.read(*window), array[..., 1][window])


@pytest.mark.parametrize("channels", [2, 3])
def test_one_photomultiplier_is_one_channel(tmp_path, array, channels):
    write_scanbox(tmp_path / "a.sbx", array[..., :1], channels=channels)
    np.testing.assert_array_equal(open_movie(tmp_path / "a.sbx").read(), array[..., 0])


def test_later_versions_count_their_channels(tmp_path, array):
    about = {"chan": {"nchan": 2}, "channels": -1}
    write_scanbox(tmp_path / "a.sbx", array, **about)
    movie = open_movie(tmp_path / "a.sbx", channel=0)
    np.testing.assert_array_equal(movie.read(), array[..., 0])


def test_planes_of_a_tunable_lens_follow_frame_by_frame(tmp_path, array, caplog):
    depths = {"volscan": 1, "otwave": np.array([0.0, 400.0, 800.0])}
    write_scanbox(tmp_path / "a.sbx", array[:11, ..., :1], **depths)
    movie = open_movie(tmp_path / "a.sbx", plane=2)
    np.testing.assert_array_equal(movie.read(), array[2:9:3, ..., 0])
    assert movie.frame_rate_hz == pytest.approx(12.5 / 3)
    assert "part of a frame or volume, left out" in caplog.text


def test_lines_of_both_ways_double_the_rate(tmp_path, array):
    write_scanbox(tmp_path / "a.sbx", array[..., :1], scanmode=0)
    assert open_movie(tmp_path / "a.sbx").frame_rate_hz == pytest.approx(25)


def test_a_folder_of_a_recording_is_one_movie(tmp_path, array):
    write_scanbox(tmp_path / "a_000.sbx", array[:7, ..., :1])
    write_scanbox(tmp_path / "a_001.sbx", array[7:, ..., :1])
    np.testing.assert_array_equal(open_movie(tmp_path).read(), array[..., 0])


def test_a_recording_that_was_cut_short_is_read_to_its_last_frame(tmp_path, array):
    path = tmp_path / "a.sbx"
    write_scanbox(path, array[..., :1])
    os.truncate(path, path.stat().st_size - 30)
    np.testing.assert_array_equal(open_movie(path).read(), array[:11, ..., 0])


def test_a_missing_mat_is_named(tmp_path, array):
    write_scanbox(tmp_path / "a.sbx", array)
    (tmp_path / "a.mat").unlink()
    with pytest.raises(MissingFileError, match=r"a\.sbx needs a\.mat"):
        open_movie(tmp_path / "a.sbx")


@pytest.mark.parametrize("about", [{"sz": "wide"}, {"sz": [0, 9]}, {"channels": 7}])
def test_a_mat_that_makes_no_sense_is_named(tmp_path, array, about):
    write_scanbox(tmp_path / "a.sbx", array, **about)
    with pytest.raises(
        InputError, match=r"a\.mat cannot be read as the layout of a \.sbx"
    ):
        open_movie(tmp_path / "a.sbx", channel=0)


def test_a_damaged_mat_is_named(tmp_path, array):
    write_scanbox(tmp_path / "a.sbx", array)
    (tmp_path / "a.mat").write_bytes(b"nothing of MATLAB's" * 20)
    with pytest.raises(InputError, match=r"a\.mat cannot be read"):
        open_movie(tmp_path / "a.sbx")
