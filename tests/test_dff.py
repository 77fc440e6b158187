"""dF/F: the baseline against slow twins, and against a known truth."""

from __future__ import annotations

import warnings
from dataclasses import replace
from threading import Event

import numpy as np
import pytest
import scipy.sparse as sp
from example_values import make_components
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import gaussian_kde

from napari_cnmf.baseline import (
    BLOCK_CELLS,
    DffParameters,
    background_traces,
    dff,
    mode_percentiles,
    running_percentile,
)
from napari_cnmf.components import Background, Components
from napari_cnmf.compute import local_backend
from napari_cnmf.errors import CancelledError

RATE_HZ = 20.0


def percentile_twin(trace: np.ndarray, percentile: float, window: int) -> np.ndarray:
    """Sort the window around every frame; both ends mirrored."""
    padded = np.pad(trace, window // 2, mode="symmetric")
    rank = min(int(window * percentile / 100), window - 1)
    return np.array([np.sort(padded[t : t + window])[rank] for t in range(len(trace))])


def mode_twin(trace: np.ndarray) -> float:
    """Evaluate the kernel density of the whole trace on a fine grid."""
    quartiles = np.percentile(trace, [25, 75])
    spread = min(trace.std(), np.diff(quartiles)[0] / 1.349)
    bandwidth = 0.9 * spread * len(trace) ** -0.2
    density = gaussian_kde(trace, bw_method=bandwidth / trace.std(ddof=1))
    grid = np.linspace(trace.min(), trace.max(), 5000)
    mode = grid[density(grid).argmax()]
    return 100 * (trace <= mode).mean()


def transients(n_frames: int, seed: int, rate: float = 0.01) -> np.ndarray:
    """Sparse exponential transients of height one."""
    spikes = np.random.default_rng(seed).random(n_frames) < rate
    decay = np.exp(-np.arange(60) / 12)
    return np.convolve(spikes, decay)[:n_frames].astype(np.float32)


def cells_on(background: np.ndarray, raw: np.ndarray, noise: float) -> Components:
    """Components whose background is ``maps @ traces`` with one map, plus a constant.

    Each cell covers 4 pixels of 0.5, so that it sees twice the background's value.
    """
    n_cells, n_frames = raw.shape
    whole = make_components(np.arange(n_cells) + 1, (6, 9), n_frames)
    footprints = whole.footprints.copy()
    footprints.data[:] = 0.5
    ones = np.ones((54, 1), np.float32)
    return replace(
        whole,
        footprints=footprints,
        denoised=raw,
        residual_traces=np.zeros_like(raw),
        trace_fit=replace(whole.trace_fit, noise=np.full(n_cells, noise, np.float32)),
        background=Background(
            sp.csc_array(ones), background[None], np.full((6, 9), 30, np.float32)
        ),
        dff=None,
    )


@pytest.fixture
def truth() -> tuple[Components, np.ndarray, np.ndarray]:
    """Bleaching cells on a bleaching background, their dF/F, and its noise."""
    n_frames = 4000
    bleaching = np.exp(-np.arange(n_frames) / 8000).astype(np.float32)
    activity = np.stack([transients(n_frames, k) for k in range(4)])
    baseline = 40 * bleaching
    background = 50 * bleaching
    rng = np.random.default_rng(5)
    noise = rng.normal(0, 3, activity.shape)
    raw = (baseline * (1 + activity) + noise).astype(np.float32)
    total = baseline + 2 * (background + 30)
    return cells_on(background, raw, 3.0), baseline * activity / total, 3 / total


@settings(max_examples=30, deadline=None)
@given(
    n_frames=st.integers(2, 60),
    half=st.integers(0, 25),
    percentile=st.floats(0, 100),
    seed=st.integers(0, 99),
)
def test_the_running_percentile_is_exact(n_frames, half, percentile, seed):
    trace = np.random.default_rng(seed).normal(size=n_frames).astype(np.float32)
    trace[::3] = 0.5  # ties
    window = 2 * half + 1
    if window < n_frames:
        found = running_percentile(trace, percentile, window)
        np.testing.assert_array_equal(found, percentile_twin(trace, percentile, window))


def test_the_running_percentile_is_a_baseline_not_what_is_left_above_it():
    # CaImAn's fast variant returns the trace minus its baseline instead.
    trace = (100 + transients(3000, 1)).astype(np.float32)
    np.testing.assert_allclose(running_percentile(trace, 20, 501), 100, atol=1)


@pytest.mark.parametrize("window", [None, 1000, 5000])
def test_a_window_of_the_whole_recording_gives_one_value(window):
    trace = np.arange(1000, dtype=np.float32)
    np.testing.assert_allclose(running_percentile(trace, 25, window), [249.75])


@pytest.mark.parametrize("rate", [0.0, 0.01, 0.05])
def test_the_mode_is_that_of_a_kernel_density(rate):
    noise = np.random.default_rng(2).normal(0, 0.1, (3, 2000))
    traces = np.stack([transients(2000, k, rate) for k in range(3)]) + noise
    found = mode_percentiles(traces.astype(np.float32), None)
    np.testing.assert_allclose(found, [mode_twin(trace) for trace in traces], atol=2.5)


def test_active_traces_have_a_lower_baseline_percentile():
    noise = np.random.default_rng(2).normal(0, 0.1, (2, 5000))
    traces = np.stack([transients(5000, 1, 0.002), transients(5000, 1, 0.03)]) + noise
    quiet, busy = mode_percentiles(traces.astype(np.float32), 601)
    assert busy < quiet - 10
    assert 40 < quiet < 60


def test_the_mode_does_not_depend_on_scale_offset_or_drift():
    rng = np.random.default_rng(4)
    trace = transients(6000, 3) + rng.normal(0, 0.1, 6000)
    changed = np.stack([trace, 50 * trace + 300, trace + np.arange(6000) / 3000])
    a, b, c = mode_percentiles(changed.astype(np.float32), 601)
    assert b == pytest.approx(a, abs=0.2)
    assert c == pytest.approx(a, abs=6)


def test_a_constant_trace_counts_as_fifty():
    assert mode_percentiles(np.full((1, 100), 3, np.float32), 31).tolist() == [50]


def test_the_background_is_seen_through_the_footprints():
    cells = make_components()
    dense = cells.background.frames(0, cells.n_frames).reshape(cells.n_frames, -1)
    expected = cells.footprints.toarray().T @ dense.T
    found = background_traces(cells, slice(1, 3))
    np.testing.assert_allclose(found, expected[1:3], rtol=1e-4)


@pytest.mark.parametrize("percentile", [None, 40.0])
def test_dff_is_that_of_a_bleaching_cell(truth, percentile):
    cells, expected, noise = truth
    found = dff(cells, DffParameters(percentile=percentile)).dff
    error = (found - expected) / noise
    assert found.dtype == np.float32
    assert np.abs(error.mean(axis=1)).max() < 0.4
    assert np.sqrt((error**2).mean()) < 1.1


def test_detrended_traces_keep_their_unit(truth):
    cells, *_ = truth
    found = dff(cells, DffParameters(method="detrend", percentile=40.0)).dff
    for trace, raw in zip(found, cells.raw, strict=True):
        baseline = percentile_twin(raw, 40.0, 601)
        np.testing.assert_allclose(trace, raw - baseline, rtol=1e-5, atol=1e-4)


def test_dff_has_no_unit(truth):
    cells, *_ = truth
    background = cells.background
    scaled = replace(
        cells,
        denoised=7 * cells.denoised,
        trace_fit=replace(cells.trace_fit, noise=7 * cells.trace_fit.noise),
        background=replace(
            background, maps=7 * background.maps, constant=7 * background.constant
        ),
    )
    parameters = DffParameters()
    np.testing.assert_allclose(
        dff(scaled, parameters).dff, dff(cells, parameters).dff, rtol=1e-3, atol=1e-3
    )


def test_the_given_percentile_is_the_one_that_is_used(truth):
    # CaImAn ignores it unless flag_auto is switched off.
    cells, *_ = truth
    low, high = (
        dff(cells, DffParameters(method="detrend", percentile=q)).dff for q in (8, 60)
    )
    assert (low > high).all()


def test_the_whole_recording_can_be_the_window(truth):
    cells, *_ = truth
    parameters = DffParameters(method="detrend", percentile=30.0, window_s=None)
    expected = cells.raw - np.percentile(cells.raw, 30, axis=1, keepdims=True)
    np.testing.assert_allclose(dff(cells, parameters).dff, expected, atol=1e-3)


@pytest.mark.parametrize("level", [0.0, -100.0, -200.0])
def test_a_baseline_that_does_not_exceed_its_noise_is_told_and_not_divided_by(level):
    raw = np.stack([transients(1000, k) for k in range(3)]) * 20
    raw += np.random.default_rng(0).normal(0, 2, raw.shape)
    raw[1] += level - 60  # the background seen by a cell is 60
    raw[[0, 2]] += 50
    cells = cells_on(np.zeros(1000, np.float32), raw.astype(np.float32), 2.0)
    with pytest.warns(UserWarning, match=r"1 components have no dF/F \(ids 2\)"):
        found = dff(cells, DffParameters()).dff
    assert np.isnan(found[1]).all()
    assert np.isfinite(found[[0, 2]]).all()


def test_detrending_needs_no_baseline_above_zero():
    cells = cells_on(np.zeros(500, np.float32), np.zeros((2, 500), np.float32), 1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = dff(cells, DffParameters(method="detrend")).dff
    np.testing.assert_array_equal(found, np.zeros((2, 500)))


def test_workers_and_blocks_of_cells_change_no_byte():
    n_cells = BLOCK_CELLS + 9
    rng = np.random.default_rng(0)
    raw = rng.normal(100, 2, (n_cells, 300)).astype(np.float32)
    cells = cells_on(rng.random(300).astype(np.float32), raw, 2.0)
    alone = dff(cells, DffParameters()).dff
    for workers in (1, 3):
        with local_backend(workers) as backend:
            found = dff(cells, DffParameters(), backend=backend).dff
        assert found.tobytes() == alone.tobytes()
    part = dff(cells.select(np.array([3, 70])), DffParameters()).dff
    np.testing.assert_allclose(part, alone[[3, 70]], rtol=1e-5, atol=1e-6)


def test_progress_counts_cells_and_input_stays_as_it_was(truth):
    cells, *_ = truth
    events = []
    found = dff(cells, DffParameters(), progress=events.append)
    assert (events[-1].done, events[-1].total, events[-1].unit) == (4, 4, "cells")
    assert cells.dff is None
    assert found.ids is not None
    np.testing.assert_array_equal(found.raw, cells.raw)


def test_cancelling_stops_the_stage(truth):
    cancel = Event()
    cancel.set()
    with pytest.raises(CancelledError):
        dff(truth[0], DffParameters(), cancel=cancel)


def test_no_cells_have_no_dff():
    none = make_components(np.zeros(0, int))
    assert dff(none, DffParameters()).dff.shape == (0, none.n_frames)


@pytest.mark.parametrize("n_frames", [1, 2, 10])
def test_recordings_shorter_than_the_window_are_one_window(n_frames):
    raw = np.full((2, n_frames), 50, np.float32)
    cells = cells_on(np.zeros(n_frames, np.float32), raw, 1.0)
    np.testing.assert_array_equal(dff(cells, DffParameters()).dff, np.zeros_like(raw))
