"""The dock of the log: what the package reports, as it happens."""

from __future__ import annotations

import logging
from pathlib import Path

from napari.viewer import Viewer
from qtpy.QtCore import QTimer
from qtpy.QtGui import QFontDatabase, QGuiApplication
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QPushButton,
)

from napari_cnmf.widgets.docks.dock import Dock
from napari_cnmf.widgets.records import KEPT, log_records, set_level

_LEVELS = {
    "Everything": logging.DEBUG,
    "Information": logging.INFO,
    "Warnings": logging.WARNING,
    "Errors": logging.ERROR,
}
_TICK_MS = 200


class LogWidget(Dock):
    """Dock that shows the log, from a level on."""

    scrolls = False

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self._records = log_records()
        self._shown = 0
        self.level = QComboBox()
        for name, level in _LEVELS.items():
            self.level.addItem(name, level)
        self.level.setCurrentText("Information")
        self.level.currentIndexChanged.connect(self._change_level)
        self.text = QPlainTextEdit()
        self.text.setReadOnly(True)
        self.text.setMaximumBlockCount(KEPT)
        self.text.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.body.addWidget(self.text, 1)
        self.footer.addLayout(self._controls())
        # A run sets the level of its own log file and then puts back the former one.
        self.listen(self.session.jobs.ended, self._keep_level)
        self._timer = QTimer(self)
        self._timer.timeout.connect(self.show_latest)
        self._timer.start(_TICK_MS)
        self.show_latest()

    def show_latest(self) -> None:
        """Show what has come since the last look."""
        level = self.level.currentData()
        self._shown, lines = self._records.since(self._shown, level)
        if lines:
            self.text.appendPlainText("\n".join(lines))

    def copy(self) -> None:
        """Put what is shown on the clipboard."""
        QGuiApplication.clipboard().setText(self.text.toPlainText())
        self.say("Copied.")

    def save(self) -> None:
        """Write what is shown to a file of the user's choice."""
        name, _ = QFileDialog.getSaveFileName(self, "Save log", "napari-cnmf.log")
        if not name:
            return
        try:
            Path(name).write_text(self.text.toPlainText(), encoding="utf-8")
        except OSError as error:
            self.say(f"{name} cannot be written ({error.strerror}).", "error")
        else:
            self.say(f"Saved as {name}.")

    def _controls(self) -> QHBoxLayout:
        """Lay out the level, and the buttons that copy and save."""
        row = QHBoxLayout()
        row.addWidget(QLabel("Show"))
        row.addWidget(self.level, 1)
        for name, slot in (("Copy", self.copy), ("Save", self.save)):
            button = QPushButton(f" {name} ")
            button.clicked.connect(slot)
            row.addWidget(button)
        return row

    def _change_level(self) -> None:
        """Show all kept records of another level."""
        set_level(self.level.currentData())
        self.text.clear()
        self._shown = 0
        self.show_latest()

    def _keep_level(self) -> None:
        """Set the level again."""
        set_level(self.level.currentData())
