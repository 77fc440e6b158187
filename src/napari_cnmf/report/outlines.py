"""A figure of the field with the contours of the cells, for a talk or a paper."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from napari_cnmf.errors import InputError, MissingStageError
from napari_cnmf.formats.atomic import replacing
from napari_cnmf.formats.results import Result
from napari_cnmf.report.field import draw_field

WIDTH_IN = 8.0
DPI = 200
FORMATS = ("pdf", "png", "svg")


def write_outlines(result: Result, path: Path, *, accepted_only: bool = False) -> None:
    """Draw the contours of the cells on the correlation image and save them.

    Parameters
    ----------
    result : Result
        With summary images and components.
    path : Path
        File to write: pdf, png or svg by its ending. An older one is replaced once
        the new one is whole.
    accepted_only : bool
        Whether rejected components are left out.

    Raises
    ------
    MissingStageError
        If there are no components yet.
    InputError
        If the ending is none of these.
    OutputError
        If the file cannot be written.
    """
    kind = path.suffix.lower().removeprefix(".")
    if kind not in FORMATS:
        raise InputError(
            f"{path.name} ends with none of {', '.join(FORMATS)}; name the figure so."
        )
    cells, summary = result.components, result.summary
    if cells is None or summary is None:
        raise MissingStageError(
            "The result has no components to draw yet; run the fit first."
        )
    if accepted_only:
        cells = cells.select(cells.accepted)
    height, width = cells.fov_shape
    figure = Figure(figsize=(WIDTH_IN, WIDTH_IN * (height / width + 0.05)))
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.01, 0.05, 0.98, 0.94))
    side = result.movie.pixel_size_um
    numbered = np.empty(0, np.int64)
    draw_field(axes, summary.correlation, cells, numbered, side and side[1])
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=DPI, format=kind)
