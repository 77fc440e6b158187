"""Deconvolution against exact solvers, optimality conditions and symmetries."""

from __future__ import annotations

import numpy as np
import pytest
from cnmf import deconvolution_twins as twins
from scipy.ndimage import gaussian_filter1d
from scipy.signal import lfilter

from napari_cnmf.cnmf.deconvolution import (
    ConstrainedFit,
    ar_coefficients,
    constrained_ar1,
    deconvolve,
    kinetics,
    trace_noise,
)
from napari_cnmf.errors import ParameterError

GCAMP = kinetics(decay_s=0.5, rise_s=0.08, frame_rate_hz=30.0)
MODELS = [pytest.param((0.95,), id="AR(1)"), pytest.param(GCAMP, id="AR(2)")]


def arrays(fit: ConstrainedFit) -> list[np.ndarray]:
    return [getattr(fit, name) for name in ConstrainedFit.__dataclass_fields__]


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


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("n_frames", [12, 1001])
def test_coefficients_are_the_regression_on_the_autocovariance(order, n_frames):
    traces, _, _ = twins.simulate(20, n_frames, (0.9,), 0.5)
    noise = np.linspace(0.3, 0.7, 20)
    slow = [
        twins.ar_coefficients(*pair, order) for pair in zip(traces, noise, strict=True)
    ]
    np.testing.assert_allclose(ar_coefficients(traces, noise, order), slow, atol=1e-9)


def test_coefficients_without_fudge_are_those_of_the_process():
    traces, _, _ = twins.simulate(20, 20_000, (0.9,), 0.3)
    g = ar_coefficients(traces, np.full(20, 0.3), 1, fudge=1.0)
    assert g.mean() == pytest.approx(0.9, abs=0.01)


@pytest.mark.parametrize(("noise", "root"), [(0.5, 0.95), (0.0, 0.15)])
def test_impossible_roots_are_replaced(noise, root):
    t = np.arange(4000)
    trace = np.sin(0.01 * t) if noise else (-1.0) ** t
    g = ar_coefficients(trace[None], np.array([noise * trace.std()]), 1)
    assert g[0, 0] == pytest.approx(0.96 * root)


def test_an_order_above_two_is_refused():
    with pytest.raises(ParameterError, match="is 3 but must be 1 or 2"):
        ar_coefficients(np.ones((1, 9)), np.ones(1), 3)


def test_kinetics_are_a_decay_less_a_rise():
    impulse = lfilter([1.0], np.r_[1.0, -np.array(GCAMP)], np.r_[1.0, np.zeros(199)])
    t = np.arange(1, 201) / 30
    shape = np.exp(-t / 0.5) - np.exp(-t / 0.08)
    np.testing.assert_allclose(impulse, shape / shape[0], rtol=1e-9)


def test_kinetics_without_rise_are_of_order_one():
    assert kinetics(0.5, 0.0, 30.0) == (pytest.approx(np.exp(-1 / 15)), 0.0)


@pytest.mark.parametrize("n_frames", [1, 2, 3, 10, 61])
@pytest.mark.parametrize("g", [0.95, 0.6, 0.0])
def test_order_one_is_the_exact_minimum(g, n_frames):
    traces, _, _ = twins.simulate(12, n_frames, (0.9,), 0.5, rate=0.1)
    penalty = np.linspace(0, 1, 12)
    for k, found in enumerate(zip(*deconvolve(traces, (g,), penalty), strict=True)):
        exact = twins.deconvolve(traces[k], (g,), penalty[k])
        np.testing.assert_allclose(found, exact, atol=1e-6)


def test_order_one_meets_the_optimality_conditions_on_a_long_trace():
    traces, _, _ = twins.simulate(5, 3001, (0.95,), 0.3)
    denoised, spikes = deconvolve(traces, (0.95,), np.full(5, 0.3))
    backwards = (denoised - traces)[:, ::-1].astype(np.float64)
    gradient = lfilter([1.0], [1.0, -0.95], backwards)[:, ::-1] + 0.3
    assert gradient.min() > -1e-5
    assert np.abs(gradient[spikes > 0]).max() < 1e-5


