from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import scipy.ndimage as ndi
import scipy.sparse as sp

from napari_cnmf.simulation import (
    FRAGMENT,
    SOMA,
    Simulation,
    SimulationParameters,
    save_truth,
    simulate,
)

SMALL = SimulationParameters(
    n_frames=300,
    height_px=48,
    width_px=64,
    n_somata=10,
    n_processes=2,
    n_defocused=3,
)
# Nothing changes in time but motion, and light is plentiful.
BRIGHT = replace(
    SMALL,
    neuropil=2000.0,
    brightness=1500.0,
    gain=1.0,
    bleaching=0.0,
    neuropil_modulation=0.0,
    burst_rate_hz=0.0,
    jerk_rate_hz=0.5,
)
STILL = replace(BRIGHT, neuropil=8.5, brightness=7.0, gain=20.0, motion_sd_px=0.0)


@pytest.fixture(scope="module")
def small() -> Simulation:
    return simulate(SMALL, seed=3)


@pytest.fixture(scope="module")
def bright() -> Simulation:
    return simulate(BRIGHT, seed=4)


def moved(image: np.ndarray, shift: np.ndarray) -> np.ndarray:
    return ndi.shift(image.astype(float), shift, order=5, mode="nearest")


def best_shift(frame: np.ndarray, image: np.ndarray, window: tuple) -> np.ndarray:
    """Brute force over half pixels: how far the image's content moved."""
    grid = np.arange(-6, 6.5, 0.5)
    misfit = [
        np.square(frame - moved(image, (y, x)))[window].mean()
        for y in grid
        for x in grid
    ]
    y, x = divmod(int(np.argmin(misfit)), len(grid))
    return grid[[y, x]]


def test_same_seed_gives_the_same_bytes_and_another_seed_does_not(small):
    again, other = simulate(SMALL, seed=3), simulate(SMALL, seed=5)
    for name, value in vars(small).items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(value, getattr(again, name))
    assert (small.footprints != again.footprints).nnz == 0
    assert (small.movie != other.movie).any()
    assert not np.allclose(small.centres, other.centres)


def test_shapes_types_and_order_of_kinds(small):
    layout = {
        "movie": ((300, 48, 64), np.uint16),
        "footprints": ((48 * 64, 15), np.float32),
        "traces": ((15, 300), np.float32),
        "dff": ((15, 300), np.float32),
        "spikes": ((15, 300), np.uint8),
        "n_spikes": ((15,), np.uint64),
        "kind": ((15,), np.int64),
        "fraction_in_field": ((15,), np.float32),
        "snr": ((15,), np.float32),
        "centres": ((15, 2), np.float64),
        "brightness": ((15,), np.float64),
        "time_constants": ((15, 2), np.float64),
        "shifts": ((300, 2), np.float64),
        "modes": ((0, 2, 48, 64), np.float32),
        "mode_traces": ((0, 300), np.float32),
        "mean_image": ((48, 64), np.float32),
    }
    for name, (shape, dtype) in layout.items():
        assert getattr(small, name).shape == shape, name
        assert getattr(small, name).dtype == dtype, name
    assert small.kind.tolist() == [0] * 10 + [1] * 2 + [2] * 3


def test_traces_are_spikes_convolved_with_the_stated_kinetics(small):
    fired = np.flatnonzero(small.n_spikes)
    assert len(fired) > 10
    lag_s = np.arange(1, 301) / SMALL.frame_rate_hz
    for k in fired:
        decay_s, rise_s = small.time_constants[k]
        kernel = np.exp(-lag_s / decay_s) - np.exp(-lag_s / rise_s)
        expected = np.convolve(small.spikes[k], kernel / kernel.max())[:300]
        gain = small.traces[k].max() / expected.max()
        np.testing.assert_allclose(small.traces[k], gain * expected, atol=1e-4 * gain)
        dff = gain / small.brightness[k]
        assert 0.2 < dff / SMALL.spike_dff < 5


