"""The picture of a run: where the cells are, what they do, how sure that is.

Correlation image with all contours, the clearest traces with their deconvolved
events, shifts, scores, reasons of rejection and stage times. It is drawn on a figure
of its own, so nothing of the user's matplotlib matters or changes.
"""

from __future__ import annotations

from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from napari_cnmf.errors import MissingStageError
from napari_cnmf.formats.atomic import replacing
from napari_cnmf.formats.results import Result
from napari_cnmf.quality.highlights import clearest
from napari_cnmf.report.field import draw_field
from napari_cnmf.report.header import draw_header
from napari_cnmf.report.motion_panels import draw_shifts
from napari_cnmf.report.panels import draw_reasons, draw_scores, draw_times
from napari_cnmf.report.style import DPI, PNG, SIZE_IN, panel
from napari_cnmf.report.traces import MAX_TRACES, draw_traces


def write_report(result: Result, path: Path) -> None:
    """Draw the picture of a result and save it as PNG.

    Parameters
    ----------
    result : Result
        With components; scores, dF/F and shifts are drawn if they are there.
    path : Path
        File to write; an older one is replaced once the new one is whole.

    Raises
    ------
    MissingStageError
        If there are no components yet.
    OutputError
        If the file cannot be written.
    """
    figure = draw_report(result)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=DPI, format="png", pil_kwargs=PNG)


def draw_report(result: Result) -> Figure:
    """Return the picture of a result as a figure on matplotlib's Agg canvas."""
    figure = Figure(figsize=SIZE_IN, facecolor="white")
    FigureCanvasAgg(figure)
    upper = figure.add_gridspec(
        1, 2, left=0.02, right=0.93, top=0.885, bottom=0.305,
        width_ratios=(1, 1.42), wspace=0.09,
    )  # fmt: skip
    lower = figure.add_gridspec(
        1, 4, left=0.045, right=0.985, top=0.225, bottom=0.055,
        width_ratios=(1.7, 1.25, 0.9, 0.9), wspace=0.32,
    )  # fmt: skip
    components, summary = result.components, result.summary
    if components is None or summary is None:
        raise MissingStageError(
            "The result has no components to draw yet; run the fit first."
        )
    shown = clearest(components, MAX_TRACES)
    n_accepted = int(components.accepted.sum())
    n_rejected = len(components) - n_accepted
    found = f"{n_accepted:,} accepted, {n_rejected:,} rejected"
    draw_header(figure, result.movie, [found])
    pixel_um = result.movie.pixel_size_um
    draw_field(
        panel(figure, upper[0], "Correlation image"),
        summary.correlation, components, shown, pixel_um and pixel_um[1],
    )  # fmt: skip
    traces = panel(figure, upper[1], _traces_title(len(shown)))
    draw_traces(traces, components, shown)
    motion = panel(figure, lower[0], "Motion")
    draw_shifts(motion, result.shifts, result.registration, components.frame_rate_hz)
    draw_scores(panel(figure, lower[1], "Scores"), components)
    draw_reasons(panel(figure, lower[2], "Why rejected"), components)
    draw_times(panel(figure, lower[3], "Time per stage"), result.stages)
    return figure


def _traces_title(n_shown: int) -> str:
    """Say what the stacked traces are."""
    if not n_shown:
        return "Traces"
    return f"The {n_shown} clearest traces" if n_shown > 1 else "The accepted trace"
