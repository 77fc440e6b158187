"""Fitness and log probabilities of traces against their twins, and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from quality import caiman_twins as twins

from napari_cnmf.errors import InputError
from napari_cnmf.quality.exceptional import (
    _half_sample_mode,
    above_baseline,
    exceptionality,
    significant_samples,
    trace_fitness,
)


@pytest.mark.parametrize(
    ("values", "mode"),
    [
        ([4.0], 4.0),
        ([4.0, 2.0], 3.0),
        ([0.0, 1.0, 3.0], 0.5),
        ([0.0, 2.0, 3.0], 2.0),
        ([0.0, 1.0, 2.0], 1.0),
        ([0.0, 2.0, 3.5, 4.0], 2.75),
        ([9.0, 0.0, 5.0, 5.5, 2.0], 5.0),
    ],
)
def test_mode_by_hand(values, mode):
    assert _half_sample_mode(np.array([values])) == [mode]


@pytest.mark.parametrize("robust_sd", [False, True])
@pytest.mark.parametrize("n_frames", [1, 5, 40])
def test_log_probabilities_equal_their_definition(n_frames, robust_sd):
    raw, _ = twins.simulate_traces(6, 333)
    found = exceptionality(raw, n_frames, robust_sd=robust_sd)
    expected = [twins.log_probabilities(trace, n_frames, robust_sd) for trace in raw]
    np.testing.assert_allclose(found.log_probabilities, expected, rtol=1e-5)
    np.testing.assert_array_equal(found.fitness, found.log_probabilities.min(axis=1))
    assert found.log_probabilities.dtype == found.fitness.dtype == np.float32


@pytest.mark.parametrize("n_traces", [10, 11])
def test_an_even_and_an_odd_number_of_low_values_have_a_robust_sd(n_traces):
    raw = np.random.default_rng(1).standard_normal((n_traces, 100 + n_traces))
    found = exceptionality(raw, 3, robust_sd=True).log_probabilities
    expected = [twins.log_probabilities(trace, 3, robust_sd=True) for trace in raw]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_the_robust_sd_of_noise_is_its_sd_whatever_a_few_dips_do():
    raw = np.random.default_rng(0).standard_normal((30, 5000))
    plain = exceptionality(raw, 5).fitness
    np.testing.assert_allclose(
        exceptionality(raw, 5, robust_sd=True).fitness, plain, rtol=0.25
    )
    raw[:, 100:150] = -60
    assert np.median(exceptionality(raw, 5).fitness) > 0.7 * np.median(plain)
    robust = exceptionality(raw, 5, robust_sd=True).fitness
    np.testing.assert_allclose(np.median(robust), np.median(plain), rtol=0.1)


def test_log_probabilities_are_the_same_for_any_number_of_traces():
    raw, _ = twins.simulate_traces(700, 400)
    whole, part = exceptionality(raw, 12), exceptionality(raw[690:], 12)
    np.testing.assert_array_equal(whole.log_probabilities[690:], part.log_probabilities)


def test_raw_fitness_is_above_the_baseline_and_that_of_differences_is_not():
    raw, _ = twins.simulate_traces(4, 500)
    fitness_raw, fitness_delta = trace_fitness(raw, 9)
    exact = raw.astype(np.float64)
    expected = [twins.log_probabilities(t - twins.baseline(t), 9).min() for t in exact]
    np.testing.assert_allclose(fitness_raw, expected, rtol=1e-5)
    expected = [twins.log_probabilities(np.diff(t), 9).min() for t in exact]
    np.testing.assert_allclose(fitness_delta, expected, rtol=1e-5)


def test_a_transient_is_exceptional_and_its_rise_too():
    raw = np.random.default_rng(0).standard_normal((2, 2000)).astype(np.float32)
    raw[1, 900:] += 60 * np.exp(-np.arange(1100) / 15)
    fitness_raw, fitness_delta = trace_fitness(raw, 5)
    assert fitness_raw[1] < -60 < fitness_raw[0]
    assert fitness_delta[1] < -20 < fitness_delta[0]


@pytest.mark.parametrize("n_frames", [10, 37, 400, 4321])
def test_the_baseline_equals_its_definition(n_frames):
    raw, _ = twins.simulate_traces(3, n_frames)
    before = raw.copy()
    expected = [trace - twins.baseline(trace.astype(np.float64)) for trace in raw]
    np.testing.assert_allclose(above_baseline(raw), expected, rtol=1e-6, atol=1e-9)
    np.testing.assert_array_equal(raw, before)


def test_a_trace_too_short_for_a_baseline_keeps_it():
    raw, _ = twins.simulate_traces(3, 9)
    np.testing.assert_array_equal(above_baseline(raw), raw)


@pytest.mark.parametrize("robust_sd", [False, True])
def test_what_has_no_noise_or_nan_is_not_exceptional(robust_sd):
    raw = np.full((3, 200), 7.5, np.float32)
    raw[1] = np.random.default_rng(0).standard_normal(200)
    raw[1, 50] = np.nan
    raw[2, 50:60] = 20
    found = exceptionality(raw, 5, robust_sd=robust_sd)
    np.testing.assert_array_equal(found.fitness, 0)
    np.testing.assert_array_equal(found.log_probabilities, 0)


@pytest.mark.parametrize("shape", [(0, 50), (3, 1), (2, 4)])
def test_few_frames_and_no_traces_are_harmless(shape):
    found = exceptionality(np.zeros(shape, np.float32), 5)
    assert found.log_probabilities.shape == shape
    assert [len(fitness) for fitness in trace_fitness(np.zeros(shape), 5)] == [
        shape[0]
    ] * 2


def test_a_transient_of_no_frame_is_refused():
    with pytest.raises(InputError, match=r"at least 1 frame\. Got 0"):
        exceptionality(np.zeros((1, 50)), 0)


@pytest.mark.parametrize("n_frames", [1, 4, 60])
def test_significant_samples_are_all_frames_of_a_run_below_the_limit(n_frames):
    log_p = np.random.default_rng(0).uniform(-10, 0, (5, 50))
    expected = np.zeros(log_p.shape, bool)
    for k, end in np.argwhere(log_p < -9.5):
        expected[k, max(0, end - n_frames + 1) : end + 1] = True
    found = significant_samples(log_p, n_frames, -9.5)
    np.testing.assert_array_equal(found, expected)
    assert found.any()
    assert significant_samples(log_p[:, :0], n_frames, -9.5).shape == (5, 0)