def test_the_number_of_spikes_follows_rate_and_burst_length():
    p = replace(SMALL, n_somata=200, burst_rate_sigma=0.0, n_frames=600)
    n_spikes = simulate(p, seed=1).n_spikes
    expected = p.burst_rate_hz * p.burst_spikes * p.n_frames / p.frame_rate_hz
    assert n_spikes.mean() == pytest.approx(expected, rel=0.15)


def test_footprints_are_c_ordered_around_their_centres(small):
    whole = np.flatnonzero(small.fraction_in_field > 0.999)
    assert len(whole) > 5
    for k in whole:
        image = small.footprints[:, [k]].toarray().reshape(48, 64)
        centre = ndi.center_of_mass(image)
        np.testing.assert_allclose(centre, small.centres[k], atol=2)
        assert image.max() == pytest.approx(1)


def test_somata_have_the_size_of_their_diameter_and_blurs_are_larger():
    wide = simulate(replace(SMALL, height_px=96, width_px=96, n_defocused=9), seed=3)
    sizes = np.diff(wide.footprints.indptr)
    whole = wide.fraction_in_field > 0.999
    disc = np.pi / 4 * SMALL.diameter_px**2
    assert disc < np.median(sizes[whole & (wide.kind == 0)]) < 2.5 * disc
    assert sizes[whole & (wide.kind == 2)].min() > 2.5 * disc


def test_a_quarter_of_the_somata_overlap_another_one():
    p = replace(SMALL, height_px=128, width_px=128, n_somata=60, n_frames=2)
    nearest = []
    for seed in range(3):
        centres = simulate(p, seed).centres[:60]
        distance = np.linalg.norm(centres[:, None] - centres, axis=2)
        nearest.append(np.sort(distance, axis=1)[:, 1])
    close = np.mean(np.concatenate(nearest) < 0.9 * p.diameter_px)
    assert 0.25 <= close <= 0.6  # the partner counts as well


def test_shifts_say_how_far_the_content_moved_down_and_right(bright):
    inner = np.s_[8:-8, 8:-8]
    for t in np.argsort(-np.abs(bright.shifts).sum(axis=1))[:2]:
        found = best_shift(bright.movie[t], bright.mean_image, inner)
        np.testing.assert_allclose(found, bright.shifts[t], atol=0.4)
        assert np.abs(bright.shifts[t]).max() > 2


def test_sub_pixel_motion_leaves_nothing_but_noise(bright):
    inner = np.s_[10:-10, 10:-10]
    for t in range(0, 300, 60):
        expected = moved(bright.mean_image, bright.shifts[t])[inner]
        error = bright.movie[t][inner] - expected
        assert abs(error.mean()) < 0.01 * expected.mean()
        sigma = np.sqrt(expected - BRIGHT.offset + BRIGHT.read_noise**2)
        assert np.std(error / sigma) < 1.15


def test_motion_stays_within_its_limits_and_has_jerks():
    p = replace(SMALL, n_frames=3000, n_somata=1, height_px=8, width_px=8)
    shifts = simulate(p, seed=2).shifts
    assert np.abs(shifts).max() <= p.max_shift_px
    assert 0.7 < shifts.std() / p.motion_sd_px < 1.5
    steps = np.abs(np.diff(shifts, axis=0)).max(axis=1)
    assert 3 <= (steps > 5 * np.median(steps)).sum() <= 30


def test_non_rigid_motion_moves_each_place_by_shift_plus_modes():
    p = replace(BRIGHT, height_px=96, width_px=80, max_nonrigid_px=6.0, n_frames=60)
    simulation = simulate(p, seed=1)
    modes, courses = simulation.modes, simulation.mode_traces
    bend = np.tensordot(courses.T, modes, 1)
    assert np.abs(bend).max() <= p.max_nonrigid_px
    t = int(np.abs(bend).mean(axis=(1, 2, 3)).argmax())
    for y, x in [(24, 24), (24, 56), (72, 24), (72, 56)]:
        around = np.s_[y - 20 : y + 20, x - 20 : x + 20]
        frame, image = simulation.movie[t][around], simulation.mean_image[around]
        found = best_shift(frame, image, np.s_[12:-12, 12:-12])
        expected = simulation.shifts[t] + bend[t, :, y, x]
        np.testing.assert_allclose(found, expected, atol=0.8)


