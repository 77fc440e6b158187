"""A movie is made ready for single steps: its mean, its noise, its pixels."""

from __future__ import annotations

import numpy as np
import pytest
from cnmf.step_movies import (
    FIELD,
    MOVIE,
    N_FRAMES,
    NOISE_SD,
    PARAMETERS,
    RATE_HZ,
    TRACES,
    pairs_with_truth,
)

from napari_cnmf.cnmf.recording import prepare
from napari_cnmf.cnmf.steps import hals, initialise_components
from napari_cnmf.errors import InputError
from napari_cnmf.movie import Movie


@pytest.mark.parametrize("method", ["mean", "median", "logmexp"])
def test_every_method_finds_the_noise_without_bias(method):
    noise = prepare(MOVIE, RATE_HZ, noise_method=method, max_frames=300).noise
    assert np.median(noise / NOISE_SD) == pytest.approx(1, abs=0.05)


def test_pixels_are_without_mean_and_in_units_of_the_noise():
    recording = prepare(MOVIE, RATE_HZ)
    wanted = (MOVIE - MOVIE.mean(axis=0)) / recording.noise
    pixels = wanted.reshape(N_FRAMES, -1).T
    np.testing.assert_allclose(recording.pixels, pixels, atol=1e-3)


def test_the_first_frames_can_be_removed():
    part = prepare(MOVIE, RATE_HZ, remove_first_frames=50)
    np.testing.assert_array_equal(part.movie.read(), MOVIE[50:])
    np.testing.assert_array_equal(part.mean, prepare(MOVIE[50:], RATE_HZ).mean)


def test_missing_values_are_counted_and_refused():
    movie = MOVIE.copy()
    movie[3:5, 7, 7] = np.nan
    with pytest.raises(InputError, match=r"^2 of the movie's 633600 values"):
        prepare(movie, RATE_HZ)


def test_the_frame_rate_is_the_movies_or_must_be_given():
    movie = Movie.from_array(MOVIE, frame_rate_hz=8.0)
    assert prepare(movie).movie.frame_rate_hz == 8
    assert prepare(movie, 4.0).movie.frame_rate_hz == 4
    with pytest.raises(InputError, match="frame_rate_hz"):
        prepare(MOVIE)


def test_pixels_that_never_change_hold_no_data():
    movie = MOVIE.copy()
    movie[:, :3] = 17
    outside = np.ones(FIELD, bool)
    outside[:, :2] = False
    valid = prepare(movie, RATE_HZ, valid=outside).valid
    assert not valid[:3].any()
    assert not valid[:, :2].any()
    assert valid[3:, 2:].all()


def test_traces_are_drawn_over_frames_that_are_left_out():
    peak = int(TRACES[0, 50:-50].argmax()) + 50
    gap = range(peak + 1, peak + 4)
    movie = MOVIE.copy()
    movie[gap] = 3000
    known = Movie.from_array(movie, frame_rate_hz=RATE_HZ).with_(left_out=tuple(gap))
    recording = prepare(known)
    without = np.delete(MOVIE, gap, axis=0)
    np.testing.assert_allclose(recording.mean, without.mean(axis=0), rtol=1e-5)
    assert not recording.pixels[:, gap].any()
    started = initialise_components(recording, PARAMETERS)
    for cells in (started, hals(recording, started, PARAMETERS)):
        raw = cells.raw[pairs_with_truth(cells)[:, 0].argmax()]
        ends = raw[[*range(peak - 2, peak + 1), *range(peak + 4, peak + 7)]]
        np.testing.assert_allclose(raw[gap].mean(), ends.mean(), atol=0.1 * raw.max())
        assert raw[gap].mean() > 0.3 * raw.max()
