"""Time of deconvolution beside its slow twin and beside oasis-deconv, if installed."""

from __future__ import annotations

import numpy as np
import pytest
from cnmf import deconvolution_twins as twins

from napari_cnmf.cnmf.deconvolution import (
    ar_coefficients,
    constrained_ar1,
    deconvolve,
    kinetics,
    trace_noise,
)

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


def test_constrained(benchmark):
    benchmark.group = f"constrained AR(1), {LONG} traces and frames"
    traces, _, _ = twins.simulate(*LONG, (0.95,), 0.3)
    benchmark(constrained_ar1, traces)


def test_constrained_oasis(benchmark):
    oasis = pytest.importorskip("oasis.functions")
    benchmark.group = f"constrained AR(1), {LONG} traces and frames"
    traces, _, _ = twins.simulate(*LONG, (0.95,), 0.3)
    traces = traces.astype(np.float64)
    benchmark(lambda: [oasis.deconvolve(t, penalty=1, b_nonneg=False) for t in traces])


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
