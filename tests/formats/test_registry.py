"""Choosing readers, chains of files, folders, and refusals."""

from __future__ import annotations

import shutil

import h5py
import numpy as np
import pytest
import tifffile

from napari_cnmf.errors import InputError, MissingFileError
from napari_cnmf.formats import open_movie
from napari_cnmf.formats.readers.registry import (
    is_movie_folder,
    natural_key,
    readable_suffixes,
)


@pytest.fixture
def array() -> np.ndarray:
    return np.random.default_rng(4).integers(0, 4000, (12, 8, 10), dtype=np.uint16)


def _saved(path, array, **options):
    tifffile.imwrite(path, array, photometric="minisblack", **options)
    return path


def test_suffixes_are_known_in_any_case_and_as_text_or_path(tmp_path, array):
    path = _saved(tmp_path / "A.TIFF", array)
    assert open_movie(path).shape == open_movie(str(path)).shape == (12, 8, 10)
    assert {".tif", ".tiff", ".h5", ".hdf5"} <= set(readable_suffixes())


def test_a_list_is_one_recording_in_the_order_given(tmp_path, array):
    late = _saved(tmp_path / "1.tif", array[7:])
    early = _saved(tmp_path / "2.tif", array[:7])
    movie = open_movie([early, late])
    np.testing.assert_array_equal(movie.read(), array)
    assert [(f.name, f.first, f.stop) for f in movie.files] == [
        ("2.tif", 0, 7),
        ("1.tif", 7, 12),
    ]
    assert movie.files[0].size_bytes == early.stat().st_size
    assert open_movie([late, early]).fingerprint != movie.fingerprint


def test_a_folder_is_one_recording_in_natural_order(tmp_path, array):
    for t, frame in enumerate(array):
        _saved(tmp_path / f"frame{t}.tif", frame)
    (tmp_path / "notes.txt").write_text("a good day")
    (tmp_path / "._frame0.tif").write_bytes(b"left behind by a Mac")
    movie = open_movie(tmp_path)
    np.testing.assert_array_equal(movie.read(), array)
    assert movie.files[10].name == "frame10.tif"


def test_natural_order_compares_numbers_as_numbers(tmp_path):
    names = ["b1.tif", "a10.tif", "a2.tif", "a.tif", "A1.tif", "02.tif"]
    ordered = sorted((tmp_path / name for name in names), key=natural_key)
    expected = ["02.tif", "a.tif", "A1.tif", "a2.tif", "a10.tif", "b1.tif"]
    assert [path.name for path in ordered] == expected


def test_formats_may_be_mixed_in_a_list_but_not_in_a_folder(tmp_path, array):
    first = _saved(tmp_path / "a.tif", array[:5])
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["mov"] = array[5:]
    np.testing.assert_array_equal(open_movie([first, tmp_path / "b.h5"]).read(), array)
    with pytest.raises(InputError, match=r"several formats \(HDF5, TIFF\)"):
        open_movie(tmp_path)


def test_channels_in_file_names_are_chosen_and_never_mixed(tmp_path, array):
    for t, frame in enumerate(array):
        name = f"run_Cycle00001_Ch{1 + t % 2}_{t // 2:06}.ome.tif"
        _saved(tmp_path / name, frame, metadata=None)
    np.testing.assert_array_equal(open_movie(tmp_path, channel=1).read(), array[1::2])
    for channel in (None, 2):
        with pytest.raises(InputError, match="channel=0 for Ch1, channel=1 for Ch2"):
            open_movie(tmp_path, channel=channel)


def test_the_same_movie_elsewhere_has_the_same_fingerprint(tmp_path, array):
    path = _saved(tmp_path / "a.tif", array)
    (tmp_path / "other").mkdir()
    copy = shutil.copy(path, tmp_path / "other")
    renamed = shutil.copy(path, tmp_path / "b.tif")
    print_ = open_movie(path).fingerprint
    assert open_movie(copy).fingerprint == print_
    assert open_movie(renamed).fingerprint != print_
    array[6, 4, 5] += 1
    assert open_movie(_saved(path, array)).fingerprint != print_


