"""Contours: where the footprints end, as closed lines and as straight pieces."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from contourpy import contour_generator
from example_values import make_components

from napari_cnmf.contours import (
    SHARES,
    contour,
    contours,
    energy_level,
    maximum_level,
    segments,
)
from napari_cnmf.errors import ParameterError

FIELD = (60, 90)


def with_footprints(*images: np.ndarray):
    """Components with these images (Y, X) as footprints."""
    columns = np.stack([image.ravel() for image in images], axis=1)
    components = make_components(np.arange(len(images)), images[0].shape)
    footprints = sp.csc_array(columns.astype(np.float32))
    return replace(components, footprints=footprints)


def disc(y: float, x: float, radius: float) -> np.ndarray:
    """Disc with a soft edge."""
    rows, cols = np.mgrid[: FIELD[0], : FIELD[1]]
    soft = 1 / (1 + np.exp((np.hypot(rows - y, cols - x) - radius) / 0.5))
    return np.where(soft > 0.01, soft, 0)


def area(line: np.ndarray) -> float:
    """Area that a closed line encloses."""
    y, x = line.T
    return abs(float(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1]))) / 2


@pytest.mark.parametrize("level", ["energy", "maximum"])
def test_a_contour_runs_around_the_disc(level):
    (line,) = contour(with_footprints(disc(20.5, 61, 8)), 0, level)
    np.testing.assert_array_equal(line[0], line[-1])
    assert line.dtype == np.float32
    distance = np.hypot(*(line - [20.5, 61]).T)
    assert 7 < distance.min() < distance.max() < 9.5
    assert distance.std() < 0.2


def test_rows_come_before_columns():
    (line,) = contour(make_components(np.array([2]), FIELD), 0)
    rows, cols = np.nonzero(make_components(np.array([2]), FIELD).footprint(0))
    (top, left), (bottom, right) = line.min(axis=0), line.max(axis=0)
    assert top < rows.min() < rows.max() < bottom < rows.max() + 1
    assert left < cols.min() < cols.max() < right < cols.max() + 1


def test_all_at_once_are_what_each_is_by_itself():
    rng = np.random.default_rng(0)
    images = [disc(*rng.uniform((0, 0, 2), (60, 90, 9))) for _ in range(70)]
    images[3] = np.zeros(FIELD)
    components = with_footprints(*images)
    for k, outline in enumerate(contours(components, "energy", 0.7)):
        expected = slow_contour(components, k, 0.7)
        assert len(outline) == len(expected)
        for line, slow in zip(outline, expected, strict=True):
            np.testing.assert_allclose(line, slow, atol=1e-4)
        alone = contour(components, k, "energy", 0.7)
        for line, same in zip(outline, alone, strict=True):
            np.testing.assert_allclose(line, same, atol=1e-5)


def slow_contour(components, k: int, share: float) -> list[np.ndarray]:
    """Marching squares on the whole field."""
    image = np.pad(components.footprint(k), 1)
    if not image.any():
        return []
    level = energy_level(image[image > 0], share)
    lines = contour_generator(z=image).lines(level)
    return [line[:, ::-1] - 1 for line in lines]


def test_lines_are_closed_at_the_border_of_the_field():
    (line,) = contour(with_footprints(disc(0, 89, 6)), 0)
    np.testing.assert_array_equal(line[0], line[-1])
    assert (line.min(axis=0) >= [-1, 0]).all()
    assert line[:, 1].max() <= FIELD[1]


def test_a_footprint_in_two_parts_has_two_lines():
    lines = contour(with_footprints(disc(20, 20, 5) + disc(20, 60, 5)), 0)
    assert len(lines) == 2


def test_a_footprint_as_wide_as_the_field_is_outlined():
    image = np.zeros(FIELD)
    image[30] = 1
    (line,) = contour(with_footprints(image), 0)
    assert np.ptp(line[:, 1]) > FIELD[1] - 1


def test_an_empty_footprint_has_no_contour():
    assert contour(with_footprints(np.zeros(FIELD)), 0) == []
    assert contours(make_components(np.arange(0), FIELD)) == []


def test_the_energy_level_keeps_the_stated_energy():
    values = np.random.default_rng(0).random(500).astype(np.float32)
    inside = values[values >= 2 * energy_level(values, 0.8) * (1 - 1e-6)]
    share = (inside**2).sum() / (values**2).sum()
    assert 0.8 <= share < 0.81


def test_the_maximum_level_is_a_share_of_the_maximum():
    assert maximum_level(np.array([1, 5, 3], np.float32), 0.2) == pytest.approx(1)


def test_a_larger_share_of_the_maximum_encloses_less():
    components = with_footprints(disc(30, 40, 9))
    areas = [area(contour(components, 0, "maximum", s)[0]) for s in (0.2, 0.5, 0.8)]
    assert areas == sorted(areas, reverse=True)


@pytest.mark.parametrize("share", [0.0, 1.0, -2.0, np.nan])
def test_a_share_out_of_its_limits_is_refused(share):
    with pytest.raises(ParameterError, match="between 0 and 1"):
        contours(make_components(), "energy", share)


def test_each_level_has_a_share_of_its_own():
    components = with_footprints(disc(30, 40, 9))
    for level, share in SHARES.items():
        np.testing.assert_equal(
            contours(components, level), contours(components, level, share)
        )


def test_segments_follow_the_contours():
    components = with_footprints(disc(20, 20, 5), np.zeros(FIELD), disc(30, 60, 9))
    outlines = contours(components)
    pieces, owners = segments(outlines, tolerance_px=-1)
    assert np.unique(owners).tolist() == [0, 2]
    for k in (0, 2):
        (line,) = outlines[k]
        starts, steps = pieces[owners == k].transpose(1, 0, 2)
        np.testing.assert_array_equal(starts, line[:-1])
        np.testing.assert_allclose(starts + steps, line[1:], atol=1e-5)


def test_thinned_segments_stay_near_and_stay_closed():
    components = with_footprints(disc(20, 20, 5), disc(30, 60, 9))
    outlines = contours(components)
    every, _ = segments(outlines, tolerance_px=-1)
    pieces, owners = segments(outlines, tolerance_px=0.2)
    assert len(pieces) < 0.6 * len(every)
    for k, (line,) in enumerate(outlines):
        mine = pieces[owners == k]
        np.testing.assert_allclose(mine[:, 1].sum(axis=0), 0, atol=1e-4)
        along = np.linspace(0, 1, 20)[:, None, None]
        drawn = (mine[:, 0] + along * mine[:, 1]).reshape(-1, 2)
        nearest = np.hypot(*(line[:, None] - drawn).transpose(2, 0, 1)).min(axis=1)
        assert nearest.max() < 0.25


def test_nothing_has_no_segments():
    pieces, owners = segments([[], []])
    assert pieces.shape == (0, 2, 2)
    assert owners.shape == (0,)
