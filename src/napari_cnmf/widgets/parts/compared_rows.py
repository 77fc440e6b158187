"""What is plotted of a row of a comparison: the traces of its cells on one time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from napari_cnmf.colours import COMPARED
from napari_cnmf.comparison import Comparison
from napari_cnmf.components import Components
from napari_cnmf.report.lanes import rows
from napari_cnmf.widgets.parts.lane_axis import PlotRow

_KINDS = ("raw", "denoised")


def compared_rows(comparison: Comparison, row: int) -> list[PlotRow]:
    """Arrange the traces of all cells that belong together with a row.

    Parameters
    ----------
    comparison : Comparison
    row : int

    Returns
    -------
    list of PlotRow
        Those of the first result above those of the second, at the frames of the
        first: traces of another frame rate are put between.
    """
    first = comparison.cells[0]
    found: list[PlotRow] = []
    for side, case in enumerate(comparison.matching.case(row)):
        cells = comparison.cells[side]
        for k in case.tolist():
            (drawn,) = rows(cells, [k], _KINDS)
            lanes = tuple(
                replace(
                    lane,
                    bottom=lane.bottom - len(found),
                    curves={
                        kind: _at_frames(values, cells, first)
                        for kind, values in lane.curves.items()
                    },
                )
                for lane in drawn.lanes
            )
            found.append(PlotRow(str(cells.ids[k]), COMPARED[side], lanes))
    return found


def _at_frames(values: np.ndarray, of: Components, wanted: Components) -> np.ndarray:
    """Values of a trace at the frames of another result; 0 where it has ended."""
    if (of.n_frames, of.frame_rate_hz) == (wanted.n_frames, wanted.frame_rate_hz):
        return values
    times_s = np.arange(wanted.n_frames) / wanted.frame_rate_hz
    known_s = np.arange(of.n_frames) / of.frame_rate_hz
    return np.interp(times_s, known_s, values, right=0.0).astype(np.float32)
