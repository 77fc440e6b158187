"""The old evaluation on plain arrays, as the step-by-step notebook calls it."""

from __future__ import annotations

import numpy as np
import pytest
from quality import caiman_twins as twins

from napari_cnmf.errors import InputError
from napari_cnmf.quality.step_by_step import evaluate_components

FIELD = (11, 17)
OPTIONS = {
    "remove_baseline": False,
    "n_samples": 9,
    "robust_sd": True,
    "overlap": 0.9,
    "n_peaks": 2,
    "peak_level": 0.8,
}


@pytest.fixture(scope="module")
def scene():
    """Movie, raw traces, footprints and denoised traces of overlapping cells."""
    raw, denoised = twins.simulate_traces(7, 400)
    footprints = twins.simulate_footprints(FIELD, 7)
    movie = (footprints @ raw).T.reshape(-1, *FIELD)
    noise = np.random.default_rng(0).standard_normal(movie.shape)
    return (movie + noise).astype(np.float32), raw, footprints, denoised


def test_the_notebooks_call_equals_the_definition(scene):
    movie, raw, footprints, denoised = scene
    found = evaluate_components(*scene, 10.0)
    exact = raw.astype(np.float64)
    for trace, log_p in zip(exact, found.log_probabilities_raw, strict=True):
        expected = twins.log_probabilities(trace - twins.baseline(trace), 5)
        np.testing.assert_allclose(log_p, expected, rtol=1e-5)
    for trace, log_p in zip(exact, found.log_probabilities_delta, strict=True):
        expected = twins.log_probabilities(np.diff(trace), 5)
        np.testing.assert_allclose(log_p, expected, rtol=1e-5)
    for fitness, log_p in zip(found[:2], found[2:4], strict=True):
        np.testing.assert_array_equal(fitness, log_p.min(axis=1))
    dense = footprints.toarray()
    used = twins.event_frames(denoised, dense, before=2, after=9)
    expected = twins.r_values(movie, dense, used)
    np.testing.assert_allclose(found.r_values, expected, atol=1e-6)
    for frames, mine in zip(found.significant_samples, used, strict=True):
        np.testing.assert_array_equal(frames, np.flatnonzero(mine))


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_makes_a_difference(scene, option):
    plain = evaluate_components(*scene, 10.0)
    other = evaluate_components(*scene, 10.0, **{option: OPTIONS[option]})
    pairs = zip(plain, other, strict=True)
    assert not all(np.array_equal(np.hstack(a), np.hstack(b)) for a, b in pairs)


def test_dense_footprints_and_counts_do_as_well(scene):
    movie, raw, footprints, denoised = scene
    counts = np.rint(movie).astype(np.int16)
    sparse = evaluate_components(counts, raw, footprints, denoised, 10.0)
    dense = evaluate_components(counts, raw, footprints.toarray(), denoised, 10.0)
    np.testing.assert_array_equal(sparse.r_values, dense.r_values)


def test_no_components_have_no_scores(scene):
    movie, raw, footprints, denoised = scene
    found = evaluate_components(movie, raw[:0], footprints[:, :0], denoised[:0], 10.0)
    assert all(len(scores) == 0 for scores in found)


def test_arrays_that_do_not_fit_are_refused(scene):
    movie, raw, footprints, denoised = scene
    with pytest.raises(InputError, match="187 pixels; a movie of 11 x 16 has 176"):
        evaluate_components(movie[:, :, 1:], raw, footprints, denoised, 10.0)
    with pytest.raises(InputError, match=r"'denoised' has the shape \(7, 399\)"):
        evaluate_components(movie, raw, footprints, denoised[:, 1:], 10.0)
