"""NWB: which series, which axes, what is known of it; files written by pynwb."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from formats.recordings import FRAME_RATE_HZ, write_nwb

from napari_cnmf.errors import ChoiceError, InputError
from napari_cnmf.formats import open_movie


@pytest.fixture
def array() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 4000, (12, 8, 10), dtype=np.uint16)


def width_first(array):
    return array.transpose(0, 2, 1)


def test_series_are_frame_x_y_as_the_schema_says(tmp_path, array):
    write_nwb(tmp_path / "a.nwb", width_first(array), kind="OnePhotonSeries")
    np.testing.assert_array_equal(open_movie(tmp_path / "a.nwb").read(), array)


def test_the_dimension_tells_of_data_that_are_frame_y_x(tmp_path, array):
    write_nwb(tmp_path / "a.nwb", array, dimension=[10, 8])
    np.testing.assert_array_equal(open_movie(tmp_path / "a.nwb").read(), array)


def test_a_dimension_that_agrees_with_the_schema_changes_nothing(tmp_path, array):
    write_nwb(tmp_path / "a.nwb", width_first(array), dimension=[10, 8])
    np.testing.assert_array_equal(open_movie(tmp_path / "a.nwb").read(), array)


def test_one_of_several_series_is_chosen_by_name(tmp_path, array):
    write_nwb(tmp_path / "a.nwb", width_first(array), names=("Green", "Red"))
    with pytest.raises(ChoiceError, match=r"2 image series.*Green.*Red") as caught:
        open_movie(tmp_path / "a.nwb")
    assert caught.value.parameter == "dataset"
    for name in ("Red", "/acquisition/Red", "acquisition/Red/data"):
        movie = open_movie(tmp_path / "a.nwb", dataset=name)
        np.testing.assert_array_equal(movie.read(), array)


def test_a_plane_of_a_volume_is_chosen(tmp_path, array):
    volume = np.stack([width_first(array), width_first(array) + 5], axis=-1)
    write_nwb(tmp_path / "a.nwb", volume)
    movie = open_movie(tmp_path / "a.nwb", plane=1)
    np.testing.assert_array_equal(movie.read(), array + 5)
    window = slice(1, 9, 3), slice(2, 5), slice(4, 9)
    np.testing.assert_array_equal(movie.read(*window), (array + 5)[window])


def test_the_rate_follows_from_time_stamps(tmp_path, array):
    stamps = 3.0 + np.arange(12) / FRAME_RATE_HZ
    path = tmp_path / "a.nwb"
    write_nwb(path, width_first(array), rate=None, timestamps=stamps)
    assert open_movie(path).frame_rate_hz == pytest.approx(FRAME_RATE_HZ)


def test_frames_in_other_files_are_named(tmp_path):
    write_nwb(
        tmp_path / "a.nwb",
        None,
        external_file=["day 1.tif", "day 2.tif"],
        format="external",
        starting_frame=[0, 100],
        rate=None,
        timestamps=np.arange(200.0),
    )
    with pytest.raises(InputError, match=r"other files \(day 1\.tif, day 2\.tif\)"):
        open_movie(tmp_path / "a.nwb")


def test_frames_behind_a_broken_link_are_missed(tmp_path, array):
    path = tmp_path / "a.nwb"
    write_nwb(path, width_first(array))
    with h5py.File(path, "r+") as file:
        del file["acquisition/Movie/data"]
        file["acquisition/Movie/data"] = h5py.ExternalLink("lost.nwb", "/data")
    with pytest.raises(InputError, match=r"a\.nwb"):
        open_movie(path)


def test_a_file_without_series_is_refused(tmp_path, array):
    with h5py.File(tmp_path / "a.nwb", "w") as file:
        file["mov"] = array
    with pytest.raises(InputError, match=r"0 image series.*open another file"):
        open_movie(tmp_path / "a.nwb")
