"""Movies as files: what is written is what our readers, and others', read."""

from __future__ import annotations

import logging
from threading import Event

import h5py
import numpy as np
import pytest
import tifffile
from example_values import make_result

from napari_cnmf.errors import (
    CancelledError,
    InputError,
    OutputError,
    ParameterError,
)
from napari_cnmf.formats import movies, open_movie
from napari_cnmf.formats.movies import export_movie
from napari_cnmf.formats.results import save
from napari_cnmf.movie import Movie

SHAPE = (23, 19, 31)
TYPES = ("uint8", "uint16", "int16", "float32")


def numbers(dtype: str = "uint16") -> np.ndarray:
    """A movie that is not square, each value another."""
    drawn = np.random.default_rng(0).integers(0, 250, SHAPE).astype(dtype)
    return drawn - 99 if dtype in ("int16", "float32") else drawn


def movie_of(array: np.ndarray) -> Movie:
    return Movie.from_array(array, frame_rate_hz=7.3, pixel_size_um=(0.83, 1.17))


@pytest.fixture(params=[False, True], ids=["small", "over 4 GB"])
def _size(request, monkeypatch):
    """Let a small movie pass for a large one."""
    if request.param:
        monkeypatch.setattr(movies, "TIFF_BYTES", 1000)


@pytest.mark.usefixtures("_size")
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", ["a.tif", "a.TIFF", "a.btf", "a.h5", "a.hdf5"])
def test_our_readers_find_the_same_movie(tmp_path, name, dtype, caplog):
    array = numbers(dtype)
    with caplog.at_level(logging.WARNING):
        export_movie(movie_of(array), tmp_path / name)
        back = open_movie(tmp_path / name)
    assert caplog.text == ""
    assert back.frame_rate_hz == pytest.approx(7.3, rel=1e-6)
    assert back.pixel_size_um == pytest.approx((0.83, 1.17), rel=1e-6)
    assert back.dtype == dtype
    np.testing.assert_array_equal(back.read(), array)
    assert [file.name for file in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["a.tif", "a.h5"])
def test_what_is_not_known_is_not_stated(tmp_path, name):
    export_movie(Movie.from_array(numbers()), tmp_path / name)
    back = open_movie(tmp_path / name)
    assert (back.frame_rate_hz, back.pixel_size_um) == (None, None)


def test_a_small_tif_is_of_imagej_and_a_large_one_bigtiff(tmp_path, monkeypatch):
    path = tmp_path / "a.tif"
    export_movie(movie_of(numbers()), path)
    with tifffile.TiffFile(path) as file:
        assert file.is_imagej
        assert file.imagej_metadata["frames"] == SHAPE[0]
        assert file.imagej_metadata["unit"] == "um"
        assert file.series[0].axes == "TYX"
    monkeypatch.setattr(movies, "TIFF_BYTES", 1000)
    export_movie(movie_of(numbers()), path)
    with tifffile.TiffFile(path) as file:
        assert file.is_bigtiff
        assert file.is_ome
        assert file.series[0].axes == "TYX"
    np.testing.assert_array_equal(tifffile.imread(path), numbers())


def test_the_dataset_has_the_name_that_caiman_looks_for(tmp_path):
    export_movie(movie_of(numbers()), tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5") as file:
        assert list(file) == ["mov"]
        assert file["mov"].attrs["fr"] == 7.3


@pytest.mark.parametrize("name", ["a.tif", "a.h5"])
@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        ("uint8", [0, 0, 2, 2, 255, 255]),
        ("uint16", [0, 0, 2, 2, 255, 65535]),
        ("int16", [-32768, 0, 2, 2, 255, 32767]),
        ("float32", [-1e6, -0.4, 1.5, 2.4, 255.2, 1e6]),
    ],
)
def test_integers_are_rounded_and_cut_off_at_their_limits(
    tmp_path, name, dtype, expected
):
    values = np.array([-1e6, -0.4, 1.5, 2.4, 255.2, 1e6], np.float32)
    movie = Movie.from_array(np.tile(values, (3, 2, 1)))
    export_movie(movie, tmp_path / name, dtype=dtype)
    found = open_movie(tmp_path / name).read()
    assert found.dtype == dtype
    np.testing.assert_array_equal(found[-1, -1], np.array(expected, dtype))


@pytest.mark.parametrize("name", ["a.tif", "a.h5"])
def test_the_same_movie_gives_the_same_bytes(tmp_path, name):
    for folder in ("one", "two"):
        export_movie(movie_of(numbers("int16")), tmp_path / folder / name)
    one, two = (tmp_path / folder / name for folder in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()


def test_it_is_read_in_blocks_and_told_of(tmp_path, monkeypatch):
    monkeypatch.setattr(movies, "block_frames", lambda *_: 10)
    told = []
    export_movie(movie_of(numbers()), tmp_path / "a.tif", progress=told.append)
    assert [(event.done, event.total) for event in told] == [
        (10, 23),
        (20, 23),
        (23, 23),
    ]


@pytest.mark.parametrize("name", ["a.tif", "a.h5"])
def test_a_cancelled_export_leaves_the_older_file(tmp_path, name, monkeypatch):
    monkeypatch.setattr(movies, "block_frames", lambda *_: 10)
    (tmp_path / name).write_bytes(b"old")
    cancel = Event()
    with pytest.raises(CancelledError):
        export_movie(
            movie_of(numbers()),
            tmp_path / name,
            progress=lambda _: cancel.set(),
            cancel=cancel,
        )
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"old"]


@pytest.mark.parametrize("name", ["a.avi", "a", "a.h5.zip"])
def test_other_endings_are_refused(tmp_path, name):
    with pytest.raises(InputError, match=rf"^{name} does not end with \.tif or \.h5"):
        export_movie(movie_of(numbers()), tmp_path / name)


def test_other_types_are_refused(tmp_path):
    with pytest.raises(ParameterError, match=r"'int64', but .* uint8, uint16, int16"):
        export_movie(movie_of(numbers()), tmp_path / "a.tif", dtype="int64")


def test_the_recording_and_results_are_never_replaced(tmp_path):
    raw = tmp_path / "raw.tif"
    export_movie(movie_of(numbers()), raw)
    before = raw.read_bytes()
    with pytest.raises(OutputError, match="the recording itself and is kept"):
        export_movie(open_movie(raw), raw)
    assert raw.read_bytes() == before
    save(make_result(), tmp_path / "results.h5")
    with pytest.raises(OutputError, match="is a result and is kept"):
        export_movie(movie_of(numbers()), tmp_path / "results.h5")


@pytest.mark.parametrize("name", ["a.tif", "a.h5"])
def test_a_full_disk_is_one_sentence_and_leaves_the_older_file(
    tmp_path, name, monkeypatch
):
    (tmp_path / name).write_bytes(b"old")
    wanted = movies._converted

    def full(frame, dtype):
        if frame[0, 0] == array[9, 0, 0]:
            raise OSError(28, "No space left on device")
        return wanted(frame, dtype)

    array = np.arange(np.prod(SHAPE), dtype=np.uint16).reshape(SHAPE)
    monkeypatch.setattr(movies, "_converted", full)
    message = rf"^{name} cannot be written to .*No space left.*free space"
    with pytest.raises(OutputError, match=message):
        export_movie(movie_of(array), tmp_path / name)
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"old"]


def test_a_folder_that_cannot_be_written_to_is_one_sentence(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"a\.tif cannot be written to"):
        export_movie(movie_of(numbers()), tmp_path / "file" / "a.tif")
