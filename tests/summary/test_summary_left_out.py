"""Frames left out do not count in the summary images."""

from __future__ import annotations

import numpy as np
import pytest
import small_runs as runs

from napari_cnmf.compute import SerialBackend
from napari_cnmf.summary import SummaryParameters
from napari_cnmf.summary.stage import summarise

LEFT_OUT = (0, *range(9, 140, 37), *range(170, 200), 399)


@pytest.mark.parametrize("block", [18, 126])
def test_frames_left_out_do_not_count(tmp_path, block):
    frames = np.random.default_rng(0).normal(500, 20, (400, 40, 50))
    frames[list(LEFT_OUT)] = 900
    movie = runs.corrected(runs.as_movie(frames.astype("u2")), tmp_path, block=block)
    movie = movie.movie.with_(left_out=LEFT_OUT)
    with SerialBackend() as backend:
        found = summarise(movie, SummaryParameters(), backend=backend)
    good = np.delete(movie.read(), LEFT_OUT, axis=0)
    np.testing.assert_allclose(found.mean, good.mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(found.std, good.std(axis=0), rtol=1e-3)
    np.testing.assert_allclose(found.maximum, good.max(axis=0), rtol=1e-4)
    assert found.noise.mean() == pytest.approx(20, rel=0.02)
    assert abs(found.correlation.mean()) < 0.01
