"""Time of deconvolution beside its slow twin and beside oasis-deconv, if installed."""

from __future__ import annotations

import numpy as np
import pytest
from cnmf import deconvolution_twins as twins

from napari_cnmf.cnmf.deconvolution import deconvolve, deconvolve_traces
from napari_cnmf.cnmf.kinetics import ar_coefficients, kinetics
from napari_cnmf.cnmf.noise import pixel_noise, trace_noise

MODELS = {"AR(1)": (0.95,), "AR(2)": kinetics(0.5, 0.08, 30.0)}
SHORT = (4, 300)
LONG = (100, 3000)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("shape", [SHORT, LONG])
def test_deconvolve(benchmark, name, shape):
    benchmark.group = f"{name}, {shape} traces and frames"
    traces, _, _ = twins.simulate(*shape, MODELS[name], 0.3)
    benchmark(deconvolve, traces, MODELS[name], np.full(len(traces), 0.3))


@pytest.mark.parametrize("name", MODELS)
def test_deconvolve_twin(benchmark, name):
    benchmark.group = f"{name}, {SHORT} traces and frames"
    traces, _, _ = twins.simulate(*SHORT, MODELS[name], 0.3)
    benchmark(lambda: [twins.deconvolve(t, MODELS[name], 0.3) for t in traces])


@pytest.mark.parametrize("name", MODELS)
def test_deconvolve_oasis(benchmark, name):
    oasis = pytest.importorskip("oasis.functions")
    benchmark.group = f"{name}, {LONG} traces and frames"
    traces, _, _ = twins.simulate(*LONG, MODELS[name], 0.3)
    traces = traces.astype(np.float64)
    solve = oasis.oasisAR1 if name == "AR(1)" else oasis.oasisAR2
    benchmark(lambda: [solve(t, *MODELS[name], lam=0.3) for t in traces])


@pytest.mark.parametrize("name", MODELS)
def test_constrained(benchmark, name):
    benchmark.group = f"constrained {name}, {LONG} traces and frames"
    traces, _, _ = twins.simulate(*LONG, MODELS[name], 0.3)
    benchmark(deconvolve_traces, traces, order=len(MODELS[name]))


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(
    "options",
    [{"s_min": 0.0}, {"s_min": 0.5}, {"optimize_g": 5}],
    ids=lambda options: next(iter(options)) + "=" + str(next(iter(options.values()))),
)
def test_constrained_options(benchmark, name, options):
    benchmark.group = f"constrained {name} with options, {LONG} traces and frames"
    traces, _, _ = twins.simulate(*LONG, MODELS[name], 0.3)
    benchmark(deconvolve_traces, traces, order=len(MODELS[name]), **options)


@pytest.mark.parametrize("name", MODELS)
def test_constrained_oasis(benchmark, name):
    oasis = pytest.importorskip("oasis.functions")
    benchmark.group = f"constrained {name}, {LONG} traces and frames"
    traces, _, _ = twins.simulate(*LONG, MODELS[name], 0.3)
    traces, unknown = traces.astype(np.float64), (None,) * len(MODELS[name])
    benchmark(
        lambda: [
            oasis.deconvolve(t, g=unknown, penalty=1, b_nonneg=False) for t in traces
        ]
    )


@pytest.mark.parametrize("order", [1, 2])
def test_noise_and_coefficients(benchmark, order):
    benchmark.group = f"noise and AR({order}), {LONG} traces and frames"
    traces, _, _ = twins.simulate(*LONG, (0.95,), 0.3)
    benchmark(lambda: ar_coefficients(traces, trace_noise(traces), order))


@pytest.mark.parametrize("order", [1, 2])
def test_noise_and_coefficients_twin(benchmark, order):
    benchmark.group = f"noise and AR({order}), {LONG} traces and frames"
    traces, _, _ = twins.simulate(*LONG, (0.95,), 0.3)
    benchmark(
        lambda: [twins.ar_coefficients(t, twins.trace_noise(t), order) for t in traces]
    )


@pytest.mark.parametrize("method", ["mean", "median", "logmexp"])
def test_pixel_noise(benchmark, method):
    benchmark.group = "noise of 64 x 64 pixels, 3000 frames"
    movie = np.random.default_rng(0).normal(0, 1, (3000, 64, 64)).astype(np.float32)
    benchmark(pixel_noise, movie, method)


def test_pixel_noise_twin(benchmark):
    benchmark.group = "noise of 16 pixels, 3000 frames"
    traces = np.random.default_rng(0).normal(0, 1, (16, 3000)).astype(np.float32)
    benchmark(lambda: [twins.periodogram(trace) for trace in traces])
