"""The picture of a run: where the cells are, what they do, how sure that is.

Correlation image with all contours, the clearest traces with their deconvolved
events, shifts, scores, reasons of rejection and stage times. It is drawn on a figure
of its own, so nothing of the user's matplotlib matters or changes.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from napari_cnmf.components import Components
from napari_cnmf.errors import MissingStageError
from napari_cnmf.formats.atomic import replacing
from napari_cnmf.formats.results import MovieInfo, Result
from napari_cnmf.quality.highlights import clearest
from napari_cnmf.report.field import draw_field
from napari_cnmf.report.panels import (
    draw_reasons,
    draw_scores,
    draw_shifts,
    draw_times,
)
from napari_cnmf.report.style import LABEL_PT, SOFT, TEXT, panel
from napari_cnmf.report.traces import MAX_TRACES, draw_traces

SIZE_IN = (16.0, 10.0)
DPI = 150


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
        figure.savefig(temporary, dpi=DPI, format="png")


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
    _draw_header(figure, result.movie, components)
    pixel_um = result.movie.pixel_size_um
    draw_field(
        panel(figure, upper[0], "Correlation image"),
        summary.correlation, components, shown, pixel_um and pixel_um[1],
    )  # fmt: skip
    traces = panel(figure, upper[1], _traces_title(len(shown)))
    draw_traces(traces, components, shown)
    motion = panel(figure, lower[0], "Motion")
    draw_shifts(motion, result.shifts, components.frame_rate_hz)
    draw_scores(panel(figure, lower[1], "Scores"), components)
    draw_reasons(panel(figure, lower[2], "Why rejected"), components)
    draw_times(panel(figure, lower[3], "Time per stage"), result.stages)
    return figure


def _draw_header(figure: Figure, movie: MovieInfo, components: Components) -> None:
    """Write what the movie is and what was found above everything."""
    n_frames, height, width = movie.shape
    rate = components.frame_rate_hz
    n_accepted = int(components.accepted.sum())
    facts = [
        f"{height} x {width} px",
        f"{n_frames:,} frames at {rate:g} Hz ({duration(n_frames / rate)})",
        f"{n_accepted:,} accepted, {len(components) - n_accepted:,} rejected",
    ]
    figure.text(
        0.02, 0.965, movie_name(movie), fontsize=17, color=TEXT, weight="bold",
        va="center",
    )  # fmt: skip
    figure.text(
        0.02, 0.932, "   \u00b7   ".join(facts), fontsize=LABEL_PT + 2, color=SOFT,
        va="center",
    )  # fmt: skip
    figure.text(
        0.985, 0.965, f"napari-cnmf {version('napari-cnmf')}", fontsize=LABEL_PT,
        color=SOFT, ha="right", va="center",
    )  # fmt: skip


def movie_name(movie: MovieInfo) -> str:
    """Name of the movie's file; of its first file and their number if several."""
    if not movie.files:
        return "Movie from memory"
    more = f" and {len(movie.files) - 1} more" if len(movie.files) > 1 else ""
    return movie.files[0].name + more


def duration(seconds: float) -> str:
    """Length of a recording in words, such as ``1 min 40 s``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"


def _traces_title(n_shown: int) -> str:
    """Say what the stacked traces are."""
    if not n_shown:
        return "Traces"
    return f"The {n_shown} clearest traces" if n_shown > 1 else "The accepted trace"
