"""Deconvolution against exact solvers, optimality conditions and symmetries."""

from __future__ import annotations

import numpy as np
import pytest
from cnmf import deconvolution_twins as twins
from scipy.ndimage import gaussian_filter1d
from scipy.signal import lfilter

from napari_cnmf.cnmf.deconvolution import (
    Deconvolved,
    deconvolve,
    deconvolve_traces,
)
from napari_cnmf.cnmf.kinetics import kinetics
from napari_cnmf.cnmf.noise import trace_noise
from napari_cnmf.errors import InputError, ParameterError

GCAMP = kinetics(decay_s=0.5, rise_s=0.08, frame_rate_hz=30.0)
MODELS = [pytest.param((0.95,), id="AR(1)"), pytest.param(GCAMP, id="AR(2)")]
OPTIONS = {
    "order 0": {"order": 0},
    "order 1": {},
    "order 2": {"order": 2},
    "least spike": {"s_min": 0.3},
    "least spike in noise": {"order": 2, "s_min": -1.0},
    "least spike found": {"s_min": 0.0},
    "decay refined": {"optimize_g": 3},
    "decay of order 2 refined": {"order": 2, "optimize_g": 3},
    "baseline known": {"baseline": 0.1},
}


def arrays(fit: Deconvolved) -> list[np.ndarray]:
    return [getattr(fit, name) for name in Deconvolved.__dataclass_fields__]


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
    once, scaled = deconvolve_traces(traces), deconvolve_traces(scale * traces)
    np.testing.assert_allclose(scaled.g, once.g, rtol=1e-4)
    for name in ("denoised", "baseline", "noise", "penalty"):
        rescaled = getattr(scaled, name) / scale
        np.testing.assert_allclose(rescaled, getattr(once, name), atol=5e-3)


def test_traces_do_not_depend_on_the_block_they_are_in():
    traces, _, _ = twins.simulate(70, 600, (0.95,), 0.3)
    shuffled = np.random.default_rng(1).permutation(70)
    options = {"order": 2, "s_min": 0.3, "optimize_g": 3}
    parts = [
        deconvolve_traces(part, **options) for part in np.split(traces[shuffled], 7)
    ]
    penalty = np.linspace(0, 1, 70)
    whole = arrays(deconvolve_traces(traces, **options))
    whole += deconvolve(traces, GCAMP, penalty)
    pieces = [np.concatenate(a) for a in zip(*map(arrays, parts), strict=True)]
    pieces += deconvolve(traces[shuffled], GCAMP, penalty[shuffled])
    for piece, array in zip(pieces, whole, strict=True):
        np.testing.assert_array_equal(piece, array[shuffled])


@pytest.mark.parametrize("rate", [0.005, 0.02, 0.15])
def test_the_constrained_fit_is_the_optimum_of_its_problem(rate):
    traces, _, _ = twins.simulate(20, 2000, (0.95,), 0.4, rate=rate)
    fit = deconvolve_traces(traces + 100, max_iterations=10)
    above = traces + 100 - fit.baseline[:, None]
    rest = above - fit.denoised
    np.testing.assert_allclose(np.mean(rest**2, axis=1), fit.noise**2, rtol=2e-4)
    np.testing.assert_allclose(rest.mean(axis=1), 0, atol=1e-4)
    for k in range(20):
        exact, _ = deconvolve(above[k : k + 1], (fit.g[k, 0],), fit.penalty[k : k + 1])
        assert np.abs(fit.denoised[k] - exact[0]).max() < 1e-3


def test_the_constrained_fit_matches_the_exact_solver():
    traces, _, _ = twins.simulate(8, 120, (0.9,), 0.2, rate=0.05)
    fit = deconvolve_traces(traces, noise=np.full(8, 0.2), g=(0.9,))
    for k, trace in enumerate(traces - fit.baseline[:, None]):
        exact, _ = twins.deconvolve(trace, (0.9,), fit.penalty[k])
        np.testing.assert_allclose(fit.denoised[k], exact, atol=5e-3)


