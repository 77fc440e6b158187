"""What the README promises of accuracy and memory, on whole movies."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import tifffile
from scipy.ndimage import maximum_filter

import napari_cnmf as cnmf
from napari_cnmf.simulation import save_truth

pytestmark = pytest.mark.slow


def found(movie, folder, frame_rate_hz, half_size_px):
    """Result of a run with the default recipe but for what the microscope tells."""
    settings = {
        "acquisition.frame_rate_hz": frame_rate_hz,
        "acquisition.decay_time_s": 0.5,
        "init.neuron_half_size_px": half_size_px,
    }
    return cnmf.run(movie, cnmf.Recipe().with_settings(settings), folder / "out")


def scores(shared, movie, truth, folder):
    """What the scorer says about a run on a simulated movie."""
    result = found(movie, folder, frame_rate_hz=30, half_size_px=4)
    cnmf.export_npz(result, folder / "out.npz")
    scorer = [sys.executable, shared / "tools" / "score.py", folder / "out.npz", truth]
    done = subprocess.run(scorer, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def test_the_simulated_movie_is_scored_above_caiman(shared, tmp_path):
    folder = shared / "data" / "simulated-small"
    score = scores(shared, folder / "movie.tif", folder / "truth.npz", tmp_path)
    assert score["f1"] > 0.85  # CaImAn 0.768
    assert score["trace_corr"] > 0.975  # 0.971
    assert score["spike_corr"] > 0.84  # 0.765
    assert score["shift_rmse"] < 0.06  # 0.086


def test_fresh_movies_reach_the_aim_in_the_mean(shared, tmp_path):
    all_scores = []
    for seed in range(100, 104):
        folder = tmp_path / str(seed)
        folder.mkdir()
        truth = cnmf.simulate(cnmf.SimulationParameters(), seed)
        tifffile.imwrite(folder / "a.tif", truth.movie, photometric="minisblack")
        save_truth(truth, folder / "truth.npz")
        all_scores.append(
            scores(shared, folder / "a.tif", folder / "truth.npz", folder)
        )
    names = ("f1", "trace_corr", "spike_corr", "shift_rmse")
    mean = {name: np.mean([score[name] for score in all_scores]) for name in names}
    assert mean["f1"] > 0.9
    assert mean["trace_corr"] > 0.97
    assert mean["spike_corr"] > 0.82
    assert mean["shift_rmse"] < 0.07


def test_a_real_movie_has_components_at_the_peaks_of_its_correlation(shared, tmp_path):
    path = shared / "data" / "two-photon-crop" / "movie.tif"
    result = found(path, tmp_path, frame_rate_hz=15, half_size_px=3)
    image, components = result.summary.correlation, result.components
    peaks = (image == maximum_filter(image, 9)) & (image > 0.3)
    y, x = np.argwhere(peaks[3:-3, 3:-3]).T + 3
    footprints = components.footprints.toarray()
    here = footprints[y * image.shape[1] + x] > 0.2 * footprints.max(axis=0)
    assert len(y) > 30
    assert here.any(axis=1).mean() > 0.9
    assert here[:, components.accepted].any(axis=1).mean() > 0.6


MEMORY = """
import re, sys
from pathlib import Path
import napari_cnmf as cnmf
recipe = cnmf.Recipe().with_settings({"acquisition.frame_rate_hz": 30})
with cnmf.local_backend(1) as backend:
    cnmf.run(sys.argv[1], recipe, sys.argv[2], backend=backend)
print(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""


def peak_memory_mb(movie, path):
    """Peak memory of a run in a process of its own."""
    tifffile.imwrite(path, movie, photometric="minisblack")
    command = [sys.executable, "-c", MEMORY, path, path.with_suffix(".out")]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return int(done.stdout) / 1e3


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's process table")
def test_memory_grows_far_less_than_the_movie(tmp_path):
    parameters = cnmf.SimulationParameters(
        n_frames=8000, height_px=160, width_px=160, n_somata=90
    )
    movie = cnmf.simulate(parameters).movie
    long_mb = peak_memory_mb(movie, tmp_path / "long.tif")
    short_mb = peak_memory_mb(movie[:2000], tmp_path / "short.tif")
    as_floats_mb = 4 * movie[2000:].size / 1e6
    # What grows are the traces, and the binned movie of a patch up to its limit.
    assert long_mb - short_mb < 0.35 * as_floats_mb
