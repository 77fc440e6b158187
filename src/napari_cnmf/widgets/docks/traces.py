"""The dock of traces: what the selected cells do over time, beside the movie.

It follows the selection; without one it shows the clearest cells.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Event

import numpy as np
from napari.viewer import Viewer
from qtpy.QtWidgets import QCheckBox, QFileDialog, QLabel, QMenu, QPushButton

from napari_cnmf.components import Components
from napari_cnmf.compute import Progress
from napari_cnmf.errors import MissingStageError
from napari_cnmf.quality.highlights import clearest, largest_events
from napari_cnmf.report.lanes import KINDS, rows
from napari_cnmf.widgets.docks.plotdock import PlotDock, Throttle
from napari_cnmf.widgets.parts.event_steps import EventSteps
from napari_cnmf.widgets.parts.lane_axis import PlotRow

#: Cells shown if none is selected, and at most if many are.
N_CLEAREST, MOST_ROWS = 10, 20
#: While limits move, the clearest cells are looked up so often at most.
_CLEAREST_MS = 200

_LABELS = {
    "raw": ("raw", "Demixed trace before denoising, in grey"),
    "denoised": ("denoised", "Calcium without noise, in the cell's colour"),
    "deconvolved": ("events", "Deconvolved activity, below the fluorescence"),
    "dff": ("\u0394F/F", "Change relative to the baseline, on a scale of its own"),
}


class TracesWidget(PlotDock):
    """Traces of the selected cells, and a cursor that is the viewer's slider.

    Parameters
    ----------
    napari_viewer : Viewer
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self._shown = np.empty(0, np.int64)
        self.kinds = {kind: self._kind_box(kind) for kind in KINDS}
        self.events = EventSteps()
        self.events.frame_chosen.connect(self.session.scene.go_to_frame)
        self.hint = QLabel()
        self.export = self._export_button()
        boxes = self.kinds.values()
        self.add_controls(*boxes, self.events, self.export, self.hint)
        self._clearest_timer = Throttle(self, _CLEAREST_MS, self.refresh)
        self.listen(self.workspace.selection_changed, self.refresh)
        self.listen(self.workspace.result_changed, self.refresh)
        self.listen(self.workspace.quality_changed, self._follow_verdicts)
        self.refresh()

    @property
    def shown_kinds(self) -> list[str]:
        """What is shown of each cell, of `lanes.KINDS`."""
        return [
            k for k, box in self.kinds.items() if box.isChecked() and box.isEnabled()
        ]

    def refresh(self) -> None:
        """Show the selected cells, or else the clearest."""
        components, selected = self.workspace.components, self.workspace.selected
        self._offer_dff(components)
        self.export.setEnabled(components is not None)
        if components is None:
            self.hint.setText("No cells yet: find some, or open a result.")
            self.plot.show_rows([], 0, 1.0)
            self.events.set_frames(np.empty(0, np.int64))
            return
        if selected:
            self._shown = self.workspace.positions(selected[:MOST_ROWS])
            events = largest_events(components.denoised[self._shown[0]])
        else:
            self._shown = clearest(components, N_CLEAREST)
            events = np.empty(0, np.int64)
        self.hint.setText(_hint(len(selected), len(self._shown)))
        self.events.set_frames(events)
        cells = rows(components, self._shown, self.shown_kinds)
        arranged = [PlotRow.of_cell(row) for row in cells]
        self.plot.show_rows(arranged, components.n_frames, components.frame_rate_hz)

    def export_figure(self, path: Path) -> None:
        """Save what is shown as PNG, SVG or PDF, beside the window."""
        components, shown, kinds = self._exported()
        span_s = self.plot.span_s

        def work(_progress: Progress, _cancel: Event) -> Path:
            # matplotlib takes seconds to import, so it is done in the thread.
            from napari_cnmf.report.selection import write_figure

            write_figure(components, shown, path, kinds=kinds, span_s=span_s)
            return path

        self.session.jobs.start("Saving the figure", work, self._say_saved)

    def export_table(self, path: Path) -> None:
        """Save the traces that are shown as CSV, beside the window."""
        components, shown, kinds = self._exported()

        def work(_progress: Progress, _cancel: Event) -> Path:
            from napari_cnmf.report.selection import write_table

            write_table(components, shown, path, kinds=kinds)
            return path

        self.session.jobs.start("Saving the traces", work, self._say_saved)

    def _exported(self) -> tuple[Components, np.ndarray, list[str]]:
        """Return what an export holds: components, positions of the cells, kinds."""
        if self.workspace.components is None:
            raise MissingStageError("There are no cells yet; run CNMF first.")
        return self.workspace.components, self._shown, self.shown_kinds

    def _say_saved(self, path: Path) -> None:
        """Say where an export is."""
        self.say(f"Saved {path.name} in {path.parent}.")

    def _follow_verdicts(self) -> None:
        """Look the clearest cells up again if they are shown."""
        if not self.workspace.selected:
            self._clearest_timer.begin()

    def _offer_dff(self, components: Components | None) -> None:
        """Offer dF/F if it is computed, else say what to do."""
        box, missing = (
            self.kinds["dff"],
            components is not None and components.dff is None,
        )
        label, tooltip = _LABELS["dff"]
        box.setEnabled(not missing)
        box.setText(f"{label} (not computed yet)" if missing else label)
        box.setToolTip("Compute it first, in the dF/F dock" if missing else tooltip)

    def _kind_box(self, kind: str) -> QCheckBox:
        """Check box that shows or hides a kind of trace."""
        label, tooltip = _LABELS[kind]
        box = QCheckBox(label)
        box.setToolTip(tooltip)
        box.setChecked(kind != "dff")
        box.toggled.connect(self.refresh)
        return box

    def _export_button(self) -> QPushButton:
        """Button with a menu of what can be saved."""
        button = QPushButton("Export ...")
        menu = QMenu(button)
        figures = "Figure (*.png *.svg *.pdf)"
        menu.addAction(
            "Figure: PNG, SVG, PDF ...",
            lambda: self._ask_path("traces.png", figures, self.export_figure),
        )
        menu.addAction(
            "Traces: CSV ...",
            lambda: self._ask_path("traces.csv", "Table (*.csv)", self.export_table),
        )
        button.setMenu(menu)
        return button

    def _ask_path(self, name: str, formats: str, save: Callable[[Path], None]) -> None:
        """Ask for a file, and save to it."""
        folder = self.workspace.folder
        start = name if folder is None else str(folder.path / name)
        path, _ = QFileDialog.getSaveFileName(self, "Export", start, formats)
        if path:
            save(Path(path))


def _hint(n_selected: int, n_shown: int) -> str:
    """Say which cells are shown."""
    if not n_selected:
        return f"The {n_shown} clearest cells. Click a cell to see its traces."
    if n_selected > n_shown:
        return f"{n_shown} of {n_selected} selected cells"
    return ""
