"""CaImAn's scores against their twins, by hand, and against what CaImAn saved."""

from __future__ import annotations

from threading import Event

import h5py
import numpy as np
import pytest
import scipy.sparse as sp
from quality import caiman_twins as twins

from napari_cnmf.compute import SerialBackend, Stopwatch, ThreadBackend, silent
from napari_cnmf.errors import CancelledError
from napari_cnmf.movie import Movie
from napari_cnmf.quality import kernels
from napari_cnmf.quality.caiman import (
    PeakChoice,
    caiman_r_values,
    caiman_snr,
    event_frames,
)
from napari_cnmf.quality.exceptional import trace_fitness

FIELD = (11, 17)


def snr_of(raw, n_frames=12):
    """SNR of raw traces."""
    return caiman_snr(trace_fitness(raw, n_frames)[0], n_frames)


def r_values(movie, footprints, frames, backend=None, cancel=None, progress=silent):
    """Score with a plain backend unless another is given."""
    watch = Stopwatch(progress, "evaluate", len(movie), "frames")
    with backend or SerialBackend() as running:
        return caiman_r_values(
            Movie.from_array(movie),
            footprints,
            frames,
            backend=running,
            watch=watch,
            cancel=cancel,
        )


def crowd(n_components=7, n_frames=1100, seed=0):
    """Movie (more than one block), footprints and event frames of overlapping cells."""
    _, denoised = twins.simulate_traces(n_components, n_frames, seed=seed)
    footprints = twins.simulate_footprints(FIELD, n_components, seed=seed)
    frames = event_frames(denoised, footprints, 10.0)
    rng = np.random.default_rng(seed)
    movie = 100 + (footprints @ denoised).T
    movie = movie.reshape(-1, *FIELD) + 3 * rng.standard_normal((n_frames, *FIELD))
    return movie.astype(np.float32), denoised, footprints, frames


def test_snr_equals_what_caiman_saved(shared):
    path = shared / "data" / "caiman-results" / "simulated-small.hdf5"
    with h5py.File(path) as file:
        raw = file["estimates/C"][:] + file["estimates/YrA"][:]
        rate_hz, decay_s = (
            file["params/data/fr"][()],
            file["params/data/decay_time"][()],
        )
        expected = file["estimates/SNR_comp"][:]
    n_frames = int(np.ceil(rate_hz * decay_s))
    snr = snr_of(raw.astype(np.float32), n_frames)
    np.testing.assert_allclose(snr, expected, atol=1e-5)


@pytest.mark.parametrize("n_frames", [10, 37, 400, 1001, 4321])
def test_snr_equals_its_definition(n_frames):
    raw, _ = twins.simulate_traces(5, n_frames)
    expected = [twins.snr(trace, 12) for trace in raw]
    np.testing.assert_allclose(snr_of(raw), expected, rtol=1e-5)


def test_snr_counts_in_units_of_three_standard_deviations():
    raw = np.random.default_rng(0).standard_normal((20, 5000)).astype(np.float32)
    raw[:, 2000:2012] = 12
    assert np.median(snr_of(raw)) == pytest.approx(4, rel=0.1)


def test_snr_of_a_huge_transient_is_finite():
    raw = np.random.default_rng(0).standard_normal((1, 1000)).astype(np.float32)
    raw[:, 500:520] = 3000
    assert 500 < snr_of(raw)[0] < 2000


def test_snr_ignores_offset_and_unit():
    raw, _ = twins.simulate_traces(5, 1000)
    np.testing.assert_allclose(snr_of(50 * raw - 300), snr_of(raw), rtol=1e-3)


def test_snr_of_what_has_no_noise_is_zero():
    raw = np.full((3, 200), 7.5, np.float32)
    raw[1, 50] = np.nan
    raw[2, 50:60] = 20
    np.testing.assert_array_equal(snr_of(raw), 0)


@pytest.mark.parametrize("n_frames", [1, 4, 9])
def test_snr_of_traces_too_short_for_a_baseline_is_zero(n_frames):
    raw, _ = twins.simulate_traces(3, n_frames)
    np.testing.assert_array_equal(snr_of(raw), 0)


@pytest.mark.parametrize("rate_hz", [3.0, 10.0, 30.0])
def test_event_frames_equal_their_definition(rate_hz):
    _, denoised = twins.simulate_traces(12, 700, seed=1)
    footprints = twins.simulate_footprints(FIELD, 12)
    frames = event_frames(denoised, footprints, rate_hz)
    before, after = {3.0: (2, 5), 10.0: (2, 9), 30.0: (5, 25)}[rate_hz]
    expected = twins.event_frames(denoised, footprints.toarray(), before, after)
    assert frames.dtype == bool
    np.testing.assert_array_equal(frames.toarray(), expected)


def test_frames_left_out_are_no_event_frames():
    _, denoised = twins.simulate_traces(12, 700, seed=1)
    footprints = twins.simulate_footprints(FIELD, 12)
    left_out = tuple(range(0, 700, 7))
    plain = event_frames(denoised, footprints, 30.0).toarray()
    found = event_frames(denoised, footprints, 30.0, left_out).toarray()
    assert plain[:, ::7].any()
    plain[:, ::7] = False
    np.testing.assert_array_equal(found[plain.any(axis=1)], plain[plain.any(axis=1)])
    assert not found[:, ::7].any()


def test_peaks_can_be_chosen_otherwise():
    _, denoised = twins.simulate_traces(12, 700, seed=1)
    footprints = twins.simulate_footprints(FIELD, 12)
    for changes in ({"n_peaks": 3}, {"level": 0.7}, {"overlap": 0.9}):
        frames = event_frames(
            denoised, footprints, 30.0, choice=PeakChoice()._replace(**changes)
        )
        expected = twins.event_frames(
            denoised, footprints.toarray(), before=5, after=25, **changes
        )
        np.testing.assert_array_equal(frames.toarray(), expected)
        assert (expected != event_frames(denoised, footprints, 30.0).toarray()).any()


