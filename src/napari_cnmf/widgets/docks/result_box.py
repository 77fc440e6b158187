"""Part of the Compare dock: which results are compared."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from qtpy.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QMenu,
    QPushButton,
)

from napari_cnmf.pipeline.comparing import OPEN
from napari_cnmf.widgets.docks.source import TakesFiles

_ENDINGS = "Results (*.h5 *.hdf5 *.nwb)"


class ResultBox(TakesFiles):
    """Asks for one of the two results: a file, a folder, or none for the open one."""

    def __init__(self, letter: str, colour: str) -> None:
        super().__init__()
        self.path = QLineEdit()
        self.path.setPlaceholderText(f"the {OPEN}")
        self.path.setClearButtonEnabled(True)
        self.path.setMinimumWidth(170)
        self.path.setToolTip(
            "Folder or file of a run, of CaImAn or of suite2p; empty for the open one"
        )
        title = QLabel(f"<b>{letter}</b>")
        title.setStyleSheet(f"color: {colour}")
        choose = QPushButton("Choose ...")
        menu = QMenu(choose)
        menu.addAction("File ...", self._ask_file)
        menu.addAction("Folder ...", self._ask_folder)
        choose.setMenu(menu)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        for widget in (title, self.path, choose):
            row.addWidget(widget)

    @property
    def chosen(self) -> Path | None:
        """The file or folder; None for the open result."""
        text = self.path.text().strip()
        return Path(text).expanduser() if text else None

    def open_paths(self, paths: Sequence[Path]) -> None:
        """Take what was dropped."""
        self.path.setText(str(paths[0]))

    def _ask_file(self) -> None:
        """Ask for a file."""
        name, _ = QFileDialog.getOpenFileName(self, "A result", "", _ENDINGS)
        if name:
            self.path.setText(name)

    def _ask_folder(self) -> None:
        """Ask for a folder."""
        name = QFileDialog.getExistingDirectory(self, "Folder of a result")
        if name:
            self.path.setText(name)
