"""Sizes and decay times that do not fit to the cells are told, others are not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from example_values import make_components

from napari_cnmf.cnmf.parameters import CnmfParameters, InitParameters
from napari_cnmf.pipeline.doubts import doubts

N_CELLS, RATE_HZ, DECAY_S = 8, 20.0, 0.5


def found(area: float, n_accepted: int = N_CELLS):
    """Cells of some area in discs of the told size, which decay in half a second."""
    rng = np.random.default_rng(0)
    cells = make_components(np.arange(1, N_CELLS + 1), (12, 12), 2000)
    spikes = rng.random((N_CELLS, 2000)) < 0.01
    kernel = np.exp(-np.arange(200) / (DECAY_S * RATE_HZ))
    traces = np.stack([np.convolve(s, kernel)[:2000] for s in spikes.astype(float)])
    quality = replace(
        cells.quality,
        soma_area=np.full(N_CELLS, area, np.float32),
        flags=(np.arange(N_CELLS) >= n_accepted).astype(np.int32),
        manual=np.zeros(N_CELLS, np.int8),
    )
    return replace(
        cells,
        denoised=traces.astype(np.float32),
        residual_traces=np.zeros_like(traces, np.float32),
        quality=quality,
    )


def told(half_size_px: float | None = 4.0, decay_s: float | None = 0.5, **init):
    size = InitParameters(neuron_half_size_px=half_size_px, **init)
    return CnmfParameters(init=size, decay_s=decay_s)


@pytest.mark.parametrize("area", [0.6, 1.6, 2.5])
def test_what_fits_is_not_doubted(area):
    assert doubts(found(area), told()) == []


@pytest.mark.parametrize(("area", "px"), [(6.4, "8"), (0.1, "1")])
def test_a_wrong_size_is_told(area, px):
    (sentence,) = doubts(found(area), told())
    assert f"half-size of about {px} px, but init.neuron_half_size_px is 4" in sentence


@pytest.mark.parametrize("decay_s", [0.2, 1.5])
def test_a_wrong_decay_time_is_told(decay_s):
    (sentence,) = doubts(found(1.6), told(decay_s=decay_s))
    assert sentence.startswith("the clearest cells decay in about 0.5")
    assert f"but {decay_s:g} s were told" in sentence


@pytest.mark.parametrize(
    "parameters",
    [told(None, None), told(decay_s=None, method="sparse_nmf")],
    ids=["auto", "dendrites"],
)
def test_what_is_on_auto_or_no_soma_is_not_doubted(parameters):
    assert doubts(found(6.4), parameters) == []


def test_few_cells_say_nothing():
    assert doubts(found(6.4, n_accepted=5), told(decay_s=2.0)) == []
