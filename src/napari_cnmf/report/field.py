"""The field of view: correlation image, contours of the components, scale bar.

A contour is found by marching squares on the box of its footprint alone, at the level
that encloses a share of the footprint's energy, so that the field's size does not
matter.
"""

from __future__ import annotations

import numpy as np
from contourpy import contour_generator
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from napari_cnmf.components import Components
from napari_cnmf.report.style import REJECTED, SMALL_PT, bare, cell_colour

#: A contour encloses this share of a footprint's energy (its squares).
ENERGY = 0.9
#: Lengths that a scale bar may have.
SCALE_BARS_UM = (5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
OUTLINE = [withStroke(linewidth=1.8, foreground="black", alpha=0.75)]


def draw_field(
    axes: Axes,
    image: np.ndarray,
    components: Components,
    shown: np.ndarray,
    pixel_um: float | None,
) -> None:
    """Draw the field of view with all components.

    Parameters
    ----------
    axes : Axes
    image : ndarray
        (Y, X), the correlation image.
    components : Components
    shown : ndarray
        Positions of the components whose traces are shown: these get a number.
    pixel_um : float, optional
        Width of a pixel.
    """
    bare(axes)
    low, high = np.percentile(image, (1, 99.7))
    axes.imshow(image, cmap="gray", vmin=low, vmax=max(high, low + 1e-6))
    contours = [contour(components, k) for k in range(len(components))]
    accepted = components.accepted
    width = 1.4 if len(components) < 300 else 0.9
    lines = [line for k in np.flatnonzero(~accepted) for line in contours[k]]
    axes.add_collection(
        LineCollection(lines, colors=REJECTED, linewidths=0.5 * width, alpha=0.75)
    )
    for k in np.flatnonzero(accepted):
        colour = cell_colour(k)
        axes.add_collection(
            LineCollection(contours[k], colors=colour, linewidths=width)
        )
    for number, k in enumerate(shown, 1):
        _number(axes, contours[k], number, image.shape)
    if pixel_um is not None:
        _scale_bar(axes, image.shape, pixel_um)


def contour(components: Components, k: int) -> list[np.ndarray]:
    """Closed lines (n, 2) of x and y in pixels around component `k`."""
    footprints = components.footprints
    part = slice(footprints.indptr[k], footprints.indptr[k + 1])
    values = footprints.data[part]
    if not values.size:
        return []
    y, x = np.divmod(footprints.indices[part], components.fov_shape[1])
    top, left = y.min() - 1, x.min() - 1
    # A margin of empty pixels closes the lines, also at the border of the field.
    box = np.zeros((y.max() - top + 2, x.max() - left + 2), np.float32)
    box[y - top, x - left] = values
    lines = contour_generator(z=box).lines(contour_level(values))
    return [np.asarray(line) + (left, top) for line in lines]


def contour_level(values: np.ndarray) -> float:
    """Value above which a footprint's pixels hold `ENERGY` of its energy."""
    falling = np.sort(values)[::-1].astype(np.float64)
    energy = np.cumsum(falling**2)
    last = int(np.searchsorted(energy, ENERGY * energy[-1]))
    # Half of it separates the last pixel inside from the empty margin.
    return 0.5 * float(falling[min(last, len(falling) - 1)])


def _number(
    axes: Axes, lines: list[np.ndarray], number: int, shape: tuple[int, ...]
) -> None:
    """Write a component's number beside its contour, inside the field."""
    if not lines:
        return
    points = np.concatenate(lines)
    right = points[:, 0].max() < 0.96 * shape[1]
    x = points[:, 0].max() if right else points[:, 0].min()
    y = max(points[:, 1].min(), 0.02 * shape[0])
    axes.text(
        x, y, str(number), color="white", fontsize=SMALL_PT, va="center",
        ha="left" if right else "right", path_effects=OUTLINE,
    )  # fmt: skip


def _scale_bar(axes: Axes, shape: tuple[int, ...], pixel_um: float) -> None:
    """Draw a bar of about a fifth of the width, with its length in um."""
    height, width = shape
    fitting = [bar for bar in SCALE_BARS_UM if bar <= 0.25 * width * pixel_um]
    if not fitting:
        return
    length = fitting[-1] / pixel_um
    left, bottom = 0.97 * width - length, 0.965 * height
    bar = Rectangle((left, bottom), length, 0.008 * height, color="white")
    bar.set_path_effects(OUTLINE)
    axes.add_patch(bar)
    axes.text(
        left + length / 2, bottom - 0.01 * height, f"{fitting[-1]} \u00b5m",
        color="white", fontsize=SMALL_PT, ha="center", va="bottom",
        path_effects=OUTLINE,
    )  # fmt: skip
