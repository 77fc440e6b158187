"""The decay time is found in traces that have one."""

from __future__ import annotations

import numpy as np
import pytest
from cnmf import deconvolution_twins

from napari_cnmf.cnmf.deconvolution import kinetics
from napari_cnmf.cnmf.kinetics import decay_time

DEFAULT_S = 0.5


def noisy(decay_s, rise_s, rate_hz, n_traces=40):
    """200 s of sparse transients with a third of their deviation as noise."""
    g = kinetics(decay_s, rise_s, rate_hz)
    n_frames, rate = int(200 * rate_hz), 0.3 / rate_hz
    _, calcium, _ = deconvolution_twins.simulate(n_traces, n_frames, g, 0.0, rate)
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
