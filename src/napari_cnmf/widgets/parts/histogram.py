"""A limit that is dragged over the histogram of the score that it is for.

Bars are stacked, accepted below rejected, so that it is seen at once what a limit
costs. Their height is the root of the count: scores pile up far from the limit, and the
few near it are those that matter. Scores beyond the axis count in its outermost bars.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from qtpy.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import (
    QColor,
    QFocusEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QPen,
    QPolygonF,
)
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_cnmf.colours import ACCEPTED, REJECTED
from napari_cnmf.widgets.parts.axis import Axis

_N_BARS = 48
_MARGIN_PX = 8
_TICKS_PX = 15
_GRIP_PX = 5
_STEP, _BIG_STEP = 0.005, 0.05
_STEPS: dict[int, float] = {
    Qt.Key.Key_Left.value: -_STEP,
    Qt.Key.Key_Right.value: _STEP,
    Qt.Key.Key_Down.value: -_STEP,
    Qt.Key.Key_Up.value: _STEP,
    Qt.Key.Key_PageDown.value: -_BIG_STEP,
    Qt.Key.Key_PageUp.value: _BIG_STEP,
    Qt.Key.Key_Home.value: -1.0,
    Qt.Key.Key_End.value: 1.0,
}


class Histogram(QWidget):
    """Histogram of a score with a limit to drag.

    Parameters
    ----------
    keeps_above : bool
        Whether the accepted side is above the limit, or below.
    bounds : (float, float)
        Lowest and highest allowed limit.
    height_px : int
        Of the bars.
    """

    #: The limit, all the while it moves.
    moved = Signal(float)
    #: The limit at the end of a movement.
    released = Signal(float)

    def __init__(
        self,
        *,
        keeps_above: bool,
        bounds: tuple[float, float],
        height_px: int = 64,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._keeps_above, self._bounds = keeps_above, bounds
        self._height_px = height_px
        self._scores = np.zeros(0, np.float32)
        self._accepted = np.zeros(0, bool)
        self._bars = np.zeros(0, np.int64)
        self._limit = 0.0
        self._moving = False
        self._axis = Axis.around(self._scores, self._limit, bounds)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.SplitHCursor)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    @property
    def axis(self) -> Axis:
        """What the width stands for."""
        return self._axis

    @property
    def limit(self) -> float:
        """Where the limit stands."""
        return self._limit

    def show_scores(
        self, scores: np.ndarray, accepted: np.ndarray, limit: float
    ) -> None:
        """Show scores (K,), who is accepted (K,) and the limit.

        The axis stays where it is for the same scores, as long as the limit is on it.
        """
        on_axis = self._axis.low <= limit <= self._axis.high
        same = scores is self._scores
        self._scores, self._accepted, self._limit = scores, accepted, limit
        if not (same and on_axis):
            self._fit_axis()
        self.update()

    def counts(self) -> tuple[np.ndarray, np.ndarray]:
        """Count accepted and rejected components of each bar."""
        known = self._bars >= 0
        accepted = np.bincount(self._bars[known & self._accepted], minlength=_N_BARS)
        every = np.bincount(self._bars[known], minlength=_N_BARS)
        return accepted, every - accepted

    def x_of(self, value: float) -> float:
        """Place of a value from the left, in pixels."""
        return _MARGIN_PX + float(self._axis.share(value)) * self._width()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Return the height asked for, at any width."""
        return QSize(200, self._height_px + _GRIP_PX + _TICKS_PX)

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Return what is still readable."""
        return QSize(120, self.sizeHint().height())

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Put the limit below the mouse."""
        if event.button() == Qt.MouseButton.LeftButton:
            self._move_to_mouse(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Drag the limit."""
        if self._moving:
            self._move_to_mouse(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Let go of the limit."""
        if event.button() == Qt.MouseButton.LeftButton:
            self._release()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Move the limit by arrows, page keys, Home and End."""
        step = _STEPS.get(event.key())
        if step is None:
            super().keyPressEvent(event)
        else:
            self._move(self._axis.value(float(self._axis.share(self._limit)) + step))

    def keyReleaseEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """End the movement by keys."""
        if not event.isAutoRepeat():
            self._release()

    def focusInEvent(self, event: QFocusEvent) -> None:  # noqa: N802 - Qt's name
        """Show that keys move this limit."""
        self.update()
        super().focusInEvent(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:  # noqa: N802 - Qt's name
        """End a movement that the window took away."""
        self._release()
        self.update()
        super().focusOutEvent(event)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 - Qt's name
        """Take the colours of another theme."""
        self.update()
        super().changeEvent(event)

    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Draw the accepted side, bars, axis and limit."""
        painter = QPainter(self)
        self._paint_side(painter)
        self._paint_bars(painter)
        self._paint_axis(painter)
        self._paint_limit(painter)
        painter.end()

    def _fit_axis(self) -> None:
        """Choose the axis for the scores and the limit, and sort scores into bars."""
        scores = self._scores
        self._axis = Axis.around(scores, self._limit, self._bounds)
        known = np.isfinite(scores)
        bars = self._axis.share(np.where(known, scores, self._axis.low)) * _N_BARS
        self._bars = np.where(known, np.minimum(bars.astype(np.int64), _N_BARS - 1), -1)

    def _move_to_mouse(self, event: QMouseEvent) -> None:
        """Put the limit where the mouse is."""
        x = event.position().x() - _MARGIN_PX
        self._move(self._axis.value(x / self._width()))

    def _move(self, limit: float) -> None:
        """Move the limit and tell."""
        self._moving = True
        if limit != self._limit:
            self._limit = limit
            self.update()
            self.moved.emit(limit)

    def _release(self) -> None:
        """Tell that a movement has ended."""
        if self._moving:
            self._moving = False
            self.released.emit(self._limit)

    def _width(self) -> float:
        """Pixels from the low end to the high end."""
        return max(self.width() - 2 * _MARGIN_PX, 1)

    def _bottom(self) -> float:
        """Place of the axis from above, in pixels."""
        return self.height() - _TICKS_PX

    def _ink(self, opacity: float = 1.0) -> QColor:
        """Colour of the theme's text, more or less faint."""
        colour = QColor(self.palette().color(QPalette.ColorRole.WindowText))
        colour.setAlphaF(opacity)
        return colour

    def _paint_side(self, painter: QPainter) -> None:
        """Shade the side of the limit where components pass."""
        x = self.x_of(self._limit)
        left, right = _MARGIN_PX, _MARGIN_PX + self._width()
        ends = (x, right) if self._keeps_above else (left, x)
        colour = QColor(ACCEPTED)
        colour.setAlphaF(0.16)
        height = self._bottom() - _GRIP_PX
        painter.fillRect(QRectF(ends[0], _GRIP_PX, ends[1] - ends[0], height), colour)

    def _paint_bars(self, painter: QPainter) -> None:
        """Draw accepted bars, and rejected ones upon them."""
        accepted, rejected = self.counts()
        both = accepted + rejected
        unit = (self._bottom() - _GRIP_PX - 2) / np.sqrt(max(int(both.max()), 1))
        width = self._width() / _N_BARS
        for k in np.flatnonzero(both).tolist():
            height = float(np.sqrt(both[k]) * unit)
            lower = height * float(accepted[k] / both[k])
            place = QRectF(_MARGIN_PX + k * width, 0, max(width - 1, 1), 0)
            for colour, top, bottom in (
                (ACCEPTED, lower, 0.0),
                (REJECTED, height, lower),
            ):
                place.setTop(self._bottom() - top)
                place.setBottom(self._bottom() - bottom)
                painter.fillRect(place, QColor(colour))

    def _paint_axis(self, painter: QPainter) -> None:
        """Draw the axis and write round values below."""
        y = self._bottom()
        painter.setPen(QPen(self._ink(0.45), 1))
        painter.drawLine(QPointF(_MARGIN_PX, y), QPointF(_MARGIN_PX + self._width(), y))
        font = painter.font()
        font.setPixelSize(10)
        painter.setFont(font)
        painter.setPen(self._ink(0.75))
        for tick in self._axis.ticks():
            box = QRectF(self.x_of(tick) - 24, y + 1, 48, _TICKS_PX - 1)
            painter.drawText(box, int(Qt.AlignmentFlag.AlignCenter), f"{tick:.5g}")

    def _paint_limit(self, painter: QPainter) -> None:
        """Draw the limit with its grip, stronger if keys move it."""
        x, bottom = self.x_of(self._limit), self._bottom()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(self._ink(), 2.4 if self.hasFocus() else 1.6))
        painter.drawLine(QPointF(x, _GRIP_PX), QPointF(x, bottom))
        painter.setBrush(self._ink())
        grip: Any = [(-_GRIP_PX, 0), (_GRIP_PX, 0), (0, _GRIP_PX + 2)]
        painter.drawPolygon(QPolygonF([QPointF(x + dx, dy) for dx, dy in grip]))
