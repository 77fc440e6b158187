"""Time constants are found in traces, movies and cells that have one."""

from __future__ import annotations

import numpy as np
import pytest
from cnmf import deconvolution_twins as twins
from scipy.signal import lfilter

from napari_cnmf.cnmf.kinetics import (
    ar_coefficients,
    decay_time,
    global_ar,
    kinetics,
)
from napari_cnmf.errors import ParameterError

DEFAULT_S = 0.5
GCAMP = kinetics(decay_s=0.5, rise_s=0.08, frame_rate_hz=30.0)


def noisy(decay_s, rise_s, rate_hz, n_traces=40):
    """200 s of sparse transients with a third of their deviation as noise."""
    g = kinetics(decay_s, rise_s, rate_hz)
    n_frames, rate = int(200 * rate_hz), 0.3 / rate_hz
    _, calcium, _ = twins.simulate(n_traces, n_frames, g, 0.0, rate)
    noise = np.random.default_rng(1).standard_normal(calcium.shape)
    return (calcium + 0.3 * calcium.std() * noise).astype(np.float32)


@pytest.mark.parametrize("rate_hz", [15.0, 30.0])
@pytest.mark.parametrize("truth", [(0.3, 0.1), (0.5, 0.08), (1.2, 0.18), (0.8, 0.0)])
def test_the_decay_time_is_found(truth, rate_hz):
    found = decay_time(noisy(*truth, rate_hz), rate_hz, truth[1], DEFAULT_S)
    assert found == pytest.approx(truth[0], rel=0.2)


@pytest.mark.parametrize("rise_s", [0.0, 0.04, 0.16])
def test_the_rise_time_need_only_be_known_roughly(rise_s):
    found = decay_time(noisy(0.5, 0.08, 30.0), 30.0, rise_s, DEFAULT_S)
    assert found == pytest.approx(0.5, rel=0.25)


def test_dim_cells_do_not_spoil_the_estimate():
    traces = noisy(0.8, 0.1, 30.0, 80)
    traces[40:] = np.random.default_rng(2).standard_normal((40, 6000))
    assert decay_time(traces, 30.0, 0.1, DEFAULT_S) == pytest.approx(0.8, rel=0.2)


def test_brightness_and_offset_do_not_matter():
    traces = noisy(0.8, 0.1, 30.0)
    expected = decay_time(traces, 30.0, 0.1, DEFAULT_S)
    assert decay_time(7 * traces + 300, 30.0, 0.1, DEFAULT_S) == expected


@pytest.mark.parametrize("shape", [(0, 500), (3, 12), (2, 1)], ids=str)
def test_without_anything_to_fit_the_default_is_returned(shape):
    assert decay_time(np.ones(shape, np.float32), 30.0, 0.1, DEFAULT_S) == DEFAULT_S


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


@pytest.mark.parametrize("order", [1, 2])
def test_without_the_noise_the_equations_with_lag_zero_are_left_out(order):
    g = GCAMP if order == 2 else (0.9,)
    traces, _, _ = twins.simulate(10, 30_000, g, 0.3, rate=0.05)
    found = ar_coefficients(traces, None, order, fudge=1.0)
    np.testing.assert_allclose(found.mean(axis=0), g, atol=0.02)
    noisy, _, _ = twins.simulate(10, 30_000, g, 0.6, rate=0.05)
    louder = ar_coefficients(noisy, None, order, fudge=1.0)
    np.testing.assert_allclose(louder.mean(axis=0), g, atol=0.05)


@pytest.mark.parametrize("order", [1, 2])
def test_the_global_coefficients_solve_the_sum_of_all_equations(order):
    traces, _, _ = twins.simulate(6, 500, (0.9,), 0.4)
    noise = np.linspace(0.3, 0.5, 6)
    equations = [
        twins.ar_equations(*pair, order) for pair in zip(traces, noise, strict=True)
    ]
    design, target = (np.sum(part, axis=0) for part in zip(*equations, strict=True))
    slow = twins.plausible(np.linalg.lstsq(design, target, rcond=None)[0], 1.0)
    np.testing.assert_allclose(global_ar(traces, noise, order), slow, atol=1e-6)
    movie = traces.T.reshape(500, 2, 3)
    found = global_ar(movie, noise.reshape(2, 3), order)
    np.testing.assert_allclose(found, slow, atol=1e-6)


def test_the_global_time_constant_is_found_in_pixels_too_dim_by_themselves():
    traces, _, _ = twins.simulate(200, 2000, (0.9,), 2.0)
    noise = np.full(200, 2.0)
    assert global_ar(traces, noise, 1)[0] == pytest.approx(0.9, abs=0.02)
    assert global_ar(traces, None, 1)[0] == pytest.approx(0.9, abs=0.03)
    assert ar_coefficients(traces, noise, 1, fudge=1.0).std() > 0.05
