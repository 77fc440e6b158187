"""The field of view: correlation image, contours of the components, scale bar."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import PowerNorm
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from napari_cnmf.colours import ACCEPTED, REJECTED, cell_colour
from napari_cnmf.components import Components
from napari_cnmf.contours import contours
from napari_cnmf.report.style import (
    LABEL_PT,
    SMALL_PT,
    SOFT,
    TEXT,
    bare,
)

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
    axes.set_anchor("NW")
    low, high = np.percentile(image, (2, 99.8))
    # The root lifts dim cells beside bright ones.
    norm = PowerNorm(0.6, low, max(high, low + 1e-6), clip=True)
    axes.imshow(image, cmap="gray", norm=norm)
    outlines = [[line[:, ::-1] for line in lines] for lines in contours(components)]
    accepted = components.accepted
    width = 1.4 if len(components) < 300 else 0.9
    lines = [line for k in np.flatnonzero(~accepted) for line in outlines[k]]
    axes.add_collection(
        LineCollection(lines, colors=REJECTED, linewidths=0.5 * width, alpha=0.75)
    )
    cells = [(k, line) for k in np.flatnonzero(accepted) for line in outlines[k]]
    colours = [cell_colour(int(components.ids[k])) for k, _ in cells]
    # One collection: one per cell took a second for 1,000 of them.
    lines = [line for _, line in cells]
    axes.add_collection(LineCollection(lines, colors=colours, linewidths=width))
    axes.set_xlim(-0.5, image.shape[1] - 0.5)
    axes.set_ylim(image.shape[0] - 0.5, -0.5)
    _number(axes, [outlines[k] for k in shown], image.shape)
    _draw_key(axes)
    if pixel_um is not None:
        _draw_scale_bar(axes, image.shape[1], pixel_um)


def _number(
    axes: Axes, outlines: list[list[np.ndarray]], shape: tuple[int, ...]
) -> None:
    """Write a number beside each contour, at the corner with most room."""
    taken: list[np.ndarray] = []
    enough = 0.05 * shape[1]
    for number, lines in enumerate(outlines, 1):
        points = np.concatenate(lines)
        (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
        corners = np.array([(right, top), (left, top), (right, bottom), (left, bottom)])
        corners = np.clip(corners, 0.02 * shape[1], 0.98 * np.array(shape[::-1]))
        room = [
            min([enough, *(float(np.hypot(*(corner - other))) for other in taken)])
            for corner in corners
        ]
        best = int(np.argmax(room))
        x, y = corners[best]
        taken.append(corners[best])
        axes.text(
            x, y, str(number), color="white", fontsize=SMALL_PT, va="center",
            ha=("left", "right")[best % 2], path_effects=OUTLINE,
        )  # fmt: skip


def _draw_key(axes: Axes) -> None:
    """Say below the image which lines are which."""
    keys = (ACCEPTED, 1.6, "accepted (any colour)"), (REJECTED, 0.9, "rejected")
    axes.legend(
        handles=[Line2D([], [], color=c, lw=width, label=n) for c, width, n in keys],
        loc="upper left", bbox_to_anchor=(0, 0), ncols=2, frameon=False,
        fontsize=LABEL_PT, labelcolor=SOFT, borderaxespad=0.3, borderpad=0,
        handlelength=1.2, columnspacing=1.2,
    )  # fmt: skip


def _draw_scale_bar(axes: Axes, width_px: int, pixel_um: float) -> None:
    """Draw a bar below the image, at most a quarter as long, and its length in um."""
    fitting = [bar for bar in SCALE_BARS_UM if bar <= 0.25 * width_px * pixel_um]
    if not fitting:
        return
    share = fitting[-1] / pixel_um / width_px
    axes.plot(
        [1 - share, 1], [-0.03, -0.03], transform=axes.transAxes, clip_on=False,
        color=TEXT, linewidth=3, solid_capstyle="butt",
    )  # fmt: skip
    axes.text(
        0.985 - share, -0.03, f"{fitting[-1]} \u00b5m", transform=axes.transAxes,
        ha="right", va="center", fontsize=LABEL_PT, color=TEXT,
    )  # fmt: skip
