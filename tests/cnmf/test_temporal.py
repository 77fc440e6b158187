"""The temporal update: block-coordinate sweeps that end at the exact solution."""

from __future__ import annotations

from dataclasses import fields
from threading import Event

import numpy as np
import pytest
import scipy.sparse as sp
from cnmf import cnmf_twins as twins
from hypothesis import given
from hypothesis import strategies as st

from napari_cnmf.cnmf.denoising import Denoised, Denoiser
from napari_cnmf.cnmf.parameters import CnmfParameters
from napari_cnmf.cnmf.temporal import NormalEquations, colour, solve_traces
from napari_cnmf.cnmf.traces import gram, model_tiles, products
from napari_cnmf.errors import CancelledError


class Untouched:
    """A denoiser that believes every trace."""

    def denoise(self, raw):
        parts = Denoised.empty(*raw.shape)
        for item in fields(parts):
            getattr(parts, item.name)[:] = 0
        parts.calcium[:] = raw
        return parts

    def smooth(self, background):
        return background


@pytest.fixture(scope="module")
def model():
    return twins.make_model(n_cells=7, n_frames=200, pitch_px=15.0)


@pytest.fixture(scope="module")
def equations(model):
    movie = twins.render(model, noise=1.0)
    return NormalEquations(gram(model), products(movie, model), len(model))


def nothing(equations):
    return np.zeros_like(equations.target)


def both(model):
    return np.concatenate([model.footprints.toarray(), twins.maps(model)], axis=1)


def test_the_equations_are_those_of_least_squares(model, equations):
    sources = both(model)
    movie = twins.render(model, noise=1.0)
    expected = sources.T @ sources
    np.testing.assert_allclose(equations.gram.toarray(), expected, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(
        equations.target, sources.T @ movie, rtol=1e-4, atol=1e-2
    )


@pytest.mark.parametrize("side_px", [5, 16, 100])
def test_products_may_be_summed_tile_by_tile(model, equations, side_px):
    movie = twins.render(model, noise=1.0).reshape(*model.field_shape, -1)
    out = np.zeros_like(equations.target)
    parts = model_tiles(model, side_px)
    for tile in parts:
        pixels = movie[tile.rows, tile.cols].reshape(-1, out.shape[1])
        tile.add_products(np.ascontiguousarray(pixels), len(model), out)
    assert len(parts) == np.prod([-(-n // side_px) for n in model.field_shape])
    np.testing.assert_allclose(out, equations.target, rtol=1e-4, atol=1e-2)


def test_without_denoising_the_sweeps_end_at_least_squares(model, equations):
    movie = twins.render(model, noise=1.0)
    expected = np.linalg.lstsq(both(model), movie, rcond=None)[0]
    found = solve_traces(equations, nothing(equations), Untouched(), 300)
    np.testing.assert_allclose(found.parts.calcium, expected[:7], atol=0.01)
    np.testing.assert_allclose(found.raw, expected[:7], atol=0.01)
    np.testing.assert_allclose(found.background, expected[7:], atol=0.02)


def test_the_start_does_not_matter_in_the_end(equations):
    rng = np.random.default_rng(0)
    start = rng.normal(0, 3, equations.target.shape).astype(np.float32)
    one, other = (
        solve_traces(equations, first, Untouched(), 300)
        for first in (start, nothing(equations))
    )
    np.testing.assert_allclose(one.raw, other.raw, atol=0.02)
    np.testing.assert_allclose(one.background, other.background, atol=0.02)


def test_the_order_of_the_cells_does_not_matter(model, equations):
    order = np.array([6, 2, 0, 5, 1, 4, 3])
    moved = model.select(order)
    movie = twins.render(model, noise=1.0)
    permuted = NormalEquations(gram(moved), products(movie, moved), len(moved))
    expected = solve_traces(equations, nothing(equations), Untouched(), 300)
    found = solve_traces(permuted, nothing(permuted), Untouched(), 300)
    np.testing.assert_allclose(found.raw, expected.raw[order], atol=0.01)
    np.testing.assert_allclose(found.background, expected.background, atol=0.02)


def test_a_noisy_movie_gives_back_its_traces(model, equations):
    denoiser = Denoiser.at(30.0, CnmfParameters(rise_s=0.0), 0.2)
    found = solve_traces(equations, nothing(equations), denoiser, 10)
    for k, truth in enumerate(model.traces):
        assert np.corrcoef(found.raw[k], truth)[0, 1] > 0.9
        assert np.corrcoef(found.parts.calcium[k], truth)[0, 1] > 0.95
    behind = model.grid.maps(model.weights)
    scene, seen = (behind @ f for f in (model.background, found.background))
    assert np.corrcoef(scene.ravel(), seen.ravel())[0, 1] > 0.8


def test_what_is_denoised_are_the_raw_traces(equations):
    denoiser = Denoiser.at(30.0, CnmfParameters(rise_s=0.0), 0.2)
    found = solve_traces(equations, nothing(equations), denoiser, 4)
    again = denoiser.denoise(found.raw)
    for item in fields(again):
        one, other = (getattr(parts, item.name) for parts in (found.parts, again))
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


def test_it_stops_between_sweeps_once_cancelled(equations):
    cancel = Event()

    class Cancelling(Untouched):
        def smooth(self, background):
            assert not cancel.is_set()
            cancel.set()
            return background

    with pytest.raises(CancelledError):
        solve_traces(equations, nothing(equations), Cancelling(), 5, cancel)
    assert cancel.is_set()


def test_the_background_alone_is_solved_without_cells():
    model = twins.make_model(n_cells=0, pitch_px=15.0)
    movie = twins.render(model)
    alone = NormalEquations(gram(model), products(movie, model), 0)
    found = solve_traces(alone, nothing(alone), Untouched(), 100)
    assert found.parts.calcium.shape == found.raw.shape == (0, 150)
    centred = model.background - model.background.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(found.background, centred, atol=0.02)


def test_a_cell_without_pixels_has_no_trace(model):
    footprints = model.footprints.toarray()
    footprints[:, 3] = 0
    empty = twins.make_model(n_cells=7, n_frames=200, pitch_px=15.0)
    object.__setattr__(empty, "footprints", sp.csc_array(footprints))
    movie = twins.render(model)
    silent = NormalEquations(gram(empty), products(movie, empty), 7)
    found = solve_traces(silent, nothing(silent), Untouched(), 5)
    assert not found.parts.calcium[3].any()
    assert not found.raw[3].any()
    assert found.raw[[0, 1, 2, 4, 5, 6]].any(axis=1).all()


@given(st.integers(0, 30), st.floats(0, 0.6), st.integers(0, 2**32))
def test_no_two_cells_of_a_colour_overlap(n_cells, density, seed):
    rng = np.random.default_rng(seed)
    overlaps = rng.random((n_cells, n_cells)) < density
    overlaps = sp.csr_array(overlaps | overlaps.T | np.eye(n_cells, dtype=bool))
    groups = colour(overlaps.astype(np.float32))
    together = np.concatenate([np.empty(0, int), *groups])
    assert sorted(together) == list(range(n_cells))
    for cells in groups:
        among = overlaps[cells][:, cells].toarray()
        np.testing.assert_array_equal(among, np.eye(len(cells)))


def test_cells_far_apart_share_one_colour():
    (cells,) = colour(sp.eye_array(5, format="csr"))
    np.testing.assert_array_equal(cells, range(5))
