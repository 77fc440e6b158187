"""The axis left of the traces: labels of rows, and titles and scales of their lanes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyqtgraph as pg
from qtpy.QtCore import QLineF, QRectF, Qt
from qtpy.QtGui import QColor, QFont, QPainter

from napari_cnmf.report.lanes import Lane, Row

#: Widths of the axis and of its columns for labels and titles, and height of a line.
_AXIS_PX, _LABEL_PX, _TITLE_PX, _LINE_PX = 108, 38, 34, 14


@dataclass(frozen=True, eq=False)
class PlotRow:
    """Lanes that belong together.

    Attributes
    ----------
    label : str
        Stands beside them, such as the id of a cell.
    colour : str
        Of the label and of the curves that are not in grey.
    lanes : tuple of Lane
        From top to bottom.
    """

    label: str
    colour: str
    lanes: tuple[Lane, ...]

    @classmethod
    def of_cell(cls, row: Row) -> PlotRow:
        """Return the lanes of a cell."""
        return cls(str(row.cell_id), row.colour, row.lanes)

    @property
    def middle(self) -> float:
        """Height of the label."""
        return (self.lanes[0].bottom + self.lanes[0].height + self.lanes[-1].bottom) / 2


class LaneAxis(pg.AxisItem):
    """The rows' labels in their colours, and each lane's title and scale."""

    def __init__(self) -> None:
        super().__init__("left")
        self._rows: Sequence[PlotRow] = ()
        self.setWidth(_AXIS_PX)

    def set_rows(self, rows: Sequence[PlotRow]) -> None:
        """Label other rows."""
        self._rows = rows
        self.update()

    def paint(self, p: QPainter, opt: Any, widget: Any) -> None:  # noqa: ARG002 - Qt's
        """Label what is in view."""
        p.setClipRect(self.boundingRect())
        bold, small = QFont(p.font()), QFont(p.font())
        bold.setBold(True)
        small.setPointSizeF(0.85 * small.pointSizeF())
        for row in self._rows:
            p.setFont(bold)
            p.setPen(QColor(row.colour))
            self._write(p, row.middle, (4, _LABEL_PX), row.label, right=False)
            p.setFont(small)
            p.setPen(self.textPen())
            for lane in row.lanes:
                self._paint_scale(p, lane)

    def _paint_scale(self, p: QPainter, lane: Lane) -> None:
        """Draw a lane's title, and a line between round values if there is room."""
        height_px = self._y(lane.bottom) - self._y(lane.bottom + lane.height)
        if height_px < _LINE_PX:
            return
        title_end = _LABEL_PX + _TITLE_PX
        middle = lane.bottom + lane.height / 2
        self._write(p, middle, (_LABEL_PX, title_end), lane.title, right=False)
        ticks = lane.ticks(min(int(height_px / (2 * _LINE_PX)), 4))
        if height_px < 2 * _LINE_PX or len(ticks) < 2:
            return
        heights, line_x = lane.place(ticks), self.size().width() - 5
        p.drawLine(QLineF(line_x, self._y(heights[0]), line_x, self._y(heights[-1])))
        for tick, height in zip(ticks, heights, strict=True):
            text = f"{tick:.4g}".replace("-", "\u2212")
            self._write(p, height, (title_end, line_x - 4), text, right=True)

    def _write(
        self,
        p: QPainter,
        height: float,
        columns: tuple[float, float],
        text: str,
        *,
        right: bool,
    ) -> None:
        """Write a text centred on a height, at a side of its column."""
        y, (first, last) = self._y(height), columns
        box = QRectF(first, y - _LINE_PX, last - first, 2 * _LINE_PX)
        side = Qt.AlignmentFlag.AlignRight if right else Qt.AlignmentFlag.AlignLeft
        p.drawText(box, side | Qt.AlignmentFlag.AlignVCenter, text)

    def _y(self, height: float) -> float:
        """Pixel of a height."""
        low, high = self.linkedView().viewRange()[1]
        return float(self.size().height() * (high - height) / (high - low))
