"""The images of an accumulator against their definitions."""

import numpy as np
import pytest
from summary import summary_twins as twins

from napari_cnmf.movie.scale import Scale
from napari_cnmf.summary.images import Accumulator

GROUP = 16
CENTRE = 16512


def images_of(frames, step=1.0, neighbours=8, valid=None):
    """Images of whole-number frames, coded with a base of minus the centre."""
    codes = np.rint(frames / step + CENTRE).astype(np.uint16)
    base = np.full(frames.shape[1:], -CENTRE * step, np.float32)
    accumulator = Accumulator.empty(frames.shape[1:], GROUP)
    accumulator.add(codes)
    return accumulator.images(Scale(base, step), neighbours, valid)


def slanted(shape=(61, 9, 14)):
    """Stripes that run down to the right, each with a time course of its own."""
    n_frames, height, width = shape
    rng = np.random.default_rng(3)
    courses = rng.normal(0, 100, (n_frames, height + width))
    stripe = np.arange(width)[None, :] - np.arange(height)[:, None] + height
    noise = rng.normal(0, 20, shape)
    return np.rint(courses[:, stripe] + noise)


@pytest.mark.parametrize("neighbours", [8, 4])
@pytest.mark.parametrize("flip", [False, True])
def test_correlation_follows_the_definition_on_slanted_stripes(neighbours, flip):
    frames = slanted()[:, :, ::-1] if flip else slanted()
    image = images_of(frames, neighbours=neighbours).correlation
    expected = twins.correlation(frames, neighbours)
    np.testing.assert_allclose(image, expected, atol=1e-6)


def test_each_diagonal_counts_for_itself():
    # Down-right stripes: two of the eight neighbours are alike, so is a quarter.
    image = images_of(slanted((4000, 5, 6))).correlation
    assert image[2, 3] == pytest.approx(2 / 8 * 100**2 / (100**2 + 20**2), abs=0.02)


def test_mean_maximum_and_deviation_follow_numpy():
    frames = slanted()
    images = images_of(frames)
    np.testing.assert_allclose(images.mean, frames.mean(axis=0), atol=1e-3)
    np.testing.assert_array_equal(images.maximum, frames.max(axis=0))
    np.testing.assert_allclose(images.std, frames.std(axis=0), rtol=1e-5)


@pytest.mark.parametrize("n_frames", [64, 61, 19, 4])
def test_noise_is_that_of_the_second_differences_in_groups(n_frames):
    frames = slanted((n_frames, 5, 7))
    expected = twins.noise(frames, GROUP)
    np.testing.assert_allclose(images_of(frames).noise, expected, rtol=1e-5)


def test_noise_of_white_noise_is_unbiased():
    frames = np.random.default_rng(5).normal(0, 1, (2000, 10, 12))
    noise = images_of(frames, step=1 / 16).noise
    assert np.sqrt((noise**2).mean()) == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize(
    "shape", [(1, 3, 4), (2, 3, 4), (9, 1, 1), (9, 1, 5), (9, 5, 1)]
)
def test_tiny_movies_give_finite_images(shape):
    images = images_of(slanted(shape))
    expected = twins.correlation(slanted(shape))
    np.testing.assert_allclose(images.correlation, expected, atol=1e-6)
    assert np.isfinite(images.noise).all()


def test_constant_pixels_have_correlation_and_noise_zero():
    frames = slanted()
    frames[:, 4, 5] = 7
    images = images_of(frames)
    assert images.correlation[4, 5] == 0
    assert images.noise[4, 5] == 0
    expected = twins.correlation(frames)
    np.testing.assert_allclose(images.correlation, expected, atol=1e-6)


def test_invalid_pixels_are_zero_and_nobodys_neighbours():
    frames = slanted()
    valid = np.ones(frames.shape[1:], bool)
    valid[:, 0] = valid[4, 6] = False
    images = images_of(frames, valid=valid)
    assert not images.noise[~valid].any()
    assert not images.correlation[~valid].any()
    expected = twins.correlation(frames, valid=valid)
    np.testing.assert_allclose(images.correlation, expected, atol=1e-6)
    assert images.valid is valid


def test_merged_parts_are_the_whole_in_any_order():
    codes = np.random.default_rng(6).integers(0, 65536, (75, 6, 7), dtype=np.uint16)
    whole = Accumulator.empty((6, 7), GROUP)
    whole.add(codes)
    merged = Accumulator.empty((6, 7), GROUP)
    for first in (64, 0, 32):
        part = Accumulator.empty((6, 7), GROUP)
        part.add(codes[first : min(first + 32, 75)])
        merged.merge(part)
    np.testing.assert_array_equal(merged.sums, whole.sums)
    np.testing.assert_array_equal(merged.maximum, whole.maximum)
    assert (merged.n_frames, merged.n_bends) == (whole.n_frames, whole.n_bends)
