"""A run in one small picture: contours, clearest traces and motion, side by side."""

from __future__ import annotations

import io

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from napari_cnmf.formats.results import Result
from napari_cnmf.quality.highlights import clearest
from napari_cnmf.report.field import draw_field
from napari_cnmf.report.motion_panels import draw_shifts
from napari_cnmf.report.style import panel, say_empty
from napari_cnmf.report.traces import draw_traces

#: A page shows it at two thirds of its pixels.
SIZE_IN, DPI = (15.0, 4.6), 120
MAX_TRACES = 8
_HIGH = {"top": 0.92, "bottom": 0.12}
#: Title, left and right of each panel.
_PANELS = (
    ("Correlation image", 0.005, 0.335),
    ("Clearest traces", 0.365, 0.695),
    ("Motion", 0.785, 0.99),
)
_WEBP = {"quality": 80}


def strip_picture(result: Result) -> bytes:
    """Return the picture of what a result holds so far, as WebP."""
    with io.BytesIO() as file:
        draw_strip(result).savefig(file, dpi=DPI, format="webp", pil_kwargs=_WEBP)
        return file.getvalue()


def draw_strip(result: Result) -> Figure:
    """Return that picture as a figure on matplotlib's Agg canvas."""
    figure = Figure(figsize=SIZE_IN, facecolor="white")
    FigureCanvasAgg(figure)
    images, traces, motion = (
        _panel(figure, title, left, right) for title, left, right in _PANELS
    )
    cells, summary, movie = result.components, result.summary, result.movie
    if cells is None or summary is None:
        for axes in (images, traces):
            say_empty(axes, "Cells were not searched for.")
    else:
        shown = clearest(cells, MAX_TRACES)
        width_um = movie.pixel_size_um and movie.pixel_size_um[1]
        draw_field(images, summary.correlation, cells, shown, width_um)
        draw_traces(traces, cells, shown)
    draw_shifts(motion, result.shifts, result.registration, movie.frame_rate_hz or 1.0)
    return figure


def _panel(figure: Figure, title: str, left: float, right: float) -> Axes:
    """Add a panel between two places from 0 to 1."""
    place = figure.add_gridspec(1, 1, left=left, right=right, **_HIGH)
    return panel(figure, place[0], title)
