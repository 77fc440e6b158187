"""Colours: anyone can tell accepted from rejected, on any ground."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cnmf.colours import ACCEPTED, CELL_COLOURS, REJECTED, cell_colour, rgb

# Machado et al. 2009, full loss of one type of cone, for linear RGB.
VISION = {
    "all cones": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
TO_XYZ = np.array(
    [[0.4125, 0.3576, 0.1804], [0.2127, 0.7152, 0.0722], [0.0193, 0.1192, 0.9503]]
)


def lab(colour: str, vision: str) -> np.ndarray:
    """CIELAB of a colour as someone sees it: 2.3 is just noticeable."""
    seen = np.asarray(rgb(colour))
    linear = np.where(seen <= 0.04045, seen / 12.92, ((seen + 0.055) / 1.055) ** 2.4)
    linear = np.clip(np.asarray(VISION[vision]) @ linear, 0, 1)
    x, y, z = TO_XYZ @ linear / TO_XYZ.sum(axis=1)
    x, y, z = np.where(
        np.array([x, y, z]) > 0.008856,
        np.cbrt([x, y, z]),
        7.787 * np.array([x, y, z]) + 16 / 116,
    )
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def difference(one: str, other: str, vision: str) -> float:
    return float(np.linalg.norm(lab(one, vision) - lab(other, vision)))


@pytest.mark.parametrize("vision", VISION)
def test_accepted_and_rejected_are_told_apart(vision):
    assert difference(ACCEPTED, REJECTED, vision) > 40


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("colour", [ACCEPTED, REJECTED])
def test_both_stand_out_of_grey_images(colour, vision):
    greys = [f"#{grey:02x}{grey:02x}{grey:02x}" for grey in range(256)]
    assert min(difference(colour, grey, vision) for grey in greys) > 15


@pytest.mark.parametrize("ground", ["#262930", "#ffffff"], ids=["dark", "light"])
@pytest.mark.parametrize("colour", [ACCEPTED, REJECTED])
def test_both_stand_out_of_dark_and_light_windows(colour, ground):
    assert abs(lab(colour, "all cones")[0] - lab(ground, "all cones")[0]) > 35


@pytest.mark.parametrize("vision", VISION)
def test_no_cell_looks_rejected(vision):
    assert min(difference(c, REJECTED, vision) for c in CELL_COLOURS) > 10


def test_a_cell_keeps_its_colour():
    assert [cell_colour(i) for i in range(5)] == list(CELL_COLOURS)
    assert cell_colour(17) == cell_colour(2)


def test_rgb_runs_from_zero_to_one():
    assert rgb("#ff0033") == (1.0, 0.0, 0.2)
