"""Buttons that go through the events of a trace in order of their size."""

from __future__ import annotations

import numpy as np
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QToolButton, QWidget


class EventSteps(QWidget):
    """Buttons that go from the largest event of a trace to the smallest and back."""

    #: The frame of an event.
    frame_chosen = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self._frames = np.empty(0, np.int64)
        self._at = -1
        self._place = QLabel()
        self.larger = self._button("\u25c0", "The next larger event", -1)
        self.smaller = self._button("\u25b6", "The largest event, then the next", 1)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for widget in (self.larger, self._place, self.smaller):
            layout.addWidget(widget)
        self.set_frames(self._frames)

    def set_frames(self, frames: np.ndarray) -> None:
        """Step through other events (n,), the largest first."""
        if not np.array_equal(frames, self._frames) or not len(frames):
            self._frames, self._at = frames, -1
            self._show_place()

    def step(self, way: int) -> None:
        """Go to the next smaller (1) or larger (-1) event."""
        self._at = min(max(self._at + way, 0), len(self._frames) - 1)
        self._show_place()
        self.frame_chosen.emit(int(self._frames[self._at]))

    def _show_place(self) -> None:
        """Say which event the cursor was sent to."""
        n = len(self._frames)
        self.larger.setEnabled(self._at > 0)
        self.smaller.setEnabled(self._at < n - 1)
        at = (
            f"event {self._at + 1} of {n} by size" if self._at >= 0 else "largest event"
        )
        self._place.setText(at)
        self._place.setEnabled(n > 0)

    def _button(self, text: str, tooltip: str, way: int) -> QToolButton:
        """Button that steps one way."""
        button = QToolButton()
        button.setText(text)
        button.setToolTip(tooltip)
        button.clicked.connect(lambda: self.step(way))
        return button
