"""The plot of traces: a row for each cell, a time cursor, zoom by the wheel.

It knows rows of traces and a theme's colours, nothing of napari or the workspace.
pyqtgraph draws only what is in view, long curves as the extremes of short spans.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from napari_cnmf.colours import REJECTED
from napari_cnmf.report.lanes import Lane
from napari_cnmf.widgets.parts.lane_axis import LaneAxis, PlotRow

#: Fewest frames that zooming shows.
_CLOSEST_FRAMES = 10
_LEAST_HEIGHT_PX = 200
#: Curves that are drawn in grey, behind those in the colour of the row.
GREY = ("raw", "before", "patches")
#: Of marked frames, so that curves are seen through it.
_MARK_COLOUR = REJECTED + "90"


@dataclass(frozen=True)
class PlotColours:
    """Colours that depend on the theme, such as ``"#22242c"``."""

    background: str
    text: str
    raw: str


DARK = PlotColours("#121212", "#f0f1f2", "#565f6c")


class TracePlot(QWidget):
    """Rows of traces over time.

    The wheel zooms in time, with Ctrl in height; dragging moves, a double click shows
    everything again. A click, or dragging the cursor, asks for that frame.
    """

    #: The user asks for a frame.
    frame_asked = Signal(int)

    def __init__(self, colours: PlotColours = DARK) -> None:
        super().__init__()
        self._colours = colours
        self._rows: Sequence[PlotRow] = ()
        self._marks = np.empty(0, np.int64)
        self._rate_hz = 1.0
        self._n_frames = 0
        self.view = _TimeView()
        self._axes = {"left": LaneAxis(), "bottom": pg.AxisItem("bottom")}
        self.canvas = self._canvas()
        self._lines = _Pool(self.view, _line)
        self._stems = _Pool(self.view, _stems)
        self._cursor = pg.InfiniteLine(movable=True)
        self._cursor.setZValue(10)
        self.view.addItem(self._cursor, ignoreBounds=True)
        self._cursor.sigDragged.connect(lambda line: self._ask(line.value()))
        self.view.clicked.connect(self._ask)
        self.view.reset_asked.connect(self.show_all)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.canvas)
        self.set_colours(colours)

    def show_rows(
        self,
        rows: Sequence[PlotRow],
        n_frames: int,
        frame_rate_hz: float,
        marks: np.ndarray | None = None,
    ) -> None:
        """Show other rows; the span of time in view stays if the recording does.

        Parameters
        ----------
        rows : sequence of PlotRow
            Of their curves, those of two columns (T, 2) are bands between them.
        n_frames : int
            Length of the traces.
        frame_rate_hz : float
        marks : ndarray, optional
            Frames that are marked through all rows.
        """
        same_time = (n_frames, frame_rate_hz) == (self._n_frames, self._rate_hz)
        self._rows, self._n_frames, self._rate_hz = rows, n_frames, frame_rate_hz
        self._marks = np.empty(0, np.int64) if marks is None else marks
        lowest = -max(len(rows), 1)
        self.view.setLimits(
            xMin=-1 / frame_rate_hz, xMax=n_frames / frame_rate_hz,
            minXRange=_CLOSEST_FRAMES / frame_rate_hz, yMin=lowest, yMax=0,
        )  # fmt: skip
        if same_time:
            self.view.setYRange(lowest, 0, padding=0)
        else:
            self.show_all()
        self._draw()

    def show_all(self) -> None:
        """Show all rows at all times."""
        end_s = max(self._n_frames - 1, 1) / self._rate_hz
        self.view.setXRange(0, end_s, padding=0)
        self.view.setYRange(-max(len(self._rows), 1), 0, padding=0)

    def show_span(self, first_s: float, last_s: float) -> None:
        """Show a span of time."""
        self.view.setXRange(first_s, last_s, padding=0)

    def set_cursor(self, frame: int) -> None:
        """Move the cursor; the view follows where it would lose it."""
        time = frame / self._rate_hz
        self._cursor.setValue(time)
        first, last = self.span_s
        if not first <= time <= last:
            first, length = time - 0.1 * (last - first), last - first
            self.show_span(first, first + length)

    def set_colours(self, colours: PlotColours) -> None:
        """Follow another theme."""
        self._colours = colours
        self.canvas.setBackground(colours.background)
        self._cursor.setPen(colours.text)
        self._cursor.setHoverPen(colours.text, width=3)
        for axis in self._axes.values():
            axis.setPen(colours.raw)
            axis.setTextPen(colours.text)
        self._draw()

    @property
    def rows(self) -> Sequence[PlotRow]:
        """What is shown, from top to bottom."""
        return self._rows

    @property
    def span_s(self) -> tuple[float, float]:
        """First and last second in view."""
        first, last = self.view.viewRange()[0]
        return float(first), float(last)

    @property
    def cursor_frame(self) -> int:
        """Frame at which the cursor stands."""
        return round(self._cursor.value() * self._rate_hz)

    def _canvas(self) -> pg.GraphicsLayoutWidget:
        """Put the axes around the view."""
        canvas = pg.GraphicsLayoutWidget()
        canvas.ci.setContentsMargins(0, 2, 8, 6)
        canvas.ci.setSpacing(0)
        canvas.addItem(self._axes["left"], 0, 0)
        canvas.addItem(self.view, 0, 1)
        canvas.addItem(self._axes["bottom"], 1, 1)
        for axis in self._axes.values():
            axis.linkToView(self.view)
        self._axes["bottom"].setLabel("time (s)")
        # Its own hint is too high for a dock below the image.
        canvas.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Ignored)
        canvas.setMinimumHeight(_LEAST_HEIGHT_PX)
        return canvas

    def _ask(self, time_s: float) -> None:
        """Ask for the frame at a time."""
        if self._n_frames:
            frame = round(time_s * self._rate_hz)
            self.frame_asked.emit(min(max(frame, 0), self._n_frames - 1))

    def _draw(self) -> None:
        """Draw all curves anew."""
        times = np.arange(self._n_frames) / self._rate_hz
        lines: list[_Drawn] = []
        stems = [self._marked(times)]
        for row in self._rows:
            for lane in row.lanes:
                for kind, values in lane.curves.items():
                    # Qt draws lines of one pixel ten times faster than wider ones.
                    pen = pg.mkPen(self._colours.raw if kind in GREY else row.colour)
                    if values.ndim == 2:
                        lines.append((*_band(lane, times, values), pen))
                    elif kind == "deconvolved":
                        stems.append((*_ends(lane, times, values), pen))
                    else:
                        lines.append((times, lane.place(values), pen))
        self._lines.show(lines)
        self._stems.show(stems)
        self._axes["left"].set_rows(self._rows)

    def _marked(self, times: np.ndarray) -> _Drawn:
        """Lines through all rows at the marked frames."""
        x = np.repeat(times[self._marks], 2)
        y = np.tile((-float(len(self._rows)), 0.0), len(self._marks))
        return x, y, pg.mkPen(_MARK_COLOUR)


_Drawn = tuple[np.ndarray, np.ndarray, Any]


class _Pool:
    """Curves that are used again: to make one takes longer than to change it."""

    def __init__(self, view: pg.ViewBox, make: Callable[[], pg.PlotDataItem]) -> None:
        self.view = view
        self._make = make
        self._curves: list[pg.PlotDataItem] = []

    def show(self, drawn: Sequence[_Drawn]) -> None:
        """Show curves (x, y, pen), and no others."""
        while len(self._curves) < len(drawn):
            curve = self._make()
            self.view.addItem(curve, ignoreBounds=True)
            self._curves.append(curve)
        for curve, (x, y, pen) in zip(self._curves, drawn, strict=False):
            curve.setData(x, y, pen=pen)
        for curve in self._curves[len(drawn) :]:
            curve.clear()


def _line() -> pg.PlotDataItem:
    """Make a trace, of which no more is drawn than can be seen."""
    curve = pg.PlotDataItem(skipFiniteCheck=True)
    curve.setDownsampling(auto=True, method="peak")
    curve.setClipToView(True)
    return curve


def _stems() -> pg.PlotDataItem:
    """Make vertical lines between pairs of points."""
    return pg.PlotDataItem(skipFiniteCheck=True, connect="pairs")


def _ends(
    lane: Lane, times: np.ndarray, values: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper ends of lines at the deconvolved events."""
    frames = np.flatnonzero(values > 0)
    ends = np.empty((len(frames), 2))
    ends[:, 0], ends[:, 1] = lane.place(0.0), lane.place(values[frames])
    return np.repeat(times[frames], 2), ends.ravel()


