"""Whole fits with other backgrounds and searches, and the records that they keep."""

from __future__ import annotations

import numpy as np
import pytest
import small_runs as runs
from cnmf.one_photon_movies import HALF_SIZE_PX, one_photon

from napari_cnmf.cnmf.fit import fit
from napari_cnmf.cnmf.parameters import (
    BackgroundParameters,
    CnmfParameters,
    InitParameters,
    PatchParameters,
)
from napari_cnmf.cnmf.patches import solver_grid
from napari_cnmf.compute import SerialBackend
from napari_cnmf.movie import Movie
from napari_cnmf.movie.normalised import bin_length

FOUR_PATCHES = PatchParameters(patch_size_px=64)
LOW_RANK = CnmfParameters(
    patches=FOUR_PATCHES, background=BackgroundParameters(model="low_rank", rank=3)
)
RING = CnmfParameters(
    patches=PatchParameters(patch_size_px=48, patch_overlap_px=24),
    init=InitParameters(method="corr_pnr", neuron_half_size_px=HALF_SIZE_PX),
    background=BackgroundParameters(model="ring"),
    decay_s=0.6,
    rise_s=0.0,
)


@pytest.fixture(scope="module")
def truth():
    return runs.still_movie()


@pytest.fixture(scope="module")
def correction(truth, tmp_path_factory):
    return runs.corrected(runs.as_movie(truth.movie), tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def low_rank(correction):
    return runs.fitted(correction, LOW_RANK)


@pytest.fixture(scope="module")
def patched(correction):
    return runs.fitted(correction, CnmfParameters(patches=FOUR_PATCHES))


@pytest.fixture(scope="module")
def glow():
    return one_photon(n_cells=14)


@pytest.fixture(scope="module")
def ring(glow, tmp_path_factory):
    """Fits of a one-photon movie in counts on a bright mean image."""
    frames = glow.movie.T.reshape(-1, *glow.field_shape) * 20 + 3000
    movie = Movie.from_array(frames.astype(np.float32), frame_rate_hz=10.0)
    return runs.fitted(runs.corrected(movie, tmp_path_factory.mktemp("glow")), RING)


def test_a_low_rank_background_has_as_many_maps_as_asked_for(low_rank):
    for components in (low_rank.first, low_rank.second):
        assert components.background.maps.shape[1] == 3
        assert components.background.traces.shape == (3, components.n_frames)


def test_clear_cells_are_found_on_a_low_rank_background(low_rank, truth):
    found = {j for _, j in runs.matched(low_rank.second, truth)}
    assert np.isin(runs.clear_somata(truth), list(found)).mean() >= 0.9


def test_a_low_rank_model_shows_the_movie(low_rank, truth):
    components = low_rank.second
    shown = (components.footprints @ components.denoised).T
    shown = shown.reshape(truth.movie.shape) + components.background.frames(0, 600)
    np.testing.assert_allclose(
        shown.mean(axis=0), truth.movie.mean(axis=0), rtol=1e-3, atol=1
    )


def test_one_photon_cells_are_found_in_a_ring_background(ring, glow):
    components = ring.first
    distance = np.hypot(*(components.centres[:, None] - glow.centres).T)  # (true, k)
    nearest = distance.argmin(axis=1)
    assert (distance.min(axis=1) < 2).mean() >= 0.9
    assert len(components) <= 1.2 * len(glow.centres)
    r = [
        np.corrcoef(components.denoised[k], glow.traces[j])[0, 1]
        for j, k in enumerate(nearest)
        if distance[j, k] < 2
    ]
    assert np.median(r) > 0.9


def test_a_ring_background_needs_no_refit(ring):
    assert ring.second is ring.first


def test_a_ring_background_can_be_shown(ring, glow):
    background = ring.first.background.frames(0, ring.first.n_frames)
    background = background.reshape(len(background), -1).T
    background = background - background.mean(axis=1, keepdims=True)
    true = 20 * glow.background
    left = np.linalg.norm(background - true) / np.linalg.norm(true)
    assert left < 0.15


def test_every_component_began_in_its_patch_and_box(patched, correction):
    origin, movie = patched.first.origin, correction.movie
    n_bins = movie.n_frames // bin_length(movie)
    grid = solver_grid(movie.field_shape, n_bins, FOUR_PATCHES)
    for k in range(len(origin)):
        patch = grid[origin.patch[k]]
        y, x = origin.seed_yx[k]
        top, left, bottom, right = origin.box[k]
        assert top <= y < bottom
        assert left <= x < right
        assert patch.rows.start <= top
        assert bottom <= patch.rows.stop
        assert patch.cols.start <= left
        assert right <= patch.cols.stop
    assert (origin.score > 0).all()
    assert (origin.iterations > 0).all()


def test_every_candidate_is_a_component_or_on_record(patched):
    components = patched.second
    origin = components.origin
    alive = set(zip(origin.patch.tolist(), origin.rank.tolist(), strict=True))
    ended = [(fate.patch, fate.rank) for fate in components.fates]
    assert len(alive) == len(components)
    assert len(ended) == len(set(ended))
    assert not alive & set(ended)
    for patch in range(4):
        ranks = sorted(rank for where, rank in [*alive, *ended] if where == patch)
        assert ranks == list(range(len(ranks)))


def test_what_was_merged_points_at_a_candidate_of_its_own(patched):
    components = patched.second
    known = {(fate.patch, fate.rank) for fate in components.fates}
    known |= set(zip(components.origin.patch, components.origin.rank, strict=True))
    merged = [fate for fate in components.fates if fate.into_rank >= 0]
    assert merged
    for fate in merged:
        assert (fate.into_patch, fate.into_rank) in known
        assert fate.reason


def test_a_cell_on_a_border_of_patches_is_found_once_and_whole(tmp_path):
    # The cores of both patches meet at column 48; one cell lies right there.
    rng = np.random.default_rng(0)
    y, x = np.indices((64, 96))
    trace = np.convolve(rng.random(600) < 0.02, np.exp(-np.arange(60) / 15))[:600]
    movie = rng.normal(200, 10, (600, 64, 96))
    for column in (47.5, 20.0):
        cell = np.clip(6 - np.hypot(y - 32, x - column), 0, 1)
        movie += 60 * trace[:, None, None] * cell
        trace = np.roll(trace, 250)
    correction = runs.corrected(runs.as_movie(movie.astype(np.float32)), tmp_path)
    with SerialBackend() as backend:
        found = fit(
            correction.movie,
            correction.summary,
            CnmfParameters(patches=FOUR_PATCHES),
            backend=backend,
        )
    near = np.flatnonzero(np.hypot(*(found.centres - [32, 47.5]).T) < 4)
    assert len(near) == 1
    cell = np.hypot(y - 32, x - 47.5) < 5.5
    image = found.footprint(int(near[0])) > 0
    assert (image & cell).sum() / (image | cell).sum() > 0.75
