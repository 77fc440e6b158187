"""The picture of a comparison: both contours on the field, traces, what differs.

The first result is blue and the second ochre throughout. Cells that are the same are
thin and pale, so that the eye finds what became of the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from napari_cnmf.colours import COMPARED
from napari_cnmf.comparison import Comparison
from napari_cnmf.formats.atomic import replacing
from napari_cnmf.matching import STATES
from napari_cnmf.report.compared import (
    draw_compared_field,
    draw_compared_traces,
)
from napari_cnmf.report.style import (
    DPI,
    LABEL_PT,
    PNG,
    SIZE_IN,
    SMALL_PT,
    SOFT,
    TEXT,
    bare,
    label,
    panel,
    say_empty,
)

#: Parameters that are named.
_MAX_PARAMETERS = 9
#: Characters of a value that are shown.
_MAX_VALUE = 16


def write_comparison(
    comparison: Comparison, path: Path, image: np.ndarray | None = None
) -> None:
    """Draw the picture of a comparison and save it as PNG.

    Parameters
    ----------
    comparison : Comparison
    path : Path
        An older file is replaced once the new one is whole.
    image : ndarray, optional
        (Y, X) behind the contours; an image of either result by default.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    figure = draw_comparison(comparison, image)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=DPI, format="png", pil_kwargs=PNG)


def draw_comparison(comparison: Comparison, image: np.ndarray | None = None) -> Figure:
    """Return the picture of a comparison as a figure on matplotlib's Agg canvas."""
    figure = Figure(figsize=SIZE_IN, facecolor="white")
    FigureCanvasAgg(figure)
    _draw_head(figure, comparison)
    upper = figure.add_gridspec(
        1, 2, left=0.02, right=0.985, top=0.885, bottom=0.305,
        width_ratios=(1.15, 1), wspace=0.2,
    )  # fmt: skip
    lower = figure.add_gridspec(
        1, 4, left=0.06, right=0.985, top=0.225, bottom=0.06,
        width_ratios=(1, 1, 1, 1.9), wspace=0.36,
    )  # fmt: skip
    draw_compared_field(panel(figure, upper[0], "Contours"), comparison, image)
    draw_compared_traces(panel(figure, upper[1], "Examples of traces"), comparison)
    _draw_counts(panel(figure, lower[0], "Cells (pale: rejected)"), comparison)
    _draw_verdicts(panel(figure, lower[1], "Verdicts"), comparison)
    _draw_pairs(panel(figure, lower[2], "Pairs"), comparison)
    _draw_parameters(panel(figure, lower[3], "Parameters that differ"), comparison)
    return figure


def _draw_head(figure: Figure, comparison: Comparison) -> None:
    """Name both results in their colours, and say how many cells each has."""
    for side, (name, cells) in enumerate(
        zip(comparison.names, comparison.cells, strict=True)
    ):
        figure.text(
            0.02 + 0.4 * side, 0.965, name, fontsize=17, color=COMPARED[side],
            weight="bold", va="center",
        )  # fmt: skip
        accepted = int(cells.accepted.sum())
        figure.text(
            0.02 + 0.4 * side, 0.932,
            f"{accepted:,} accepted, {len(cells) - accepted:,} rejected   \u00b7   "
            f"{cells.n_frames:,} frames",
            fontsize=LABEL_PT + 2, color=SOFT, va="center",
        )  # fmt: skip


def _draw_counts(axes: Axes, comparison: Comparison) -> None:
    """Draw how many cells there are of each state, dark those that count as cells."""
    matching = comparison.matching
    counts, accepted = matching.counts(), matching.counts(comparison.is_cell)
    rejected = [counts[state] - accepted[state] for state in STATES]
    _bars(axes, STATES, [accepted[state] for state in STATES], rejected)


def _draw_verdicts(axes: Axes, comparison: Comparison) -> None:
    """Draw how many of the cells that both have are accepted in both, one or none."""
    found = [link.accepted for link in comparison.links if None not in link.ids]
    only = [f"only {_short(name)}" for name in comparison.names]
    names = ("both accept", *only, "both reject")
    kinds = ((True, True), (True, False), (False, True), (False, False))
    _bars(axes, names, [found.count(kind) for kind in kinds])


def _draw_pairs(axes: Axes, comparison: Comparison) -> None:
    """Draw overlap against correlation of the traces."""
    pairs = [
        (link.overlap, link.correlation)
        for link in comparison.links
        if link.overlap is not None and link.correlation is not None
    ]
    if not pairs:
        say_empty(axes, "The traces have no frames in common.")
        return
    overlap, correlation = np.array(pairs).T
    size = 11 if len(pairs) < 300 else 6
    axes.scatter(overlap, correlation, size, TEXT, alpha=0.5, linewidths=0)
    axes.set_xlim(min(0.5, float(overlap.min())) - 0.02, 1.02)
    axes.set_ylim(min(0.5, float(correlation.min())) - 0.03, 1.03)
    label(axes, "overlap of footprints", "correlation of traces")


def _draw_parameters(axes: Axes, comparison: Comparison) -> None:
    """Write the parameters that differ with both values."""
    differing = comparison.parameters
    if not differing:
        say_empty(axes, "None that both results state.")
        return
    bare(axes)
    for row, (name, *values) in enumerate(differing[:_MAX_PARAMETERS]):
        y = 1 - (row + 0.5) / (_MAX_PARAMETERS + 1)
        _write(axes, 0.0, y, name, TEXT)
        for side, value in enumerate(values):
            _write(axes, 0.56 + 0.24 * side, y, _short(value), COMPARED[side])
    more = len(differing) - _MAX_PARAMETERS
    if more > 0:
        _write(axes, 0.0, 0.5 / (_MAX_PARAMETERS + 1), f"and {more} more", SOFT)


def _write(axes: Axes, x: float, y: float, text: str, colour: str) -> None:
    """Write into a panel, places from 0 to 1."""
    axes.text(
        x, y, text, transform=axes.transAxes, fontsize=SMALL_PT, color=colour,
        va="center",
    )  # fmt: skip


def _short(value: str) -> str:
    """Return a value without quotes, cut if it is long."""
    plain = value.strip('"')
    return plain if len(plain) <= _MAX_VALUE else plain[: _MAX_VALUE - 1] + "\u2026"


def _bars(
    axes: Axes,
    names: Sequence[str],
    counts: Sequence[int],
    rejected: Sequence[int] | None = None,
) -> None:
    """Draw lying bars with a name at the left and counts at the right of each."""
    bare(axes)
    rows, more = np.arange(len(names)), rejected or [0] * len(names)
    largest = max(1, *(sum(both) for both in zip(counts, more, strict=True)))
    axes.barh(rows, counts, color=TEXT, height=0.6, alpha=0.6)
    axes.barh(rows, more, left=counts, color=TEXT, height=0.6, alpha=0.2)
    for row, (count, out) in enumerate(zip(counts, more, strict=True)):
        axes.text(
            count + out + 0.03 * largest, row, f"{count:,} + {out:,}" if out else
            f"{count:,}", va="center", fontsize=SMALL_PT, color=TEXT,
        )  # fmt: skip
    axes.set_yticks(rows, list(names))
    axes.tick_params(length=0)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(0, 1.35 * largest)
