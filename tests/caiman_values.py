"""Components as CaImAn can hold them, and what of them it gives back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from example_values import IDS, N_FRAMES, make_components, with_verdicts

RATE_HZ = 20.0


def unit_components(n_cells: int = len(IDS)):
    """Components with footprints of unit norm, as ours are, and traces of their own."""
    cells = with_verdicts(make_components()).select(np.arange(n_cells))
    footprints = cells.footprints.copy()
    footprints.data = np.full_like(footprints.data, 0.5)
    traces = np.random.default_rng(5).random((3, n_cells, N_FRAMES), np.float32)
    return replace(
        cells,
        footprints=footprints,
        denoised=traces[0],
        residual_traces=traces[1],
        spikes=traces[2],
    )


def assert_same(found, expected) -> None:
    """Whatever CaImAn has a symbol for is equal to float32 precision."""
    assert found.fov_shape == expected.fov_shape
    assert found.frame_rate_hz == expected.frame_rate_hz
    baseline = np.abs(expected.trace_fit.baseline).max(initial=0.0)
    for name in ("footprints", "background.maps"):
        ours, theirs = (of(cells, name).toarray() for cells in (found, expected))
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    for name in (
        *("denoised", "residual_traces", "spikes", "dff", "raw", "pixel_noise"),
        *("trace_fit.ar", "trace_fit.noise", "trace_fit.penalty", "trace_fit.baseline"),
        *("background.traces", "background.constant", "accepted"),
    ):
        ours, theirs = of(found, name), of(expected, name)
        if theirs is None:
            assert ours is None
        else:
            # The baseline is added to a trace and taken away again.
            size = np.nanmax(np.abs(theirs), initial=1.0) + baseline
            np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=2e-7 * size)


def of(value, name):
    for part in name.split("."):
        value = getattr(value, part)
    return value