def test_a_nonnegative_baseline_binds_only_below_zero():
    traces, _, _ = twins.simulate(6, 1000, (0.95,), 0.3)
    traces += np.array([-5, -5, -5, 5, 5, 5], np.float32)[:, None]
    free = deconvolve_traces(traces)
    bound = deconvolve_traces(traces, nonnegative_baseline=True)
    np.testing.assert_array_equal(bound.baseline[:3], 0)
    np.testing.assert_array_equal(bound.denoised[3:], free.denoised[3:])
    assert (free.baseline[:3] < -4).all()


def test_a_trace_within_its_noise_has_no_spikes():
    white = np.random.default_rng(2).normal(7, 1, (5, 500))
    fit = deconvolve_traces(white, noise=np.full(5, 1.5))
    assert not fit.spikes.any()
    np.testing.assert_allclose(fit.baseline, white.mean(axis=1), rtol=1e-6)


@pytest.mark.parametrize("level", [0.0, 1e-6, 1e6])
def test_constant_traces_are_all_baseline(level):
    fit = deconvolve_traces(np.full((3, 400), level))
    np.testing.assert_allclose(fit.baseline, level, rtol=1e-6)
    np.testing.assert_allclose(fit.denoised, 0, atol=1e-6 * level)
    denoised, spikes = deconvolve(np.zeros((3, 400)), GCAMP, np.zeros(3))
    assert not denoised.any()
    assert not spikes.any()


@pytest.mark.parametrize("n_frames", range(1, 11))
def test_very_short_traces_give_finite_fits(n_frames):
    traces, _, _ = twins.simulate(50, n_frames, (0.9,), 0.5, rate=0.3)
    fits = [deconvolve_traces(traces, **options) for options in OPTIONS.values()]
    fits.append(deconvolve_traces(traces, noise=0.0))
    found = [array for fit in fits for array in arrays(fit)]
    found += deconvolve(traces, GCAMP, np.ones(50))
    assert all(np.isfinite(array).all() for array in found)


def test_no_traces_give_no_results():
    none = np.empty((0, 100), np.float32)
    fit = deconvolve_traces(none)
    assert fit.spikes.shape == deconvolve(none, GCAMP, np.empty(0))[1].shape == (0, 100)
    assert fit.baseline.size == 0


def test_layout_and_type_of_the_input_do_not_matter():
    traces, _, _ = twins.simulate(3, 200, (0.9,), 0.5)
    frozen = traces.copy()
    frozen.flags.writeable = False
    plain = deconvolve(traces, (0.9,), np.ones(3))
    for same in (frozen, traces.astype(np.float64), np.asfortranarray(traces)):
        np.testing.assert_array_equal(deconvolve(same, (0.9,), np.ones(3)), plain)


@pytest.mark.parametrize("rate", [0.005, 0.02, 0.1])
def test_order_two_is_nearly_the_optimum_of_the_constrained_problem(rate):
    """Mean correlation with the exact calcium at the penalty found: 0.995 to 0.999."""
    traces, _, _ = twins.simulate(10, 400, GCAMP, 0.3, rate=rate, seed=1)
    fit = deconvolve_traces(traces + 50, order=2, g=GCAMP, noise=0.3, max_iterations=10)
    above = traces + 50 - fit.baseline[:, None]
    rest = above - fit.denoised
    np.testing.assert_allclose(np.mean(rest**2, axis=1), 0.09, rtol=3e-2)
    np.testing.assert_allclose(rest.mean(axis=1), 0, atol=1e-4)
    r = []
    for k in np.flatnonzero(fit.spikes.any(axis=1)):
        exact, _ = twins.deconvolve(above[k], GCAMP, fit.penalty[k])
        r.append(np.corrcoef(exact, fit.denoised[k])[0, 1])
    assert np.mean(r) > 0.99


@pytest.mark.parametrize("order", [1, 2])
def test_activity_is_found_with_nothing_known(order):
    g = GCAMP if order == 2 else (0.95,)
    traces, calcium, _ = twins.simulate(20, 3000, g, 0.3)
    fit = deconvolve_traces(traces + 7, order=order)
    r = [np.corrcoef(pair)[0, 1] for pair in zip(fit.denoised, calcium, strict=True)]
    assert np.mean(r) > 0.96
    np.testing.assert_allclose(fit.noise, 0.3, rtol=0.1)
    assert (fit.g[:, 1] != 0).all() == (order == 2)


