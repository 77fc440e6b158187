"""How like the template frames are, and which of them are called bad."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import tifffile
from motion.motion_twins import cells
from scipy.ndimage import gaussian_filter, shift

from napari_cnmf.motion.metrics import flag_frames, match_frames, prepare_pattern
from napari_cnmf.motion.rigid import estimate_shifts, prepare_reference
from napari_cnmf.movie.registration import FRAME_REASONS
from napari_cnmf.movie.shifts import Shifts
from napari_cnmf.simulation import SimulationParameters, simulate

AT_LIMIT, UNLIKE, EMPTY = (1 << bit for bit in range(len(FRAME_REASONS)))
SIMULATED = SimulationParameters(n_frames=400, height_px=96, width_px=110)


def registered(frames: np.ndarray) -> tuple[Shifts, np.ndarray]:
    """Shifts and matches as the registration finds them."""
    sample = frames[np.linspace(0, len(frames) - 1, 100).astype(int)]
    template = np.median(sample, axis=0)
    for _ in range(2):
        shifts = estimate_shifts(sample, prepare_reference(template, 12))
        template = np.median(moved_back(sample, shifts), axis=0)
    shifts = estimate_shifts(frames, prepare_reference(template, 12))
    pattern = prepare_pattern(template, 12)
    return Shifts(shifts, template, 12.0), match_frames(
        moved_back(frames, shifts), pattern
    )


def moved_back(frames: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    pairs = zip(frames, shifts, strict=True)
    return np.stack([shift(f, -s, order=1, mode="nearest") for f, s in pairs])


def simulated(seed: int = 0, **changes) -> np.ndarray:
    movie = simulate(replace(SIMULATED, **changes), seed).movie
    return movie.astype(np.float32)


# --- matches -----------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(23, 31), (8, 40), (33, 9), (2, 2), (1, 7)])
@pytest.mark.parametrize("margin", [0, 3, 50])
@pytest.mark.parametrize("level", [0.0, 3e4])
def test_matches_are_correlation_and_slope(shape, margin, level):
    rng = np.random.default_rng(0)
    template = rng.random(shape).astype(np.float32)
    noise = rng.random((5, *shape), np.float32)
    frames = (level + 100 * (template + 0.3 * noise)).astype(np.float32)
    m = min(margin, min(shape) // 4)
    inner = np.s_[m : shape[0] - m, m : shape[1] - m]
    x = template[inner].ravel().astype(float)
    for frame, match in zip(
        frames, match_frames(frames, prepare_pattern(template, margin)), strict=True
    ):
        y = frame[inner].ravel().astype(float)
        slope = np.cov(x, y, bias=True)[0, 1] / x.var()
        expected = np.corrcoef(x, y)[0, 1], slope
        np.testing.assert_allclose(match, expected, rtol=2e-3, atol=2e-4)


@pytest.mark.parametrize("level", [0.0, 0.1, 1000.3, 65535.0, np.nan, np.inf])
def test_a_frame_without_signal_matches_nothing(level):
    template = cells((40, 50))
    frames = np.stack([np.full_like(template, level), template])
    matches = match_frames(frames, prepare_pattern(template, 4))
    np.testing.assert_array_equal(matches[0], 0)
    np.testing.assert_allclose(matches[1], 1, atol=1e-5)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_one_pixel_that_is_no_number_spoils_its_frame_only(bad):
    template = cells((40, 50))
    frames = np.stack([template, template])
    frames[0, 20, 20] = bad
    matches = match_frames(frames, prepare_pattern(template, 4))
    np.testing.assert_array_equal(matches[0], 0)
    np.testing.assert_allclose(matches[1], 1, atol=1e-5)


def test_a_hot_pixel_does_not_hide_the_frame():
    template = cells((40, 50))
    frame = template + 100
    frame[20, 10] = 65535
    x, y = (image[4:-4, 4:-4].ravel() for image in (template, frame))
    (match,) = match_frames(frame[None], prepare_pattern(template, 4))
    np.testing.assert_allclose(match[0], np.corrcoef(x, y)[0, 1], rtol=1e-3)


@pytest.mark.parametrize("shape", [(1, 1), (6, 6)])
def test_a_constant_template_matches_nothing(shape):
    pattern = prepare_pattern(np.full(shape, 3.3, np.float32), 2)
    frames = np.random.default_rng(0).random((4, *shape), np.float32)
    np.testing.assert_array_equal(match_frames(frames, pattern), 0)


def test_no_frames_have_no_matches():
    pattern = prepare_pattern(cells((10, 12)), 2)
    assert match_frames(np.empty((0, 10, 12), np.float32), pattern).shape == (0, 2)


# --- flags -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"brightness": 2.0, "neuropil": 2.0},
        {"n_somata": 8, "brightness": 30.0, "neuropil": 1.0, "spike_dff": 0.8},
        {"burst_spikes": 15.0, "burst_rate_hz": 0.05, "spike_dff": 0.6},
        {"bleaching": 0.8},
        {"max_nonrigid_px": 3.0},
        {"motion_sd_px": 3.0, "max_shift_px": 10.0, "jerk_rate_hz": 0.5},
    ],
    ids=["plain", "dim", "sparse", "bursts", "bleaching", "non-rigid", "jerky"],
)
def test_frames_of_a_healthy_movie_are_not_flagged(changes):
    flags = flag_frames(*registered(simulated(3, **changes)))
    assert not np.any(flags & ~AT_LIMIT)


def test_a_burst_of_all_cells_is_not_flagged():
    simulation = simulate(replace(SIMULATED, neuropil=2.0), 4)
    frames = simulation.movie.astype(np.float32)
    all_cells = np.asarray(simulation.footprints.sum(axis=1)).reshape(96, 110)
    course = 2000 * np.exp(-np.arange(60) / 15)[:, None, None]
    for start in (50, 150, 300):
        frames[start : start + 60] += (course * all_cells).astype(np.float32)
    assert not flag_frames(*registered(frames)).any()


@pytest.mark.parametrize("name", ["simulated-small", "two-photon-crop"])
def test_frames_of_shared_movies_are_not_flagged(shared, name):
    frames = tifffile.imread(shared / "data" / name / "movie.tif").astype(np.float32)
    assert not flag_frames(*registered(frames)).any()


def test_garbage_frames_are_flagged_with_their_reason():
    frames = simulated()
    rng = np.random.default_rng(0)
    mean, sd = frames.mean(axis=0), 60.0
    frames[50] = 200
    frames[51] = 200 + 15 * rng.standard_normal(mean.shape)
    frames[52] = 65535
    frames[120, 24:48] = 65535
    frames[121] = mean[::-1, ::-1] + sd * rng.standard_normal(mean.shape)
    frames[122] = gaussian_filter(mean, 8) + sd * rng.standard_normal(mean.shape)
    frames[123, 40:] = np.roll(frames[123, 40:], 25, axis=1)
    flags = flag_frames(*registered(frames))
    assert np.all(flags[50:53] & EMPTY)
    assert np.all(flags[120:124] & UNLIKE)
    assert set(np.flatnonzero(flags)) == {50, 51, 52, 120, 121, 122, 123}


def test_a_dark_stretch_is_flagged_as_a_whole():
    frames = simulated()
    rng = np.random.default_rng(0)
    frames[200:350] = 200 + 15 * rng.standard_normal((150, 96, 110))
    flags = flag_frames(*registered(frames))
    np.testing.assert_array_equal(np.flatnonzero(flags), np.arange(200, 350))
    assert np.mean(flags[200:350] & EMPTY > 0) > 0.95


def test_a_frame_at_the_limit_is_flagged():
    frames = simulated()
    shifts, matches = registered(frames)
    shifts.values[7] = 12, -3
    flags = flag_frames(shifts, matches)
    assert flags[7] == AT_LIMIT
    assert np.count_nonzero(flags) == 1


@pytest.mark.parametrize("value", [0.0, 0.01])
def test_where_no_frame_shows_the_template_none_is_flagged(value):
    shifts = Shifts(np.zeros((50, 2), np.float32), np.zeros((9, 9), np.float32), 2.0)
    matches = np.full((50, 2), value, np.float32)
    matches[7] = 0.002 * (value > 0)
    assert not flag_frames(shifts, matches).any()