def test_noise_is_that_of_photons_and_of_reading():
    p = replace(STILL, n_frames=2000)
    simulation = simulate(p, seed=7)
    movie = simulation.movie.astype(float)
    photons = (simulation.mean_image - p.offset) / p.gain
    np.testing.assert_allclose(movie.mean(axis=0), simulation.mean_image, atol=10)
    slope, rest = np.polyfit(photons.ravel(), movie.var(axis=0).ravel() / p.gain**2, 1)
    assert slope == pytest.approx(1, abs=0.03)
    assert rest == pytest.approx((p.read_noise / p.gain) ** 2, abs=0.3)
    third = ((movie - movie.mean(axis=0)) ** 3).mean() / p.gain**3
    assert third == pytest.approx(photons.mean(), rel=0.05)


def test_bleaching_takes_the_stated_part_of_the_resting_light():
    p = replace(STILL, bleaching=0.4)
    light = simulate(p, seed=1).movie.mean(axis=(1, 2)) - p.offset
    assert light[-20:].mean() / light[:20].mean() == pytest.approx(0.6, abs=0.04)


def test_more_brightness_gives_more_snr(small):
    brighter = simulate(replace(SMALL, brightness=3 * SMALL.brightness), seed=3)
    fired = small.n_spikes > 0
    assert (brighter.snr[fired] > 1.2 * small.snr[fired]).all()
    assert (small.snr[~fired] == 0).all()


def test_snr_is_what_a_matched_filter_reaches_on_the_movie(small):
    p = replace(STILL, burst_rate_hz=0.1, n_frames=3000, brightness=2.0)
    simulation = simulate(p, seed=7)
    k = int(np.argmax(simulation.snr * (simulation.fraction_in_field > 0.999)))
    footprint = simulation.footprints[:, [k]].toarray().ravel()
    movie = simulation.movie.reshape(p.n_frames, -1).astype(float)
    noise = movie[simulation.traces.sum(axis=0) < 0.1]
    assert len(noise) > 200
    filtered = noise @ (footprint / noise.var(axis=0))
    unit = p.gain * footprint @ (footprint / noise.var(axis=0))
    d_prime = simulation.traces[k].max() * unit / filtered.std()
    assert simulation.snr[k] == pytest.approx(d_prime, rel=0.15)


def test_dff_is_what_the_footprint_sees_above_all_light_at_rest():
    p = replace(
        BRIGHT,
        n_somata=1,
        n_processes=0,
        n_defocused=0,
        bleaching=0.4,
        motion_sd_px=0.0,
        burst_rate_hz=0.3,
    )
    simulation = simulate(p, seed=3)
    footprint = simulation.footprints.toarray().ravel()
    seen = (simulation.movie.reshape(300, -1) - p.offset) @ footprint
    quiet = simulation.traces[0] < 0.01 * simulation.traces[0].max()
    frames = np.arange(300)
    rest = np.polyval(np.polyfit(frames[quiet], seen[quiet], 1), frames)
    assert simulation.dff.max() > 0.05
    np.testing.assert_allclose(simulation.dff[0], seen / rest - 1, atol=0.01)


def test_a_scene_without_sources_can_be_simulated():
    empty = simulate(replace(SMALL, n_somata=0, n_processes=0, n_defocused=0), seed=1)
    assert empty.footprints.shape == (48 * 64, 0)
    assert empty.dff.shape == (0, 300)
    assert empty.movie.std() > 0


