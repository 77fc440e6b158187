"""A low-rank background is found, joined over patches and used in a whole fit."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from napari_cnmf.cnmf.background.low_rank import find_modes, join_modes

N_PIXELS, N_FRAMES = 300, 200


def planted(rank, seed=0):
    """Maps (pixels, rank), time courses (rank, T) and their product."""
    rng = np.random.default_rng(seed)
    maps = rng.gamma(2.0, 1.0, (N_PIXELS, rank)) * (rng.random((N_PIXELS, rank)) < 0.7)
    courses = np.cumsum(rng.normal(size=(rank, N_FRAMES)), axis=1)
    courses -= courses.mean(axis=1, keepdims=True)
    return maps, courses, (maps @ courses).astype(np.float32)


def error(found, truth):
    return np.linalg.norm(found - truth) / np.linalg.norm(truth)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_planted_modes_are_found(rank):
    _, _, movie = planted(rank)
    maps, traces = find_modes(movie, rank)
    assert maps.shape == (N_PIXELS, rank)
    assert (maps >= 0).all()
    assert error(maps @ traces, movie) < 0.03


def test_one_mode_is_as_good_as_the_best_of_rank_one():
    _, _, movie = planted(1)
    movie += np.random.default_rng(1).normal(size=movie.shape).astype(np.float32)
    maps, traces = find_modes(movie, 1)
    u, s, vt = np.linalg.svd(movie, full_matrices=False)
    best = np.linalg.norm(movie - s[0] * u[:, :1] @ vt[:1])
    assert np.linalg.norm(movie - maps @ traces) < 1.001 * best


def test_modes_of_patches_become_those_of_the_field():
    _, _, movie = planted(2)
    half = N_PIXELS // 2
    parts = []
    for rows in (slice(0, half), slice(half, None)):
        local = np.zeros((N_PIXELS, 2), np.float32)
        local[rows], traces = find_modes(movie[rows], 2)
        parts.append((local, traces))
    joined, traces = join_modes(
        sp.csc_array(np.concatenate([local for local, _ in parts], axis=1)),
        np.concatenate([courses for _, courses in parts]),
        2,
    )
    assert joined.shape == (N_PIXELS, 2)
    assert joined.min() >= 0
    assert error(joined @ traces, movie) < 0.05


def test_fewer_modes_than_asked_for_stay_as_they_are():
    maps = sp.csc_array(np.ones((5, 1), np.float32))
    traces = np.arange(3, dtype=np.float32)[None]
    found, courses = join_modes(maps, traces, 2)
    assert found is maps
    assert courses is traces


def test_nothing_left_gives_no_background():
    maps, traces = find_modes(np.zeros((N_PIXELS, N_FRAMES), np.float32), 2)
    assert np.isfinite(maps).all()
    assert not (maps @ traces).any()
