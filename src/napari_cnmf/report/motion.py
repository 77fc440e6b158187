"""The picture of the registration: what it did, how well, and what remains bad.

Mean and correlation image as recorded and as registered in one grey scale, shifts,
likeness to the template and remaining displacement over time, and the facts in words.
"""

from __future__ import annotations

from pathlib import Path
from textwrap import wrap

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from napari_cnmf.errors import MissingStageError
from napari_cnmf.formats.atomic import replacing
from napari_cnmf.formats.results import Result
from napari_cnmf.movie.images import SummaryImages
from napari_cnmf.movie.registration import Registration
from napari_cnmf.movie.shifts import Shifts
from napari_cnmf.report.facts import Comparison, comparisons, motion_facts
from napari_cnmf.report.header import draw_header
from napari_cnmf.report.motion_panels import (
    draw_correlations,
    draw_pair,
    draw_residuals,
    draw_shifts,
)
from napari_cnmf.report.style import (
    DPI,
    LABEL_PT,
    PNG,
    SIZE_IN,
    SOFT,
    TEXT,
    bare,
    panel,
)

_MOST_IMAGE = 0.37  # height of an image, as a part of the page
_ROW_PT, _LINE_LETTERS = 17.0, 60


def write_motion_report(result: Result, path: Path) -> None:
    """Draw the picture of a registration and save it as PNG.

    Parameters
    ----------
    result : Result
        Of a movie that was registered.
    path : Path
        File to write; an older one is replaced once the new one is whole.

    Raises
    ------
    MissingStageError
        If nothing was registered.
    OutputError
        If the file cannot be written.
    """
    figure = draw_motion_report(result)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=DPI, format="png", pil_kwargs=PNG)


def draw_motion_report(result: Result) -> Figure:
    """Return the picture of a registration as a figure on matplotlib's Agg canvas."""
    found, shifts, summary = result.registration, result.shifts, result.summary
    if found is None or shifts is None or summary is None:
        raise MissingStageError(
            "The movie was not registered, so there is no motion to draw; run "
            "'correct' with motion.mode 'rigid' or 'piecewise'."
        )
    figure = Figure(figsize=SIZE_IN, facecolor="white")
    FigureCanvasAgg(figure)
    facts = dict(motion_facts(result))
    draw_header(figure, result.movie, [f"registered {facts.pop('registered')}"])
    top = _draw_images(figure, found, summary) - 0.055
    _draw_curves(figure, top, result.movie.frame_rate_hz or 1.0, shifts, found)
    place = figure.add_gridspec(1, 1, left=0.675, right=0.985, top=top, bottom=0.03)
    _draw_facts(panel(figure, place[0], "In numbers"), comparisons(result), facts)
    return figure


def _draw_images(figure: Figure, found: Registration, summary: SummaryImages) -> float:
    """Draw mean and correlation image before and after; return where they end."""
    top, left, right, gap = 0.88, 0.02, 0.985, 0.04
    height, width = summary.valid.shape
    width_in = SIZE_IN[0] * (right - left) / (4 + 3 * gap)
    bottom = top - min(_MOST_IMAGE, width_in * height / width / SIZE_IN[1])
    places = figure.add_gridspec(
        1, 4, left=left, right=right, top=top, bottom=bottom, wspace=gap
    )
    for i, name in enumerate(("mean", "correlation")):
        title = f"{name.capitalize()} image"
        before = panel(figure, places[2 * i], f"{title} before")
        after = panel(figure, places[2 * i + 1], f"{title} after")
        draw_pair((before, after), name, found.before, summary)
    return bottom


def _draw_curves(
    figure: Figure, top: float, rate_hz: float, shifts: Shifts, found: Registration
) -> None:
    """Draw what is known of each frame, one panel below the other."""
    places = figure.add_gridspec(
        3, 1, left=0.045, right=0.635, top=top, bottom=0.055, hspace=0.45
    )
    moved = panel(figure, places[0], "Shift of the frames")
    draw_shifts(moved, shifts, found, rate_hz)
    likeness = panel(figure, places[1], "Correlation with the template")
    draw_correlations(likeness, found, rate_hz)
    left_over = panel(figure, places[2], "Displacement that is left")
    draw_residuals(left_over, found, rate_hz)
    for axes in (moved, likeness):
        axes.set_xlabel("")


def _draw_facts(axes: Axes, measures: list[Comparison], facts: dict[str, str]) -> None:
    """Write the measures as a table, and the facts below."""
    bare(axes)
    _write(axes, 0, {0.56: "before", 0.74: "after"}, SOFT)
    row = 1
    for measure in measures:
        _write(axes, row, {0.0: measure.name}, SOFT)
        _write(axes, row, {0.56: measure.before, 0.74: measure.after}, TEXT)
        row += 1
    for name, value in facts.items():
        row += 1
        _write(axes, row, {0.0: name}, SOFT)
        for line in wrap(value, _LINE_LETTERS):
            _write(axes, row, {0.18: line}, TEXT)
            row += 1
        row -= 1


def _write(axes: Axes, row: int, texts: dict[float, str], colour: str) -> None:
    """Write texts at places along a row of a panel."""
    for x, text in texts.items():
        axes.annotate(
            text, (x, 1), xycoords="axes fraction", xytext=(0, -4 - _ROW_PT * row),
            textcoords="offset points", fontsize=LABEL_PT, color=colour, va="top",
        )  # fmt: skip