def test_frame_rates_that_disagree_are_refused_unless_one_is_given(tmp_path, array):
    paths = [
        _saved(
            tmp_path / f"{dt}.tif",
            array,
            imagej=True,
            metadata={"axes": "TYX", "finterval": dt},
        )
        for dt in (0.05, 0.0501, 0.1)
    ]
    assert open_movie(paths[:2]).frame_rate_hz == pytest.approx(20.0)
    with pytest.raises(InputError, match=r"0\.05\.tif states 20 Hz.*states 10 Hz"):
        open_movie(paths)
    assert open_movie(paths, frame_rate_hz=20.0).frame_rate_hz == 20.0


@pytest.mark.parametrize(
    "facts", [{"frame_rate_hz": 0.0}, {"pixel_size_um": (0.0, 1.0)}], ids=str
)
def test_absurd_facts_are_refused_and_not_replaced(tmp_path, array, facts):
    with pytest.raises(InputError, match="positive and finite"):
        open_movie(_saved(tmp_path / "a.tif", array), **facts)


def test_files_of_different_sizes_are_refused_and_both_named(tmp_path, array):
    paths = [
        _saved(tmp_path / "a.tif", array),
        _saved(tmp_path / "b.tif", array[:, 1:]),
    ]
    with pytest.raises(InputError, match=r"a\.tif .* 8 x 10 .*b\.tif .* 7 x 10"):
        open_movie(paths)


def test_a_single_frame_is_no_movie(tmp_path, array):
    path = _saved(tmp_path / "a.tif", array[0])
    with pytest.raises(
        InputError, match=r"a\.tif holds only 1 frame\(s\) of 8 x 10 px"
    ):
        open_movie(path)


@pytest.mark.parametrize("name", ["gone.tif", "gone"])
def test_a_missing_file_or_folder_is_refused(tmp_path, name):
    for paths in (tmp_path / name, [tmp_path / name]):
        with pytest.raises(MissingFileError, match=f"{name} does not exist"):
            open_movie(paths)


def test_an_empty_list_is_refused():
    with pytest.raises(InputError, match="list of files is empty"):
        open_movie([])


def test_an_unknown_suffix_is_refused_with_those_that_can_be_read(tmp_path):
    path = tmp_path / "movie.xyz"
    path.write_bytes(b"?")
    with pytest.raises(InputError, match=r"no known movie format.*\.h5.*\.tif"):
        open_movie(path)


def test_a_text_file_that_is_called_tif_is_refused(tmp_path):
    path = tmp_path / "a.tif"
    path.write_text("This is not an image.")
    with pytest.raises(InputError, match=r"a\.tif is not a TIFF file.*something else"):
        open_movie(path)


@pytest.mark.parametrize("name", ["a.tif", "a.h5"])
def test_an_empty_file_is_refused(tmp_path, name):
    (tmp_path / name).touch()
    with pytest.raises(InputError, match=f"{name} is not a .* but it is empty"):
        open_movie(tmp_path / name)


def test_a_folder_without_movies_is_refused(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(InputError, match="holds no movie: none of its 1 entries"):
        open_movie(tmp_path)


def test_folders_in_a_list_follow_one_another(tmp_path, array):
    for day, part in (("monday", array[:2]), ("tuesday", array[2:])):
        (tmp_path / day).mkdir()
        for i, frame in enumerate(part):
            _saved(tmp_path / day / f"{i}.tif", frame)
    movie = open_movie([tmp_path / "monday", tmp_path / "tuesday"])
    np.testing.assert_array_equal(movie.read(), array)


def test_a_folder_is_a_movie_by_its_name_or_by_the_movies_in_it(tmp_path, array):
    for name in ("a.zarr", "tables", "frames"):
        (tmp_path / name).mkdir()
    np.save(tmp_path / "tables" / "F.npy", np.ones((9, 20)))
    _saved(tmp_path / "frames" / "1.tif", array)
    found = {path.name for path in tmp_path.iterdir() if is_movie_folder(path)}
    assert found == {"a.zarr", "frames"}
