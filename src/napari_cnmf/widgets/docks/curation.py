"""Buttons to accept and reject cells by hand, and to step from one to the next."""

from __future__ import annotations

from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_cnmf.components import Components, Quality
from napari_cnmf.widgets.lifetime import connect
from napari_cnmf.widgets.parts.browsing import CHOICES, Walk, columns
from napari_cnmf.widgets.parts.limits import narrow
from napari_cnmf.widgets.session import Session

ACCEPT_KEY, REJECT_KEY, LEAVE_KEY = "A", "R", "U"
PREVIOUS_KEY, NEXT_KEY = ",", "."


class Curation(QWidget):
    """Decides about the selected cells, and selects others.

    Decisions and the selection live in the workspace; this widget only keeps in which
    order its user wants to see the cells.
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._workspace, self._scene = session.workspace, session.scene
        self.accept = _button("Accept", ACCEPT_KEY, "Accept the selected cells by hand")
        self.reject = _button("Reject", REJECT_KEY, "Reject the selected cells by hand")
        self.leave = _button("By rule", LEAVE_KEY, "Take back decisions by hand")
        self.go_on = QCheckBox("then go to the next cell")
        self.go_on.setChecked(True)
        self.previous = _button("◀", PREVIOUS_KEY, "The cell before in this order")
        self.next = _button("▶", NEXT_KEY, "The next cell in this order")
        self.column, self.choice = QComboBox(), QComboBox()
        self.choice.addItems(list(CHOICES))
        self.choice.setToolTip("Which cells are stepped through")
        self.column.setToolTip("In which order cells are stepped through")
        self.falling = QToolButton()
        self.falling.setCheckable(True)
        self.falling.setToolTip("Highest first")
        self.place = QLabel()
        self._arrange()
        self._connect()
        self.refresh()

    def accept_selected(self) -> None:
        """Accept the selected cells by hand."""
        self._decide(1)

    def reject_selected(self) -> None:
        """Reject the selected cells by hand."""
        self._decide(-1)

    def leave_selected(self) -> None:
        """Leave the selected cells to the rule."""
        self._decide(0)

    def go_next(self) -> None:
        """Select the next cell and move the view to it."""
        self._step(1)

    def go_previous(self) -> None:
        """Select the cell before and move the view to it."""
        self._step(-1)

    def refresh(self) -> None:
        """Show what can be done, and where in the order the selected cell is."""
        found = self._evaluated()
        self._show_columns(found)
        selected = bool(found and self._workspace.selected)
        for button in (self.accept, self.reject, self.leave):
            button.setEnabled(selected)
        self.falling.setText("↓" if self.falling.isChecked() else "↑")
        if found is None:
            self.place.clear()
            for button in (self.previous, self.next):
                button.setEnabled(False)
            return
        walk, current = self._walk(*found), self._current()
        self.previous.setEnabled(walk.step(current, -1) is not None)
        self.next.setEnabled(walk.step(current, 1) is not None)
        several = len(self._workspace.selected)
        place = "{} of {}".format(*walk.place(current))
        self.place.setText(f"{several} selected" if several > 1 else place)

    def _arrange(self) -> None:
        """Put decisions above steps."""
        decisions = QHBoxLayout()
        for button in (self.accept, self.reject, self.leave):
            decisions.addWidget(button)
        order = QGridLayout()
        order.setColumnStretch(1, 1)
        order.addWidget(QLabel("Order"), 0, 0)
        order.addWidget(self.column, 0, 1)
        order.addWidget(self.falling, 0, 2)
        order.addWidget(QLabel("Show"), 1, 0)
        order.addWidget(self.choice, 1, 1, 1, 2)
        arrows = QHBoxLayout()
        arrows.addWidget(self.previous)
        arrows.addWidget(self.place, alignment=Qt.AlignmentFlag.AlignCenter)
        arrows.addWidget(self.next)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(arrows)
        column.addLayout(decisions)
        column.addWidget(self.go_on)
        column.addLayout(order)

    def _connect(self) -> None:
        """Listen to the user and to the workspace."""
        self.accept.clicked.connect(self.accept_selected)
        self.reject.clicked.connect(self.reject_selected)
        self.leave.clicked.connect(self.leave_selected)
        self.next.clicked.connect(self.go_next)
        self.previous.clicked.connect(self.go_previous)
        self.falling.toggled.connect(self.refresh)
        self.column.currentIndexChanged.connect(self.refresh)
        self.choice.currentIndexChanged.connect(self.refresh)
        for signal in (
            self._workspace.result_changed,
            self._workspace.quality_changed,
            self._workspace.selection_changed,
        ):
            connect(self, signal, self.refresh)

    def _evaluated(self) -> tuple[Components, Quality] | None:
        """Components and their quality, if they are evaluated."""
        components, quality = self._workspace.components, self._workspace.quality
        if components is None or quality is None:
            return None
        return components, quality

    def _show_columns(self, found: tuple[Components, Quality] | None) -> None:
        """Offer the columns of the rule in force; the chosen one stays if it can."""
        names = list(columns(*found)) if found else []
        if names == [self.column.itemText(i) for i in range(self.column.count())]:
            return
        chosen = self.column.currentText()
        with QSignalBlocker(self.column):
            self.column.clear()
            self.column.addItems(names)
            self.column.setCurrentIndex(names.index(chosen) if chosen in names else 0)

    def _current(self) -> int | None:
        """Id of the leading selected cell."""
        selected = self._workspace.selected
        return selected[0] if selected else None

    def _walk(self, components: Components, quality: Quality) -> Walk:
        """Cells in the order that the user chose."""
        return Walk.along(
            components,
            quality,
            column=self.column.currentText(),
            falling=self.falling.isChecked(),
            choice=self.choice.currentText(),
        )

    def _step(self, way: int) -> None:
        """Select the next wanted cell, if there is one."""
        found = self._evaluated()
        if found is not None:
            self._select(self._walk(*found).step(self._current(), way))

    def _select(self, cell: int | None) -> None:
        """Select a cell and move the view to it."""
        if cell is not None:
            self._workspace.select([cell])
            self._scene.centre_on(cell)

    def _decide(self, verdict: int) -> None:
        """Decide about the selected cells, then go on if that is wanted."""
        found, selected = self._evaluated(), self._workspace.selected
        if found is None or not selected:
            return
        following = self._walk(*found).step(selected[-1], 1)
        self._workspace.decide(selected, verdict)
        if self.go_on.isChecked():
            self._select(following)


def _button(text: str, key: str, tooltip: str) -> QPushButton:
    """Make a button that tells its key."""
    button = narrow(QPushButton(f"{text}  ({key})"))
    button.setToolTip(f"{tooltip}; also by the key {key}, over the image too")
    return button
