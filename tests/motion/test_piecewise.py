"""The grid of patches, and what the fields of displacements must obey."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from motion.field_twins import bent_crops, displacements, rms, smooth_fields
from motion.motion_twins import cells, moved_crops
from scipy.ndimage import gaussian_filter

from napari_cnmf.motion.parameters import MotionParameters
from napari_cnmf.motion.piecewise import (
    PatchGrid,
    apply_fields,
    estimate_fields,
    prepare_field,
)
from napari_cnmf.motion.registrar import build_registrar
from napari_cnmf.motion.rigid import estimate_shifts, prepare_reference
from napari_cnmf.movie.images import crispness

SHAPE = (200, 256)


@cache
def still(shape: tuple[int, int]) -> np.ndarray:
    return moved_crops(shape, np.zeros((1, 2)), margin=12)[0]


def found(frames, template, noise, grid=None, max_deviation_px=3.0):
    """Shifts (n, 2) of frames and their fields (n, P, 2)."""
    grid = grid or PatchGrid.covering(template.shape, None, None)
    variance = np.full(template.shape, noise**2)
    model = prepare_field(template, variance, grid, max_deviation_px)
    shifts = estimate_shifts(frames, prepare_reference(template, 12))
    return shifts, estimate_fields(frames, shifts, model)


@cache
def clean(n, shape, largest_px) -> tuple[np.ndarray, np.ndarray]:
    """Fields of which the largest displacement is known, and frames of them."""
    fields = smooth_fields(n, shape, 3.0, seed=2)
    fields *= largest_px / np.abs(fields).max()
    return fields, bent_crops(fields)


def bent(n, shape, largest_px, noise) -> tuple[np.ndarray, np.ndarray]:
    """The same, with noise."""
    fields, frames = clean(n, shape, largest_px)
    rng = np.random.default_rng(5)
    return fields, frames + noise * rng.standard_normal(frames.shape, np.float32)


# --- the grid ----------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(128, 128), (512, 300), (97, 1000), (60, 61)])
@pytest.mark.parametrize("step", [None, 24, 37])
@pytest.mark.parametrize("overlap", [None, 0, 11])
def test_patches_cover_the_field_evenly(shape, step, overlap):
    grid = PatchGrid.covering(shape, step, overlap)
    step = step or max(24, min(shape) // 10)
    covered = np.zeros(shape, int)
    for patch in grid.patches:
        assert covered[patch].shape == grid.size_px
        covered[patch] += 1
    assert covered.min() == 1
    for starts, size, side in zip(
        (grid.starts_y, grid.starts_x), grid.size_px, shape, strict=True
    ):
        assert size == min(step + (step if overlap is None else overlap), side)
        assert starts[0] == 0
        assert starts[-1] == side - size
        assert np.all(np.diff(starts) <= step)
        assert np.ptp(starts - np.linspace(0, side - size, len(starts))) <= 1
        # no more of them than needed
        assert (len(starts) - 2) * step < side - size or len(starts) == 1


@pytest.mark.parametrize("shape", [(1, 1), (9, 11), (16, 16), (3, 40), (47, 48)])
def test_a_field_smaller_than_a_patch_is_one_patch_along_that_side(shape):
    grid = PatchGrid.covering(shape, None, None)
    assert grid.patches == [(slice(0, shape[0]), slice(0, shape[1]))]
    np.testing.assert_allclose(grid.centres, [[(n - 1) / 2 for n in shape]])


def test_patches_and_centres_go_row_by_row():
    grid = PatchGrid.covering((100, 60), 20, 10)
    assert (len(grid.starts_y), len(grid.starts_x)) == (5, 3)
    middles = [
        (0.5 * (y.start + y.stop - 1), 0.5 * (x.start + x.stop - 1))
        for y, x in grid.patches
    ]
    np.testing.assert_allclose(grid.centres, middles)
    np.testing.assert_allclose(np.unique(grid.centres[:, 0]), grid.places[0])
    np.testing.assert_allclose(np.unique(grid.centres[:, 1]), grid.places[1])


@pytest.mark.parametrize("shape", [(100, 60), (16, 70), (5, 5)])
def test_windows_weight_every_pixel(shape):
    windows = PatchGrid.covering(shape, 20, 20).windows(shape)
    for window, n in zip(windows, shape, strict=True):
        assert window.shape[1] == n
        assert window.min() >= 0
        assert window.max() <= 1
        assert window.sum(axis=0).min() > 0.5


def test_the_mean_of_a_field_is_that_over_its_pixels():
    shape = (61, 90)
    grid = PatchGrid.covering(shape, 15, 15)
    y, x = grid.centres.T
    field = np.stack([y, 2 * x], axis=1)[None]
    rows = np.clip(np.arange(61), *grid.places[0][[0, -1]])
    cols = np.clip(np.arange(90), *grid.places[1][[0, -1]])
    np.testing.assert_allclose(
        grid.mean(field, shape), [[rows.mean(), 2 * cols.mean()]], rtol=1e-6
    )


# --- the fields --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("largest_px", "noise", "tolerance"),
    [(1.5, 0.5, 0.05), (3.0, 0.5, 0.07), (1.5, 2.0, 0.12), (3.0, 2.0, 0.15)],
)
def test_smooth_fields_are_found(largest_px, noise, tolerance):
    fields, frames = bent(12, SHAPE, largest_px, noise)
    shifts, measured = found(frames, still(SHAPE), noise)
    grid = PatchGrid.covering(SHAPE, None, None)
    truth = displacements(fields, grid.centres.astype(float))
    assert rms(measured - truth) < tolerance
    assert rms(measured - truth) < 0.5 * rms(shifts[:, None] - truth)


def test_fields_on_top_of_large_shifts_are_found():
    fields = smooth_fields(12, SHAPE, 3.0, 3)
    shifts = np.random.default_rng(3).uniform(-8, 8, (12, 2))
    fields += shifts[:, :, None, None]
    frames = bent_crops(fields, margin=20)
    frames += 0.5 * np.random.default_rng(4).standard_normal(frames.shape, np.float32)
    template = moved_crops(SHAPE, np.zeros((1, 2)), margin=20)[0]
    grid = PatchGrid.covering(SHAPE, None, None)
    truth = displacements(fields, grid.centres.astype(float))
    _, measured = found(frames, template, 0.5)
    assert rms(measured - truth) < 0.08


@pytest.mark.parametrize(("noise", "tolerance"), [(0.5, 0.05), (2.0, 0.12)])
def test_a_still_movie_is_bent_by_no_more_than_its_noise(noise, tolerance):
    image = still(SHAPE)
    rng = np.random.default_rng(0)
    frames = image + noise * rng.standard_normal((20, *SHAPE), np.float32)
    _, fields = found(frames, image, noise)
    assert rms(fields) < tolerance
    assert np.abs(fields.mean(axis=0)).max() < tolerance


def test_noise_alone_is_hardly_bent():
    rng = np.random.default_rng(0)
    frames = still(SHAPE) + 30 * rng.standard_normal((20, *SHAPE), np.float32)
    shifts, fields = found(frames, still(SHAPE), 30.0)
    assert rms(fields - shifts[:, None]) < 0.5


@pytest.mark.parametrize("hole", [np.s_[56:104, 56:104], np.s_[:40, :40]])
def test_a_patch_without_signal_takes_after_its_neighbours(hole):
    shape = (160, 160)
    fields, frames = bent(20, shape, 2.0, 0.0)
    light = np.ones(shape)
    light[hole] = 0
    light = gaussian_filter(light, 4)
    rng = np.random.default_rng(1)
    frames = frames * light + 0.5 * rng.standard_normal(frames.shape)
    grid = PatchGrid.covering(shape, 16, 16)
    shifts, measured = found(
        frames.astype(np.float32), (still(shape) * light).astype(np.float32), 0.5, grid
    )
    truth = displacements(fields, grid.centres.astype(float))
    dark = [k for k, patch in enumerate(grid.patches) if light[patch].mean() < 0.2]
    assert len(dark) >= 1
    error = rms((measured - truth)[:, dark])
    assert error < 0.22
    assert error < 0.6 * rms((shifts[:, None] - truth)[:, dark])


@pytest.mark.parametrize("level", [0.0, 1000.3, 65535.0, np.nan, np.inf, 1e30])
def test_a_frame_without_signal_has_the_shift_of_the_whole(level):
    _, frames = bent(3, (96, 130), 2.0, 0.5)
    frames[1] = level
    template = still((96, 130))
    shifts, measured = found(frames, template, 0.5)
    np.testing.assert_array_equal(
        measured[1], np.tile(shifts[1], (measured.shape[1], 1))
    )
    _, others = found(frames[[0, 2]], template, 0.5)
    np.testing.assert_array_equal(measured[[0, 2]], others)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 3e38])
def test_one_pixel_that_is_no_number_is_survived(bad):
    _, frames = bent(3, (96, 130), 2.0, 0.5)
    frames[1, 40, 60] = bad
    _, measured = found(frames, still((96, 130)), 0.5)
    assert np.isfinite(measured).all()
    assert np.abs(measured[1]).max() <= 3


def test_a_template_without_signal_bends_nothing():
    _, frames = bent(3, (96, 130), 2.0, 0.5)
    flat = np.full((96, 130), 3.3, np.float32)
    np.testing.assert_array_equal(found(frames, flat, 0.5)[1], 0)


def test_no_result_depends_on_the_frames_around():
    _, frames = bent(12, (96, 130), 3.0, 1.0)
    template = still((96, 130))
    _, together = found(frames, template, 1.0)
    order = np.random.default_rng(0).permutation(len(frames))
    np.testing.assert_array_equal(
        found(frames[order], template, 1.0)[1], together[order]
    )
    parts = [found(part, template, 1.0)[1] for part in np.array_split(frames, 5)]
    np.testing.assert_array_equal(np.concatenate(parts), together)


def test_frames_in_parts_are_bent_alike():
    fields, frames = bent(10, (96, 130), 3.0, 1.0)
    grid = PatchGrid.covering((96, 130), None, None)
    bends = displacements(fields, grid.centres.astype(float)).astype(np.float32)
    bends[7] *= 5  # needs a wider border than the others
    fill = still((96, 130))
    together = apply_fields(frames, bends, grid.places, fill)
    alone = [
        apply_fields(f[None], b[None], grid.places, fill)[0]
        for f, b in zip(frames, bends, strict=True)
    ]
    np.testing.assert_array_equal(alone, together)


def test_no_frames_give_no_fields():
    empty = np.empty((0, 20, 30), np.float32)
    _, fields = found(empty, cells((20, 30)), 1.0)
    grid = PatchGrid.covering((20, 30), None, None)
    assert fields.shape == (0, 1, 2)
    assert (
        apply_fields(empty, fields, grid.places, cells((20, 30))).shape == empty.shape
    )


@pytest.mark.parametrize(
    ("brightness", "offset"), [(0.6, 0), (1.6, 0), (1, 3), (1, -3), (0.7, 2)]
)
def test_brightness_and_offset_do_not_bend(brightness, offset):
    _, frames = bent(12, SHAPE, 3.0, 0.5)
    _, expected = found(frames, still(SHAPE), 0.5)
    _, changed = found(brightness * frames + offset, still(SHAPE), 0.5)
    assert rms(changed - expected) < 0.02


@pytest.mark.parametrize("limit_px", [0.5, 1.0])
def test_no_patch_deviates_further_than_allowed(limit_px):
    _, frames = bent(12, SHAPE, 3.0, 0.5)
    shifts, fields = found(frames, still(SHAPE), 0.5, max_deviation_px=limit_px)
    deviation = np.abs(fields - shifts[:, None]).max()
    assert limit_px * 0.99 < deviation <= limit_px * 1.001


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (1, 40), (16, 16), (9, 11), (3, 40)])
def test_tiny_fields_are_survived(shape):
    frames = np.random.default_rng(0).random((4, *shape), np.float32)
    shifts, fields = found(frames, frames.mean(axis=0), 0.3)
    assert fields.shape == (4, 1, 2)
    assert np.abs(fields - shifts[:, None]).max() <= 3.001
    grid = PatchGrid.covering(shape, None, None)
    moved = apply_fields(frames, fields, grid.places, frames[0])
    assert np.isfinite(moved).all()


# --- the template ------------------------------------------------------------------


def test_the_template_of_a_bent_movie_is_sharper_than_that_of_shifts():
    _, frames = bent(40, SHAPE, 3.0, 0.5)
    made = {}
    for mode in ("rigid", "piecewise"):
        p = MotionParameters(mode=mode)
        made[mode] = crispness(build_registrar(frames, p).target.template)
    ideal = crispness(still(SHAPE))
    assert made["piecewise"] > 1.03 * made["rigid"]
    assert made["piecewise"] > 0.97 * ideal


def test_the_frames_lie_around_the_template_everywhere():
    fields, frames = bent(40, SHAPE, 3.0, 0.5)
    registrar = build_registrar(frames, MotionParameters(mode="piecewise"))
    motion = registrar.find(frames, np.arange(40))
    assert np.abs(motion.fields.mean(axis=0)).max() < 0.1
    truth = displacements(fields, registrar.target.model.grid.centres.astype(float))
    error = motion.fields - truth
    error -= error.mean(axis=0)
    assert rms(error) < 0.08
