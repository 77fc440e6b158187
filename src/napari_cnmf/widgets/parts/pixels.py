"""A small image of a cell: whole, pixel by pixel, with a scale bar."""

from __future__ import annotations

import numpy as np
from qtpy.QtCore import QLineF, QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QImage, QPainter, QPaintEvent, QPen
from qtpy.QtWidgets import QSizePolicy, QWidget

_PERCENTILES = (1.0, 99.8)
_ROUND_UM = (100, 50, 20, 10, 5, 2, 1)
#: A scale bar is at most this share of the image's width.
_BAR_SHARE = 0.5
#: Share of a footprint's maximum at which it is outlined.
_OUTLINE_LEVEL = 0.2


class PixelImage(QWidget):
    """Grey image in square pixels of a whole number of screen pixels.

    Parameters
    ----------
    side_px : int
        Height and width of the widget.
    """

    def __init__(self, side_px: int = 150, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._side_px = side_px
        self._grey: np.ndarray | None = None
        self._outline: list[QLineF] = []
        self._colour = QColor()
        self._um_per_px: float | None = None
        self._text = ""
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)

    @property
    def shown(self) -> np.ndarray | None:
        """Grey values (Y, X) uint8 on the screen, None if there is only a text."""
        return self._grey

    def show_image(
        self,
        image: np.ndarray,
        *,
        outlined: np.ndarray | None = None,
        colour: str = "#ffffff",
        um_per_px: float | None = None,
    ) -> None:
        """Show an image.

        Parameters
        ----------
        image : ndarray
            (Y, X), from black at its lowest values to white at its highest.
        outlined : ndarray, optional
            (Y, X) footprint whose outline is drawn over the image.
        colour : str
            Of the outline.
        um_per_px : float, optional
            Width of a pixel; with it a scale bar is drawn.
        """
        self._grey = _grey(image)
        self._outline = [] if outlined is None else _outline(outlined)
        self._colour, self._um_per_px = QColor(colour), um_per_px
        self.update()

    def show_text(self, text: str) -> None:
        """Say why there is no image."""
        self._grey, self._text = None, text
        self.update()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Return the fixed size."""
        return QSize(self._side_px, self._side_px)

    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Draw the image, or the text in its place."""
        painter = QPainter(self)
        if self._grey is None:
            painter.drawText(
                self.rect().adjusted(6, 6, -6, -6),
                int(Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap),
                self._text,
            )
        else:
            self._paint_image(painter, self._grey)
        painter.end()

    def _paint_image(self, painter: QPainter, grey: np.ndarray) -> None:
        """Draw pixels, outline and scale bar, in the middle."""
        height, width = grey.shape
        zoom = max(1, min(self.width() // width, self.height() // height))
        left = (self.width() - zoom * width) // 2
        top = (self.height() - zoom * height) // 2
        place = QRectF(left, top, zoom * width, zoom * height)
        kind = QImage.Format.Format_Grayscale8
        painter.drawImage(place, QImage(grey.tobytes(), width, height, width, kind))
        painter.translate(left, top)
        painter.setPen(QPen(self._colour, 1.5))
        painter.drawLines(
            [QLineF(line.p1() * zoom, line.p2() * zoom) for line in self._outline]
        )
        if self._um_per_px:
            self._paint_scale(painter, zoom, place)

    def _paint_scale(self, painter: QPainter, zoom: int, place: QRectF) -> None:
        """Draw a scale bar of a round length at the lower right."""
        px_per_um = zoom / (self._um_per_px or 1.0)
        fitting = [
            um for um in _ROUND_UM if um * px_per_um <= _BAR_SHARE * place.width()
        ]
        if not fitting:
            return
        end = QPointF(place.width() - 5, place.height() - 5)
        start = end - QPointF(fitting[0] * px_per_um, 0)
        pen = QPen(QColor("white"), 3)
        pen.setCapStyle(Qt.PenCapStyle.FlatCap)
        painter.setPen(pen)
        painter.drawLine(start, end)
        font = painter.font()
        font.setPixelSize(10)
        painter.setFont(font)
        box = QRectF(end.x() - 60, end.y() - 16, 60, 13)
        painter.drawText(box, int(Qt.AlignmentFlag.AlignRight), f"{fitting[0]} µm")


def _grey(image: np.ndarray) -> np.ndarray:
    """Stretch an image over the 256 greys, but for a few extreme pixels."""
    low, high = np.percentile(image, _PERCENTILES)
    share = (image - low) / max(float(high - low), 1e-30)
    return np.ascontiguousarray(np.clip(share, 0, 1) * 255, np.uint8)


def _outline(footprint: np.ndarray) -> list[QLineF]:
    """Borders between the pixels in a footprint and those outside."""
    inside = np.pad(footprint >= _OUTLINE_LEVEL * max(float(footprint.max()), 1e-30), 1)
    level = np.argwhere(inside[1:] != inside[:-1]).tolist()
    upright = np.argwhere(inside[:, 1:] != inside[:, :-1]).tolist()
    return [QLineF(x - 1, y, x, y) for y, x in level] + [
        QLineF(x, y - 1, x, y) for y, x in upright
    ]
