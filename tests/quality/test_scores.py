"""Scores tell a cell in focus from everything else."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage as ndi
import scipy.sparse as sp

from napari_cnmf.quality.scores import (
    areas,
    eccentricities,
    focused_slope,
    peak_snr,
    shape_scores,
    typical_area,
)

DIAMETER_PX = 11.0
SIDE = 35
DISTANCE = np.hypot(*(np.indices((SIDE, SIDE)) - SIDE // 2))
INSIDE = np.ones((SIDE, SIDE), bool)
CELL = np.clip(DIAMETER_PX / 2 + 0.5 - DISTANCE, 0, 1).astype(np.float32)


def scores(event, footprint=CELL, inside=INSIDE):
    """Scores of one component."""
    boxes = event.astype(np.float32), footprint, inside
    return shape_scores(*(box[None] for box in boxes))[:, 0]


def test_components_do_not_see_each_other():
    rng = np.random.default_rng(2)
    events = rng.random((3, SIDE, SIDE)).astype(np.float32)
    footprints = np.stack([CELL, np.roll(CELL, 9, 1), np.ones_like(CELL)])
    inside = rng.random((3, SIDE, SIDE)) < 0.9
    alone = [scores(*boxes) for boxes in zip(events, footprints, inside, strict=True)]
    together = shape_scores(events, footprints, inside)
    np.testing.assert_array_equal(together, np.transpose(alone))


def noisy(image, sd):
    return image + sd * np.random.default_rng(0).standard_normal(image.shape)


def test_a_cell_in_focus_scores_well():
    r_value, ring, slope = scores(noisy(CELL, 0.05))
    assert r_value > 0.98
    assert abs(ring) < 0.05
    assert slope == pytest.approx(focused_slope((CELL >= 0.2).sum()), rel=0.3)


def test_scores_do_not_depend_on_brightness():
    event = noisy(CELL, 0.1)
    np.testing.assert_allclose(scores(7 * event), scores(event), rtol=1e-4)
    np.testing.assert_allclose(scores(event, 3 * CELL), scores(event), rtol=1e-4)


def test_noise_does_not_look_like_the_cell():
    r_value, _, _ = scores(noisy(0 * CELL, 1.0))
    assert abs(r_value) < 0.5


def test_light_around_the_cell_is_a_ring():
    halo = 0.3 * np.exp(-((DISTANCE / 15) ** 2))
    rings = [scores(CELL + share * halo)[1] for share in (0, 0.5, 1)]
    assert rings[0] < 0.02
    assert np.all(np.diff(rings) > 0.05)


def test_a_blurred_border_is_less_steep():
    slopes = [scores(ndi.gaussian_filter(CELL, sd))[2] for sd in (0.1, 2, 4)]
    assert np.all(np.diff(slopes) < -0.03)


def test_the_border_of_a_larger_cell_may_be_wider():
    slopes = [focused_slope(np.pi / 4 * size**2) for size in (5.0, 10.0, 40.0)]
    assert np.all(np.diff(slopes) < 0)
    # A Gaussian's steepest descent is its peak, and it is 1 px wide at least.
    assert slopes[0] < 1 / np.sqrt(2 * np.pi)


def test_a_cell_cut_by_the_border_scores_like_a_whole_one():
    event = CELL + 0.3 * np.exp(-((DISTANCE / 15) ** 2))
    inside = INSIDE.copy()
    inside[:, :15] = False
    cut = scores(event * inside, CELL * inside, inside)
    whole = scores(event)
    assert cut[0] > 0.95
    assert cut[1] == pytest.approx(whole[1], rel=0.2)


@pytest.mark.parametrize("n_pixels", [0, 1, 2])
def test_a_footprint_of_hardly_a_pixel_is_no_cell(n_pixels):
    footprint = np.zeros_like(CELL)
    footprint.flat[:n_pixels] = 1
    assert scores(CELL, footprint).tolist() == [0, 1, 0]


@pytest.mark.parametrize("level", [0.0, -3.0])
def test_an_event_image_without_light_is_no_cell(level):
    assert scores(np.full_like(CELL, level)).tolist() == [0, 1, 0]


def test_a_cell_that_fills_its_box_has_no_ring_to_look_at():
    full = np.ones_like(CELL)
    assert scores(full, full)[1] == 1.0


@pytest.mark.parametrize("window", [1, 4, 9])
def test_peak_snr_is_the_mean_of_the_highest_hundredth(window):
    rng = np.random.default_rng(1)
    traces = rng.normal(0, 2, (5, 731)).astype(np.float32)
    traces[:, 200:260] += 20
    expected = []
    for trace in traces:
        averaged = ndi.uniform_filter1d(trace.astype(np.float64), window)
        top = np.sort(averaged)[-7:].mean()
        expected.append(top / (2 / np.sqrt(window)))
    found = peak_snr(traces, np.full(5, 2, np.float32), window)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_peak_snr_does_not_depend_on_the_unit():
    traces = np.random.default_rng(1).normal(0, 2, (5, 300)).astype(np.float32)
    noise = np.full(5, 2, np.float32)
    expected = peak_snr(traces, noise, 5)
    np.testing.assert_allclose(peak_snr(9 * traces, 9 * noise, 5), expected, rtol=1e-5)


def test_noise_alone_has_a_low_peak_snr():
    traces = np.random.default_rng(1).normal(0, 2, (50, 3000)).astype(np.float32)
    assert peak_snr(traces, np.full(50, 2, np.float32), 6).max() < 4


def as_footprints(*images):
    return sp.csc_array(np.array(images, np.float32).reshape(len(images), -1).T)


WHOLE = np.ones((60, 80), bool)


def field(centre, radius, shape=(60, 80)):
    y, x = np.indices(shape)
    return np.hypot(y - centre[0], x - centre[1]) <= radius


def test_areas_count_pixels():
    images = [field((30, 40), radius) for radius in (5.5, 11, 0.1)]
    found = areas(as_footprints(*images), WHOLE)
    np.testing.assert_array_equal(found, [image.sum() for image in images])


def test_dim_rims_do_not_count():
    image = field((30, 40), 5).astype(float)
    rim = image + 0.15 * field((30, 40), 12)
    found = areas(as_footprints(image, rim), WHOLE)
    assert found[0] == found[1]


@pytest.mark.parametrize("centre", [(0, 40), (59, 40), (30, 0), (30, 79)])
def test_a_cell_cut_by_the_border_counts_more(centre):
    image = field(centre, 5)
    (found,) = areas(as_footprints(image), WHOLE)
    assert found == pytest.approx(1.6 * image.sum())


@pytest.mark.parametrize("centre", [(6, 40), (53, 40), (30, 6), (30, 73)])
def test_a_cell_cut_where_the_data_ends_counts_more(centre):
    valid = np.pad(WHOLE[6:-6, 6:-6], 6)
    image = field(centre, 5) & valid
    inner = field((30, 40), 5)
    found = areas(as_footprints(image, inner), valid)
    np.testing.assert_allclose(found, [1.6 * image.sum(), inner.sum()], rtol=1e-6)


def test_a_missing_pixel_inside_a_cell_does_not_cut_it():
    valid = WHOLE.copy()
    valid[30, 40] = False
    image = field((30, 40), 5) & valid
    assert areas(as_footprints(image), valid) == [image.sum()]


def test_an_empty_footprint_has_no_area():
    image = field((30, 40), 5)
    found = areas(as_footprints(0 * image, image), WHOLE)
    assert found[0] == 0
    assert found[1] > 0


def test_the_typical_area_is_that_of_the_clearest_components():
    area = np.array([1, 2, 4, 8, 100, 200], np.float32)
    snr = np.array([9, 8, 10, 9, 1, 50], np.float32)
    r_value = np.array([0.9, 0.9, 0.9, 0.9, 0.9, 0.1], np.float32)
    # The clearest third holds the third and sixth; the sixth does not look right.
    assert typical_area(area, snr, r_value) == 4


def test_without_clear_components_the_typical_area_is_that_of_all():
    area = np.array([1, 2, 9], np.float32)
    assert typical_area(area, np.ones(3), np.zeros(3)) == 2


def footprints_of(*images):
    """Footprints (pixels, K) from images."""
    return sp.csc_array(np.array([i.ravel() for i in images], np.float32).T)


@pytest.mark.parametrize("field", [(30, 20), (20, 30)])
def test_eccentricity_equals_its_definition(field):
    rng = np.random.default_rng(0)
    images = rng.random((6, *field)) * (rng.random((6, *field)) < 0.2)
    expected = []
    for image in images:
        covariance = np.cov(np.indices(field).reshape(2, -1), aweights=image.ravel())
        low, high = np.linalg.eigvalsh(covariance)
        expected.append(np.sqrt(high / low))
    found = eccentricities(footprints_of(*images), field)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("angle", [0, 30, 45, 90])
def test_an_ellipse_is_as_eccentric_as_its_axes(angle):
    y, x = np.indices((61, 51)) - np.array([30, 25])[:, None, None]
    c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    inside = ((c * y + s * x) / 18) ** 2 + ((c * x - s * y) / 6) ** 2 < 1
    found = eccentricities(footprints_of(inside), (61, 51))
    assert found[0] == pytest.approx(3, rel=0.04)


def test_a_line_of_pixels_is_about_as_eccentric_as_it_is_long():
    images = np.zeros((3, 9, 12))
    images[0, 4, 2:11] = images[1, 2:5, 7] = images[2, 3, 3] = 0.5
    found = eccentricities(footprints_of(*images, np.zeros((9, 12))), (9, 12))
    np.testing.assert_allclose(found, [np.sqrt(80), np.sqrt(8), 1, 1], rtol=1e-6)


def test_no_components_have_no_eccentricity():
    assert eccentricities(sp.csc_array((600, 0), dtype=np.float32), (30, 20)).size == 0


def test_no_components_have_no_areas():
    nothing = areas(sp.csc_array((4800, 0), dtype=np.float32), WHOLE)
    assert nothing.shape == (0,)
    assert typical_area(nothing, nothing, nothing) > 0
