"""One movie of the batch: its name and state, how far it is, and what came of it."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
)

from napari_cnmf.colours import ACCEPTED, REJECTED
from napari_cnmf.widgets.docks.batch_list import Line
from napari_cnmf.widgets.docks.dock import wrapped
from napari_cnmf.widgets.parts.form import ERROR_COLOUR
from napari_cnmf.widgets.parts.runbar import STAGE_WORDS

_STEPS = 1000
_COLOURS = {
    "running": ACCEPTED,
    "done": ACCEPTED,
    "failed": ERROR_COLOUR,
    "incomplete": REJECTED,
    "cancelled": REJECTED,
}


class BatchRow(QFrame):
    """Shows a `Line`."""

    #: The user wants to see what was found.
    opened = Signal()
    #: The user wants the movie out of the list.
    removed = Signal()

    def __init__(self, line: Line) -> None:
        super().__init__()
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.name = QLabel(f"<b>{line.entry.name}</b>")
        self.name.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.state = QLabel()
        self.remove = QToolButton()
        self.remove.setText("\N{MULTIPLICATION X}")
        self.remove.setAutoRaise(True)
        self.remove.setToolTip("Take it out of the list; results are kept")
        self.remove.clicked.connect(self.removed.emit)
        self.bar = QProgressBar()
        self.bar.setRange(0, _STEPS)
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(6)
        self.text = wrapped("")
        head = QHBoxLayout()
        head.addWidget(self.name, 1)
        head.addWidget(self.state)
        head.addWidget(self.remove)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 4, 4, 6)
        layout.setSpacing(3)
        layout.addLayout(head)
        layout.addWidget(self.bar)
        layout.addWidget(self.text)
        self.show_line(line)

    def show_line(self, line: Line) -> None:
        """Show what is known of the movie now."""
        outcome, state = line.outcome, line.outcome.state
        self.state.setText(state)
        self.state.setStyleSheet(
            f"color: {_COLOURS[state]}" if state in _COLOURS else ""
        )
        self.bar.setVisible(state == "running")
        self.bar.setValue(round(_STEPS * line.share))
        words = outcome.in_words
        if state == "running" and line.step is not None:
            stage = line.step.stage
            words = STAGE_WORDS.get(stage.split()[0], stage)
        self.text.setText(words)
        self.text.setVisible(bool(words))
        self.text.setStyleSheet(f"color: {ERROR_COLOUR}" if state == "failed" else "")
        can_open = outcome.findings is not None
        how = "A double click shows what was found.<br>" if can_open else ""
        files = "<br>".join(str(path) for path in line.entry.movie[:5])
        self.setToolTip(f"<p>{how}{files}<br>Results: {line.entry.output}</p>")

    def mouseDoubleClickEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Ask to see what was found."""
        if event.button() == Qt.MouseButton.LeftButton:
            self.opened.emit()