@pytest.mark.parametrize("penalty", [0.0, 0.3, 0.6])
def test_order_two_is_close_to_the_minimum(penalty):
    """The greedy pools stay within 0.5 % of the trace's energy (0.1 % seen)."""
    traces, _, _ = twins.simulate(10, 151, GCAMP, 0.3, rate=0.05)
    found = deconvolve(traces, GCAMP, np.full(10, penalty))
    for trace, denoised, spikes in zip(traces, *found, strict=True):
        best = twins.objective(trace, *twins.deconvolve(trace, GCAMP, penalty), penalty)
        excess = twins.objective(trace, denoised, spikes, penalty) - best
        assert -1e-6 < excess / (0.5 * np.sum(trace**2)) < 5e-3


@pytest.mark.parametrize("g", MODELS)
def test_traces_without_noise_give_their_spikes_back(g):
    traces, calcium, spikes = twins.simulate(5, 800, g, 0.0)
    found = deconvolve(traces, g, np.zeros(5))
    np.testing.assert_allclose(found[0], calcium, atol=1e-5)
    np.testing.assert_allclose(found[1], spikes, atol=1e-4)


@pytest.mark.parametrize("g", MODELS)
def test_spikes_are_positive_and_drive_the_calcium(g):
    traces, _, _ = twins.simulate(7, 501, g, 0.5)
    denoised, spikes = deconvolve(traces, g, np.full(7, 0.5))
    driven = lfilter([1.0], np.r_[1.0, -np.array(g)], spikes.astype(float), axis=1)
    np.testing.assert_allclose(denoised, driven, atol=1e-4)
    assert spikes.min() == 0.0


@pytest.mark.parametrize("penalty_sd", [0.5, 1.0, 2.0])
def test_spike_rate_is_found_in_noise(penalty_sd):
    traces, _, spikes = twins.simulate(20, 3000, GCAMP, 0.5)
    found = deconvolve(traces, GCAMP, penalty_sd * trace_noise(traces))[1]
    rates = [gaussian_filter1d(s, 2.0, axis=1) for s in (found, spikes)]
    r = [np.corrcoef(pair)[0, 1] for pair in zip(*rates, strict=True)]
    assert np.mean(r) > 0.95


@pytest.mark.parametrize("g", MODELS)
def test_silent_frames_in_front_only_shift_the_result(g):
    traces, _, _ = twins.simulate(4, 300, g, 0.5)
    padded = np.pad(traces, ((0, 0), (17, 0)))
    for shifted, found in zip(
        deconvolve(padded, g, np.ones(4)),
        deconvolve(traces, g, np.ones(4)),
        strict=True,
    ):
        np.testing.assert_array_equal(shifted[:, 17:], found)
        assert not shifted[:, :17].any()


@pytest.mark.parametrize("scale", [1e-6, 1e6])
@pytest.mark.parametrize("g", MODELS)
def test_deconvolution_scales_with_the_trace(g, scale):
    traces, _, _ = twins.simulate(6, 400, g, 0.5)
    once = deconvolve(traces, g, np.ones(6))
    scaled = deconvolve(scale * traces, g, np.full(6, scale))
    np.testing.assert_allclose(np.divide(scaled, scale), once, atol=1e-4)


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_the_constrained_fit_scales_with_the_trace(scale):
    traces, _, _ = twins.simulate(6, 1000, (0.95,), 0.3)
    once, scaled = constrained_ar1(traces), constrained_ar1(scale * traces)
    np.testing.assert_allclose(scaled.g, once.g, rtol=1e-4)
    for name in ("denoised", "baseline", "noise", "penalty"):
        rescaled = getattr(scaled, name) / scale
        np.testing.assert_allclose(rescaled, getattr(once, name), atol=5e-3)


def test_traces_do_not_depend_on_the_block_they_are_in():
    traces, _, _ = twins.simulate(70, 600, (0.95,), 0.3)
    shuffled = np.random.default_rng(1).permutation(70)
    parts = [constrained_ar1(part) for part in np.split(traces[shuffled], 7)]
    penalty = np.linspace(0, 1, 70)
    whole = [*arrays(constrained_ar1(traces)), *deconvolve(traces, GCAMP, penalty)]
    pieces = [np.concatenate(a) for a in zip(*map(arrays, parts), strict=True)]
    pieces += deconvolve(traces[shuffled], GCAMP, penalty[shuffled])
    for piece, array in zip(pieces, whole, strict=True):
        np.testing.assert_array_equal(piece, array[shuffled])


