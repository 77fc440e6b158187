"""The Compare dock: two results cell by cell, in a table, in the viewer and as traces.

Either result may be the open one. A row that is selected is shown in the viewer and
its traces below each other, on one axis of time.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import Event

import numpy as np
from napari.viewer import Viewer
from qtpy.QtCore import Qt
from qtpy.QtGui import QHideEvent, QShowEvent
from qtpy.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QComboBox,
    QFileDialog,
    QHeaderView,
    QLabel,
    QSplitter,
    QTableView,
)

from napari_cnmf.colours import COMPARED
from napari_cnmf.comparison import Comparison, write_table
from napari_cnmf.compute import Progress
from napari_cnmf.errors import MissingStageError
from napari_cnmf.formats.results import Result
from napari_cnmf.pipeline.comparing import compare_paths
from napari_cnmf.widgets.docks.plotdock import PlotDock
from napari_cnmf.widgets.docks.result_box import ResultBox
from napari_cnmf.widgets.docks.source import button
from napari_cnmf.widgets.jobs import Work
from napari_cnmf.widgets.parts.compared_rows import compared_rows
from napari_cnmf.widgets.parts.link_model import CHOICES, LinkModel
from napari_cnmf.widgets.views.compared import compared_view

#: Of the table and the plot, at first.
_WIDTHS_PX = (620, 640)
#: Widest texts of the columns.
_WIDEST = (
    "merged",
    "0000",
    "0000",
    "overlap",
    "apart (px)",
    "0.00",
    "SNR A",
    "SNR B",
    "accepted",
    "accepted",
)


class CompareWidget(PlotDock):
    """Matches two results and shows what became of each cell.

    Parameters
    ----------
    napari_viewer : Viewer
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self.comparison: Comparison | None = None
        self._view = compared_view(napari_viewer)
        self._begun = False
        self.sides = [ResultBox(*about) for about in zip("AB", COMPARED, strict=True)]
        self.start = button("Compare", self.begin, "Match the cells of A and B")
        self.save = button("Save ...", self._ask_output, "The table and a picture")
        self.choice, self.accepted = QComboBox(), QCheckBox("Accepted in A or B")
        self.accepted.setToolTip("Leave out what both results reject")
        self.accepted.setChecked(True)
        self.facts = QLabel()
        self.model = LinkModel(COMPARED)
        self.table = _table_view(self.model)
        self.add_controls(
            *self.sides, self.start, self.choice, self.accepted, self.save, self.facts
        )
        self._arrange()
        self._connect()
        self._show(None)

    def begin(self) -> None:
        """Compare what is chosen, beside the window."""
        paths = [side.chosen for side in self.sides]
        opened = self.workspace.result
        if opened is None and None in paths:
            self.say("No result is open: choose A and B from files.", "error")
            return
        self.say("")
        self._begun = self.session.jobs.start(
            "Comparing", _comparing(paths, opened), self._show
        )

    def save_to(self, folder: Path) -> None:
        """Write the table and the picture into a folder, beside the window."""
        comparison = self.comparison
        if comparison is None:
            raise MissingStageError("Nothing is compared yet; compare two results.")

        def work(_progress: Progress, _cancel: Event) -> Path:
            # matplotlib takes seconds to import, so it is done in the thread.
            from napari_cnmf.report.comparison import write_comparison

            write_table(comparison, folder / "comparison.csv")
            write_comparison(comparison, folder / "comparison.png")
            return folder

        self._begun = self.session.jobs.start("Saving", work, self._say_saved)

    def select(self, row: int) -> None:
        """Select a row of the comparison, if it is listed."""
        found = np.flatnonzero(self.model.rows == row)
        if len(found):
            self.table.selectRow(int(found[0]))

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 - Qt's name
        """Draw the contours."""
        super().showEvent(event)
        self._draw()

    def hideEvent(self, event: QHideEvent) -> None:  # noqa: N802 - Qt's name
        """Take the contours away."""
        super().hideEvent(event)
        if self.session.scene.is_open:
            self._view.leave()

    def _arrange(self) -> None:
        """Put the table at the left of the plot."""
        split = QSplitter(Qt.Orientation.Horizontal)
        split.addWidget(self.table)
        split.addWidget(self.plot)
        split.setStretchFactor(1, 1)
        split.setSizes(_WIDTHS_PX)
        split.setChildrenCollapsible(False)
        self.body.addWidget(split, 1)

    def _connect(self) -> None:
        """Listen to the user, the jobs and the workspace."""
        self.choice.activated.connect(self._refilter)
        self.accepted.toggled.connect(self._refilter)
        self.table.selectionModel().selectionChanged.connect(self._choose)
        jobs = self.session.jobs
        self.listen(jobs.failed, self._hear_failure)
        self.listen(jobs.ended, self._hear_end)
        self.listen(self.workspace.result_changed, self._forget)

    def _show(self, comparison: Comparison | None) -> None:
        """Show a comparison, or that there is none."""
        self._view.leave()
        self.comparison = comparison
        self.model.set_comparison(comparison)
        for widget in (self.choice, self.accepted, self.save, self.table):
            widget.setEnabled(comparison is not None)
        self.facts.setText("" if comparison is None else _in_words(comparison))
        self.facts.setToolTip("" if comparison is None else _parameters(comparison))
        self._refilter()
        if comparison is None:
            self.say("Choose two results; an empty field stands for the open one.")
        self._draw()

    def _forget(self) -> None:
        """Let go of a comparison with a result that is no longer open."""
        opened = self.workspace.result
        if self.comparison is not None and None in [s.chosen for s in self.sides]:
            cells = None if opened is None else opened.components
            known = [c.footprints for c in self.comparison.cells]
            if cells is None or not any(cells.footprints is one for one in known):
                self._show(None)

    def _refilter(self) -> None:
        """List the rows of the chosen state, and count all states."""
        only, place = self.accepted.isChecked(), max(self.choice.currentIndex(), 0)
        self.choice.clear()
        for choice in CHOICES:
            count = self.model.count(choice, accepted_only=only)
            self.choice.addItem(f"{choice} ({count})")
        self.choice.setCurrentIndex(place)
        self.model.set_filter(CHOICES[place], accepted_only=only)
        self._view.list_rows(self.model.rows)
        self.plot.show_rows([], 0, 1.0)
        if len(self.model.rows) and self.isVisible():
            self.table.selectRow(0)

    def _draw(self) -> None:
        """Show the contours of what is listed, while the dock is in sight."""
        if self.comparison is not None and self.isVisible():
            self._view.show(self.comparison, self.model.rows)
            self._choose()

    def _choose(self) -> None:
        """Show the selected row in the viewer, and its traces."""
        chosen = self.table.selectionModel().selectedRows()
        if self.comparison is None or not chosen:
            return
        row = int(self.model.rows[chosen[0].row()])
        self._view.choose(row)
        first = self.comparison.cells[0]
        n_frames, rate_hz = first.n_frames, first.frame_rate_hz
        self.plot.show_rows(compared_rows(self.comparison, row), n_frames, rate_hz)
        self.follow_slider()

    def _say_saved(self, folder: Path) -> None:
        """Say where the files are."""
        self.say(f"Saved comparison.csv and comparison.png in {folder}.")

    def _ask_output(self) -> None:
        """Ask for a folder, and save to it."""
        name = QFileDialog.getExistingDirectory(self, "Folder for table and picture")
        if name:
            self.save_to(Path(name))

    def _hear_failure(self, error: Exception) -> None:
        """Say why there is no comparison."""
        if self._begun:
            self.say(str(error), "error")

    def _hear_end(self, _outcome: str) -> None:
        """Note that the job has ended."""
        self._begun = False


