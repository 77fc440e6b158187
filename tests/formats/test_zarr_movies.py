"""zarr: which array is the movie, which axis is which, and damaged folders."""

from __future__ import annotations

import numpy as np
import pytest
import zarr
from formats.recordings import FRAME_RATE_HZ, PIXEL_UM, ngff_attributes

from napari_cnmf.errors import ChoiceError, InputError
from napari_cnmf.formats import open_movie


@pytest.fixture
def array() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 4000, (12, 8, 10), dtype=np.uint16)


def saved(path, version=3, names=None, **arrays):
    group = zarr.create_group(path, zarr_format=version)
    for name, data in arrays.items():
        group.create_array(name.replace("__", "/"), data=data, dimension_names=names)
    return path


@pytest.mark.parametrize("version", [2, 3])
def test_the_only_array_with_frames_is_taken_wherever_it_is(tmp_path, array, version):
    path = saved(
        tmp_path / "a.zarr", version, times=np.arange(12.0), deep__er__mov=array
    )
    np.testing.assert_array_equal(open_movie(path).read(), array)


def test_one_of_several_arrays_is_chosen_by_name(tmp_path, array):
    path = saved(tmp_path / "a.zarr", raw=array, done=array + 1)
    with pytest.raises(ChoiceError, match=r"2 arrays.*raw \(12, 8, 10\)") as caught:
        open_movie(path)
    assert caught.value.parameter == "dataset"
    movie = open_movie(path, dataset="done")
    np.testing.assert_array_equal(movie.read(), array + 1)
    with pytest.raises(ChoiceError, match="0 arrays named 'lost'"):
        open_movie(path, dataset="lost")


@pytest.mark.parametrize("version", [2, 3])
def test_channel_and_plane_of_an_ome_image_are_chosen(tmp_path, version):
    array = np.random.default_rng(1).integers(0, 99, (5, 2, 3, 8, 10), dtype=np.uint16)
    path = saved(tmp_path / "a.ome.zarr", version)
    group = zarr.open_group(path)
    group.create_array("0", data=array, chunks=(2, 1, 1, 8, 10))
    group.create_array("1", data=array[..., ::2, ::2])
    group.attrs.update(ngff_attributes(version, (1.0, 4.0)))
    with pytest.raises(ChoiceError, match="2 channels") as caught:
        open_movie(path)
    assert caught.value.parameter == "channel"
    movie = open_movie(path, channel=1, plane=2)
    np.testing.assert_array_equal(movie.read(), array[:, 1, 2])
    window = slice(1, 5, 2), slice(3, 6), slice(0, 4)
    np.testing.assert_array_equal(movie.read(*window), array[:, 1, 2][window])
    assert movie.frame_rate_hz == pytest.approx(FRAME_RATE_HZ)
    assert movie.pixel_size_um == pytest.approx(PIXEL_UM)
    assert movie.fingerprint != open_movie(path, channel=0, plane=2).fingerprint


def test_named_dimensions_may_come_in_any_order(tmp_path, array):
    turned = array.transpose(2, 0, 1)
    path = saved(tmp_path / "a.zarr", names=("width", "time", "row"), mov=turned)
    np.testing.assert_array_equal(open_movie(path).read(), array)


def test_units_that_are_not_stated_are_not_guessed(tmp_path, array):
    path = saved(tmp_path / "a.zarr")
    group = zarr.open_group(path)
    group.create_array("0", data=array[:, None, None])
    about = ngff_attributes(3, (1.0, 1.0))
    for axis in about["ome"]["multiscales"][0]["axes"]:
        axis.pop("unit", None)
    group.attrs.update(about)
    movie = open_movie(path)
    assert (movie.frame_rate_hz, movie.pixel_size_um) == (None, None)


def test_several_long_axes_without_names_are_refused(tmp_path, array):
    path = saved(tmp_path / "a.zarr", mov=np.stack([array, array]))
    with pytest.raises(InputError, match="does not say which is time"):
        open_movie(path)


def test_a_folder_that_is_no_zarr_is_refused(tmp_path):
    path = tmp_path / "a.zarr"
    path.mkdir()
    (path / "notes.txt").write_text("frames")
    with pytest.raises(InputError, match=r"a\.zarr is not a zarr file"):
        open_movie(path)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"zarr_format": 9}', "\x00\xff"])
def test_damaged_metadata_name_the_folder(tmp_path, array, text):
    path = saved(tmp_path / "a.zarr", mov=array)
    (path / "zarr.json").write_text(text)
    with pytest.raises(InputError, match=r"a\.zarr (cannot be read|holds 0)"):
        open_movie(path)


def test_a_damaged_chunk_names_the_folder(tmp_path, array):
    path = tmp_path / "a.zarr"
    zarr.create_array(path, data=array, chunks=(3, 8, 10))
    movie = open_movie(path)
    (path / "c" / "1" / "0" / "0").write_bytes(b"damaged")
    np.testing.assert_array_equal(movie.read(slice(0, 3)), array[:3])
    with pytest.raises(InputError, match=r"a\.zarr cannot be read"):
        movie.read()
