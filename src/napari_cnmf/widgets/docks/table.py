"""The table of cells: sorted by any column, filtered, selected here and everywhere.

The selection is the workspace's; the table shows it and changes it. A selected cell is
always listed, even if the filter would leave it out: one that was just rejected does
not vanish from under the hand.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from napari.viewer import Viewer
from qtpy.QtCore import (
    QItemSelection,
    QItemSelectionModel,
    QModelIndex,
    QSize,
    Qt,
    Signal,
)
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QHBoxLayout,
    QHeaderView,
    QLineEdit,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from napari_cnmf.errors import CnmfError
from napari_cnmf.widgets.docks.curation import ACCEPT_KEY, LEAVE_KEY, REJECT_KEY
from napari_cnmf.widgets.docks.dock import Dock
from napari_cnmf.widgets.lifetime import connect
from napari_cnmf.widgets.parts import cell_model
from napari_cnmf.widgets.parts.cell_model import CHOICES, CellColumns, CellModel
from napari_cnmf.widgets.workspace import Workspace

#: Keys in the table -> verdict by hand.
VERDICT_KEYS = {ACCEPT_KEY: 1, REJECT_KEY: -1, LEAVE_KEY: 0}

#: Widest text that a column must hold.
_SAMPLES = {
    cell_model.ID: "00000",
    cell_model.VERDICT: "\u25a0\u25a0 accepted",
    cell_model.HAND: "\u270e",
    cell_model.SNR: "000.0",
    cell_model.R_VALUE: "0.00",
    cell_model.REASON: "low SNR, low r value",
    cell_model.SIZE: "size (\u00b5m\u00b2)",
    cell_model.Y: "0000",
    cell_model.X: "0000",
}
_Flag = QItemSelectionModel.SelectionFlag


class CellTable(QWidget):
    """All cells of a workspace.

    Parameters
    ----------
    workspace : Workspace
    """

    #: Why a decision was not taken.
    refused = Signal(str)
    #: A cell that the user wants to see in the image.
    wanted = Signal(int)

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self._workspace = workspace
        self._following = False
        self.model = CellModel()
        self.choice, self.text = QComboBox(), QLineEdit()
        self.choice.addItems(CHOICES)
        self.choice.setToolTip("Which cells are listed")
        self.text.setPlaceholderText("reason: SNR, small ...")
        self.text.setToolTip("List cells with a reason that contains this")
        self.text.setClearButtonEnabled(True)
        self.view = _table_view(self.model)
        self._arrange()
        self._connect()
        self.refresh()

    def step(self, way: int) -> None:
        """Select the next (1) or previous (-1) cell in the order of the table."""
        ids, lead = self.model.ids, self._workspace.selected[:1]
        row = self.model.row(lead[0]) if lead else None
        if row is None:
            row = -1 if way > 0 else len(ids)
        if 0 <= row + way < len(ids):
            self._workspace.select([ids[row + way]])

    def decide(self, verdict: int) -> None:
        """Accept (1), reject (-1) or leave to the rule (0) what is selected."""
        if self._workspace.selected:
            try:
                self._workspace.decide(self._workspace.selected, verdict)
            except CnmfError as error:
                self.refused.emit(str(error))

    def refresh(self) -> None:
        """Show the workspace's cells and verdicts; the order stays."""
        components, columns = self._workspace.components, None
        if components is not None:
            columns = CellColumns.of(components, self._workspace.pixel_size_um)
        self.model.set_columns(columns, self._selected())
        self._count(columns)

    def _arrange(self) -> None:
        """Put the filter above the table."""
        line = QHBoxLayout()
        line.addWidget(self.choice)
        line.addWidget(self.text, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(line)
        layout.addWidget(self.view, 1)

    def _connect(self) -> None:
        """Listen to the user and to the workspace."""
        self.choice.currentIndexChanged.connect(self._refilter)
        self.text.textChanged.connect(self._refilter)
        self.view.decided.connect(self.decide)
        self.view.doubleClicked.connect(self._want)
        self.view.selectionModel().selectionChanged.connect(self._take_selection)
        self.model.modelReset.connect(self._show_selection)
        workspace = self._workspace
        connect(self, workspace.result_changed, self.refresh)
        connect(self, workspace.quality_changed, self.refresh)
        connect(self, workspace.selection_changed, self._follow_selection)

    def _selected(self) -> np.ndarray:
        """Positions of the selected cells."""
        if self._workspace.components is None or not self._workspace.selected:
            return np.empty(0, np.int64)
        return self._workspace.positions(self._workspace.selected)

    def _refilter(self) -> None:
        """List what the filter wants."""
        choice = CHOICES[self.choice.currentIndex()]
        self.model.set_filter(choice, self.text.text(), self._selected())

    def _count(self, columns: CellColumns | None) -> None:
        """Say how many cells there are of each choice."""
        for i, choice in enumerate(CHOICES):
            n = 0 if columns is None else int(columns.listed(choice, "").sum())
            self.choice.setItemText(i, f"{choice} ({n})")

    def _want(self, index: QModelIndex) -> None:
        """Ask to see the cell of a row."""
        self.wanted.emit(int(self.model.ids[index.row()]))

    def _take_selection(self) -> None:
        """Select in the workspace what is selected here, the current row first."""
        if self._following:
            return
        rows = [index.row() for index in self.view.selectionModel().selectedRows()]
        current = self.view.currentIndex().row()
        rows.sort(key=lambda row: (row != current, row))
        self._workspace.select(self.model.ids[rows])

    def _follow_selection(self) -> None:
        """Select here what is selected in the workspace, and list it if it is not."""
        if not np.isin(self._workspace.selected, self.model.ids).all():
            self._refilter()
        self._show_selection()

    def _show_selection(self) -> None:
        """Mark the selected rows and bring the first into view."""
        rows = [self.model.row(i) for i in self._workspace.selected]
        chosen, last = QItemSelection(), self.model.columnCount() - 1
        for row in rows:
            if row is not None:
                chosen.select(self.model.index(row, 0), self.model.index(row, last))
        with self._leading():
            selection = self.view.selectionModel()
            selection.select(chosen, _Flag.ClearAndSelect)
            if rows and rows[0] is not None:
                lead = self.model.index(rows[0], 0)
                selection.setCurrentIndex(lead, _Flag.NoUpdate)
                self.view.scrollTo(lead)

    @contextmanager
    def _leading(self) -> Iterator[None]:
        """Within the block the workspace leads and the table follows."""
        self._following = True
        try:
            yield
        finally:
            self._following = False


class CellsWidget(Dock):
    """The dock of the table.

    Parameters
    ----------
    napari_viewer : Viewer
    """

    area = Qt.DockWidgetArea.BottomDockWidgetArea

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self.table = CellTable(self.workspace)
        self.table.refused.connect(lambda reason: self.say(reason, "error"))
        self.table.wanted.connect(self.session.scene.centre_on)
        self.body.setAlignment(Qt.AlignmentFlag(0))
        self.body.addWidget(self.table, 1)
        self.listen(self.workspace.result_changed, self._say_what_to_do)
        self._say_what_to_do()

    def _say_what_to_do(self) -> None:
        """Say what is missing, or what the keys do."""
        if self.workspace.components is None:
            self.say("No cells yet: find some, or open a result.")
        elif self.workspace.quality is None:
            self.say("Evaluate the cells to see scores and verdicts.")
        else:
            self.say(
                f"{ACCEPT_KEY} accepts, {REJECT_KEY} rejects, {LEAVE_KEY} leaves to "
                "the rule; a double click shows the cell."
            )


class _CellView(QTableView):
    """A table whose keys decide about the selected rows."""

    decided = Signal(int)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Decide, or move on as tables do."""
        verdict = VERDICT_KEYS.get(event.text().upper())
        if verdict is None:
            super().keyPressEvent(event)
        else:
            self.decided.emit(verdict)


def _table_view(model: CellModel) -> _CellView:
    """Make a view of whole rows, as narrow as their texts."""
    view = _CellView()
    view.setModel(model)
    view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    view.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    view.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
    view.setWordWrap(False)
    view.setShowGrid(False)
    view.setIconSize(QSize(9, 9))
    view.setMinimumHeight(160)
    metrics = view.fontMetrics()
    rows, columns = view.verticalHeader(), view.horizontalHeader()
    rows.hide()
    rows.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
    rows.setDefaultSectionSize(metrics.height() + 6)
    for column, text in _SAMPLES.items():
        view.setColumnWidth(column, metrics.horizontalAdvance(text) + 12)
    columns.setHighlightSections(False)
    view.setSortingEnabled(True)
    columns.setSortIndicator(cell_model.ID, Qt.SortOrder.AscendingOrder)
    return view
