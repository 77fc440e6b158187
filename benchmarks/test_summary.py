"""The other parts of the fused pass, on one core: codes, sums, bins, store.

`pytest -n 0 benchmarks/test_summary.py --benchmark-group-by=group` prints seconds per
block of 126 frames of 512 x 512. The goals: all statistics within 76 ms (0.6 ms a
frame), writing within 100 ms (0.8 ms a frame).
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_cnmf.compute import SerialBackend
from napari_cnmf.motion.parameters import MotionParameters
from napari_cnmf.motion.stage import correct
from napari_cnmf.movie import Movie
from napari_cnmf.movie.draft import draft
from napari_cnmf.movie.kernels import sum_bins
from napari_cnmf.movie.parameters import StoreParameters
from napari_cnmf.movie.scale import choose_scale
from napari_cnmf.movie.store import StoreHeader
from napari_cnmf.summary import SummaryParameters
from napari_cnmf.summary.images import Accumulator

N_FRAMES, SIDE, BINS, GROUP = 126, 512, 3, 18

pytestmark = pytest.mark.benchmark(group="fused pass, 126 frames of 512 x 512")


@pytest.fixture(scope="module")
def frames():
    rng = np.random.default_rng(0)
    image = 300 + 1000 * gaussian_filter(rng.standard_normal((SIDE, SIDE)), 3)
    noise = rng.standard_normal((N_FRAMES, SIDE, SIDE), np.float32)
    return (image + np.sqrt(np.maximum(image, 1)) * noise).astype(np.float32)


@pytest.fixture(scope="module")
def scale(frames):
    return choose_scale(frames, frames.mean(axis=0), frames[:60], 16)


@pytest.fixture(scope="module")
def codes(frames, scale):
    codes = np.empty(frames.shape, np.uint16)
    scale.encode(frames, codes)
    return codes


@pytest.fixture
def store(tmp_path, scale):
    header = StoreHeader(scale.step, BINS, "registered", "raw")
    path = tmp_path / "registered.zarr"
    with draft(path, header, scale.base, N_FRAMES, N_FRAMES) as unfinished:
        yield unfinished


def test_encode(benchmark, frames, scale, codes):
    benchmark(scale.encode, frames, codes.copy())


def test_sums(benchmark, codes):
    benchmark(Accumulator.empty((SIDE, SIDE), GROUP).add, codes)


def test_bins(benchmark, codes):
    bins = np.empty((N_FRAMES // BINS, SIDE, SIDE), np.uint32)
    benchmark(sum_bins, codes, BINS, bins)


def test_write_with_bins(benchmark, store, codes):
    benchmark(store.write, 0, codes)


def test_read(benchmark, store, codes):
    store.write(0, codes)
    benchmark(store.read, slice(None))


def test_read_bins(benchmark, store, codes):
    store.write(0, codes)
    benchmark(store.read_binned)


@pytest.mark.benchmark(group="correct, 1500 frames of 128 x 128")
def test_correct_a_small_movie(benchmark, tmp_path):
    frames = np.random.default_rng(0).normal(500, 20, (1500, 128, 128))
    movie = Movie.from_array(frames.astype(np.uint16), frame_rate_hz=30.0)

    def run():
        with SerialBackend() as backend:
            correct(
                movie,
                MotionParameters(),
                path=tmp_path / "registered.zarr",
                store=StoreParameters(),
                summary=SummaryParameters(),
                backend=backend,
            )

    benchmark.pedantic(run, rounds=3, warmup_rounds=1)
