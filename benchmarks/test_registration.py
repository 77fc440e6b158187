"""Parts of the registration of 512 x 512 frames on one core, 48 frames at a time.

`pytest -n 0 benchmarks/test_registration.py --benchmark-group-by=group`; their ratio
to two Fourier transforms of a frame is what `registration_speed.py` prints.
"""

from __future__ import annotations

import numpy as np
import pytest
import scipy.fft
from scipy.ndimage import gaussian_filter

from napari_cnmf.motion.metrics import match_frames, prepare_pattern
from napari_cnmf.motion.parameters import MotionParameters
from napari_cnmf.motion.registrar import Target, build_registrar, move_back
from napari_cnmf.motion.rigid import estimate_shifts

pytestmark = pytest.mark.benchmark(group="registration, 48 frames of 512 x 512")
MODES = ("rigid", "piecewise")


@pytest.fixture(scope="module")
def template():
    rng = np.random.default_rng(0)
    return gaussian_filter(rng.standard_normal((512, 512), np.float32), 2)


@pytest.fixture(scope="module")
def frames(template):
    rng = np.random.default_rng(1)
    moves = rng.integers(-6, 7, (48, 2))
    moved = [np.roll(template, move, axis=(0, 1)) for move in moves]
    noise = rng.standard_normal((48, 512, 512), np.float32)
    return np.array(moved) + template.std() * noise


@pytest.fixture(scope="module")
def target(frames, template):
    variance = np.full_like(template, template.var())
    return Target.of(template, variance, MotionParameters())


def test_two_ffts_of_each_frame(benchmark, frames):
    benchmark(lambda: [scipy.fft.rfft2(frame) for frame in frames for _ in range(2)])


def test_estimate_shifts(benchmark, frames, target):
    benchmark(estimate_shifts, frames, target.reference)


def test_estimate_fields(benchmark, frames, target):
    benchmark(target.fields, frames)


@pytest.mark.parametrize("mode", MODES)
def test_move_back(benchmark, frames, mode):
    registrar = build_registrar(frames, MotionParameters(mode=mode))
    motion = registrar.find(frames, np.arange(len(frames)))
    fill = registrar.target.template
    benchmark(move_back, frames, motion, registrar.places, fill)


def test_compare(benchmark, frames, template):
    benchmark(match_frames, frames, prepare_pattern(template, 12))


@pytest.mark.parametrize("mode", MODES)
def test_template(benchmark, frames, mode):
    parameters = MotionParameters(mode=mode)
    benchmark.pedantic(build_registrar, (frames, parameters), rounds=3)
