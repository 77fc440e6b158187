"""Outlines of footprints.

A contour is found by marching squares on the box of its footprint alone, so that the
field's size does not matter; the boxes of many are put into one atlas, each over its
own level, because a search costs more to begin than to do. The level is set by a
share of the footprint's energy (its squares), as in CaImAn's plots, or of its maximum.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from contourpy import contour_generator

from napari_cnmf.components import Components
from napari_cnmf.errors import ParameterError

Level = Literal["energy", "maximum"]
#: Footprints in one atlas.
GROUP = 64
#: Shares that outline a cell as the eye would.
SHARES: dict[str, float] = {"energy": 0.9, "maximum": 0.2}


def energy_level(values: np.ndarray, share: float) -> float:
    """Value above which a footprint's pixels hold a share of its energy."""
    falling = np.sort(values)[::-1].astype(np.float64)
    energy = np.cumsum(falling**2)
    last = int(np.searchsorted(energy, share * energy[-1]))
    # Half of it separates the last pixel inside from the empty margin.
    return 0.5 * float(falling[min(last, len(falling) - 1)])


def maximum_level(values: np.ndarray, share: float) -> float:
    """Share of a footprint's maximum."""
    return share * float(values.max())


_LEVELS = {"energy": energy_level, "maximum": maximum_level}


def contour(
    components: Components, k: int, level: Level = "energy", share: float | None = None
) -> list[np.ndarray]:
    """Return the closed lines around the component at position `k`; see `contours`."""
    return _outlines(components, np.array([k]), level, share)[0]


def contours(
    components: Components, level: Level = "energy", share: float | None = None
) -> list[list[np.ndarray]]:
    """Return the closed lines around the footprint of every component.

    Parameters
    ----------
    components : Components
    level : {"energy", "maximum"}
        What a line encloses: pixels that hold a share of the footprint's energy, or
        pixels above a share of its maximum.
    share : float, optional
        Between 0 and 1; 0.9 of the energy or 0.2 of the maximum if left out.

    Returns
    -------
    list of list of ndarray (n, 2)
        float32, y and x in pixels, the first point repeated at the end. A component
        has several lines if its footprint has several parts or a hole, and none if
        it is empty.
    """
    chosen = np.arange(len(components))
    groups = [chosen[i : i + GROUP] for i in range(0, len(chosen), GROUP)]
    return [o for group in groups for o in _outlines(components, group, level, share)]


def _outlines(
    components: Components, chosen: np.ndarray, level: Level, share: float | None
) -> list[list[np.ndarray]]:
    """Outlines of some components, found in one atlas of their boxes."""
    share = SHARES[level] if share is None else share
    if not 0 < share < 1:
        raise ParameterError(
            f"share is {share}, but a contour needs one between 0 and 1, such as "
            f"{SHARES[level]}."
        )
    boxes = [_box(components, k, level, share) for k in chosen.tolist()]
    heights = [len(image) for image, _ in boxes]
    tops = np.cumsum([0, *heights])
    atlas = np.zeros((max(2, tops[-1]), max(2, *(i.shape[1] for i, _ in boxes))))
    for (image, _), top in zip(boxes, tops, strict=False):
        atlas[top : top + len(image), : image.shape[1]] = image
    outlines: list[list[np.ndarray]] = [[] for _ in boxes]
    lines: Any = contour_generator(z=atlas).lines(1.0)
    for line in lines:
        i = int(np.searchsorted(tops, line[0, 1], side="right")) - 1
        place = boxes[i][1] - np.array([tops[i], 0])
        outlines[i].append((line[:, ::-1] + place).astype(np.float32))
    return outlines


def _box(
    components: Components, k: int, level: Level, share: float
) -> tuple[np.ndarray, np.ndarray]:
    """Footprint in its box, over its level, and the box's upper left corner (y, x).

    A margin of empty pixels closes the lines, also at the border of the field.
    """
    footprints = components.footprints
    part = slice(footprints.indptr[k], footprints.indptr[k + 1])
    values = footprints.data[part]
    if not values.any():
        return np.zeros((0, 0), np.float32), np.zeros(2)
    y, x = np.divmod(footprints.indices[part], components.fov_shape[1])
    top, left = y.min() - 1, x.min() - 1
    box = np.zeros((y.max() - top + 2, x.max() - left + 2), np.float32)
    box[y - top, x - left] = values / _LEVELS[level](values, share)
    return box, np.array([top, left])


def segments(
    outlines: Sequence[list[np.ndarray]], tolerance_px: float = 0.2
) -> tuple[np.ndarray, np.ndarray]:
    """Cut contours into straight pieces, as napari's Vectors layer draws them.

    Points that a straight line misses by less than the tolerance are left out, which
    spares nearly half of them.

    Parameters
    ----------
    outlines : sequence of list of ndarray (n, 2)
        From `contours`.
    tolerance_px : float
        How far a piece may lie from the contour.

    Returns
    -------
    pieces : ndarray (N, 2, 2)
        float32, start and direction (y, x) of each piece.
    owners : ndarray (N,)
        int64, rising: position in `outlines` that each piece belongs to.
    """
    lines = [line for outline in outlines for line in outline]
    if not lines:
        return np.empty((0, 2, 2), np.float32), np.empty(0, np.int64)
    of_lines = np.repeat(np.arange(len(outlines)), [len(o) for o in outlines])
    points = np.concatenate(lines)
    of_points = np.repeat(np.arange(len(lines)), [len(line) for line in lines])
    for share in (0.5, 0.5):
        needed = _needed(points, of_points, share * tolerance_px)
        points, of_points = points[needed], of_points[needed]
    inside = np.flatnonzero(of_points[1:] == of_points[:-1])
    pieces = np.stack([points[inside], points[inside + 1] - points[inside]], axis=1)
    return pieces, of_lines[of_points[inside]]


def _needed(
    points: np.ndarray, of_points: np.ndarray, tolerance_px: float
) -> np.ndarray:
    """Mask of all points but every second of a line that its neighbours stand for."""
    from_start = np.arange(len(points)) - np.searchsorted(of_points, of_points)
    at_end = np.diff(of_points, append=-1) != 0
    second = np.flatnonzero((from_start % 2 == 1) & ~at_end)
    beside = points[second] - points[second - 1]
    chord = points[second + 1] - points[second - 1]
    area = np.abs(beside[:, 0] * chord[:, 1] - beside[:, 1] * chord[:, 0])
    needed = np.ones(len(points), bool)
    needed[second] = area > tolerance_px * np.hypot(chord[:, 0], chord[:, 1])
    return needed
