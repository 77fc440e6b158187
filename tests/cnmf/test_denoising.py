"""Traces are split into baseline, calcium and spikes without bias."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from cnmf import deconvolution_twins

from napari_cnmf.cnmf.denoising import Denoiser, bend_noise, slow_baseline
from napari_cnmf.cnmf.kinetics import kinetics
from napari_cnmf.cnmf.parameters import (
    BackgroundParameters,
    CnmfParameters,
    TemporalParameters,
)

RATE_HZ = 30.0
DEFAULT = TemporalParameters()


def white(n_traces=30, n_frames=3000, sd=2.0, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(0, sd, (n_traces, n_frames)).astype(np.float32)


def baseline(traces, parameters=DEFAULT, rate_hz=RATE_HZ):
    return slow_baseline(traces, bend_noise(traces), parameters, rate_hz)


def denoiser(rate_hz=RATE_HZ, **changes) -> Denoiser:
    temporal = TemporalParameters(**changes)
    return Denoiser.at(rate_hz, CnmfParameters(temporal=temporal), 0.5)


def active(n_traces=6, n_frames=3000, noise=0.2):
    """Traces of the indicator's kinetics with their calcium and spikes."""
    g = kinetics(0.5, 0.08, RATE_HZ)
    return deconvolution_twins.simulate(n_traces, n_frames, g, noise, rate=0.005)


@pytest.mark.parametrize("percentile", [5.0, 20.0, 50.0, 80.0])
def test_the_baseline_of_a_silent_trace_is_its_mean(percentile):
    traces = 40 + white()
    found = baseline(traces, replace(DEFAULT, baseline_percentile=percentile))
    assert found.mean() == pytest.approx(40, abs=0.1)
    # Half a second of frames leaves a quarter of the noise; windows far less.
    assert found.std() < 0.25


@pytest.mark.parametrize("rate_hz", [1.0, 4.0, 30.0])
def test_the_baseline_of_a_silent_trace_is_its_mean_at_any_rate(rate_hz):
    n_frames = int(200 * rate_hz)
    found = baseline(white(50, n_frames), rate_hz=rate_hz)
    assert found.mean() == pytest.approx(0, abs=0.2)


def test_the_baseline_follows_slow_drift():
    time_s = np.arange(6000) / 10.0
    drift = 10 * np.sin(2 * np.pi * time_s / 600) - 0.02 * time_s
    found = baseline(white(5, 6000) + drift.astype(np.float32), rate_hz=10.0)
    # Half a window at both ends has no knot beyond it.
    assert np.abs(found - drift)[:, 100:-100].max() < 1.5
    assert np.abs(found - drift)[:, 100:-100].mean() < 0.5


def test_the_baseline_does_not_follow_events():
    traces, calcium, _ = active(noise=0.2)
    found = baseline(traces)
    assert calcium.max() > 3
    assert np.abs(found).max() < 1.0
    assert np.abs(found).mean() < 0.15


def test_a_longer_window_gives_a_stiffer_baseline():
    drift = np.sin(2 * np.pi * np.arange(6000) / RATE_HZ / 30).astype(np.float32)
    traces = 10 * drift + white(3, 6000, sd=0.1)
    short, long = (
        baseline(traces, replace(DEFAULT, baseline_window_s=seconds)).std()
        for seconds in (5.0, 200.0)
    )
    assert short > 5 * long


@pytest.mark.parametrize("n_frames", [1, 2, 3, 14, 15, 16, 100])
def test_short_traces_have_a_baseline(n_frames):
    traces = np.full((2, n_frames), 7, np.float32)
    np.testing.assert_allclose(baseline(traces), 7, rtol=1e-5)


def test_no_traces_have_no_baseline():
    nothing = np.empty((0, 100), np.float32)
    assert baseline(nothing).shape == (0, 100)
    assert bend_noise(nothing).shape == (0,)


def test_a_brighter_trace_has_a_brighter_baseline():
    traces, _, _ = active()
    expected = 3 * baseline(traces) + 100
    np.testing.assert_allclose(baseline(3 * traces + 100), expected, atol=1e-3)


def test_bend_noise_is_unbiased():
    found = bend_noise(white(400, 300, sd=2.0))
    assert found.mean() == pytest.approx(2.0, rel=0.01)


def test_bend_noise_is_blind_to_drift():
    drift = np.linspace(0, 1000, 3000, dtype=np.float32)
    assert bend_noise(white() + drift).mean() == pytest.approx(2.0, rel=0.02)


@pytest.mark.parametrize("n_frames", [1, 2])
def test_traces_too_short_for_bends_have_no_noise(n_frames):
    assert not bend_noise(white(3, n_frames)).any()


