"""A list of findings: a sentence each, with a mark that says whether all is well."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QGridLayout, QLabel, QWidget

from napari_cnmf.colours import ACCEPTED
from napari_cnmf.widgets.parts.form import ERROR_COLOUR

_GOOD, _BAD = "\N{CHECK MARK}", "\N{MULTIPLICATION X}"


class Findings(QWidget):
    """Shows findings below each other, hidden as long as there is none."""

    def __init__(self) -> None:
        super().__init__()
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setColumnStretch(1, 1)
        self.hide()

    @property
    def texts(self) -> list[str]:
        """Each finding as it is shown, with its mark."""
        rows = range(self._grid.rowCount())
        cells = [[self._grid.itemAtPosition(row, k) for k in (0, 1)] for row in rows]
        return [" ".join(c.widget().text() for c in row) for row in cells if row[0]]

    def clear(self) -> None:
        """Take all findings away."""
        while (item := self._grid.takeAt(0)) is not None:
            item.widget().deleteLater()
        self.hide()

    def add(self, good: bool, text: str) -> None:
        """Show one more finding."""
        mark = QLabel(_GOOD if good else _BAD)
        mark.setStyleSheet(f"color: {ACCEPTED if good else ERROR_COLOUR}")
        words = QLabel(text)
        words.setWordWrap(True)
        words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        row = self._grid.rowCount()
        self._grid.addWidget(mark, row, 0, Qt.AlignmentFlag.AlignTop)
        self._grid.addWidget(words, row, 1)
        self.show()
