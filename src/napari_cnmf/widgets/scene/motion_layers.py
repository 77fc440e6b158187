"""Layers of the registration: what was in view, its patches, and how far they moved.

All are line segments (`lines_layer`): a hundred rectangles of them are made ten times
faster than as shapes, and arrows are changed in a few milliseconds as a movie plays.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from napari_cnmf.movie.images import SummaryImages
from napari_cnmf.movie.shifts import Shifts
from napari_cnmf.widgets.scene.layers import SELECTED, LayerTuple, Place, lines_layer

#: Unlike the colours of cells, and seen on dark and on bright pixels.
VALID_COLOUR, GRID_COLOUR = "#b9a5f0", "#9fb4cc"
#: Lines and arrows are as many times thinner than the field.
LINE_SHARE, ARROW_SHARE = 500, 140

#: Rows and columns of a rectangle of pixels.
Window = tuple[slice, slice]


def valid_layer(summary: SummaryImages, place: Place) -> LayerTuple:
    """Outline the pixels that hold data."""
    return _outlined([summary.inside], "valid area", VALID_COLOUR, place)


def grid_layer(patches: Sequence[Window], place: Place) -> LayerTuple:
    """Outline the patches of a piecewise registration."""
    return _outlined(patches, "patch grid", GRID_COLOUR, place)


def arrows_layer(shifts: Shifts, t: int, gain: float, place: Place) -> LayerTuple:
    """Show how far the content of frame `t` had moved, `gain` times as long."""
    width_px = max(shifts.template.shape) / ARROW_SHARE
    pieces = arrows(shifts, t)
    made, about, kind = lines_layer(pieces, "shifts", SELECTED, place, width_px)
    return made, about | {"vector_style": "arrow", "length": gain}, kind


def arrows(shifts: Shifts, t: int) -> np.ndarray:
    """(P, 2, 2) float32, place and shift (y, x) of each patch in frame `t`, in pixels.

    Of a rigid registration there is one, in the middle of the field.
    """
    if shifts.patches is not None:
        return np.stack([shifts.patches.centres, shifts.patches.values[t]], axis=1)
    centre = (np.array(shifts.template.shape, np.float32) - 1) / 2
    return np.stack([centre, shifts.values[t]])[None]


def outlines(windows: Iterable[Window]) -> np.ndarray:
    """(4 * N, 2, 2) float32, the sides around N windows: start and direction."""
    sides = []
    for rows, cols in windows:
        top, left = rows.start - 0.5, cols.start - 0.5
        height, width = rows.stop - rows.start, cols.stop - cols.start
        sides += [
            ((top, left), (0, width)),
            ((top, left), (height, 0)),
            ((top + height, left), (0, width)),
            ((top, left + width), (height, 0)),
        ]
    return np.array(sides, np.float32).reshape(-1, 2, 2)


def _outlined(
    windows: Sequence[Window], name: str, colour: str, place: Place
) -> LayerTuple:
    """Draw the sides of windows in lines that are thin on a field of any size."""
    pieces = outlines(windows)
    width_px = float(pieces.sum(axis=1).max()) / LINE_SHARE
    return lines_layer(pieces, name, colour, place, width_px)
