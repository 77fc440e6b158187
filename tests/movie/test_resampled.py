"""Fewer frames and pixels: means over areas and spans of time, and what follows."""

from __future__ import annotations

import math
import pickle
from fractions import Fraction

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from napari_cnmf.errors import InputError, ParameterError
from napari_cnmf.formats import open_movie
from napari_cnmf.movie import Movie, resampled
from napari_cnmf.movie.parameters import InputParameters
from napari_cnmf.pipeline.opening import crop

FACTORS = [1, 0.5, 0.4, 0.7, 0.3333, 0.99, 0.1]


def _means(length: int, factor: float) -> np.ndarray:
    """Matrix (outputs, inputs) of area weights, by overlaps as floats."""
    exact = Fraction(factor).limit_denominator(1000)
    span = float(1 / exact)
    weights = np.zeros((int(length * exact), length))
    for i in range(len(weights)):
        for j in range(length):
            overlap = min((i + 1) * span, j + 1) - max(i * span, j)
            weights[i, j] = max(0.0, overlap) / span
    return weights


def _twin(array: np.ndarray, space: float, time: float) -> np.ndarray:
    """Apply the matrices of all three axes."""
    factors = (time, space, space)
    matrices = map(_means, array.shape, factors)
    return np.einsum("tyx,at,by,cx->abc", array.astype(float), *matrices)


def _movie(shape: tuple[int, int, int] = (31, 23, 17), **about) -> Movie:
    pixels = np.random.default_rng(0).integers(0, 4000, shape).astype(np.uint16)
    return Movie.from_array(pixels, **about)


@pytest.mark.parametrize("space", FACTORS)
@pytest.mark.parametrize("time", FACTORS)
def test_values_are_means_over_areas_and_spans(space, time):
    movie = _movie()
    changed = movie.resampled(space=space, time=time)
    twin = _twin(movie.read(), space, time)
    assert changed.shape == twin.shape
    if changed is not movie:
        assert changed.dtype == np.float32
    np.testing.assert_allclose(changed.read(), twin, rtol=1e-6)


@given(data=st.data())
def test_a_value_is_the_same_in_whatever_block_it_is_asked_for(data):
    changed = _movie().resampled(
        space=data.draw(st.sampled_from(FACTORS)), time=data.draw(st.just(0.4))
    )
    whole = changed.read()
    window = [
        slice(*sorted(data.draw(st.tuples(st.integers(0, n), st.integers(0, n)))))
        for n in changed.shape
    ]
    window[0] = slice(window[0].start, window[0].stop, data.draw(st.integers(1, 4)))
    np.testing.assert_array_equal(changed.read(*window), whole[tuple(window)])


def test_a_value_is_the_same_however_much_is_averaged_at_a_time(monkeypatch):
    changed = _movie().resampled(space=0.4, time=0.3)
    whole = changed.read()
    monkeypatch.setattr(resampled, "BLOCK_BYTES", 1)
    np.testing.assert_array_equal(changed.read(), whole)


