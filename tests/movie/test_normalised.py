"""Movies in units of the noise, whatever they are read from."""

from __future__ import annotations

import numpy as np
import pytest
import small_runs as runs

from napari_cnmf.movie.images import SummaryImages
from napari_cnmf.movie.normalised import (
    bin_length,
    bin_traces,
    bins_left_out,
    bridge,
    gains,
    normalised_bins,
    normalised_frames,
    tiles,
)
from napari_cnmf.movie.parameters import StoreParameters

WHOLE = np.s_[0:70, 0:91]
REGIONS = [WHOLE, np.s_[3:70, 64:91], np.s_[10:11, 5:30], np.s_[69:70, 90:91]]


@pytest.fixture(scope="module")
def movie():
    frames = np.random.default_rng(0).normal(500, 20, (101, 70, 91))
    return runs.as_movie(frames.astype(np.uint16))


@pytest.fixture(scope="module")
def correction(movie, tmp_path_factory):
    return runs.corrected(movie, tmp_path_factory.mktemp("run"), block=36)


@pytest.fixture(params=["array", "store"])
def source(request, movie, correction):
    return movie if request.param == "array" else correction.movie


@pytest.fixture(scope="module")
def summary(correction):
    """Images with a pixel without noise and a border without data."""
    noise, valid = correction.summary.noise.copy(), np.ones((70, 91), bool)
    noise[20, 30] = 0
    valid[:, :4] = False
    mean = correction.summary.mean
    return SummaryImages(mean, mean, noise, noise, noise, valid)


def expected(frames, summary, region, noise_share):
    """Pixels (n, T) by the definition."""
    noise = summary.noise.astype(np.float64)
    noise[(noise == 0) | ~summary.valid] = np.inf
    normalised = (frames - summary.mean.astype(np.float64)) / (noise_share * noise)
    return normalised[:, *region].reshape(len(frames), -1).T


def test_gains_are_one_over_the_noise_where_there_is_data(summary):
    found = gains(summary)
    assert found.dtype == np.float32
    assert not found[:, :4].any()
    assert found[20, 30] == 0
    np.testing.assert_allclose(found[:, 40:] * summary.noise[:, 40:], 1, rtol=1e-6)


@pytest.mark.parametrize("region", REGIONS, ids=str)
def test_bins_are_in_units_of_their_noise(source, summary, region):
    frames = source.read().astype(np.float64)[:99].reshape(33, 3, 70, 91).mean(axis=1)
    found = normalised_bins(source, summary, 3, *region)
    assert found.dtype == np.float32
    assert found.flags.c_contiguous
    wanted = expected(frames, summary, region, 1 / np.sqrt(3))
    np.testing.assert_allclose(found, wanted, atol=1e-3)


@pytest.mark.parametrize("region", REGIONS, ids=str)
@pytest.mark.parametrize("frames", [slice(0, 101), slice(30, 75), slice(100, 101)])
def test_frames_are_in_units_of_their_noise(source, summary, region, frames):
    found = normalised_frames(source, summary, frames, *region)
    assert found.dtype == np.float32
    assert found.flags.c_contiguous
    wanted = expected(source.read(frames), summary, region, 1)
    np.testing.assert_allclose(found, wanted, atol=1e-3)


def test_noise_alone_has_a_deviation_of_one(source, correction):
    for values in (
        normalised_bins(source, correction.summary, 3, *WHOLE),
        normalised_frames(source, correction.summary, slice(0, 101), *WHOLE),
    ):
        assert values.std() == pytest.approx(1, abs=0.02)


def test_a_bin_is_that_of_the_store_or_of_a_tenth_of_a_second(movie, tmp_path):
    assert bin_length(movie) == 3
    store = StoreParameters(bin_s=0.07)
    stored = runs.corrected(movie, tmp_path, store=store).movie
    assert bin_length(stored) == 2


@pytest.mark.parametrize("bin_frames", [1, 3, 20, 101])
def test_traces_are_averaged_in_the_same_bins(bin_frames):
    traces = np.random.default_rng(0).random((4, 101)).astype(np.float32)
    found = bin_traces(traces, bin_frames)
    for t in range(101 // bin_frames):
        part = traces[:, t * bin_frames : (t + 1) * bin_frames]
        np.testing.assert_allclose(found[:, t], part.mean(axis=1), rtol=1e-5)
    assert found.shape == (4, 101 // bin_frames)


@pytest.mark.parametrize("side_px", [1, 5, 128])
@pytest.mark.parametrize("shape", [(1, 1), (9, 17), (5, 128)], ids=str)
def test_tiles_cover_a_field_once(shape, side_px):
    count = np.zeros(shape, int)
    for tile in tiles(shape, side_px):
        assert max(count[tile].shape) <= side_px
        count[tile] += 1
    assert (count == 1).all()


def test_bins_with_frames_left_out_are_zero(source, summary):
    plain = normalised_bins(source, summary, 3, *WHOLE)
    patchy = source.with_(left_out=(0, 1, 50, 100))
    found = normalised_bins(patchy, summary, 3, *WHOLE)
    np.testing.assert_array_equal(bins_left_out(patchy.left_out, 3, 101), [0, 16])
    kept = np.delete(np.arange(33), [0, 16])
    np.testing.assert_array_equal(found[:, kept], plain[:, kept])
    assert not found[:, [0, 16]].any()


@pytest.mark.parametrize("left_out", [[4], [3, 4, 5], [0, 1], [8, 9], [0, 5, 9]])
def test_a_straight_trace_is_bridged_by_itself(left_out):
    straight = np.stack([np.full(10, 7), np.arange(10)]).astype(np.float32)
    broken = straight.copy()
    broken[:, left_out] = np.nan
    bridge(broken, np.array(left_out))
    assert np.isfinite(broken).all()
    np.testing.assert_array_equal(broken[0], straight[0])
    inner = np.setdiff1d(np.arange(10), [t for t in left_out if t in (0, 1, 8, 9)])
    np.testing.assert_allclose(broken[1, inner], straight[1, inner], rtol=1e-6)


def test_the_noise_beside_a_long_gap_is_not_drawn_out():
    trace = np.zeros((1, 300), np.float32)
    trace[0, 99] = trace[0, 200] = 10
    bridge(trace, np.arange(100, 200))
    np.testing.assert_allclose(trace[0, 100:200], 1, rtol=1e-5)


def test_nothing_left_out_changes_nothing():
    traces = np.random.default_rng(0).random((3, 8)).astype(np.float32)
    before = traces.copy()
    bridge(traces, np.array([], np.int64))
    np.testing.assert_array_equal(traces, before)
