"""The shape classifier knows round from ragged, whatever the angle and the size."""

from __future__ import annotations

from importlib.resources import files

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from napari_cnmf.quality.classifier import (
    MODEL_FILE,
    BoostedTrees,
    neuron_probability,
    shipped_trees,
)
from napari_cnmf.quality.events import EventImages
from napari_cnmf.quality.shape_features import (
    GRID,
    N_FEATURES,
    N_HARMONICS,
    scaled_crops,
    shape_features,
)

DIAMETER_PX = 12.0
SIDE = 37
DISC_AREA = np.pi / 4 * DIAMETER_PX**2


def as_images(shapes, noise: float = 0.05) -> EventImages:
    """Footprints, and event images that show the same on noise."""
    footprints = np.asarray(shapes, np.float32)
    rng = np.random.default_rng(0)
    events = footprints + noise * rng.standard_normal(footprints.shape)
    corners = np.zeros((len(footprints), 2), np.int64)
    return EventImages(corners, events.astype(np.float32), footprints)


def ellipse(long: float, short: float, angle: float = 0.0, side: int = SIDE):
    """Soft-edged ellipse with the given axes, in the middle of a box."""
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    u = (x * np.cos(angle) + y * np.sin(angle)) / (long / 2)
    v = (y * np.cos(angle) - x * np.sin(angle)) / (short / 2)
    return 1 / (1 + np.exp((np.hypot(u, v) - 1) * short))


def ragged(seed: int):
    """Random pieces, cut where they are dim."""
    rng = np.random.default_rng(seed)
    wave = sum(
        np.cos(np.tensordot(rng.normal(0, 0.5, 2), np.mgrid[:SIDE, :SIDE], 1) + p)
        for p in rng.uniform(0, 2 * np.pi, 6)
    )
    return np.maximum(wave - 1.5, 0) * ellipse(28, 28)


def turned(images: EventImages, turn) -> EventImages:
    return EventImages(images.corners, turn(images.events), turn(images.footprints))


def described(images: EventImages, scale: float = 1):
    return shape_features(images, scale * DIAMETER_PX, scale**2 * DISC_AREA)


def harmonics(shape, scale: float = 1):
    return described(as_images([shape], noise=0), scale)[:, :N_HARMONICS]


def outline(shape):
    """Elongation, length, width, filling, steepness and both raggednesses."""
    return described(as_images([shape], noise=0))[0, N_HARMONICS:-4]


@pytest.mark.parametrize(
    "turn",
    [
        lambda a: np.rot90(a, 1, (1, 2)),
        lambda a: np.rot90(a, 2, (1, 2)),
        lambda a: a[:, ::-1],
        lambda a: a.transpose(0, 2, 1),
    ],
)
def test_turning_and_mirroring_changes_nothing(turn):
    images = as_images([ragged(1), ellipse(16, 9, 0.4)])
    expected = described(images)
    found = described(turned(images, turn))
    assert expected.shape == (2, N_FEATURES)
    np.testing.assert_allclose(found, expected, atol=2e-5)


def test_any_angle_and_size_look_nearly_the_same():
    level = harmonics(ellipse(16, 9))
    oblique = harmonics(ellipse(16, 9, 0.6))
    twice = harmonics(ellipse(32, 18, side=73), scale=2)
    round_one = harmonics(ellipse(12, 12))
    change = np.abs(round_one - level).max()
    assert np.abs(oblique - level).max() < 0.1 * change
    assert np.abs(twice - level).max() < 0.2 * change


def test_small_cells_are_interpolated_linearly_around_their_centre():
    diameter_px = 7.0  # less than a pixel from one place of the grid to the next
    images = as_images([np.roll(ellipse(8, 5, 0.3), (2, -3), (0, 1))])
    (footprint,), (event,) = scaled_crops(images, diameter_px)
    source = images.footprints[0].astype(float)
    where = np.mgrid[:SIDE, :SIDE]
    centre = (where * source).sum(axis=(1, 2)) / source.sum()
    grid = (np.arange(GRID) - (GRID - 1) / 2) * 3 * diameter_px / GRID
    places = np.stack(np.meshgrid(centre[0] + grid, centre[1] + grid, indexing="ij"))
    expected = map_coordinates(source, places, order=1)
    norm = np.linalg.norm(expected)
    np.testing.assert_allclose(footprint, expected / norm, atol=1e-5)
    seen = map_coordinates(images.events[0], places, order=1)
    seen /= (expected / norm * seen).sum()
    np.testing.assert_allclose(event, seen, atol=1e-4)


