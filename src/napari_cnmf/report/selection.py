"""Traces of some cells to take along: a figure for print, a table for a spreadsheet.

Both hold what the traces dock shows. In the figure each cell has a row and each lane
an axis of its own; text stays text in PDF and SVG, so that it can be edited.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from napari_cnmf.components import Components
from napari_cnmf.errors import InputError
from napari_cnmf.formats.atomic import replacing
from napari_cnmf.report.lanes import KINDS, Lane, Row, rows, traces
from napari_cnmf.report.style import LABEL_PT, RAW, SMALL_PT, SOFT, label, panel
from napari_cnmf.report.traces import thinned

FORMATS = (".png", ".svg", ".pdf")
DPI = 300
#: Width of two columns of a journal, and height of a lane of fluorescence.
_WIDTH_IN, _LANE_IN = 7.2, 0.55
_EDITABLE: Any = {"pdf.fonttype": 42, "svg.fonttype": "none"}


def write_figure(
    components: Components,
    positions: Sequence[int] | np.ndarray,
    path: Path,
    *,
    kinds: Sequence[str] = KINDS,
    span_s: tuple[float, float] | None = None,
) -> None:
    """Draw traces of some cells and save them as PNG, SVG or PDF.

    Parameters
    ----------
    components : Components
    positions : sequence of int
        The cells, from top to bottom.
    path : Path
        Its suffix chooses the format; an older file is replaced.
    kinds : sequence of str
        Which of `lanes.KINDS` to draw.
    span_s : (float, float), optional
        First and last second; everything by default.

    Raises
    ------
    InputError
        If the suffix is another one, or there is nothing to draw.
    OutputError
        If the file cannot be written.
    """
    if path.suffix.lower() not in FORMATS:
        raise InputError(
            f"The figure '{path.name}' cannot be saved as '{path.suffix}'; choose a "
            f"name that ends with {', '.join(FORMATS)}."
        )
    arranged = rows(components, positions, kinds)
    if not arranged:
        raise InputError(
            "No trace is chosen for the figure; select a cell and what to show of it."
        )
    whole_s = components.n_frames / components.frame_rate_hz
    figure = draw_rows(arranged, components.frame_rate_hz, span_s or (0.0, whole_s))
    with replacing(path) as temporary, rc_context(_EDITABLE):
        figure.savefig(temporary, dpi=DPI, format=path.suffix[1:].lower())


def write_table(
    components: Components,
    positions: Sequence[int] | np.ndarray,
    path: Path,
    *,
    kinds: Sequence[str] = KINDS,
) -> None:
    """Write traces of some cells as CSV: the time, then a column per cell and kind.

    Parameters
    ----------
    components : Components
    positions : sequence of int
        The cells, from left to right.
    path : Path
        An older file is replaced.
    kinds : sequence of str
        Which of `lanes.KINDS` to write; dF/F is a fraction, not per cent.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    columns = {"time_s": np.arange(components.n_frames) / components.frame_rate_hz}
    for k in positions:
        for kind, values in traces(components, int(k), kinds).items():
            columns[f"cell{components.ids[k]}_{kind}"] = values
    line = ",".join(["%.4f"] + ["%.6g"] * (len(columns) - 1))
    values = np.stack(list(columns.values()), axis=1)
    with replacing(path) as temporary:
        np.savetxt(
            temporary,
            values,
            line,
            header=",".join(columns),
            comments="",
            newline="\r\n",
        )


def draw_rows(
    arranged: Sequence[Row], frame_rate_hz: float, span_s: tuple[float, float]
) -> Figure:
    """Return rows of traces as a figure on matplotlib's Agg canvas."""
    n_lanes = sum(len(row.lanes) for row in arranged)
    height = _LANE_IN * max(n_lanes, 2) + 0.6
    figure = Figure(figsize=(_WIDTH_IN, height), facecolor="white")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(
        1, 1, left=0.15, right=0.985, bottom=0.45 / height, top=1 - 0.08 / height
    )
    axes = panel(figure, grid[0])
    axes.spines["left"].set_visible(False)
    axes.set_yticks([])
    axes.set_xlim(span_s)
    axes.set_ylim(-len(arranged), 0)
    label(axes, x="time (s)")
    for row in arranged:
        _write_name(axes, row)
        for lane in row.lanes:
            _draw_lane(axes, lane, row.colour, frame_rate_hz, span_s)
            _draw_scale(axes, lane)
    return figure


def _draw_lane(
    axes: Axes,
    lane: Lane,
    colour: str,
    frame_rate_hz: float,
    span_s: tuple[float, float],
) -> None:
    """Draw the curves of one lane within a span of time."""
    first = max(int(span_s[0] * frame_rate_hz), 0)
    stop = int(np.ceil(span_s[1] * frame_rate_hz)) + 1
    for kind, whole in lane.curves.items():
        values = whole[first:stop]
        if kind == "deconvolved":
            axes.add_collection(_stems(lane, values, first, frame_rate_hz, colour))
            continue
        frames, chosen = thinned(values)
        line_colour, width = (RAW, 0.5) if kind == "raw" else (colour, 0.9)
        heights = lane.place(chosen)
        axes.plot((first + frames) / frame_rate_hz, heights, line_colour, lw=width)


def _stems(
    lane: Lane, values: np.ndarray, first: int, frame_rate_hz: float, colour: str
) -> LineCollection:
    """Vertical lines at the deconvolved events."""
    frames = np.flatnonzero(values > 0)
    times = (first + frames) / frame_rate_hz
    stems = np.empty((len(frames), 2, 2))
    stems[:, :, 0] = times[:, None]
    stems[:, 0, 1], stems[:, 1, 1] = lane.place(0.0), lane.place(values[frames])
    return LineCollection(list(stems), colors=colour, linewidths=0.8)


def _write_name(axes: Axes, row: Row) -> None:
    """Write the cell's id at the left of its row."""
    axes.text(
        -0.17, row.middle, str(row.cell_id), transform=axes.get_yaxis_transform(),
        ha="left", va="center", fontsize=LABEL_PT, color=row.colour, weight="bold",
    )  # fmt: skip


def _draw_scale(axes: Axes, lane: Lane) -> None:
    """Draw a lane's title at its left, and its axis from zero to a round value."""
    place = axes.get_yaxis_transform()
    axes.text(
        -0.1, lane.bottom + lane.height / 2, lane.title, transform=place, ha="center",
        va="center", fontsize=SMALL_PT - 1, color=SOFT,
    )  # fmt: skip
    top = lane.ticks(3)[-1]
    heights = lane.place(np.array([0.0, top]))
    if lane.title == "events" or top <= 0:
        return
    axes.plot([-0.012] * 2, heights, SOFT, lw=0.8, transform=place, clip_on=False)
    for value, height in zip((0.0, top), heights, strict=True):
        axes.text(
            -0.02, height, f"{value:g}", transform=place, ha="right", va="center",
            fontsize=SMALL_PT - 2, color=SOFT,
        )  # fmt: skip
