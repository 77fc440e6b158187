"""Noise of traces and pixels is found without bias."""

from __future__ import annotations

import numpy as np
import pytest
from cnmf import deconvolution_twins as twins

from napari_cnmf.cnmf.noise import METHODS, pixel_noise, pixel_spectra, trace_noise
from napari_cnmf.errors import ParameterError


@pytest.mark.parametrize("n_frames", [3, 7, 255, 256, 257, 1001])
def test_noise_is_the_mean_of_welchs_high_band(n_frames):
    traces, _, _ = twins.simulate(5, n_frames, (0.9,), 0.5)
    slow = [twins.trace_noise(trace) for trace in traces]
    np.testing.assert_allclose(trace_noise(traces), slow, rtol=1e-5)


@pytest.mark.parametrize("n_frames", [10, 300, 3000])
def test_noise_of_white_noise_is_unbiased(n_frames):
    white = np.random.default_rng(0).normal(50, 3, (90_000 // n_frames, n_frames))
    assert np.mean(trace_noise(white) ** 2) == pytest.approx(9, rel=0.04)


def test_noise_is_looked_for_inside_the_band_only():
    wave = np.sin(2 * np.pi * 0.3 * np.arange(2048))[None]
    assert trace_noise(wave, (0.25, 0.5))[0] > 0.5
    assert trace_noise(wave, (0.4, 0.5))[0] < 1e-3


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n_frames", [256, 300, 3000])
def test_no_average_is_biased_by_the_number_of_spectra(method, n_frames):
    white = np.random.default_rng(0).normal(50, 3, (300_000 // n_frames, n_frames))
    found = trace_noise(white, method=method)
    assert np.mean(found**2) == pytest.approx(9, rel=0.04)
    noise = pixel_noise(np.ascontiguousarray(white.T)[:, None], method)
    assert np.mean(noise**2) == pytest.approx(9, rel=0.06)


@pytest.mark.parametrize("n_frames", [1, 2])
def test_the_shortest_traces_have_a_finite_noise(n_frames):
    assert np.isfinite(
        trace_noise(np.random.default_rng(0).random((3, n_frames)))
    ).all()


@pytest.mark.parametrize("shape", [(7, 3, 5), (12, 1, 1), (101, 4, 2)], ids=str)
def test_pixel_noise_is_the_mean_of_the_periodograms_high_half(shape):
    movie = np.random.default_rng(1).normal(20, 2, shape).astype(np.float32)
    frequencies, spectra = pixel_spectra(movie)
    noise = pixel_noise(movie)
    inside = np.arange(shape[0] // 2 + 1) / shape[0] > 0.25
    for y, x in np.ndindex(shape[1:]):
        slow = twins.periodogram(movie[:, y, x])
        np.testing.assert_allclose(spectra[:, y, x], slow, atol=1e-3)
        assert noise[y, x] ** 2 == pytest.approx(slow[inside].mean(), rel=1e-4)
    np.testing.assert_allclose(frequencies, np.arange(shape[0] // 2 + 1) / shape[0])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n_frames", [1, 2, 50])
def test_constant_pixels_have_no_noise(method, n_frames):
    movie = np.full((n_frames, 4, 3), 1234.567)
    assert not pixel_noise(movie, method).any()


def test_a_long_movie_is_read_at_its_start_middle_and_end():
    movie = np.zeros((1000, 1, 3), np.float32)
    wave = np.random.default_rng(0).normal(0, 1, 1000)
    for x, part in enumerate([slice(0, 100), slice(450, 550), slice(900, 1000)]):
        movie[part, 0, x] = wave[part]
    untouched = movie.copy()
    untouched[100:450] = untouched[550:900] = 1e6
    noise = pixel_noise(movie, max_frames=300)
    assert (noise > 0.4).all()
    np.testing.assert_array_equal(pixel_noise(untouched, max_frames=300), noise)


def test_the_band_and_slow_signals_do_not_enter():
    t = np.arange(1000)
    waves = np.stack([np.sin(0.02 * np.pi * t), np.sin(0.6 * np.pi * t)], axis=1)
    slow, quick = pixel_noise(waves[:, None])[0]
    assert slow < 1e-3
    assert quick > 0.5
    assert pixel_noise(waves[:, None], band=(0.35, 0.5))[0, 1] < 1e-3


def test_rows_are_worked_through_without_a_seam(monkeypatch):
    movie = np.random.default_rng(0).integers(0, 4000, (60, 9, 4)).astype(np.uint16)
    whole = pixel_noise(movie), pixel_spectra(movie)[1]
    monkeypatch.setattr("napari_cnmf.cnmf.noise._BLOCK_VALUES", 500)
    np.testing.assert_array_equal(pixel_noise(movie), whole[0])
    np.testing.assert_array_equal(pixel_spectra(movie)[1], whole[1])


@pytest.mark.parametrize("found", [trace_noise, pixel_noise])
def test_an_unknown_average_is_refused(found):
    with pytest.raises(ParameterError, match="'mode' but must be one of mean, median"):
        found(np.ones((5, 4, 3)[: 2 + (found is pixel_noise)]), method="mode")