def test_brightness_changes_nothing():
    images = as_images([ragged(2), ellipse(12, 12)])
    bright = EventImages(images.corners, 300 * images.events, 7 * images.footprints)
    np.testing.assert_allclose(described(bright), described(images), atol=1e-5)


def test_the_outline_is_that_of_an_ellipse():
    long, short = 18.0, 12.0
    elongation, length, width, filling, steepness, *_ = outline(ellipse(long, short))
    assert elongation == pytest.approx(long / short, rel=0.05)
    assert length == pytest.approx(long / 4 / DIAMETER_PX, rel=0.1)
    assert width == pytest.approx(short / 4 / DIAMETER_PX, rel=0.1)
    assert filling == pytest.approx(1, abs=0.15)
    assert steepness > 0.75


def test_blurs_are_less_steep_and_pieces_more_ragged_than_somata():
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    blur = np.exp(-(y**2 + x**2) / (2 * (0.4 * DIAMETER_PX) ** 2))
    soma, blurred = outline(ellipse(12, 12)), outline(blur)
    assert blurred[4] < 0.7 * soma[4]
    assert min(outline(ragged(seed))[5] for seed in range(5)) > 1.5 * soma[5]


def test_sizes_are_told_relative_to_each_other():
    shape = np.zeros((SIDE, SIDE))
    shape[12:22, 14:20] = 1
    sizes = shape_features(as_images([shape]), 10.0, 90.0)[0, -4:]
    told = np.pi / 4 * 10**2
    expected = np.log([60 / told, 60 / 90, 90 / told, told**0.5])
    np.testing.assert_allclose(sizes, expected, rtol=1e-5)


def test_trees_add_up_what_their_leaves_say():
    rng = np.random.default_rng(3)
    trees = BoostedTrees(
        rng.integers(0, 6, (5, 3)).astype(np.int16),
        rng.normal(size=(5, 3)).astype(np.float32),
        rng.normal(size=(5, 8)).astype(np.float32),
        np.float32(-0.3),
    )
    features = rng.normal(size=(20, 6)).astype(np.float32)
    for row, found in zip(features, trees.probability(features), strict=True):
        log_odds = float(trees.bias)
        for tree in range(5):
            place = 0
            for level in range(3):
                if row[trees.feature[tree, level]] > trees.threshold[tree, level]:
                    place += 2**level
            log_odds += trees.value[tree, place]
        assert found == pytest.approx(1 / (1 + np.exp(-log_odds)), abs=1e-6)


def test_round_cells_are_told_from_fragments():
    somata = [ellipse(DIAMETER_PX, short, 0.5) for short in (10.0, 11.0, 12.0)]
    others = [ellipse(30, 3.5), *(ragged(seed) for seed in range(5))]
    probability = neuron_probability(
        as_images([*somata, *others]), DIAMETER_PX, DISC_AREA
    )
    assert probability[:3].min() > 0.8
    assert probability[3:].max() < 0.4


def test_components_are_judged_alone():
    images = as_images([ragged(seed) for seed in range(600)])
    together = neuron_probability(images, DIAMETER_PX, DISC_AREA)
    last = EventImages(images.corners[-1:], images.events[-1:], images.footprints[-1:])
    alone = neuron_probability(last, DIAMETER_PX, DISC_AREA)
    assert together[-1] == pytest.approx(alone[0], abs=1e-6)


def test_nothing_and_empty_footprints_have_an_answer():
    nothing = as_images(np.zeros((0, SIDE, SIDE)))
    assert neuron_probability(nothing, DIAMETER_PX, DISC_AREA).shape == (0,)
    empty = neuron_probability(
        as_images([np.zeros((SIDE, SIDE))], noise=0), DIAMETER_PX, DISC_AREA
    )
    assert empty.tolist() == [0]


def test_the_shipped_model_is_small_and_asks_for_known_features():
    model = files("napari_cnmf.quality").joinpath(MODEL_FILE)
    assert len(model.read_bytes()) < 300_000
    trees = shipped_trees()
    assert trees.feature.min() >= 0
    assert trees.feature.max() < N_FEATURES
    assert trees.value.shape == (len(trees.feature), 2 ** trees.feature.shape[1])
