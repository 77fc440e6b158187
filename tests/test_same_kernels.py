"""Kernels give the same bytes where they are compiled and where they are loaded."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

RUN = """
import sys
from napari_cnmf import Movie, Recipe, run
from napari_cnmf.formats.results import digest
from napari_cnmf.simulation import SimulationParameters, simulate

truth = simulate(SimulationParameters(n_frames=400, height_px=64, width_px=64), 1)
movie = Movie.from_array(truth.movie, frame_rate_hz=truth.frame_rate_hz)
print(digest(run(movie, Recipe(), sys.argv[1], overwrite=True)))
"""


@pytest.mark.slow
def test_compiled_and_cached_kernels_agree(tmp_path: Path) -> None:
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / "kernels")}
    command = [sys.executable, "-W", "error", "-c", RUN, str(tmp_path / "out")]
    compiled, cached = (
        subprocess.run(
            command, env=environment, check=True, capture_output=True, text=True
        ).stdout
        for _ in range(2)
    )
    assert compiled == cached
