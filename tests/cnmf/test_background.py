"""The background's hats share out every pixel, and its maps are hats times weights."""

from __future__ import annotations

import numpy as np
import pytest
from cnmf import cnmf_twins as twins
from hypothesis import given
from hypothesis import strategies as st

from napari_cnmf.cnmf.background.grid import even_weights, hat_grid, smoothed

FIELDS = st.tuples(st.integers(1, 80), st.integers(1, 80))
PITCHES = st.floats(0.8, 100)


@given(FIELDS, PITCHES)
def test_hats_are_a_partition_of_unity(field_shape, pitch_px):
    grid = hat_grid(np.ones(field_shape, bool), pitch_px)
    assert grid.nodes.shape == grid.shares.shape == (np.prod(field_shape), 4)
    assert grid.nodes.min() >= 0
    assert grid.nodes.max() < grid.n_nodes
    assert grid.shares.min() >= -1e-6
    np.testing.assert_allclose(grid.shares.sum(axis=1), 1, atol=1e-5)


@given(FIELDS, PITCHES)
def test_a_plane_is_interpolated_exactly(field_shape, pitch_px):
    grid = hat_grid(np.ones(field_shape, bool), pitch_px)
    ends = [
        np.linspace(0, n - 1, h.n_nodes)
        for n, h in zip(field_shape, (grid.rows, grid.cols), strict=True)
    ]
    at_nodes = np.add.outer(2 * ends[0], -3 * ends[1]).ravel()
    plane = (at_nodes[grid.nodes] * grid.shares).sum(axis=1)
    y, x = np.indices(field_shape)
    np.testing.assert_allclose(plane, (2 * y - 3 * x).ravel(), atol=0.01)


@given(FIELDS, PITCHES)
def test_nodes_are_no_farther_apart_than_the_pitch(field_shape, pitch_px):
    grid = hat_grid(np.ones(field_shape, bool), pitch_px)
    for n, hats in zip(field_shape, (grid.rows, grid.cols), strict=True):
        assert hats.n_nodes >= 2
        assert (n - 1) / (hats.n_nodes - 1) <= pitch_px * (1 + 1e-9)


@pytest.mark.parametrize("field_shape", [(23, 31), (1, 40), (1, 1)], ids=str)
def test_maps_are_hats_times_weights(field_shape):
    model = twins.make_model(field_shape)
    nodes, shares = model.grid.nodes.copy(), model.grid.shares.copy()
    model.weights[::3] = 0
    maps = model.grid.maps(model.weights)
    np.testing.assert_allclose(maps.toarray(), twins.maps(model), rtol=1e-6)
    assert (maps.data != 0).all()
    # Tidying up the maps must not reach the grid that they were made of.
    np.testing.assert_array_equal(model.grid.nodes, nodes)
    np.testing.assert_array_equal(model.grid.shares, shares)


def test_the_maps_of_a_pixel_add_up_to_its_weight():
    model = twins.make_model()
    total = np.asarray(model.grid.maps(model.weights).sum(axis=1)).ravel()
    np.testing.assert_allclose(total, model.weights, rtol=1e-5)


def test_even_weights_do_not_depend_on_scale_nor_on_slow_changes():
    rng = np.random.default_rng(0)
    texture = rng.uniform(0.8, 1.2, (60, 70)).astype(np.float32)
    slope = np.linspace(1, 3, 70, dtype=np.float32) * np.ones((60, 1), np.float32)
    whole = np.ones((60, 70), bool)
    flat = even_weights(texture.ravel(), whole, 6.0)
    sloping = even_weights((7 * slope * texture).ravel(), whole, 6.0)
    assert flat.mean() == pytest.approx(1, abs=0.02)
    inner = np.s_[10:-10, 10:-10]
    flat, sloping = flat.reshape(60, 70)[inner], sloping.reshape(60, 70)[inner]
    np.testing.assert_allclose(sloping, flat, rtol=0.05)


def test_even_weights_of_nothing_are_nothing():
    assert not even_weights(np.zeros(12, np.float32), np.ones((3, 4), bool), 2.0).any()


@pytest.mark.parametrize("border", [0, 3, 7])
def test_nodes_lie_on_the_pixels_with_data(border):
    valid = np.zeros((40, 50), bool)
    inside = np.s_[border : 40 - border, 2 * border : 50]
    valid[inside] = True
    grid, alone = hat_grid(valid, 12.0), hat_grid(valid[inside], 12.0)
    assert grid.n_nodes == alone.n_nodes
    nodes, shares = (a.reshape(40, 50, 4)[inside] for a in (grid.nodes, grid.shares))
    np.testing.assert_array_equal(nodes.reshape(-1, 4), alone.nodes)
    np.testing.assert_array_equal(shares.reshape(-1, 4), alone.shares)


def test_a_field_without_data_has_a_grid_too():
    assert hat_grid(np.zeros((9, 5), bool), 4.0).nodes.shape == (45, 4)


def test_smoothing_makes_no_rim_where_the_data_ends():
    valid = np.ones((20, 24), bool)
    valid[:3] = valid[:, :5] = valid[12, 17] = False
    image = valid.astype(np.float32)
    np.testing.assert_allclose(smoothed(image, valid, 2.0), image, rtol=1e-5)
