"""Greys, sizes and the bare panel that all parts of the report share.

Everything is set on the figure itself: matplotlib's global settings, which belong to
the user, are neither read for style nor changed.
"""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec

TEXT, SOFT, LINE, RAW = "#222222", "#777777", "#c9c9c9", "#a6a6a6"
#: Size of a page and dots per inch.
SIZE_IN, DPI = (16.0, 10.0), 150
#: How a page is compressed: the best is a sixth smaller and takes twice as long.
PNG = {"compress_level": 1}
TITLE_PT, LABEL_PT, SMALL_PT = 11.0, 9.0, 8.0


def panel(figure: Figure, place: SubplotSpec, title: str = "") -> Axes:
    """Add axes with a title at the left and lines at the left and bottom only."""
    axes = figure.add_subplot(place)
    axes.set_title(title, loc="left", fontsize=TITLE_PT, color=TEXT, weight="bold")
    axes.tick_params(labelsize=SMALL_PT, color=LINE, labelcolor=TEXT, length=3)
    for side, spine in axes.spines.items():
        spine.set_visible(side in {"left", "bottom"})
        spine.set_color(LINE)
    return axes


def bare(axes: Axes) -> None:
    """Take all lines and ticks away."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


def label(axes: Axes, x: str = "", y: str = "") -> None:
    """Name the axes of a panel."""
    axes.set_xlabel(x, fontsize=LABEL_PT, color=SOFT, labelpad=2)
    axes.set_ylabel(y, fontsize=LABEL_PT, color=SOFT, labelpad=3)


def say_empty(axes: Axes, text: str) -> None:
    """Write why a panel is empty into its middle."""
    bare(axes)
    axes.text(
        0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center",
        fontsize=LABEL_PT, color=SOFT,
    )  # fmt: skip
