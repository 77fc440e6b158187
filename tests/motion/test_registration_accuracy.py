"""How exact the registration is: simulated movies, and real frames moved on purpose."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import tifffile
from motion.correction_runs import as_movie, run
from motion.field_twins import displacements, rms, smooth_fields, warped
from scipy.ndimage import fourier_shift

from napari_cnmf.motion.metrics import match_frames, prepare_pattern
from napari_cnmf.motion.parameters import MotionParameters
from napari_cnmf.motion.registrar import build_registrar
from napari_cnmf.movie.images import crispness
from napari_cnmf.simulation import Simulation, SimulationParameters, simulate

SHIFTING = SimulationParameters(
    n_frames=240, height_px=128, width_px=144, n_somata=70, max_nonrigid_px=0.0
)
BENDING = replace(SHIFTING, max_nonrigid_px=3.0)
LARGE = replace(BENDING, n_frames=60, height_px=200, width_px=220, n_somata=170)
#: The same scene and noise without motion; the margin of the scene stays what it was.
STILL = {
    "rigid": replace(SHIFTING, motion_sd_px=0.0),
    "piecewise": replace(
        BENDING, motion_sd_px=0.0, max_shift_px=8.5, max_nonrigid_px=1e-3
    ),
}
MOVING = {"rigid": SHIFTING, "piecewise": BENDING}
MARGIN_PX = 8  # of real frames, which nothing is known around


def fields_of(movie: Simulation) -> np.ndarray:
    """Displacements (T, 2, Y, X) of a simulated movie."""
    bend = np.tensordot(movie.mode_traces.T, movie.modes, 1)
    return bend + movie.shifts[:, :, None, None]


@pytest.mark.parametrize("mode", ["rigid", "piecewise"])
def test_a_registered_movie_is_as_crisp_as_one_that_never_moved(tmp_path, mode):
    moving, still = (simulate(p[mode], 1) for p in (MOVING, STILL))
    np.testing.assert_array_equal(moving.mean_image, still.mean_image)
    found = run(as_movie(moving.movie), tmp_path / "run", MotionParameters(mode=mode))
    valid = np.ix_(*(found.summary.valid.any(axis=axis) for axis in (1, 0)))
    sharpness, likeness = [], []
    for frames in (found.movie.read(), still.movie.astype(np.float32)):
        inside = np.ascontiguousarray(frames[:, valid[0], valid[1]])
        mean = inside.mean(axis=0)
        sharpness.append(crispness(mean))
        likeness.append(match_frames(inside, prepare_pattern(mean, 0))[:, 0].mean())
    assert sharpness[0] > 0.99 * sharpness[1]
    assert likeness[0] > 0.99 * likeness[1]


def test_fields_of_a_simulated_movie_are_found():
    movie = simulate(LARGE, 2)
    frames = movie.movie.astype(np.float32)
    registrar = build_registrar(frames, MotionParameters(mode="piecewise"))
    found = registrar.find(frames, np.arange(len(frames))).fields
    centres = registrar.target.model.grid.centres.astype(float)
    error = found - displacements(fields_of(movie), centres)
    error -= error.mean(axis=0)
    assert rms(error[..., 0]) < 0.15
    assert rms(error[..., 1]) < 0.15


def test_the_shared_movie_is_registered_to_a_twentieth_of_a_pixel(shared):
    folder = shared / "data" / "simulated-small"
    frames = tifffile.imread(folder / "movie.tif").astype(np.float32)
    truth = np.load(folder / "truth.npz")["shifts"]
    registrar = build_registrar(frames[::7], MotionParameters())
    error = registrar.find(frames, np.arange(len(frames))).shifts - truth
    error -= error.mean(axis=0)
    assert np.all(np.sqrt((error**2).mean(axis=0)) < 0.05)


@pytest.fixture(scope="module")
def real(shared) -> np.ndarray:
    path = shared / "data" / "two-photon-crop" / "movie.tif"
    return tifffile.imread(path)[::5].astype(np.float32)


def inside(frames: np.ndarray) -> np.ndarray:
    return frames[:, MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX]


@pytest.mark.parametrize("mode", ["rigid", "piecewise"])
def test_real_frames_moved_by_known_shifts(real, mode):
    some, numbers = real[::4], np.arange(50)
    truth = np.random.default_rng(0).uniform(-5, 5, (50, 2))
    spectra = zip(np.fft.fft2(some), truth, strict=True)
    moved = [np.fft.ifft2(fourier_shift(s, shift)).real for s, shift in spectra]
    registrar = build_registrar(inside(real), MotionParameters(mode=mode))
    before, after = (
        registrar.find(inside(f), numbers).shifts
        for f in (some, np.array(moved, np.float32))
    )
    error = after - before - truth
    assert rms(error[:, 0]) < 0.05
    assert rms(error[:, 1]) < 0.05


@pytest.mark.parametrize("seed", [0, 1])
def test_real_frames_bent_by_known_fields(real, seed):
    some, numbers = real[::5], np.arange(40)
    fields = smooth_fields(40, real.shape[1:], 3.0, seed)
    moved = np.array([warped(f, field) for f, field in zip(some, fields, strict=True)])
    registrar = build_registrar(inside(real), MotionParameters(mode="piecewise"))
    before, after = (registrar.find(inside(f), numbers).fields for f in (some, moved))
    centres = registrar.target.model.grid.centres.astype(float) + MARGIN_PX
    error = after - before - displacements(fields, centres)
    assert rms(error[..., 0]) < 0.15
    assert rms(error[..., 1]) < 0.15