@pytest.mark.parametrize("method", ["kinetics", "constrained"])
def test_calcium_and_baseline_are_the_trace_without_its_noise(method):
    traces, calcium, _ = active(noise=0.2)
    parts = denoiser(method=method).denoise(traces + 50)
    total = parts.calcium + parts.baseline
    error = np.sqrt(((total - 50 - calcium) ** 2).mean())
    assert error < 0.2
    assert parts.calcium.min() >= 0
    assert parts.spikes.min() >= 0
    np.testing.assert_allclose(parts.noise, 0.2, rtol=0.15)
    for arrays in (parts.calcium, parts.spikes, parts.baseline):
        assert arrays.shape == traces.shape
        assert arrays.dtype == np.float32


@pytest.mark.parametrize(("method", "reach"), [("kinetics", 2), ("constrained", 7)])
def test_spikes_are_where_they_were(method, reach):
    traces, _, spikes = active(noise=0.2)
    found = denoiser(method=method).denoise(traces).spikes
    near = [np.convolve(row, np.ones(2 * reach + 1), "same") for row in spikes]
    assert (found * (np.array(near) > 0)).sum() > 0.8 * found.sum()


def test_kinetics_are_those_of_the_indicator_at_the_rate():
    traces, _, _ = active(2, 300)
    parts = denoiser().denoise(traces)
    np.testing.assert_allclose(parts.ar, [kinetics(0.5, 0.08, RATE_HZ)] * 2, rtol=1e-6)
    binned = denoiser(rate_hz=10.0).denoise(traces)
    np.testing.assert_allclose(binned.ar, [kinetics(0.5, 0.08, 10.0)] * 2, rtol=1e-6)


def test_the_penalty_counts_in_standard_deviations():
    traces, _, _ = active()
    parts = denoiser(penalty_sd=3.0).denoise(traces)
    np.testing.assert_allclose(parts.penalty, 3 * parts.noise, rtol=1e-6)
    weaker = denoiser(penalty_sd=0.5).denoise(traces)
    assert np.count_nonzero(parts.spikes) < np.count_nonzero(weaker.spikes)


def test_a_constrained_fit_leaves_a_residual_as_large_as_the_noise():
    traces, _, _ = active(n_frames=1500)
    parts = denoiser(method="constrained").denoise(traces)
    residual = (traces - parts.calcium - parts.baseline).std(axis=1)
    np.testing.assert_allclose(residual, parts.noise, rtol=0.1)
    assert (parts.ar[:, 1] == 0).all()
    assert (parts.ar[:, 0] > 0.8).all()


def test_the_background_is_smoothed_by_the_time_asked_for():
    impulse = np.zeros((1, 301), np.float32)
    impulse[0, 150] = 1
    background = BackgroundParameters(smoothing_s=0.2)
    smoother = Denoiser.at(RATE_HZ, CnmfParameters(background=background), 0.5)
    smooth = smoother.smooth(impulse)[0]
    frames = np.arange(301) - 150
    assert smooth.sum() == pytest.approx(1)
    assert np.sqrt((smooth * frames**2).sum()) == pytest.approx(0.2 * RATE_HZ, rel=0.05)


def test_no_smoothing_leaves_the_background_alone():
    background = BackgroundParameters(smoothing_s=0.0)
    plain = Denoiser.at(RATE_HZ, CnmfParameters(background=background), 0.5)
    traces = white(3, 50)
    np.testing.assert_array_equal(plain.smooth(traces), traces)


def test_without_deconvolution_what_is_above_the_baseline_is_calcium():
    traces, _, _ = active(2, 600)
    parts = denoiser(method="constrained", ar_order=0).denoise(traces)
    above = np.maximum(traces - parts.baseline, 0)
    np.testing.assert_allclose(parts.calcium, above, atol=1e-6)
    np.testing.assert_array_equal(parts.calcium, parts.spikes)


def test_a_constrained_fit_of_order_two_has_a_rise():
    traces, _, _ = active(n_frames=1500)
    ar = denoiser(method="constrained", ar_order=2).denoise(traces).ar
    assert (ar[:, 1] < 0).all()


@pytest.mark.parametrize(
    "change",
    [
        {"ar_order": 2},
        {"s_min": 1.0},
        {"lags": 20},
        {"optimize_g": 5},
        {"noise_method": "median"},
        {"noise_band_low": 0.4},
        {"noise_band_high": 0.4},
        {"fudge_factor": 0.9},
    ],
    ids=str,
)
def test_each_choice_matters_to_the_constrained_fit_only(change):
    traces, _, _ = active(3, 800)
    for method, matters in (("constrained", True), ("kinetics", False)):
        plain = denoiser(method=method).denoise(traces).calcium
        changed = denoiser(method=method, **change).denoise(traces).calcium
        assert np.array_equal(plain, changed) != matters
