"""Sparse NMF: its objective is minimised, and long components stay whole."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage as ndi
from cnmf import cnmf_twins, init_twins
from threadpoolctl import threadpool_limits

from napari_cnmf.cnmf.initialise import sparse_nmf as module
from napari_cnmf.cnmf.initialise.sparse_nmf import (
    above_baseline,
    count_above_noise,
    factorise,
    leading_vectors,
    nndsvd,
    sparse_nmf,
)
from napari_cnmf.cnmf.parameters import InitParameters


@pytest.fixture(autouse=True)
def one_thread():
    """As in every run: threads of the linear algebra only hinder each other here."""
    with threadpool_limits(1, user_api="blas"):
        yield


def mixed(n_pixels=50, n_bins=70, n=3, noise=0.05):
    """Movie (pixels, T) of a few sparse components."""
    rng = np.random.default_rng(0)
    footprints = rng.random((n_pixels, n)) * (rng.random((n_pixels, n)) < 0.5)
    movie = footprints @ cnmf_twins.transients(n, n_bins)
    movie += noise * rng.standard_normal(movie.shape)
    return np.maximum(movie, 0).astype(np.float32)


def dendrites(shape=(40, 60), n_bins=300):
    """Two thin lines that cross the field, with a noise of one; and their images."""
    images = np.zeros((2, *shape), np.float32)
    columns = np.arange(2, shape[1] - 2)
    images[0, (10 + 6 * np.sin(columns / 9)).astype(int), columns] = 1
    images[1, (25 + columns // 8), columns] = 1
    images = ndi.gaussian_filter(images, (0, 0.8, 0.8)) * 6
    movie = np.tensordot(images, cnmf_twins.transients(2, n_bins, seed=3), (0, 0))
    movie += np.random.default_rng(1).standard_normal(movie.shape)
    movie -= movie.mean(axis=2, keepdims=True)
    return movie.reshape(-1, n_bins).astype(np.float32), images


def found_in(movie, shape=(40, 60), **changes):
    parameters = InitParameters(neuron_half_size_px=2.5, **changes)
    return sparse_nmf(movie, np.ones(shape, bool), parameters, 100)


def test_it_reaches_what_whole_regressions_in_turn_reach(monkeypatch):
    monkeypatch.setattr(module, "_TOLERANCE", 1e-9)
    movie = mixed()
    start = nndsvd(movie, 3)
    footprints, traces, _ = factorise(movie, *start, 0.0)
    slow = init_twins.alternating_nnls(movie, start[1].astype(float), 60)
    best = init_twins.nmf_objective(movie, *slow, 0.0)
    reached = init_twins.nmf_objective(movie, footprints, traces, 0.0)
    assert reached == pytest.approx(best, rel=2e-3)


@pytest.mark.parametrize("sparsity_sd", [0.0, 0.05, 0.3])
def test_no_single_weight_could_be_better(sparsity_sd, monkeypatch):
    monkeypatch.setattr(module, "_TOLERANCE", 1e-9)
    movie = mixed()
    footprints, traces, _ = factorise(movie, *nndsvd(movie, 3), sparsity_sd)
    residual = movie - footprints @ traces
    slope = sparsity_sd * np.sqrt(movie.shape[1]) - residual @ traces.T
    used = footprints > 0
    assert used.any()
    assert np.abs(slope[used]).max() < 0.02 * np.abs(movie @ traces.T).max()
    assert slope[~used].min() > -0.02 * np.abs(movie @ traces.T).max()
    np.testing.assert_allclose((traces**2).mean(axis=1), 1, rtol=1e-4)


@pytest.mark.parametrize("sparsity_sd", [0.0, 0.3])
def test_every_sweep_lowers_the_objective(sparsity_sd, monkeypatch):
    movie, values = mixed(), []
    for sweeps in (1, 2, 4, 8, 16):
        monkeypatch.setattr(module, "_MOST_SWEEPS", sweeps)
        parts = factorise(movie, *nndsvd(movie, 3), sparsity_sd)[:2]
        values.append(init_twins.nmf_objective(movie, *parts, sparsity_sd))
    assert (np.diff(values) <= 1e-4 * values[0]).all()
    assert values[-1] < values[0]


@pytest.mark.parametrize("shape", [(50, 70), (70, 50), (1, 20), (30, 1)], ids=str)
def test_leading_vectors_are_those_of_the_decomposition(shape):
    rng = np.random.default_rng(0)
    steep = 0.6 ** np.arange(min(shape))
    left = np.linalg.qr(rng.standard_normal((shape[0], len(steep))))[0]
    right = np.linalg.qr(rng.standard_normal((shape[1], len(steep))))[0]
    matrix = ((left * steep) @ right.T).astype(np.float32)
    u, s, v = leading_vectors(matrix, 4)
    np.testing.assert_allclose(s, steep[:4], rtol=1e-4)
    np.testing.assert_allclose(
        np.abs((u * left[:, : len(s)]).sum(axis=0)), 1, rtol=1e-3
    )
    np.testing.assert_allclose(
        np.abs((v * right.T[: len(s)]).sum(axis=1)), 1, rtol=1e-3
    )


def test_it_starts_from_the_larger_signed_parts():
    matrix = mixed()
    footprints, traces = nndsvd(matrix, 3)
    u, s, v = np.linalg.svd(matrix, full_matrices=False)
    for k in range(3):
        pairs = [
            s[k] * np.outer(np.maximum(sign * u[:, k], 0), np.maximum(sign * v[k], 0))
            for sign in (1, -1)
        ]
        expected = max(pairs, key=np.linalg.norm)
        found = np.outer(footprints[:, k], traces[k])
        np.testing.assert_allclose(found, expected, atol=2e-3 * s[0])


def test_noise_lies_around_the_baseline():
    noise = np.random.default_rng(0).standard_normal((400, 500)).astype(np.float32)
    valid = np.ones((20, 20), bool)
    valid[0] = False
    light = above_baseline(noise, valid)
    assert light[20:].mean() == pytest.approx(0, abs=0.02)
    assert not light[:20].any()


def test_activity_stands_upon_the_baseline():
    movie = np.zeros((9, 200), np.float32)
    movie += np.random.default_rng(0).standard_normal(movie.shape)
    movie[:, 50:150] += 10
    light = above_baseline(movie, np.ones((3, 3), bool))
    assert np.median(light[:, 60:140]) == pytest.approx(10, abs=0.6)


def test_as_many_stand_out_as_there_are():
    movie, _ = dendrites()
    noise = np.random.default_rng(0).standard_normal(movie.shape).astype(np.float32)
    assert count_above_noise(movie) == 2
    assert count_above_noise(noise) == 0
    assert len(found_in(noise)) == 0
    assert 2 <= len(found_in(movie)) <= 6


def test_dendrites_are_found_whole():
    movie, images = dendrites()
    found = found_in(movie, n_components=2)
    assert len(found) == 2
    both = np.corrcoef(found.footprints.T.toarray(), images.reshape(2, -1))[2:, :2]
    assert both.max(axis=1).min() > 0.97
    for y0, x0, y1, x1 in found.seeds.boxes:
        assert x1 - x0 >= 55
        assert y1 - y0 < 40


def test_more_sparsity_is_thinner():
    movie, _ = dendrites()
    areas = [
        np.diff(found_in(movie, n_components=2, sparsity_sd=sd).footprints.indptr).sum()
        for sd in (0.0, 2.0, 8.0)
    ]
    assert areas[0] > areas[1] > areas[2] > 50


def test_the_brightest_comes_first_and_is_told():
    movie, _ = dendrites()
    found = found_in(movie)
    assert (np.diff(found.seeds.score) <= 0).all()
    assert found.seeds.score[-1] > 0
    columns = found.footprints.toarray()
    pixels = found.seeds.yx @ [60, 1]
    np.testing.assert_array_equal(columns.argmax(axis=0), pixels)
    assert (found.seeds.iterations >= 1).all()
