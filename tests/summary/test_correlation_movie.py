"""The correlation movie is the correlation image of every window."""

from __future__ import annotations

from threading import Event

import numpy as np
import pytest
from summary import summary_twins as twins

from napari_cnmf.compute import SerialBackend
from napari_cnmf.errors import CancelledError
from napari_cnmf.movie import Movie
from napari_cnmf.summary import correlation_movie as module
from napari_cnmf.summary.correlation_movie import (
    baseline,
    correlation_movie,
    maximum_correlation,
)
from napari_cnmf.summary.parameters import CorrelationMovieParameters


def slanted(n_frames=75, shape=(9, 13), seed=3):
    """Stripes that run down to the right, on a slope of brightness."""
    rng = np.random.default_rng(seed)
    courses = rng.normal(0, 100, (n_frames, sum(shape)))
    stripe = np.arange(shape[1]) - np.arange(shape[0])[:, None] + shape[0]
    frames = courses[:, stripe] + rng.normal(0, 50, (n_frames, *shape))
    return (frames + 1000 * np.arange(shape[1])).astype(np.float32)


def options(**changes):
    return CorrelationMovieParameters(
        **{"window_frames": 30, "step_frames": 20, **changes}
    )


@pytest.mark.parametrize("neighbours", [8, 4])
def test_each_window_has_the_correlation_image_of_its_frames(neighbours):
    frames = slanted()
    found = correlation_movie(Movie.from_array(frames), options(neighbours=neighbours))
    expected = [twins.correlation(frames[i : i + 30], neighbours) for i in (0, 20, 40)]
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_bands_of_rows_do_not_show(monkeypatch):
    movie = Movie.from_array(slanted())
    whole = correlation_movie(movie, options())
    monkeypatch.setattr(module, "_BAND_BYTES", 2 * 4 * 30 * 13)
    np.testing.assert_array_equal(correlation_movie(movie, options()), whole)


def test_frames_left_out_and_pixels_without_data_do_not_count():
    frames = slanted()
    valid = np.ones((9, 13), bool)
    valid[:2] = valid[5, 6] = False
    left_out = (3, 25, 26, 74)
    movie = Movie.from_array(frames).with_(left_out=left_out)
    found = correlation_movie(movie, options(), valid=valid)
    for image, first in zip(found, (0, 20, 40), strict=True):
        kept = [t for t in range(first, first + 30) if t not in left_out]
        expected = twins.correlation(frames[kept], valid=valid)
        np.testing.assert_allclose(image, expected, atol=1e-3)


def test_the_maximum_is_over_even_parts_of_the_whole_movie():
    frames = slanted()
    found = maximum_correlation(Movie.from_array(frames), options())
    parts = [twins.correlation(part) for part in (frames[:38], frames[38:])]
    np.testing.assert_allclose(found, np.maximum(*parts), atol=1e-3)


def test_a_slow_drift_is_no_correlation_once_the_baseline_is_taken():
    rng = np.random.default_rng(0)
    frames = rng.normal(0, 1, (200, 8, 9)) + np.linspace(0, 20, 200)[:, None, None]
    movie = Movie.from_array(frames)
    drifting = correlation_movie(movie, options(window_frames=200))
    still = correlation_movie(movie, options(window_frames=200, baseline_frames=25))
    assert drifting.min() > 0.9
    assert still.max() < 0.3
    assert abs(still.mean()) < 0.15


def test_a_baseline_joins_the_percentiles_of_its_pieces():
    frames = slanted(70, (3, 4))
    found = baseline(frames, 8.0, 30)
    levels = [np.percentile(part, 8, axis=0) for part in (frames[:35], frames[35:])]
    np.testing.assert_allclose(found[:18], np.broadcast_to(levels[0], (18, 3, 4)))
    np.testing.assert_allclose(found[52:], np.broadcast_to(levels[1], (18, 3, 4)))
    np.testing.assert_allclose(
        found[17 + 7], levels[0] + 0.2 * (levels[1] - levels[0]), rtol=1e-4
    )


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 1, 1), (5, 1, 7), (5, 7, 1)])
def test_tiny_movies_have_finite_images(shape):
    frames = slanted(shape[0], shape[1:])
    found = correlation_movie(Movie.from_array(frames), options(baseline_frames=2))
    assert found.shape == (1, *shape[1:])
    assert np.isfinite(found).all()
    assert np.isfinite(maximum_correlation(Movie.from_array(frames), options())).all()


def test_constant_pixels_and_windows_left_out_wholly_are_zero():
    frames = np.full((60, 5, 6), 1e4 / 3, np.float32)
    frames[:, 0, 0] = np.arange(60)
    movie = Movie.from_array(frames).with_(left_out=tuple(range(30)))
    found = correlation_movie(movie, options(step_frames=30, baseline_frames=10))
    assert not found.any()


def test_progress_is_told_and_cancelling_stops():
    movie, told, cancel = Movie.from_array(slanted()), [], Event()
    correlation_movie(movie, options(), progress=told.append)
    assert [(event.done, event.total) for event in told] == [(1, 3), (2, 3), (3, 3)]
    cancel.set()
    with SerialBackend() as backend, pytest.raises(CancelledError):
        correlation_movie(movie, options(), backend=backend, cancel=cancel)