@pytest.mark.parametrize("g", MODELS)
@pytest.mark.parametrize("s_min", [0.2, 0.6])
def test_spikes_of_a_least_size_are_those_of_the_slow_pools(g, s_min):
    traces, _, _ = twins.simulate(8, 200, g, 0.3, rate=0.05)
    fit = deconvolve_traces(traces, order=len(g), g=g, baseline=0.0, s_min=s_min)
    for k, trace in enumerate(traces):
        slow = twins.thresholded(trace, g, s_min)
        np.testing.assert_allclose(fit.denoised[k], slow[0], atol=1e-4)
        np.testing.assert_allclose(fit.spikes[k], slow[1], atol=1e-4)


@pytest.mark.parametrize("g", MODELS)
def test_no_spike_is_smaller_than_asked(g):
    traces, _, _ = twins.simulate(20, 1000, g, 0.3)
    fit = deconvolve_traces(traces, order=len(g), g=g, s_min=0.4)
    assert fit.spikes[fit.spikes > 0].min() >= 0.4 - 1e-5
    assert not fit.penalty.any()
    np.testing.assert_allclose(fit.baseline, 0, atol=0.1)


def test_a_negative_least_size_counts_in_the_noise():
    traces, _, _ = twins.simulate(4, 1000, (0.95,), 0.3)
    fit = deconvolve_traces(traces, g=(0.95,), noise=0.3, s_min=-2.0)
    np.testing.assert_allclose(fit.s_min, 2 * 0.3 * np.sqrt(0.05))
    same = deconvolve_traces(traces, g=(0.95,), noise=0.3, s_min=fit.s_min[0])
    np.testing.assert_array_equal(fit.spikes, same.spikes)


@pytest.mark.parametrize("g", MODELS)
def test_the_least_size_found_leaves_a_residual_within_the_noise(g):
    traces, _, _ = twins.simulate(20, 2000, g, 0.3)
    fit = deconvolve_traces(traces, order=len(g), g=g, noise=0.3, s_min=0.0)
    rest = traces - fit.denoised - fit.baseline[:, None]
    assert np.mean(rest**2, axis=1).max() <= 0.09 * 1.0001
    penalised = deconvolve_traces(traces, order=len(g), g=g, noise=0.3)
    assert np.count_nonzero(fit.spikes) < 0.7 * np.count_nonzero(penalised.spikes)
    assert (fit.s_min > 0.3).all()


@pytest.mark.parametrize("order", [1, 2])
def test_refining_brings_the_decay_nearer_to_the_truth(order):
    g = GCAMP if order == 2 else (0.95,)
    traces, _, _ = twins.simulate(30, 3000, g, 0.3)
    error = [
        np.abs(deconvolve_traces(traces, order=order, optimize_g=n).g.sum(1) - sum(g))
        for n in (0, 5)
    ]
    assert np.mean(error[1]) < 0.5 * np.mean(error[0])


def test_a_known_baseline_stays_and_the_residual_is_the_noise():
    traces, _, _ = twins.simulate(10, 2000, (0.95,), 0.3)
    known = np.linspace(-3, 3, 10)
    shifted = traces + known[:, None]
    fit = deconvolve_traces(shifted, g=(0.95,), noise=0.3, baseline=known)
    np.testing.assert_array_equal(fit.baseline, known)
    rest = shifted - fit.denoised - known[:, None]
    np.testing.assert_allclose(np.mean(rest**2, axis=1), 0.09, rtol=1e-3)
    for k, trace in enumerate(traces):
        exact = deconvolve(trace[None], (0.95,), fit.penalty[k : k + 1])[0][0]
        np.testing.assert_allclose(fit.denoised[k], exact, atol=2e-3)