def _band(
    lane: Lane, times: np.ndarray, values: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Zigzag between two curves: where frames are dense, it fills what is between.

    Unlike a filled polygon it is drawn as few extremes when there are many frames.
    """
    ends = values.copy()
    ends[1::2] = ends[1::2, ::-1]
    return np.repeat(times, 2), lane.place(ends.ravel())


class _TimeView(pg.ViewBox):
    """The wheel zooms and the mouse drags in time, with Ctrl in height."""

    clicked = Signal(float)
    reset_asked = Signal()

    def __init__(self) -> None:
        super().__init__(enableMenu=False)
        self.disableAutoRange()

    def wheelEvent(self, ev: Any, axis: int | None = None) -> None:  # noqa: N802 - Qt's
        """Zoom one axis."""
        super().wheelEvent(ev, axis=_axis_of(ev) if axis is None else axis)

    def mouseDragEvent(  # noqa: N802 - pyqtgraph's
        self, ev: Any, axis: int | None = None
    ) -> None:
        """Move along one axis."""
        super().mouseDragEvent(ev, axis=_axis_of(ev) if axis is None else axis)

    def mouseClickEvent(self, ev: Any) -> None:  # noqa: N802 - pyqtgraph's
        """Ask for a time, or to see everything."""
        if ev.button() == Qt.MouseButton.LeftButton:
            ev.accept()
            if ev.double():
                self.reset_asked.emit()
            else:
                self.clicked.emit(self.mapSceneToView(ev.scenePos()).x())


def _axis_of(event: Any) -> int:
    """Axis that the mouse moves: height while Ctrl is held, else time."""
    return int(bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier))
