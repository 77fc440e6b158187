"""Rigid registration of 512 x 512 frames on one core, against two FFTs of the frame.

`pytest benchmarks/test_registration.py --benchmark-group-by=group` prints seconds per
chunk of 50 frames. The goal: estimating and applying together take no longer than the
two FFTs, of scipy in float32, that any registration by FFT needs.
"""

from __future__ import annotations

import numpy as np
import pytest
import scipy.fft
from scipy.ndimage import gaussian_filter

from napari_cnmf.motion.rigid import apply_shifts, estimate_shifts, prepare_reference
from napari_cnmf.motion.template import build_template

pytestmark = pytest.mark.benchmark(group="registration, 50 frames of 512 x 512")


@pytest.fixture(scope="module")
def template():
    rng = np.random.default_rng(0)
    return gaussian_filter(rng.standard_normal((512, 512), np.float32), 2)


@pytest.fixture(scope="module")
def frames(template):
    rng = np.random.default_rng(1)
    moves = rng.integers(-6, 7, (50, 2))
    moved = [np.roll(template, move, axis=(0, 1)) for move in moves]
    noise = rng.standard_normal((50, 512, 512), np.float32)
    return np.array(moved) + template.std() * noise


def test_two_ffts_of_each_frame(benchmark, frames):
    benchmark(lambda: [scipy.fft.rfft2(frame) for frame in frames for _ in range(2)])


def test_estimate_and_apply(benchmark, frames, template):
    reference = prepare_reference(template, 12)
    benchmark(lambda: apply_shifts(frames, estimate_shifts(frames, reference)))


def test_estimate(benchmark, frames, template):
    benchmark(estimate_shifts, frames, prepare_reference(template, 12))


def test_apply(benchmark, frames):
    shifts = np.random.default_rng(2).uniform(-6, 6, (50, 2))
    benchmark(apply_shifts, frames, shifts)


def test_template(benchmark, frames):
    benchmark.pedantic(build_template, (frames, 12), rounds=3)
