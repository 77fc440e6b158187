"""The kernels that bend frames and fit the bend, against their plain twins."""

from __future__ import annotations

import numpy as np
import pytest
from motion.field_twins import (
    bend_frame_back,
    bend_in_two_passes,
    bent_crops,
    dense,
    fit_field,
    smooth_fields,
    unseen,
)
from motion.motion_twins import cells

from napari_cnmf.motion.piecewise import (
    PatchGrid,
    apply_fields,
    estimate_fields,
    prepare_field,
)
from napari_cnmf.motion.rigid import apply_shifts

SHAPES = [(1, 1), (1, 9), (7, 1), (2, 2), (13, 40), (33, 18)]
GRIDS = [(1, 1), (1, 3), (4, 2), (3, 5)]


def grid_places(shape, grid, on_pixels: bool):
    """Rows and columns of nodes, on pixels and up to the corners or anywhere."""
    if on_pixels:
        return tuple(
            np.unique(np.linspace(0, n - 1, k).round())
            for n, k in zip(shape, grid, strict=True)
        )
    return tuple(
        np.linspace(-0.5, n - 0.5, k + 2)[1:-1]
        for n, k in zip(shape, grid, strict=True)
    )


def random_nodes(places, reach: float, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    shape = (3, len(places[0]), len(places[1]), 2)
    nodes = rng.uniform(-reach, reach, shape).astype(np.float32)
    nodes[1] = np.round(nodes[1])
    return nodes


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("on_pixels", [False, True])
@pytest.mark.parametrize("reach", [0.4, 3.0, 90.0])
def test_bending_is_two_passes_of_cubic_convolution(shape, grid, on_pixels, reach):
    places = grid_places(shape, grid, on_pixels)
    nodes = random_nodes(places, reach)
    rng = np.random.default_rng(1)
    frames = rng.standard_normal((3, *shape), np.float32)
    fill = rng.standard_normal(shape, np.float32)
    moved = apply_fields(frames, nodes.reshape(3, -1, 2), places, fill)
    for frame, field, result in zip(frames, nodes, moved, strict=True):
        field = field.astype(float)
        expected = bend_in_two_passes(frame, field, places, field[..., 1].mean())
        out = unseen(dense(field, places, shape))
        np.testing.assert_allclose(result, np.where(out, fill, expected), atol=2e-4)


@pytest.mark.parametrize("largest_px", [1.5, 3.0])
def test_bending_by_a_smooth_field_is_cubic_convolution_in_two_dimensions(largest_px):
    shape = (101, 127)
    fields = smooth_fields(4, shape, largest_px)
    nodes = np.array([f[:, 12::24, 12::24].transpose(1, 2, 0) for f in fields])
    places = np.arange(12.0, 101, 24), np.arange(12.0, 127, 24)
    image = cells(shape)
    frames = np.repeat(image[None], 4, axis=0)
    moved = apply_fields(frames, nodes.reshape(4, -1, 2), places, image)
    for field, result in zip(nodes, moved, strict=True):
        field = dense(field.astype(np.float32), places, shape)
        expected = np.where(unseen(field), image, bend_frame_back(image, field))
        # The two differ where the displacement along y changes along x.
        assert (result - expected).std() < 0.005
        np.testing.assert_allclose(result, expected, atol=0.1)


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize(
    "shift", [(0, 0), (2, -3), (0.3, 0.7), (-5.25, 4.5), (60, 0), (0.5, -90.5)]
)
def test_a_field_that_is_the_same_everywhere_is_a_shift(grid, shift):
    shape = (23, 36)
    frame, fill = np.random.default_rng(0).standard_normal((2, *shape), np.float32)
    places = grid_places(shape, grid, on_pixels=False)
    field = np.tile(np.float32(shift), (1, grid[0] * grid[1], 1))
    bent = apply_fields(frame[None], field, places, fill)
    shifted = apply_shifts(frame[None], np.array([shift]), fill)
    np.testing.assert_allclose(bent, shifted, atol=2e-6)


def test_no_displacement_leaves_every_bit():
    frames = np.array([cells((30, 41)), cells((30, 41), 1)])
    places = np.array([5.0, 20.0]), np.array([7.5])
    fill = np.full((30, 41), np.nan, np.float32)
    moved = apply_fields(frames, np.zeros((2, 2, 2)), places, fill)
    np.testing.assert_array_equal(moved, frames)


def test_missing_pixels_stay_local_when_bent():
    frame = np.ones((1, 40, 40), np.float32)
    frame[0, 20, 20] = np.nan
    places = np.array([5.0, 35.0]), np.array([5.0, 35.0])
    field = np.random.default_rng(0).uniform(-0.9, 0.9, (1, 4, 2))
    moved = apply_fields(frame, field, places, np.ones((40, 40)))[0]
    bad = np.argwhere(np.isnan(moved))
    assert len(bad) >= 4
    assert np.abs(bad - 20).max() <= 3
    np.testing.assert_allclose(np.nanmax(abs(moved - 1)), 0, atol=1e-6)


@pytest.mark.parametrize("shape", [(50, 70), (96, 41), (16, 30)])
@pytest.mark.parametrize("noise", [0.3, 2.0])
def test_the_fit_takes_the_steps_of_gauss_and_newton(shape, noise):
    template = cells(shape)
    variance = np.full(shape, noise**2)
    grid = PatchGrid.covering(shape, 12, 12)
    model = prepare_field(template, variance, grid, 3.0)
    frames = bent_crops(smooth_fields(4, shape, 3.0))
    rng = np.random.default_rng(3)
    frames += noise * rng.standard_normal(frames.shape, np.float32)
    shifts = rng.uniform(-1, 1, (4, 2)).astype(np.float32)
    found = estimate_fields(frames, shifts, model)
    expected = [fit_field(f, s, model) for f, s in zip(frames, shifts, strict=True)]
    np.testing.assert_allclose(found, expected, atol=2e-3)
