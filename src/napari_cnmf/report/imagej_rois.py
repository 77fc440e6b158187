"""Contours of cells as a set of ImageJ's ROIs.

Each cell is one polygon with parts of pixels, as its footprint's contour is; ImageJ's
ROI Manager opens the zip file.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from napari_cnmf.colours import ACCEPTED, REJECTED
from napari_cnmf.components import Components
from napari_cnmf.contours import contours
from napari_cnmf.errors import InputError, OutputError
from napari_cnmf.formats.atomic import replacing
from napari_cnmf.formats.results import Result
from napari_cnmf.formats.tables import chosen_components


def export_rois(
    result: Result, path: str | Path, *, accepted_only: bool = False
) -> None:
    """Write the contours of the cells as a set of ROIs for ImageJ.

    A ROI bears the id of its cell, is blue if that is accepted and orange if not, and
    has as properties whether it is and why not. Of a footprint in several parts the
    outline of the largest is written; an empty one has no ROI.

    Parameters
    ----------
    result : Result
    path : path
        Ends with ``.zip``; an older file is replaced.
    accepted_only : bool
        Whether rejected components are left out.

    Raises
    ------
    MissingStageError
        If there are no components yet.
    InputError
        If the path does not end so: ImageJ opens no other file.
    OutputError
        If the file cannot be written, or the library for it is missing.
    """
    path = Path(path)
    if path.suffix.lower() != ".zip":
        raise InputError(
            f"{path.name} does not end with .zip, as a set of ImageJ's ROIs does; name "
            "the file so."
        )
    cells = chosen_components(result, accepted_only)
    roifile = _roifile()
    outlines = contours(cells)
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w") as file:
        for k, lines in enumerate(outlines):
            if lines:
                roi = _roi(roifile, cells, k, max(lines, key=_area))
                name = zipfile.ZipInfo(f"{roi.name}.roi")  # without the time of now
                file.writestr(name, roi.tobytes())


def _roi(roifile: Any, cells: Components, k: int, line: np.ndarray) -> Any:
    """Make the ROI of one cell of its closed outline (n, 2) of y and x."""
    is_accepted = bool(cells.accepted[k])
    # The first point is repeated at its end; ImageJ counts from a pixel's corner.
    corners = line[:-1, ::-1] + np.float32(0.5)
    roi = roifile.ImagejRoi.frompoints(corners, name=str(cells.ids[k]))
    roi.roitype = roifile.ROI_TYPE.POLYGON
    colour = ACCEPTED if is_accepted else REJECTED
    roi.stroke_color = b"\xff" + bytes.fromhex(colour.removeprefix("#"))
    quality = cells.quality
    reasons = "; ".join(quality.reasons(k)) if quality else ""
    roi.props = f"accepted: {str(is_accepted).lower()}\nreasons: {reasons}\n"
    return roi


def _area(line: np.ndarray) -> float:
    """Area within a closed line, by Gauss's formula."""
    y, x = (line - line[0]).T.astype(np.float64)
    return abs(float(np.sum(y[:-1] * x[1:] - y[1:] * x[:-1]))) / 2


def _roifile() -> Any:
    """Return the library, or say how to get it."""
    try:
        import roifile
    except ImportError as error:
        raise OutputError(
            "Writing ImageJ's ROIs needs roifile, which is missing; install it with: "
            'pip install "napari-cnmf[exchange]".'
        ) from error
    return roifile
