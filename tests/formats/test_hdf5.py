"""HDF5 movies: which dataset is the movie, and bad files."""

from __future__ import annotations

import os

import h5py
import numpy as np
import pytest

from napari_cnmf.errors import InputError
from napari_cnmf.formats import open_movie


@pytest.fixture
def array() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 4000, (12, 8, 10), dtype=np.uint16)


def _saved(path, attributes=None, **datasets):
    with h5py.File(path, "w") as file:
        for name, data in datasets.items():
            file[name.replace("__", "/")] = data
        file.attrs.update(attributes or {})
    return path


def test_the_only_dataset_with_frames_is_taken_wherever_it_is(tmp_path, array):
    path = _saved(
        tmp_path / "a.h5", times=np.arange(12.0), note="x", deep__er__mov=array
    )
    np.testing.assert_array_equal(open_movie(path).read(), array)


def test_one_of_several_datasets_is_chosen_by_name(tmp_path, array):
    path = _saved(tmp_path / "a.hdf5", raw=array, corrected=array + 1)
    movie = open_movie(path, dataset="corrected")
    np.testing.assert_array_equal(movie.read(), array + 1)
    assert movie.fingerprint != open_movie(path, dataset="raw").fingerprint


def test_several_datasets_without_a_choice_are_listed(tmp_path, array):
    path = _saved(tmp_path / "a.h5", raw=array, corrected=array)
    with pytest.raises(InputError, match=r"2 datasets.*/corrected.*/raw.*dataset=NAME"):
        open_movie(path)


@pytest.mark.parametrize("name", ["nothing", "trace", "group"])
def test_a_dataset_that_is_not_there_or_no_movie_is_refused(tmp_path, array, name):
    path = _saved(tmp_path / "a.h5", mov=array, trace=np.arange(9), group__x=array[0])
    with pytest.raises(InputError, match=rf"no dataset '{name}'.*/mov \(12, 8, 10\)"):
        open_movie(path, dataset=name)


def test_a_file_without_a_movie_is_refused(tmp_path):
    path = _saved(tmp_path / "a.h5", trace=np.arange(9), flags=np.ones((3, 4, 5), bool))
    with pytest.raises(InputError, match=r"0 datasets.*open another file"):
        open_movie(path)


@pytest.mark.parametrize("name", ["frame_rate", "fr"])
def test_the_frame_rate_is_read_from_attributes(tmp_path, array, name):
    path = _saved(tmp_path / "a.h5", {name: 12.5}, mov=array)
    assert open_movie(path).frame_rate_hz == 12.5


@pytest.mark.parametrize("absurd", [0.0, -3.0, np.inf, np.nan, "fast", [1.0, 2.0]])
def test_an_absurd_frame_rate_is_taken_as_not_stated(tmp_path, array, absurd):
    path = _saved(tmp_path / "a.h5", {"frame_rate": absurd}, mov=array)
    assert open_movie(path).frame_rate_hz is None


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ([0.5, 0.7], (0.5, 0.7)),
        (0.5, None),
        ([0.5, 0.0], None),
        ([0.5, np.inf], None),
        ([np.nan, 0.5], None),
        ("small", None),
    ],
)
def test_the_pixel_size_is_read_unless_it_is_absurd(tmp_path, array, size, expected):
    path = _saved(tmp_path / "a.h5", mov=array)
    with h5py.File(path, "r+") as file:
        file["mov"].attrs["pixel_size_um"] = size
    assert open_movie(path).pixel_size_um == expected


def test_a_truncated_file_is_refused(tmp_path, array):
    path = _saved(tmp_path / "a.h5", mov=array)
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(InputError, match=r"a\.h5 cannot be read as HDF5"):
        open_movie(path)


def test_a_text_file_is_refused(tmp_path):
    path = tmp_path / "a.h5"
    path.write_text("frames, rows, columns")
    with pytest.raises(InputError, match=r"a\.h5 is not a HDF5 file"):
        open_movie(path)


def test_damaged_chunks_name_the_file(tmp_path, array):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        data = file.create_dataset("mov", data=array, chunks=(3, 8, 10), compression=4)
        info = data.id.get_chunk_info(1)
    with path.open("r+b") as raw:
        raw.seek(info.byte_offset)
        raw.write(bytes(info.size))
    movie = open_movie(path)
    np.testing.assert_array_equal(movie.read(slice(0, 3)), array[:3])
    with pytest.raises(InputError, match=r"a\.h5 cannot be read"):
        movie.read()


def test_a_movie_leaves_its_file_free_to_be_written(tmp_path, array):
    path = _saved(tmp_path / "a.h5", mov=array)
    movie = open_movie(path)
    movie.read()
    with h5py.File(path, "r+") as file:
        file["mov"][0] = 7
    assert (movie.read(slice(0, 1)) == 7).all()
