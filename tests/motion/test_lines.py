"""The offset of bidirectional scans: found where it is, never where it is not."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from motion.motion_twins import moved_crops, shift_frame_back
from scipy.ndimage import shift

from napari_cnmf.motion.lines import correct_lines, estimate_line_offset

SHAPE = (96, 120)


def recording(offset_px: float, noise: float = 1.0, n: int = 40, shape=SHAPE):
    """Frames that move by pixels, their odd rows another offset to the right."""
    rng = np.random.default_rng(3)
    shifts = np.clip(rng.normal(0, 3, (n, 2)), -8, 8)
    frames = moved_crops(shape, shifts)
    frames[:, 1::2] = moved_crops(shape, shifts + np.array([0, offset_px]))[:, 1::2]
    return frames + noise * rng.standard_normal(frames.shape, np.float32)


@pytest.mark.parametrize("offset_px", [0.3, -0.75, 1.37, -3.2, 6.0])
def test_the_offset_of_a_moving_noisy_movie_is_found(offset_px):
    assert estimate_line_offset(recording(offset_px)) == pytest.approx(
        offset_px, abs=0.05
    )


@pytest.mark.parametrize("noise", [0.0, 2.0, 20.0, 1e6])
def test_a_movie_without_offset_has_none(noise):
    assert estimate_line_offset(recording(0.0, noise)) == 0.0


@pytest.mark.parametrize("offset_px", [0.1, -0.1])
def test_an_offset_that_does_no_harm_is_left_alone(offset_px):
    assert estimate_line_offset(recording(offset_px)) == 0.0


@pytest.mark.parametrize("slant", [0.0, 0.2, 1.0, -1.4])
def test_stripes_are_no_offset(slant):
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    stripes = np.sin((x - slant * y) / 2.5) + np.sin((x - slant * y) / 7.1)
    noise = np.random.default_rng(0).standard_normal((20, *SHAPE), np.float32)
    frames = (stripes + 0.5 * noise).astype(np.float32)
    assert estimate_line_offset(frames) == 0.0


@pytest.mark.parametrize("shape", [(1, 1), (2, 50), (50, 2), (3, 3), (8, 8), (9, 16)])
@pytest.mark.parametrize("n", [1, 30])
def test_tiny_fields_of_noise_have_none(shape, n):
    frames = np.random.default_rng(1).random((n, *shape), np.float32)
    assert estimate_line_offset(frames) == 0.0


@pytest.mark.parametrize("level", [0.0, 1000.3])
def test_a_constant_movie_has_none(level):
    assert estimate_line_offset(np.full((5, 40, 50), level, np.float32)) == 0.0


def test_odd_rows_that_are_brighter_are_no_offset():
    frames = recording(0.0)
    frames[:, 1::2, -8:] *= np.linspace(1, 3, 8, dtype=np.float32)
    frames[:, 1::2] += 50
    assert estimate_line_offset(frames) == 0.0


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_frame_that_is_no_number_is_left_out(bad):
    frames = recording(0.6)
    good = estimate_line_offset(np.delete(frames, 7, axis=0))
    frames[7, 3, 5] = bad
    assert estimate_line_offset(frames) == good != 0


def test_a_flash_does_not_outweigh_the_other_frames():
    frames = recording(0.6)
    frames[5, 20:60, 30:] = 1e6
    assert estimate_line_offset(frames) == pytest.approx(0.6, abs=0.05)


def test_the_offset_is_the_same_every_time():
    frames = recording(0.4)
    assert estimate_line_offset(frames) == estimate_line_offset(frames)


@pytest.mark.parametrize("offset_px", [0.25, 2.6])
def test_known_offsets_of_real_noise_are_found(shared, offset_px):
    movie = tifffile.imread(shared / "data" / "simulated-small" / "movie.tif")
    frames = movie[np.linspace(0, len(movie) - 1, 200).astype(int)].astype(np.float32)
    assert estimate_line_offset(frames) == 0.0
    moved = shift(frames[:, 1::2], (0, 0, offset_px), order=5, mode="nearest")
    frames[:, 1::2] = moved
    assert estimate_line_offset(frames) == pytest.approx(offset_px, abs=0.05)


def test_the_comb_of_the_real_crop_is_no_offset(shared):
    # Its odd rows fade at the right edge; what is left of an offset is 0.14 px.
    movie = tifffile.imread(shared / "data" / "two-photon-crop" / "movie.tif")
    assert estimate_line_offset(movie[::5].astype(np.float32)) == 0.0


@pytest.mark.parametrize("shape", [(7, 9), (4, 33), (1, 5), (2, 1), (0, 4)])
@pytest.mark.parametrize("offset_px", [0.3, -0.3, 2.0, -5.6, 40.0, -40.0])
def test_odd_rows_are_moved_as_by_definition(shape, offset_px):
    frames = np.random.default_rng(0).random((3, *shape), np.float32)
    expected = frames.copy()
    for frame in expected:
        for y in range(1, shape[0], 2):
            frame[y] = shift_frame_back(frame[y : y + 1], 0, offset_px)
    np.testing.assert_allclose(correct_lines(frames, offset_px), expected, atol=1e-5)


def test_no_offset_leaves_the_frames_untouched():
    frames = recording(0.0, n=2)
    assert correct_lines(frames, 0.0) is frames


def test_what_is_found_can_be_undone():
    clean, moved = recording(0.0, noise=0), recording(0.8, noise=0)
    found = estimate_line_offset(moved)
    inner = np.s_[:, 8:-8, 8:-8]
    left = (correct_lines(moved, found) - clean)[inner]
    assert np.std(left) < 0.1 * np.std((moved - clean)[inner])
    assert estimate_line_offset(correct_lines(moved, found)) == 0.0
