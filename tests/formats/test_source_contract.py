"""Every source keeps the one contract of `FrameSource`."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor

import h5py
import numpy as np
import pytest
import tifffile

from napari_cnmf.formats import open_movie
from napari_cnmf.movie import Movie, repair

SHAPE = (23, 37, 41)


def _array() -> np.ndarray:
    return np.random.default_rng(1).integers(-999, 999, SHAPE).astype(np.int16)


def _tif(path, array, **options):
    tifffile.imwrite(path, array, photometric="minisblack", **options)
    return open_movie(path)


def _page_by_page(path, array):
    with tifffile.TiffWriter(path) as tif:
        for frame in array:
            tif.write(frame, contiguous=False, metadata=None, rowsperstrip=5)
    return open_movie(path)


def _chain(folder, array):
    folder.mkdir()
    for i, part in enumerate(np.array_split(array, [4, 5, 12])):
        tifffile.imwrite(folder / f"{i}.tif", part, photometric="minisblack")
    return open_movie(folder)


def _hdf5(path, array, **options):
    with h5py.File(path, "w") as file:
        file.create_dataset("mov", data=array, **options)
    return open_movie(path)


def _subset(array):
    padded = np.pad(array, ((2, 1), (1, 0), (0, 3)))
    movie = Movie.from_array(padded)
    return movie.subset(slice(2, -1), slice(1, None), slice(0, -3))


def _resampled(array):
    twofold = array.repeat(2, axis=0).repeat(2, axis=1).repeat(2, axis=2)
    return Movie.from_array(twofold).resampled(space=0.5, time=0.5)


def _repaired(array):
    movie, _ = repair(
        Movie.from_array(
            np.pad(array.astype("f4"), ((0, 1), (0, 0), (0, 0)), constant_values=np.nan)
        )
    )
    return movie.subset(slice(0, -1))


MAKERS = {
    "array": lambda folder, a: Movie.from_array(a),
    "converted array": lambda folder, a: Movie.from_array(a.astype(float)),
    "subset": lambda folder, a: _subset(a),
    "resampled": lambda folder, a: _resampled(a),
    "repaired": lambda folder, a: _repaired(a),
    "plain tif": lambda folder, a: _tif(folder / "a.tif", a),
    "big-endian tif": lambda folder, a: _tif(folder / "a.tif", a, byteorder=">"),
    "BigTIFF": lambda folder, a: _tif(folder / "a.btf", a, bigtiff=True),
    "zlib tif": lambda folder, a: _tif(
        folder / "a.tif", a, compression="zlib", predictor=True, rowsperstrip=8
    ),
    "big-endian lzw tif": lambda folder, a: _tif(
        folder / "a.tif", a, compression="lzw", byteorder=">"
    ),
    "tiled tif": lambda folder, a: _tif(folder / "a.tif", a, tile=(16, 32)),
    "tif page by page": lambda folder, a: _page_by_page(folder / "a.tif", a),
    "folder of tifs": lambda folder, a: _chain(folder / "movie", a),
    "contiguous hdf5": lambda folder, a: _hdf5(folder / "a.h5", a),
    "chunked hdf5": lambda folder, a: _hdf5(
        folder / "a.h5", a, chunks=(5, 10, 20), compression="gzip"
    ),
    "big-endian hdf5": lambda folder, a: _hdf5(folder / "a.h5", a.astype(">i2")),
}
WINDOWS = [
    (slice(None), slice(None), slice(None)),
    (slice(3, 17), slice(None), slice(None)),
    (slice(2, 23, 5), slice(9, 20), slice(None)),
    (slice(0, 23, 2), slice(None), slice(40, 41)),
    (slice(22, 23), slice(36, 37), slice(0, 1)),
    (slice(6, 6), slice(0, 5), slice(0, 5)),
    (slice(0, 5), slice(5, 5), slice(0, 5)),
]


@pytest.fixture(scope="module", params=MAKERS)
def case(request, tmp_path_factory):
    """A movie from one kind of source, and the array that it has to equal."""
    array = _array()
    folder = tmp_path_factory.mktemp("source")
    return MAKERS[request.param](folder, array), array


def test_shape_and_type_are_those_of_the_array(case):
    movie, _ = case
    assert movie.shape == SHAPE
    assert all(type(n) is int for n in movie.shape)
    assert movie.dtype in (np.int16, np.float32)
    assert movie.dtype.isnative


@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_any_window_is_that_of_the_array_and_is_owned_or_read_only(case, window):
    movie, array = case
    block = movie.read(*window)
    assert block.dtype == movie.dtype
    np.testing.assert_array_equal(block, array[window])
    if block.flags.writeable:
        block[...] = 0
        np.testing.assert_array_equal(movie.read(*window), array[window])


def test_threads_read_side_by_side(case):
    movie, array = case
    starts = list(range(0, 20, 3)) * 8
    with ThreadPoolExecutor(4) as pool:
        blocks = pool.map(lambda t: movie.read(slice(t, t + 3)), starts)
        for t, block in zip(starts, blocks, strict=True):
            np.testing.assert_array_equal(block, array[t : t + 3])


def test_a_movie_that_was_read_can_be_pickled(case):
    movie, array = case
    movie.read(slice(0, 1))
    again = pickle.loads(pickle.dumps(movie))
    assert again.fingerprint == movie.fingerprint
    np.testing.assert_array_equal(again.read(), array)