def test_a_flat_top_is_a_peak_at_its_middle():
    denoised = np.zeros((1, 60), np.float32)
    denoised[0, 20:25] = 1
    frames = event_frames(denoised, sp.csc_array(np.ones((4, 1))), 30.0)
    np.testing.assert_array_equal(frames.indices, np.arange(17, 47))


def test_a_component_always_hidden_by_a_neighbour_keeps_its_frames():
    _, trace = twins.simulate_traces(1, 300)
    footprint = np.random.default_rng(0).random((9, 1))
    alone = event_frames(trace, sp.csc_array(footprint), 30.0)
    twice = sp.csc_array(np.tile(footprint, 2))
    frames = event_frames(np.tile(trace, (2, 1)), twice, 30.0)
    np.testing.assert_array_equal(frames.toarray(), np.tile(alone.toarray(), (2, 1)))


def test_constant_traces_and_empty_footprints_are_harmless():
    _, denoised = twins.simulate_traces(3, 300)
    denoised[1] = 2
    footprints = twins.simulate_footprints(FIELD, 3).toarray()
    footprints[:, 2] = 0
    frames = event_frames(denoised, sp.csc_array(footprints), 30.0)
    counts = np.diff(frames.indptr)
    assert counts[1] == 0
    assert (counts[[0, 2]] > 0).all()
    movie = np.random.default_rng(0).random((300, *FIELD)).astype(np.float32)
    r = r_values(movie, sp.csc_array(footprints), frames)
    np.testing.assert_array_equal(r[1:], 0)
    assert r[0] != 0


@pytest.mark.parametrize("dtype", [np.float32, np.uint16])
def test_r_values_equal_their_definition(dtype):
    movie, _, footprints, frames = crowd()
    movie = movie.astype(dtype)
    expected = twins.r_values(movie, footprints.toarray(), frames.toarray())
    r = r_values(movie, footprints, frames)
    assert r.dtype == np.float32
    np.testing.assert_allclose(r, expected, atol=1e-6)


def test_r_values_do_not_depend_on_the_number_of_workers():
    movie, _, footprints, frames = crowd()
    one = r_values(movie, footprints, frames)
    two = r_values(movie, footprints, frames, ThreadBackend(2))
    assert one.tobytes() == two.tobytes()


def test_permuting_components_permutes_their_r_values():
    movie, denoised, footprints, frames = crowd(n_components=120)
    order = np.random.default_rng(0).permutation(120)
    permuted = footprints[:, order]
    again = event_frames(denoised[order], permuted, 10.0)
    np.testing.assert_array_equal(
        r_values(movie, permuted, again), r_values(movie, footprints, frames)[order]
    )


def test_r_value_of_fewer_than_three_pixels_is_zero():
    movie, *_ = crowd(n_frames=50)
    footprints = np.zeros((FIELD[0] * FIELD[1], 2), np.float32)
    footprints[:2, 0] = 1, 2
    footprints[:3, 1] = 1, 2, 4
    frames = sp.csr_array(np.ones((2, 50), bool))
    r = r_values(movie, sp.csc_array(footprints), frames)
    assert r[0] == 0
    assert r[1] != 0


def test_an_undefined_r_value_is_minus_one():
    movie, *_ = crowd(n_frames=50)
    movie[7, 0, 1] = np.nan
    footprints = np.zeros((FIELD[0] * FIELD[1], 2), np.float32)
    footprints[:4, 0] = 1, 2, 3, 4
    footprints[20:30, 1] = 0.3
    frames = sp.csr_array(np.ones((2, 50), bool))
    r = r_values(movie, sp.csc_array(footprints), frames)
    np.testing.assert_array_equal(r, -1)


def test_no_components_have_no_scores():
    movie, *_ = crowd(n_frames=50)
    none = np.zeros((0, 50), np.float32)
    footprints = sp.csc_array((FIELD[0] * FIELD[1], 0), dtype=np.float32)
    frames = event_frames(none, footprints, 30.0)
    assert frames.shape == (0, 50)
    assert snr_of(none).shape == (0,)
    assert r_values(movie, footprints, frames).shape == (0,)


def test_all_frames_are_reported_and_a_cancelled_pass_stops():
    movie, _, footprints, frames = crowd()
    seen = []
    r_values(movie, footprints, frames, progress=seen.append)
    assert (seen[-1].done, seen[-1].total) == (1100, 1100)
    cancel = Event()
    cancel.set()
    with pytest.raises(CancelledError):
        r_values(movie, footprints, frames, cancel=cancel)


@pytest.mark.parametrize("n_pixels", [0, 1, 13])
def test_event_sums_equal_their_definition(n_pixels):
    rng = np.random.default_rng(n_pixels)
    movie = rng.random((6, n_pixels), np.float32)
    footprints = sp.csc_array(rng.random((n_pixels, 3)) < 0.5)
    frames = sp.csr_array(rng.random((3, 20)) < 0.4)
    out = np.ones(footprints.nnz)
    index_arrays = (
        array.astype(np.int32)
        for sparse in (footprints, frames)
        for array in (sparse.indptr, sparse.indices)
    )
    kernels.sum_events(movie, 9, *index_arrays, out)
    sums = frames.toarray()[:, 9:15].astype(float) @ movie
    expected = [sums[k, p] for k in range(3) for p in footprints[:, [k]].indices]
    np.testing.assert_allclose(out, 1 + np.array(expected), rtol=1e-6)