def test_a_penalty_is_never_negative():
    """A noise that is too small cannot be met: the least residual is taken."""
    traces, _, _ = twins.simulate(6, 500, (0.95,), 0.3)
    fit = deconvolve_traces(traces, g=(0.95,), noise=0.01, baseline=0.0)
    least = deconvolve(traces, (0.95,), np.zeros(6))
    np.testing.assert_allclose(fit.penalty, 0, atol=1e-9)
    np.testing.assert_allclose(fit.denoised, least[0], atol=1e-5)


def test_without_deconvolution_the_positive_part_is_left():
    traces, _, _ = twins.simulate(3, 100, (0.9,), 0.5)
    fit = deconvolve_traces(traces, order=0)
    np.testing.assert_array_equal(fit.denoised, np.maximum(traces, 0))
    np.testing.assert_array_equal(fit.spikes, fit.denoised)


def test_coefficients_may_differ_between_traces():
    traces, _, _ = twins.simulate(3, 500, (0.9,), 0.3)
    g = np.array([[0.8], [0.9], [0.95]])
    together = deconvolve_traces(traces, g=g)
    for k in range(3):
        alone = deconvolve_traces(traces[k : k + 1], g=tuple(g[k]))
        np.testing.assert_array_equal(alone.denoised[0], together.denoised[k])


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("level", [0.0, 1e-6, 1e6])
def test_constant_traces_are_without_spikes(name, level):
    fit = deconvolve_traces(np.full((2, 50), level), **OPTIONS[name])
    if name not in ("order 0", "baseline known"):
        assert np.abs(fit.spikes).max() <= 1e-6 * level
        np.testing.assert_allclose(fit.baseline, level, rtol=1e-6)
    assert all(np.isfinite(array).all() for array in arrays(fit))


@pytest.mark.parametrize(
    ("traces", "words"),
    [
        (np.array([[1, 2], [np.nan, 1]]), "Trace 1 holds NaN"),
        (np.ones(5), "must be"),
        (np.ones((2, 0)), "at least one frame"),
    ],
)
def test_what_is_no_block_of_traces_is_refused(traces, words):
    with pytest.raises(InputError, match=words):
        deconvolve_traces(traces)


@pytest.mark.parametrize(
    "options",
    [
        {"g": (1.0,)},
        {"g": (1.5, -0.6)},
        {"g": (1.5, -0.4), "order": 2},
        {"g": (0.5, 0.1, 0.1), "order": 3},
        {"order": 3},
        {"noise": np.ones(7)},
        {"baseline": np.ones((2, 1))},
        {"noise_method": "mode"},
    ],
    ids=str,
)
def test_impossible_options_are_refused(options):
    with pytest.raises(ParameterError, match="but must be"):
        deconvolve_traces(np.ones((2, 50)), **options)


def oasis():
    """Public functions of oasis-deconv, where that is installed."""
    return pytest.importorskip("oasis.functions")


def test_a_fixed_penalty_gives_what_oasis_deconv_gives():
    solve = oasis().oasisAR1
    traces, _, _ = twins.simulate(20, 3000, (0.95,), 0.3)
    denoised, _ = deconvolve(traces, (0.95,), np.full(20, 0.3))
    theirs = [solve(trace, 0.95, lam=0.3)[0] for trace in traces.astype(float)]
    np.testing.assert_allclose(denoised, theirs, atol=1e-5)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("baseline", [None, 0.0])
def test_the_constrained_fit_gives_what_oasis_deconv_gives(baseline):
    solve = oasis().deconvolve
    traces, _, _ = twins.simulate(20, 3000, (0.95,), 0.3)
    fit = deconvolve_traces(traces, g=(0.95,), noise=0.3, baseline=baseline)
    options = {"g": (0.95,), "sn": 0.3, "penalty": 1, "b": baseline, "b_nonneg": False}
    for k, trace in enumerate(traces.astype(float)):
        denoised, spikes = solve(trace, **options)[:2]
        assert np.corrcoef(fit.denoised[k], denoised)[0, 1] > 0.9999
        assert np.corrcoef(fit.spikes[k], spikes)[0, 1] > 0.9999
