"""Proposals are right where the movie tells, and say so where it does not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_cnmf.cnmf.parameters import CnmfParameters, InitParameters
from napari_cnmf.cnmf.proposals.propose import propose
from napari_cnmf.cnmf.proposals.resolve import disagreements, resolved
from napari_cnmf.cnmf.proposals.sample import Sampler, Window
from napari_cnmf.compute import SerialBackend, ThreadBackend
from napari_cnmf.movie import Movie
from napari_cnmf.proposal import DECAY, HALF_SIZE, Proposal
from napari_cnmf.simulation import SimulationParameters, simulate
from napari_cnmf.summary.parameters import SummaryParameters
from napari_cnmf.summary.stage import summarise

CROP = Path(__file__).parents[3] / "shared/data/two-photon-crop/movie.tif"
STILL = SimulationParameters(
    n_frames=600,
    height_px=96,
    width_px=96,
    n_somata=34,
    n_processes=3,
    n_defocused=5,
    motion_sd_px=0.0,
    jerk_rate_hz=0.0,
)

# Together more than ten seconds: whole runs.
pytestmark = pytest.mark.slow


def summarised(array, rate_hz=30.0):
    movie = Movie.from_array(array, frame_rate_hz=rate_hz)
    with SerialBackend() as backend:
        return movie, summarise(movie, SummaryParameters(), backend=backend)


def proposals(movie, summary, **options) -> dict[str, Proposal]:
    with SerialBackend() as backend:
        made = propose(movie, summary, backend=backend, **options)
    return {one.parameter: one for one in made}


def simulated(**changes):
    return summarised(simulate(replace(STILL, **changes), seed=3).movie)


@pytest.fixture(scope="module")
def usual():
    return simulated()


@pytest.fixture(scope="module")
def usual_proposals(usual):
    return proposals(*usual)


@pytest.fixture(scope="module")
def noise():
    """A movie of noise alone."""
    shape = (400, 64, 60)
    return summarised(np.random.default_rng(0).normal(100, 5, shape).astype(np.float32))


@pytest.mark.parametrize(
    ("diameter_px", "n_somata", "side_px"),
    [(6.0, 50, 96), (11.0, 34, 96), (20.0, 20, 128)],
)
def test_the_size_of_cells_is_found(diameter_px, n_somata, side_px):
    shape = {"height_px": side_px, "width_px": side_px}
    made = proposals(*simulated(diameter_px=diameter_px, n_somata=n_somata, **shape))
    assert made[HALF_SIZE].confident
    assert made[HALF_SIZE].value == pytest.approx(diameter_px / 2.75, rel=0.2)


def test_strong_neuropil_does_not_pass_for_larger_cells():
    movie = simulated(neuropil=14.0, neuropil_modulation=0.15, n_frames=900)
    assert proposals(*movie)[HALF_SIZE].value == pytest.approx(4.0, rel=0.16)


@pytest.mark.parametrize(("low_s", "high_s"), [(0.2, 0.3), (1.0, 1.6)])
def test_the_decay_time_is_found(low_s, high_s):
    made = proposals(*simulated(decay_s=(low_s, high_s), n_frames=1200))[DECAY]
    assert made.confident
    assert made.value == pytest.approx((low_s + high_s) / 2, rel=0.25)
    assert made.low <= made.value <= made.high


def test_a_curve_shows_the_evidence(usual_proposals):
    size = usual_proposals[HALF_SIZE]
    assert size.curve_x[np.argmax(size.curve_y)] == pytest.approx(size.value, rel=0.1)
    assert f"{size.value:.1f} px" in size.evidence
    decay = usual_proposals[DECAY]
    assert decay.curve_x[0] == pytest.approx(1 / 30)
    assert decay.curve_y[0] == 1


def test_patches_hold_a_dozen_cells_across_and_their_components(usual_proposals):
    side = usual_proposals["patches.patch_size_px"].value
    assert 10 < side / (2.75 * usual_proposals[HALF_SIZE].value) < 14
    assert usual_proposals["patches.patch_overlap_px"].value < side / 2
    # The field, of 34 somata, is one patch.
    assert 20 <= usual_proposals["patches.max_components"].value <= 45


def test_what_depends_on_the_size_follows_the_given_one(usual):
    made = proposals(*usual, half_size_px=8.0)
    assert made[HALF_SIZE].value < 5
    assert made["patches.patch_size_px"].value == 256


def test_noise_gives_fallbacks_that_say_so(noise):
    made = proposals(*noise)
    assert not made[HALF_SIZE].confident
    assert made[HALF_SIZE].value == InitParameters().neuron_half_size_px
    assert "no size stands out" in made[HALF_SIZE].evidence
    assert not made[DECAY].confident
    assert made[DECAY].value == 0.5
    assert not made["patches.max_components"].confident


def test_the_rise_time_is_never_told(usual_proposals):
    rise = usual_proposals["acquisition.rise_time_s"]
    assert (rise.value, rise.confident) == (0.08, False)


def test_without_a_frame_rate_there_is_no_decay_time(usual):
    movie, summary = usual
    made = proposals(movie.subset(slice(400)).with_(frame_rate_hz=None), summary)
    assert made[HALF_SIZE].confident
    assert "frame rate" in made[DECAY].evidence
    assert not made[DECAY].confident


@pytest.mark.parametrize("shape", [(5, 40, 30), (40, 1, 1), (40, 300, 3)], ids=str)
def test_tiny_movies_give_fallbacks(shape):
    array = np.random.default_rng(1).normal(0, 1, shape).astype(np.float32)
    made = proposals(*summarised(array))
    assert not made[HALF_SIZE].confident
    assert not made[DECAY].confident


def test_frames_left_out_do_not_matter(usual):
    movie, summary = usual
    flash = movie.read().copy()
    flash[200:210] = 60000
    spoilt = Movie.from_array(flash, frame_rate_hz=30.0).with_(
        left_out=tuple(range(200, 210))
    )
    expected, made = proposals(movie, summary), proposals(spoilt, summary)
    for name in (HALF_SIZE, DECAY):
        assert made[name].value == pytest.approx(expected[name].value, rel=0.1)


def test_any_number_of_workers_gives_the_same_bytes(usual, usual_proposals):
    with ThreadBackend(2) as backend:
        made = propose(*usual, backend=backend)
    for one in made:
        other = usual_proposals[one.parameter]
        assert (one.value, one.evidence) == (other.value, other.evidence)
        assert np.array_equal(one.curve_y, other.curve_y)


def test_windows_are_the_liveliest_of_each_quarter(noise):
    _, summary = noise
    correlation = np.zeros((300, 270), np.float32)
    for y, x in ((80, 64), (70, 200), (230, 70), (235, 205)):
        correlation[y - 10 : y + 10, x - 10 : x + 10] = 1
    wide = replace(summary, correlation=correlation, valid=np.ones((300, 270), bool))
    still = Movie.from_array(np.zeros((2, 300, 270), np.uint8))
    windows = Sampler(still, wide).windows()
    assert [window.shape for window in windows] == [(128, 128)] * 4
    for window in windows:
        assert correlation[window.rows, window.cols].sum() == 400


def test_a_small_field_is_one_window(noise):
    assert Sampler(*noise).windows() == [Window(slice(0, 64), slice(0, 60))]


def test_a_sample_is_the_normalised_movie(noise):
    movie, summary = noise
    window = Window(slice(10, 40), slice(5, 35))
    inside = window.rows, window.cols
    frames = (movie.read(slice(None), *inside) - summary.mean[inside]) / summary.noise[
        inside
    ]
    flat = frames.reshape(len(frames), -1)
    weights = np.random.default_rng(2).random((3, 900), np.float32)
    traces = Sampler(movie, summary).traces(window, weights)
    np.testing.assert_allclose(traces, weights @ flat.T, atol=2e-2)
    bins = Sampler(movie, summary).bins(window)
    expected = flat[:399].reshape(133, 3, -1).mean(axis=1).T * np.sqrt(3)
    np.testing.assert_allclose(bins, expected, atol=1e-3)


def test_only_what_is_auto_is_filled_in(usual_proposals):
    made = usual_proposals.values()
    given = CnmfParameters()
    assert resolved(given, made) == given
    auto = replace(given, init=InitParameters(neuron_half_size_px=None), decay_s=None)
    measured = InitParameters(neuron_half_size_px=usual_proposals[HALF_SIZE].value)
    # The decay time is left to the cells that will be found.
    assert resolved(auto, made) == replace(given, init=measured, decay_s=None)


def test_given_values_far_from_the_movie_are_told(usual_proposals):
    made = usual_proposals.values()
    right = CnmfParameters(decay_s=usual_proposals[DECAY].value)
    assert disagreements(right, made) == []
    wrong = replace(right, init=InitParameters(neuron_half_size_px=8), decay_s=2.0)
    size, decay = disagreements(wrong, made)
    assert size.startswith("The neuron half-size is set to 8 px, but this movie looks")
    assert "init.neuron_half_size_px=auto" in size
    assert decay.startswith("The decay time is set to 2 s, but this movie looks like")


def test_what_the_movie_does_not_tell_is_not_held_against_the_user(noise):
    wrong = CnmfParameters(init=InitParameters(neuron_half_size_px=20), decay_s=4.0)
    assert disagreements(wrong, proposals(*noise).values()) == []


@pytest.mark.skipif(not CROP.exists(), reason=f"{CROP} is missing")
def test_small_cells_of_a_real_movie_are_sized():
    made = proposals(*summarised(tifffile.imread(CROP), 15.0))
    assert made[HALF_SIZE].confident
    assert 1.4 < made[HALF_SIZE].value < 3
    assert 0.15 < made[DECAY].value < 0.6
