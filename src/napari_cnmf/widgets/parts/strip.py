"""The length of the movie with some of its frames marked, to jump to by a click."""

from __future__ import annotations

import numpy as np
from qtpy.QtCore import QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPalette, QPen
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_cnmf.colours import ACCEPTED

_HEIGHT_PX = 22


class FrameStrip(QWidget):
    """Bar as long as the movie, marks at the given frames, a line at the present one.

    A click goes to the nearest marked frame.
    """

    #: The marked frame that was clicked.
    chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._frames = np.zeros(0, np.int64)
        self._n_frames = 1
        self._current = 0
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def set_frames(self, frames: np.ndarray, n_frames: int) -> None:
        """Mark other frames (n,), ascending, of a movie of `n_frames`."""
        self._frames, self._n_frames = frames, max(n_frames, 1)
        self.update()

    def set_current(self, frame: int) -> None:
        """Show which frame the viewer is at."""
        self._current = frame
        self.update()

    def x_of(self, frame: int) -> float:
        """Middle of a frame from the left, in pixels."""
        return (frame + 0.5) * self.width() / self._n_frames

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Return a low strip of any width."""
        return QSize(200, _HEIGHT_PX)

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Go to the marked frame nearest to the mouse."""
        if event.button() == Qt.MouseButton.LeftButton and len(self._frames):
            place = event.position().x() * self._n_frames / max(self.width(), 1) - 0.5
            nearest = int(np.abs(self._frames - place).argmin())
            self.chosen.emit(int(self._frames[nearest]))

    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Draw runs of marked frames as blocks, and the present frame."""
        painter = QPainter(self)
        ink = QColor(self.palette().color(QPalette.ColorRole.WindowText))
        faint = QColor(ink)
        faint.setAlphaF(0.12)
        painter.fillRect(self.rect(), faint)
        unit = self.width() / self._n_frames
        for first, stop in runs(self._frames):
            width = max((stop - first) * unit, 1.5)
            painter.fillRect(
                QRectF(first * unit, 3, width, self.height() - 6), QColor(ACCEPTED)
            )
        painter.setPen(QPen(ink, 1.5))
        x = self.x_of(self._current)
        painter.drawLine(QPointF(x, 0), QPointF(x, self.height()))
        painter.end()


def runs(frames: np.ndarray) -> list[tuple[int, int]]:
    """Split ascending frames where one is left out: first and stop of each run."""
    if not len(frames):
        return []
    parts = np.split(frames, np.flatnonzero(np.diff(frames) > 1) + 1)
    return [(int(part[0]), int(part[-1]) + 1) for part in parts]
