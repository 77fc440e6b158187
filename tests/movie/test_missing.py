"""Missing values are interpolated, masked and reported, or refused."""

from __future__ import annotations

import logging
import pickle
from threading import Event

import numpy as np
import pytest

from napari_cnmf.errors import CancelledError, InputError
from napari_cnmf.movie import Movie, repair


@pytest.fixture
def array() -> np.ndarray:
    return np.random.default_rng(0).normal(50, 5, (20, 6, 7)).astype(np.float32)


class UnreadableSource:
    """A source of integers that fails when it is read."""

    shape = (4, 3, 2)
    dtype = np.dtype(np.uint16)

    def read(self, frames, rows=slice(None), cols=slice(None)):
        raise AssertionError


def test_integers_cannot_be_missing_and_are_not_even_read():
    movie = Movie(UnreadableSource(), fingerprint="x")
    repaired, report = repair(movie)
    assert repaired is movie
    assert report.valid.shape == (3, 2)
    assert report.valid.all()
    assert not report.is_needed


def test_a_movie_of_finite_numbers_is_returned_as_it_is(array):
    movie = Movie.from_array(array)
    repaired, report = repair(movie)
    assert repaired is movie
    assert not report.is_needed


@pytest.mark.parametrize("missing", [np.nan, np.inf, -np.inf])
def test_a_missing_frame_lies_between_its_neighbours(array, missing):
    array[7:9] = missing
    repaired, report = repair(Movie.from_array(array))
    assert report.bad_frames.tolist() == [7, 8]
    assert report.n_masked_px == 0
    first, step = array[6], (array[9] - array[6]) / 3
    drawn = repaired.read(slice(7, 9))
    np.testing.assert_allclose(drawn, [first + step, first + 2 * step], rtol=1e-6)
    np.testing.assert_array_equal(repaired.read(slice(0, 7)), array[:7])


def test_missing_frames_at_the_ends_take_the_nearest_good_one(array):
    array[0], array[-2:] = np.nan, np.nan
    repaired, _ = repair(Movie.from_array(array))
    block = repaired.read()
    np.testing.assert_array_equal(block[0], array[1])
    np.testing.assert_array_equal(block[-1], array[-3])


def test_a_missing_pixel_is_masked_and_takes_the_mean_of_each_frame(array):
    array[5:9, 2, 3] = np.nan
    repaired, report = repair(Movie.from_array(array))
    assert report.n_masked_px == 1
    assert not report.valid[2, 3]
    expected = np.nanmean(array.reshape(20, -1), axis=1)
    np.testing.assert_allclose(repaired.read()[:, 2, 3], expected, rtol=1e-6)
    others = report.valid
    np.testing.assert_array_equal(repaired.read()[:, others], array[:, others])


def test_a_frame_with_half_of_its_pixels_is_a_good_one(array):
    array[4, :3] = np.nan
    repaired, report = repair(Movie.from_array(array), limit=0.5)
    assert report.bad_frames.size == 0
    assert report.n_masked_px == 21
    assert np.isfinite(repaired.read()).all()


def test_blocks_do_not_depend_on_how_the_movie_is_cut(array):
    array[3, :4], array[10], array[:, 0] = np.nan, np.nan, np.nan
    repaired, _ = repair(Movie.from_array(array))
    whole = repaired.read()
    assert np.isfinite(whole).all()
    window = slice(1, 19, 3), slice(0, 4), slice(2, 6)
    np.testing.assert_array_equal(repaired.read(*window), whole[window])


def test_the_scan_is_the_same_over_several_blocks(array, monkeypatch):
    array[3], array[7, 1, 1] = np.nan, np.nan
    _, expected = repair(Movie.from_array(array))
    monkeypatch.setattr("napari_cnmf.movie.missing.BLOCK_BYTES", 3 * array[0].nbytes)
    _, report = repair(Movie.from_array(array))
    for name in ("valid", "bad_frames", "means"):
        np.testing.assert_array_equal(getattr(report, name), getattr(expected, name))


def test_what_was_repaired_is_logged_and_changes_the_fingerprint(array, caplog):
    array[3], array[7, 1, 1] = np.nan, np.nan
    movie = Movie.from_array(array)
    with caplog.at_level(logging.WARNING):
        repaired, _ = repair(movie)
    assert "1 frames interpolated, 1 pixels masked" in caplog.text
    assert repaired.fingerprint != movie.fingerprint


def test_too_many_missing_frames_are_refused(array):
    array[:5] = np.nan
    with pytest.raises(InputError, match="5 of the movie's 20 frames"):
        repair(Movie.from_array(array))


def test_too_many_missing_pixels_are_refused(array):
    array[0, :2] = np.nan
    with pytest.raises(InputError, match="14 of the movie's 42 pixels"):
        repair(Movie.from_array(array))


def test_a_movie_of_nothing_but_nan_is_refused_whatever_the_limit(array):
    with pytest.raises(InputError, match="frames hold NaN"):
        repair(Movie.from_array(np.full_like(array, np.nan)), limit=1.0)


def test_a_repaired_movie_can_be_pickled(array):
    array[3] = np.nan
    repaired, _ = repair(Movie.from_array(array))
    again = pickle.loads(pickle.dumps(repaired))
    np.testing.assert_array_equal(again.read(), repaired.read())


def test_the_search_tells_how_far_it_is_and_can_be_cancelled(monkeypatch):
    array = np.ones((10, 4, 5), np.float32)
    monkeypatch.setattr("napari_cnmf.movie.missing.BLOCK_BYTES", 3 * 4 * 5 * 4)
    movie, cancel, seen = Movie.from_array(array), Event(), []
    repair(movie, progress=lambda event: seen.append((event.stage, event.done)))
    assert seen == [("check", n) for n in (3, 6, 9, 10)]
    with pytest.raises(CancelledError):
        repair(movie, progress=lambda event: cancel.set(), cancel=cancel)
