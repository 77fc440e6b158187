"""The movie as a value: reading, subsets, spans, fingerprints."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from napari_cnmf.errors import InputError
from napari_cnmf.movie import FileSpan, Movie


@pytest.fixture
def array() -> np.ndarray:
    return np.arange(12 * 5 * 7, dtype=np.int16).reshape(12, 5, 7)


def test_facts_of_a_movie_over_an_array(array):
    movie = Movie.from_array(array, frame_rate_hz=4.0, pixel_size_um=(2.0, 1.5))
    assert movie.shape == (12, 5, 7)
    assert movie.n_frames == 12
    assert movie.field_shape == (5, 7)
    assert movie.dtype == np.int16
    assert movie.duration_s == 3.0
    assert movie.pixel_size_um == (2.0, 1.5)
    assert movie.files == ()


def test_duration_is_unknown_without_a_frame_rate(array):
    assert Movie.from_array(array).duration_s is None


def test_reading_equals_numpy_indexing(array):
    movie = Movie.from_array(array)
    window = slice(-9, None, 3), slice(1, 99), slice(None, -2)
    np.testing.assert_array_equal(movie.read(*window), array[window])


def test_a_read_block_cannot_change_the_array_and_the_array_stays_writable(array):
    block = Movie.from_array(array).read()
    with pytest.raises(ValueError, match="read-only"):
        block[0] = 0
    assert array.flags.writeable


@pytest.mark.parametrize(
    "window",
    [
        {"frames": slice(None, None, -1)},
        {"rows": slice(None, None, 2)},
        {"cols": slice(None, None, 2)},
    ],
)
def test_steps_that_no_reader_can_do_are_refused(array, window):
    movie = Movie.from_array(array)
    with pytest.raises(InputError, match="has the step"):
        movie.read(**window)
    with pytest.raises(InputError, match="has the step"):
        movie.subset(**window)


def test_a_subset_is_the_same_part_of_the_array(array):
    movie = Movie.from_array(array, frame_rate_hz=30.0)
    part = movie.subset(slice(1, 11, 3), slice(1, 4), slice(2, 6))
    expected = array[1:11:3, 1:4, 2:6]
    assert part.shape == expected.shape
    assert part.frame_rate_hz == 10.0
    np.testing.assert_array_equal(part.read(), expected)
    np.testing.assert_array_equal(
        part.read(slice(1, 4, 2), slice(1, 3), slice(0, 2)), expected[1:4:2, 1:3, :2]
    )


def test_a_subset_of_a_subset_composes(array):
    part = Movie.from_array(array).subset(slice(1, None, 2), cols=slice(1, None))
    again = part.subset(slice(1, None, 2), slice(2, 5))
    np.testing.assert_array_equal(again.read(), array[3::4, 2:5, 1:])


def test_an_empty_subset_reads_as_nothing(array):
    part = Movie.from_array(array).subset(slice(8, 3))
    assert part.shape == (0, 5, 7)
    assert part.read().shape == (0, 5, 7)


def test_the_subset_that_is_everything_is_the_movie_itself(array):
    movie = Movie.from_array(array)
    assert movie.subset(slice(0, 12), slice(0, 5), slice(None)) is movie


def test_spans_of_a_subset_follow_the_frames_taken(array):
    files = (
        FileSpan("a/1.tif", 0, 5, 10),
        FileSpan("a/2.tif", 5, 6, 10),
        FileSpan("a/3.tif", 6, 12, 10),
    )
    part = Movie.from_array(array).with_(files=files).subset(slice(2, None, 2))
    # Frames 2, 4 are of the first file, none of the second, 6, 8, 10 of the third.
    assert [(f.name, f.first, f.stop) for f in part.files] == [
        ("1.tif", 0, 2),
        ("3.tif", 2, 5),
    ]


def test_frames_left_out_follow_the_frames_taken(array):
    movie = Movie.from_array(array).with_(left_out=(0, 3, 4, 9, 11))
    assert movie.subset(slice(3, None, 2)).left_out == (0, 3, 4)
    assert movie.subset(slice(5, 9)).left_out == ()
    assert movie.subset(rows=slice(1, 3)).left_out == (0, 3, 4, 9, 11)


def test_fingerprint_depends_on_content_shape_and_window_only(array):
    movie = Movie.from_array(array, frame_rate_hz=30.0)
    changed = array.copy()
    changed[-1, 0, 0] += 1
    assert movie.fingerprint == Movie.from_array(array.copy()).fingerprint
    prints = {
        movie.fingerprint,
        Movie.from_array(changed).fingerprint,
        Movie.from_array(array.reshape(12, 7, 5)).fingerprint,
        Movie.from_array(array.view(np.uint16)).fingerprint,
        movie.subset(slice(0, 6)).fingerprint,
        movie.subset(slice(6, 12)).fingerprint,
        movie.subset(rows=slice(0, 3)).fingerprint,
    }
    assert len(prints) == 7


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
def test_pixel_types_of_cameras_are_kept(dtype):
    movie = Movie.from_array(np.ones((3, 2, 2), dtype))
    assert movie.dtype == movie.read().dtype == np.dtype(dtype)


@pytest.mark.parametrize("dtype", ["int8", "uint32", "int64", "float64", ">f8"])
def test_other_real_numbers_are_read_as_float32(dtype):
    movie = Movie.from_array(np.full((3, 2, 2), 7, dtype))
    assert movie.dtype == movie.read().dtype == np.float32
    assert (movie.read() == 7).all()


def test_big_endian_arrays_are_read_in_native_order(array):
    movie = Movie.from_array(array.astype(">i2"))
    assert movie.read().dtype.isnative
    np.testing.assert_array_equal(movie.read(), array)


@pytest.mark.parametrize("dtype", [bool, np.complex64, "U3", object])
def test_arrays_that_are_no_grey_values_are_refused(dtype):
    with pytest.raises(InputError, match="real numbers"):
        Movie.from_array(np.zeros((3, 2, 2), dtype))


def test_an_array_without_three_axes_is_refused():
    with pytest.raises(InputError, match="three axes"):
        Movie.from_array(np.zeros((3, 2)))


def test_a_nested_list_is_an_array_too():
    assert Movie.from_array([[[1, 2]], [[3, 4]]]).shape == (2, 1, 2)


@pytest.mark.parametrize(
    "facts",
    [
        {"frame_rate_hz": 0.0},
        {"frame_rate_hz": float("inf")},
        {"pixel_size_um": (1.0, -1.0)},
        {"pixel_size_um": (1.0, float("nan"))},
    ],
)
def test_absurd_facts_are_refused(array, facts):
    with pytest.raises(InputError, match="positive and finite"):
        Movie.from_array(array, **facts)


def test_a_movie_can_be_pickled(array):
    part = Movie.from_array(array, frame_rate_hz=9.0).subset(slice(2, 8))
    again = pickle.loads(pickle.dumps(part))
    assert again.fingerprint == part.fingerprint
    np.testing.assert_array_equal(again.read(), part.read())