@pytest.mark.parametrize("rate", [0.005, 0.02, 0.15])
def test_the_constrained_fit_is_the_optimum_of_its_problem(rate):
    traces, _, _ = twins.simulate(20, 2000, (0.95,), 0.4, rate=rate)
    fit = constrained_ar1(traces + 100, max_iterations=10)
    above = traces + 100 - fit.baseline[:, None]
    rest = above - fit.denoised
    np.testing.assert_allclose(np.mean(rest**2, axis=1), fit.noise**2, rtol=2e-4)
    np.testing.assert_allclose(rest.mean(axis=1), 0, atol=1e-4)
    for k in range(20):
        exact, _ = deconvolve(above[k : k + 1], (fit.g[k],), fit.penalty[k : k + 1])
        assert np.abs(fit.denoised[k] - exact[0]).max() < 1e-3


def test_the_constrained_fit_matches_the_exact_solver():
    traces, _, _ = twins.simulate(8, 120, (0.9,), 0.2, rate=0.05)
    fit = constrained_ar1(traces, noise=np.full(8, 0.2), g=np.full(8, 0.9))
    for k, trace in enumerate(traces - fit.baseline[:, None]):
        exact, _ = twins.deconvolve(trace, (0.9,), fit.penalty[k])
        np.testing.assert_allclose(fit.denoised[k], exact, atol=5e-3)


def test_a_nonnegative_baseline_binds_only_below_zero():
    traces, _, _ = twins.simulate(6, 1000, (0.95,), 0.3)
    traces += np.array([-5, -5, -5, 5, 5, 5], np.float32)[:, None]
    free = constrained_ar1(traces)
    bound = constrained_ar1(traces, nonnegative_baseline=True)
    np.testing.assert_array_equal(bound.baseline[:3], 0)
    np.testing.assert_array_equal(bound.denoised[3:], free.denoised[3:])
    assert (free.baseline[:3] < -4).all()


def test_a_trace_within_its_noise_has_no_spikes():
    white = np.random.default_rng(2).normal(7, 1, (5, 500))
    fit = constrained_ar1(white, noise=np.full(5, 1.5))
    assert not fit.spikes.any()
    np.testing.assert_allclose(fit.baseline, white.mean(axis=1), rtol=1e-6)


@pytest.mark.parametrize("level", [0.0, 1e-6, 1e6])
def test_constant_traces_are_all_baseline(level):
    fit = constrained_ar1(np.full((3, 400), level))
    np.testing.assert_allclose(fit.baseline, level, rtol=1e-6)
    np.testing.assert_allclose(fit.denoised, 0, atol=1e-6 * level)
    denoised, spikes = deconvolve(np.zeros((3, 400)), GCAMP, np.zeros(3))
    assert not denoised.any()
    assert not spikes.any()


@pytest.mark.parametrize("n_frames", range(2, 11))
def test_very_short_traces_give_finite_fits(n_frames):
    traces, _, _ = twins.simulate(50, n_frames, (0.9,), 0.5, rate=0.3)
    fits = [constrained_ar1(traces), constrained_ar1(traces, noise=np.zeros(50))]
    found = [
        *arrays(fits[0]),
        *arrays(fits[1]),
        *deconvolve(traces, GCAMP, np.ones(50)),
    ]
    assert all(np.isfinite(array).all() for array in found)
    assert np.isfinite(ar_coefficients(traces, trace_noise(traces), 2)).all()


def test_no_traces_give_no_results():
    none = np.empty((0, 100), np.float32)
    fit = constrained_ar1(none)
    assert fit.spikes.shape == deconvolve(none, GCAMP, np.empty(0))[1].shape == (0, 100)
    assert fit.baseline.size == 0


def test_layout_and_type_of_the_input_do_not_matter():
    traces, _, _ = twins.simulate(3, 200, (0.9,), 0.5)
    frozen = traces.copy()
    frozen.flags.writeable = False
    plain = deconvolve(traces, (0.9,), np.ones(3))
    for same in (frozen, traces.astype(np.float64), np.asfortranarray(traces)):
        np.testing.assert_array_equal(deconvolve(same, (0.9,), np.ones(3)), plain)
