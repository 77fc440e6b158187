"""What the r value was taken from: frames, footprint and mean image in one box."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from example_values import make_components

from napari_cnmf.components import Components
from napari_cnmf.errors import MissingStageError
from napari_cnmf.movie import Movie
from napari_cnmf.quality.caiman import event_frames
from napari_cnmf.quality.evidence import (
    event_frames_used,
    footprint_box,
    mean_event_image,
)

RULES = ["default", "caiman"]


def components(rule: str, bin_frames: int = 1) -> Components:
    """Four cells with peaks of their own on 6 x 9 px; the last leave the field."""
    plain = make_components(n_frames=60)
    rng = np.random.default_rng(0)
    traces = rng.random((4, 60)).astype(np.float32)
    traces[np.arange(4), [10, 12, 30, 50]] = 9
    quality = replace(
        plain.quality,
        rule=rule,
        event_images=np.zeros((4, 5, 5), np.float32),
        event_corners=np.array([[0, 0], [-2, 3], [3, 6], [4, -1]]),
        event_bin_frames=bin_frames,
    )
    return replace(plain, denoised=traces, quality=quality)


def test_the_default_rule_used_the_bins_above_half_of_the_peak():
    found = components("default", bin_frames=3)
    for k in range(4):
        bins = found.denoised[k].reshape(-1, 3).mean(axis=1)
        frames = np.flatnonzero(np.repeat(bins > bins.max() / 2, 3))
        np.testing.assert_array_equal(event_frames_used(found, k), frames)


def test_caimans_rule_used_the_peaks_without_those_of_neighbours():
    found = components("caiman")
    all_frames = event_frames(found.denoised, found.footprints, found.frame_rate_hz)
    for k in range(4):
        expected = np.flatnonzero(all_frames[[k]].toarray())
        np.testing.assert_array_equal(event_frames_used(found, k), expected)
    alone = event_frames(
        found.denoised[[0]], found.footprints[:, [0]], found.frame_rate_hz
    )
    assert alone.sum() > len(event_frames_used(found, 0))


def test_a_cell_without_a_footprint_has_its_peaks():
    found = components("caiman")
    empty = sp.csc_array(found.footprints.shape, dtype=np.float32)
    assert 10 in event_frames_used(replace(found, footprints=empty), 0)


@pytest.mark.parametrize("rule", RULES)
def test_the_footprint_lies_in_the_box_as_the_event_image_does(rule):
    found = components(rule)
    noise = np.full(found.fov_shape, 2.0, np.float32)
    noise[0, 0] = 0  # without data
    found = replace(found, pixel_noise=noise)
    for k, (top, left) in enumerate(found.quality.event_corners):
        image = found.footprint(k)
        if rule == "default":
            image = np.where(noise > 0, image / 2, 0)
        padded = np.pad(image, 5)[5 + top :, 5 + left :][:5, :5]
        np.testing.assert_array_equal(footprint_box(found, k), padded)


def test_the_mean_event_image_is_the_mean_of_those_frames():
    found = components("caiman")
    array = np.random.default_rng(1).integers(100, 200, (60, 6, 9)).astype(np.uint16)
    movie = Movie.from_array(array)
    for k, (top, left) in enumerate(found.quality.event_corners):
        mean = array[event_frames_used(found, k)].mean(axis=0)
        inside = mean[max(top, 0) : top + 5, max(left, 0) : left + 5]
        padded = np.pad(mean, 5, constant_values=inside.min())
        image = mean_event_image(movie, found, k)
        expected = padded[5 + top :, 5 + left :][:5, :5]
        np.testing.assert_allclose(image, expected, rtol=1e-6)


@pytest.mark.parametrize("rule", RULES)
def test_frames_left_out_are_not_used(rule):
    found = components(rule, bin_frames=3)
    peak = int(found.denoised[2].argmax())
    used = event_frames_used(found, 2, (peak,))
    assert peak in event_frames_used(found, 2)
    assert peak not in used
    assert len(used)
    array = np.ones((60, 6, 9), np.float32)
    array[peak] = np.nan
    movie = Movie.from_array(array).with_(left_out=(peak,))
    assert mean_event_image(movie, found, 2).max() == 1


def test_a_cell_without_events_has_a_dark_image():
    found = components("caiman")
    silent = replace(found, denoised=np.zeros_like(found.denoised))
    movie = Movie.from_array(np.ones((60, 6, 9), np.uint16))
    assert len(event_frames_used(silent, 0)) == 0
    assert not mean_event_image(movie, silent, 0).any()


def test_what_is_missing_is_said():
    found = components("default")
    old = replace(found.quality, event_images=None, event_corners=None)
    with pytest.raises(MissingStageError, match=r"older version.*run 'evaluate' again"):
        footprint_box(replace(found, quality=old), 0)
    with pytest.raises(MissingStageError, match="not evaluated yet"):
        event_frames_used(replace(found, quality=None), 0)