def _comparing(paths: Sequence[Path | None], opened: Result | None) -> Work[Comparison]:
    """Return the work that reads and compares two results."""

    def work(_progress: Progress, _cancel: Event) -> Comparison:
        first, second = paths
        return compare_paths(first, second, opened)

    return work


def _in_words(comparison: Comparison) -> str:
    """Say what holds for all pairs."""
    # Adding zero takes the sign of a zero away.
    y, x = (round(shift, 1) + 0.0 for shift in comparison.median_shift_px)
    n = len(comparison.parameters)
    text = f"B lies {y:+.1f}, {x:+.1f} px from A (y, x); {n} parameters differ"
    return text.replace("-", "\u2212")


def _parameters(comparison: Comparison) -> str:
    """List the parameters that differ."""
    return "\n".join(f"{name}: A {a}, B {b}" for name, a, b in comparison.parameters)


def _table_view(model: LinkModel) -> QTableView:
    """Make a view of whole rows, one of them selected."""
    view = QTableView()
    view.setModel(model)
    view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
    view.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    view.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
    view.setWordWrap(False)
    view.setShowGrid(False)
    view.setMinimumHeight(120)
    metrics = view.fontMetrics()
    rows, columns = view.verticalHeader(), view.horizontalHeader()
    rows.hide()
    rows.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
    rows.setDefaultSectionSize(metrics.height() + 6)
    for column, text in enumerate(_WIDEST):
        view.setColumnWidth(column, metrics.horizontalAdvance(text) + 16)
    columns.setHighlightSections(False)
    view.setSortingEnabled(True)
    columns.setSortIndicator(0, Qt.SortOrder.AscendingOrder)
    return view