def test_another_noise_seed_changes_the_noise_alone(small):
    first, second = (simulate(replace(SMALL, noise_seed=n), seed=3) for n in (1, 2))
    for name in ("traces", "shifts", "mean_image", "dff"):
        np.testing.assert_array_equal(getattr(first, name), getattr(small, name))
    noise = [one.movie - small.movie.astype(float) for one in (first, second)]
    # Both differ from the same third movie, which is half of their variance.
    correlation = np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]
    assert correlation == pytest.approx(0.5, abs=0.02)


def test_fragments_are_thinner_than_somata_and_drawn_out():
    p = replace(SMALL, height_px=160, width_px=160, n_fragments=30, n_frames=30)
    simulation = simulate(p, seed=1)
    images = simulation.footprints.toarray().reshape(160, 160, -1)
    ratios, areas = [], []
    for k in np.flatnonzero(simulation.fraction_in_field > 0.99):
        places = np.argwhere(images[..., k] > 0.2)
        short, long = np.linalg.eigvalsh(np.cov(places.T))
        ratios.append(np.sqrt(long / short))
        areas.append(len(places))
    kind = simulation.kind[simulation.fraction_in_field > 0.99]
    ratios, areas = np.array(ratios), np.array(areas)
    assert (kind == FRAGMENT).sum() > 15
    assert np.median(ratios[kind == FRAGMENT]) > 1.5 * np.median(ratios[kind == SOMA])
    assert np.median(areas[kind == FRAGMENT]) < 0.8 * np.median(areas[kind == SOMA])


def test_sizes_vary_as_much_as_stated():
    p = replace(SMALL, height_px=160, width_px=160, n_somata=60, n_frames=30)
    spread = {}
    for sigma in (0.0, 0.3):
        varied = simulate(replace(p, diameter_sigma=sigma), seed=2)
        whole = (varied.fraction_in_field > 0.999) & (varied.kind == SOMA)
        areas = (varied.footprints[:, whole] > 0.3).sum(axis=0)
        spread[sigma] = np.log(areas).std() / 2
    assert spread[0.0] < 0.12
    assert spread[0.3] == pytest.approx(0.3, abs=0.08)


def test_overlapping_somata_come_as_close_as_allowed():
    p = replace(SMALL, height_px=128, width_px=128, n_somata=60, n_frames=2)
    p = replace(p, overlap_fraction=0.6, min_distance_diameters=0.2)
    centres = simulate(p, seed=1).centres[:60]
    distance = np.linalg.norm(centres[:, None] - centres, axis=2)
    nearest = np.sort(distance, axis=1)[:, 1] / p.diameter_px
    assert nearest.min() > 0.2
    assert 0.2 < (nearest < 0.5).mean() < 0.6


def test_saved_truth_has_the_keys_and_types_that_the_scorer_loads(small, tmp_path):
    save_truth(small, tmp_path / "truth.npz")
    with np.load(tmp_path / "truth.npz", allow_pickle=False) as file:
        z = dict(file)
    kinds = {
        **dict.fromkeys(
            ["A_data", "C", "dff", "frac_in_fov", "snr", "mean_image"], "<f4"
        ),
        **dict.fromkeys(["nr_modes", "nr_q"], "<f4"),
        **dict.fromkeys(["center", "brightness", "tau", "shifts", "fr"], "<f8"),
        **dict.fromkeys(["A_indices", "A_indptr"], "<i4"),
        **dict.fromkeys(["A_shape", "kind", "dims", "seed"], "<i8"),
        "S": "|u1",
        "n_spikes": "<u8",
        "order": "<U1",
    }
    params = z.pop("params")
    assert {key: value.dtype.str for key, value in z.items()} == kinds
    assert json.loads(str(params)) == json.loads(json.dumps(asdict(SMALL)))
    footprints = sp.csc_array(
        (z["A_data"], z["A_indices"], z["A_indptr"]), shape=tuple(z["A_shape"])
    )
    assert (footprints != small.footprints).nnz == 0
    assert z["dims"].tolist() == [48, 64]
    np.testing.assert_array_equal(z["C"], small.traces)
    np.testing.assert_array_equal(z["shifts"], small.shifts)