class _Noting:
    """A source that notes what is read of it."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self.shape, self.dtype = shape, np.dtype(np.uint8)
        self.windows: list[tuple[slice, slice, slice]] = []

    def read(self, frames, rows=slice(None), cols=slice(None)):
        self.windows.append((frames, rows, cols))
        sizes = (
            len(range(*w.indices(n)))
            for w, n in zip((frames, rows, cols), self.shape, strict=True)
        )
        return np.ones(tuple(sizes), np.uint8)


def test_only_what_is_needed_is_read_and_nothing_before_it_is_asked_for():
    source = _Noting((1000, 64, 48))
    changed = Movie(source, fingerprint="x").resampled(space=0.4, time=0.5)
    assert source.windows == []
    changed.read(slice(10, 12), slice(3, 5), slice(0, 2))
    assert source.windows == [(slice(20, 24), slice(7, 13), slice(0, 5))]


def test_a_long_mean_of_large_frames_is_read_in_pieces(monkeypatch):
    monkeypatch.setattr(resampled, "BLOCK_BYTES", 4 * 64 * 48 * 7)
    source = _Noting((1000, 64, 48))
    Movie(source, fingerprint="x").resampled(time=0.01).read(slice(2, 3))
    lengths = [frames.stop - frames.start for frames, _, _ in source.windows]
    assert max(lengths) == 7
    assert sum(lengths) == 100


def test_a_constant_movie_stays_constant():
    movie = Movie.from_array(np.full((30, 20, 20), 3001, np.uint16))
    assert np.unique(movie.resampled(space=0.3, time=0.7).read()).tolist() == [3001]


def test_frame_rate_and_pixel_size_follow():
    movie = _movie(frame_rate_hz=30.0, pixel_size_um=(1.0, 2.0))
    changed = movie.resampled(space=0.4, time=0.5)
    assert changed.frame_rate_hz == 15.0
    assert changed.pixel_size_um == (2.5, 5.0)
    unknown = _movie().resampled(space=0.4, time=0.5)
    assert (unknown.frame_rate_hz, unknown.pixel_size_um) == (None, None)


def test_a_factor_of_one_is_the_movie_itself_and_others_are_other_movies():
    movie = _movie()
    assert movie.resampled() is movie
    others = [movie.resampled(space=0.5), movie.resampled(time=0.5)]
    prints = {m.fingerprint for m in (movie, *others)}
    assert len(prints) == 3
    assert movie.resampled(time=0.5).fingerprint in prints


def test_a_mean_of_a_frame_that_is_left_out_is_left_out():
    movie = _movie().with_(left_out=(0, 5, 12, 30))
    # Means are of 2.5 frames: two take some of frame 12, none of the last one.
    assert movie.resampled(time=0.4).left_out == (0, 2, 4, 5)


def test_frames_belong_to_the_file_in_which_they_begin(tmp_path):
    movie = _files(tmp_path, 5, 1, 7)
    spans = movie.resampled(time=0.4).files
    # Frames begin at 0, 2.5, 5, 7.5 and 10; none begins in a file of frames 5.5 to 6.
    assert [(s.name, s.first, s.stop) for s in spans] == [
        ("0.tif", 0, 2),
        ("1.tif", 2, 3),
        ("2.tif", 3, 5),
    ]
    assert movie.resampled(time=0.25).files[-1].stop == 3


def _files(folder, *lengths: int) -> Movie:
    """A recording in files of some lengths, whose pixels say which frame they are."""
    first = 0
    for i, length in enumerate(lengths):
        frames = np.arange(first, first + length, dtype=np.uint16)
        pixels = np.broadcast_to(frames[:, None, None], (length, 18, 20))
        tifffile.imwrite(folder / f"{i}.tif", pixels, photometric="minisblack")
        first += length
    return open_movie(folder, frame_rate_hz=30.0)


@pytest.mark.parametrize("factor", [0.0, -1.0, 1.5, 1e-9, math.nan, math.inf])
def test_a_factor_that_makes_no_sense_is_refused(factor):
    with pytest.raises(ParameterError, match=r"time is .*factor of 0\.001 to 1"):
        _movie().resampled(time=factor)


def test_a_movie_of_which_nothing_would_be_left_is_refused():
    with pytest.raises(InputError, match="nothing is left of 31 frames of 23 x 17 px"):
        _movie().resampled(time=0.01)


def test_it_can_be_pickled():
    changed = _movie().resampled(space=0.5, time=0.5)
    again = pickle.loads(pickle.dumps(changed))
    np.testing.assert_array_equal(again.read(), changed.read())


class TestFramesOfEachFile:
    def chosen(self, movie: Movie, **part) -> Movie:
        return crop(movie, InputParameters(per_file=True, **part))

    def test_are_counted_from_its_first_frame(self, tmp_path):
        movie = self.chosen(
            _files(tmp_path, 6, 4, 9), first_frame=1, last_frame=6, frame_step=2
        )
        assert movie.read()[:, 0, 0].tolist() == [1, 3, 5, 7, 9, 11, 13, 15]
        assert [(f.name, f.first, f.stop) for f in movie.files] == [
            ("0.tif", 0, 3),
            ("1.tif", 3, 5),
            ("2.tif", 5, 8),
        ]
        assert movie.frame_rate_hz == 15.0

    def test_leave_out_a_file_that_has_none_of_them(self, tmp_path):
        movie = self.chosen(_files(tmp_path, 6, 3, 9), first_frame=4)
        assert movie.read()[:, 0, 0].tolist() == [4, 5, 13, 14, 15, 16, 17]
        assert [f.name for f in movie.files] == ["0.tif", "2.tif"]

    def test_are_refused_if_no_file_has_any(self, tmp_path):
        with pytest.raises(InputError, match="None of the 2 files"):
            self.chosen(_files(tmp_path, 6, 3), first_frame=7)

    def test_take_frames_that_are_left_out_along(self, tmp_path):
        movie = _files(tmp_path, 6, 4).with_(left_out=(0, 3, 7, 9))
        assert self.chosen(movie, first_frame=3).left_out == (0, 3)

    def test_are_another_movie_than_those_of_the_whole(self, tmp_path):
        movie = _files(tmp_path, 6, 4)
        both = [
            crop(movie, InputParameters(first_frame=1, per_file=per_file))
            for per_file in (True, False)
        ]
        assert [len(m.read()) for m in both] == [8, 9]
        assert both[0].fingerprint != both[1].fingerprint

    def test_of_an_array_are_those_of_the_whole(self):
        movie = self.chosen(_movie(), first_frame=3)
        assert movie.shape == (28, 23, 17)
        assert movie.fingerprint == _movie().subset(slice(3, None)).fingerprint


def test_the_part_is_cropped_before_it_is_averaged():
    movie = _movie((40, 30, 20))
    part = InputParameters(
        first_frame=4, top=3, left=2, right=1, resample_space=0.5, resample_time=0.5
    )
    expected = _twin(movie.read()[4:, 3:, 2:-1], 0.5, 0.5)
    np.testing.assert_allclose(crop(movie, part).read(), expected, rtol=1e-6)


def test_the_origin_of_a_part_is_the_middle_of_its_first_average():
    part = InputParameters(
        first_frame=20,
        frame_step=2,
        top=3,
        left=8,
        resample_space=0.5,
        resample_time=0.25,
    )
    frame, row, col = part.origin
    # The first mean is of every second frame of 20 to 27, rows 3, 4 and cols 8, 9.
    assert frame / 0.25 * 2 == 20 + 3
    assert (row / 0.5, col / 0.5) == (3.5, 8.5)
    assert InputParameters(top=4).origin == (0, 4, 0)
