"""Real recordings, where they are at hand."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from napari_cnmf.formats import open_movie


@pytest.mark.parametrize(
    ("name", "shape", "dtype"),
    [
        ("two-photon-crop", (1000, 128, 128), np.int16),
        ("two-photon-small", (500, 64, 64), np.int16),
        ("simulated-small", (1500, 128, 128), np.uint16),
    ],
)
def test_a_movie_equals_what_tifffile_reads(shared, name, shape, dtype):
    path = shared / "data" / name / "movie.tif"
    movie = open_movie(path)
    assert (movie.shape, movie.dtype) == (shape, dtype)
    window = slice(40, 300, 7), slice(10, 50), slice(3, 60)
    np.testing.assert_array_equal(movie.read(*window), tifffile.imread(path)[window])


def test_a_folder_of_prairie_view_frames_is_one_movie(shared, caplog):
    folder = shared / "data" / "bruker-ome-frames"
    movie = open_movie(folder)
    assert (movie.shape, movie.dtype) == ((20, 512, 512), np.uint16)
    assert not caplog.records
    frame = np.fromfile(sorted(folder.iterdir())[13], "<u2", 512 * 512, offset=8)
    np.testing.assert_array_equal(movie.read(slice(13, 14))[0].ravel(), frame)
