"""The ring model follows a one-photon background and lets the cells' equations be."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from cnmf import cnmf_twins as twins
from cnmf.one_photon_movies import one_photon

from napari_cnmf.cnmf.background.ring import Ring, fit_ring
from napari_cnmf.cnmf.parameters import PatchParameters
from napari_cnmf.cnmf.patches import patch_grid
from napari_cnmf.compute import SerialBackend

RADIUS_PX = 19.5


@pytest.fixture(autouse=True)
def _one_blas_thread():
    with SerialBackend():
        yield


def dense_weights(residual, valid, radius, ridge=1e-5):
    """Each pixel regressed on its ring in the plainest way, bins of one pixel."""
    height, width = valid.shape
    x = (residual - residual.mean(axis=1, keepdims=True)).astype(np.float64)
    y0, x0 = np.indices(valid.shape).reshape(2, -1)
    weights = np.zeros((height * width, height * width))
    for p in np.flatnonzero(valid):
        distance = np.hypot(y0 - y0[p], x0 - x0[p])
        on = (distance >= radius) & (distance < radius + 1) & valid.ravel()
        ring = np.flatnonzero(on)
        gram = x[ring] @ x[ring].T
        gram += ridge * np.trace(gram) * np.eye(len(ring))
        if len(ring):
            weights[p, ring] = np.linalg.solve(gram, x[ring] @ x[p])
    return weights


def smooth_movie(shape=(13, 11), n_frames=90, seed=0):
    """Few smooth fields with courses of their own, and noise of one."""
    rng = np.random.default_rng(seed)
    y, x = np.indices(shape).reshape(2, -1) / 10
    fields = np.stack([np.ones_like(x), x, y, x * y], axis=1)
    movie = 3 + fields @ rng.normal(0, 5, (4, n_frames))
    return (movie + rng.normal(size=movie.shape)).astype(np.float32)


@pytest.mark.parametrize("masked", [False, True])
def test_bins_of_one_pixel_follow_the_definition(masked):
    movie = smooth_movie()
    valid = np.ones((13, 11), bool)
    if masked:
        valid[:, :2] = valid[6, 6] = False
        movie[~valid.ravel()] = 0
    ring = fit_ring(movie, valid, 4.0, bin_px=1)
    expected = dense_weights(movie, valid, 4)
    np.testing.assert_allclose(ring.weights.toarray(), expected, atol=2e-4)
    np.testing.assert_allclose(ring.constant, movie.mean(axis=1), rtol=1e-5)
    # Up to the gains, the background is the mean and what the rings predict.
    moving = expected @ (movie - ring.constant[:, None])
    gains = np.asarray(ring.spread.sum(axis=1))
    background = ring.background(movie)
    np.testing.assert_allclose(
        background, ring.constant[:, None] + gains[:, None] * moving, atol=0.02
    )
    assert not background[~valid.ravel()].any()


@pytest.mark.parametrize("bin_px", [1, 2, 3])
def test_an_odd_field_is_pooled_and_interpolated_with_shares_of_one(bin_px):
    valid = np.ones((15, 10), bool)
    valid[:4] = False
    movie = smooth_movie((15, 10)) * valid.reshape(-1, 1)
    ring = fit_ring(movie, valid, 5.0, bin_px)
    pooled = np.asarray(ring.pooling.sum(axis=1))
    np.testing.assert_allclose(pooled[pooled > 0], 1, rtol=1e-6)
    error = (ring.background(movie) - movie)[valid.ravel()]
    assert error.std() < 0.2 * movie[valid.ravel()].std()
    assert not ring.background(movie)[~valid.ravel()].any()


def test_a_glow_many_times_the_noise_is_followed_to_half_the_noise():
    made = one_photon()
    images = made.images.reshape(len(made.images), -1).T
    cells = images @ (made.traces - made.traces.mean(axis=1, keepdims=True))
    residual = made.movie - cells
    found = fit_ring(residual, made.valid, RADIUS_PX).background(residual)
    assert made.background.std() > 14
    assert (found - made.background).std() < 0.5


def test_filtered_footprints_put_the_background_into_the_equations():
    made = one_photon(n_cells=5, field_shape=(40, 44), n_frames=200)
    ring = fit_ring(made.movie, made.valid, 12.0)
    footprints = twins.columns(made.images)
    traces = made.traces[:, ::-1]
    filtered = ring.filtered(footprints)
    background = ring.background(made.movie - footprints @ traces)
    # A'(Y - B) - A'A C, with B made of the residual, against the short form.
    plain = (
        footprints.T @ (made.movie - background) - (footprints.T @ footprints) @ traces
    )
    short = filtered.T @ (made.movie - ring.constant[:, None])
    short -= (filtered.T @ footprints) @ traces
    np.testing.assert_allclose(short, plain, atol=2e-4 * abs(plain).max())
    assert filtered.has_sorted_indices
    assert filtered.dtype == np.float32


def test_traces_are_right_only_with_the_background():
    made = one_photon()
    footprints = twins.columns(made.images)
    ring = fit_ring(made.movie, made.valid, RADIUS_PX)
    filtered = ring.filtered(footprints)
    target = filtered.T @ (made.movie - ring.constant[:, None])
    found = np.linalg.solve((filtered.T @ footprints).toarray(), target)
    bare = np.linalg.lstsq(footprints.toarray(), made.movie, rcond=None)[0]
    assert correlations(found, made.traces).mean() > 0.9
    assert correlations(bare, made.traces).mean() < 0.5


def correlations(found, true):
    return np.array([np.corrcoef(a, b)[0, 1] for a, b in zip(found, true, strict=True)])


def patches_of(made):
    grid = patch_grid(made.field_shape, 61, 29)
    numbers = np.arange(made.movie.shape[0]).reshape(made.field_shape)
    for patch in grid:
        movie = made.movie[numbers[patch.rows, patch.cols].ravel()]
        corner = patch.rows.start, patch.cols.start
        valid = made.valid[patch.rows, patch.cols]
        yield fit_ring(movie, valid, 12.0, corner=corner), patch


def test_patches_join_to_a_ring_model_of_the_field():
    made = one_photon()
    parts = list(patches_of(made))
    assert len(parts) > 1
    assert any(patch.rows.start % 2 or patch.cols.start % 2 for _, patch in parts)
    joined = Ring.joined(parts, made.valid)
    whole = fit_ring(made.movie, made.valid, 12.0)
    assert joined.weights.shape == whole.weights.shape
    found, expected = (r.background(made.movie) for r in (joined, whole))
    assert (found - made.background).std() < 1.2 * (expected - made.background).std()


def test_a_single_patch_joins_to_itself():
    made = one_photon(n_cells=3, field_shape=(30, 33), n_frames=100)
    ring = fit_ring(made.movie, made.valid, 10.0)
    (patch,) = patch_grid(made.field_shape, 64, PatchParameters().patch_overlap_px)
    joined = Ring.joined([(ring, patch)], made.valid)
    np.testing.assert_allclose(
        joined.background(made.movie), ring.background(made.movie), atol=1e-3
    )


def test_a_restricted_ring_is_exact_where_its_rings_are_whole():
    made = one_photon()
    ring = fit_ring(made.movie, made.valid, 12.0)
    rows, cols = slice(3, 70), slice(5, 79)
    numbers = np.arange(made.movie.shape[0]).reshape(made.field_shape)[rows, cols]
    part = ring.restricted(rows, cols)
    found = part.background(made.movie[numbers.ravel()])
    whole = ring.background(made.movie)[numbers.ravel()]
    inner = np.zeros(numbers.shape, bool)
    inner[18:-18, 18:-18] = True
    np.testing.assert_allclose(found[inner.ravel()], whole[inner.ravel()], atol=1e-3)


@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (5, 4)])
@pytest.mark.parametrize("n_frames", [1, 2, 9])
def test_tiny_movies_have_a_finite_background(shape, n_frames):
    movie = np.random.default_rng(0).normal(size=(shape[0] * shape[1], n_frames))
    ring = fit_ring(movie.astype(np.float32), np.ones(shape, bool), 6.0)
    assert np.isfinite(ring.background(movie.astype(np.float32))).all()
    nothing = ring.filtered(sp.csc_array((len(movie), 0), dtype=np.float32))
    assert nothing.shape == (len(movie), 0)


def test_a_field_without_data_or_without_change_has_no_background():
    still = np.full((120, 20), 4, np.float32)
    ring = fit_ring(still, np.ones((12, 10), bool), 4.0)
    np.testing.assert_array_equal(ring.background(still), still)
    nothing = np.zeros((120, 20), np.float32)
    empty = fit_ring(nothing, np.zeros((12, 10), bool), 4.0)
    assert not empty.background(nothing).any()
    assert empty.weights.nnz == 0
