"""What docks with a plot over time share: its place, its colours and its cursor.

The cursor and the viewer's slider are one, and playing a movie only moves the cursor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari.utils.theme import get_theme
from napari.viewer import Viewer
from qtpy.QtCore import Qt, QTimer
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QWidget
from superqt import QFlowLayout

from napari_cnmf.widgets.docks.dock import Dock
from napari_cnmf.widgets.parts.plot import PlotColours, TracePlot

#: The cursor moves so often at most, however fast the movie plays.
CURSOR_MS = 33


class PlotDock(Dock):
    """A line of controls above a plot.

    Parameters
    ----------
    napari_viewer : Viewer

    Attributes
    ----------
    plot : TracePlot
    """

    area = Qt.DockWidgetArea.BottomDockWidgetArea

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        scene = self.session.scene
        self.plot = TracePlot(theme_colours(napari_viewer.theme))
        self.plot.frame_asked.connect(scene.go_to_frame)
        self._controls = QFlowLayout()
        self._controls.setHorizontalSpacing(14)
        self._controls.setVerticalSpacing(4)
        self.body.setAlignment(Qt.AlignmentFlag(0))
        self.body.addLayout(self._controls)
        self.body.addWidget(self.plot, 1)
        self._cursor_timer = Throttle(self, CURSOR_MS, self.follow_slider)
        self.listen(scene.frame_changed, self._cursor_timer.begin)
        self.listen(scene.viewer.events.theme, self._recolour)

    def add_controls(self, *widgets: QWidget) -> None:
        """Put widgets above the plot, in one line if it is wide enough."""
        for widget in widgets:
            self._controls.addWidget(widget)

    def follow_slider(self) -> None:
        """Put the cursor where the slider is, if the plot is in sight."""
        if self.isVisible():
            self.plot.set_cursor(self.session.scene.current_frame())

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 - Qt's name
        """Catch up with the slider, which is not followed while out of sight."""
        super().showEvent(event)
        self.follow_slider()

    def _recolour(self, event: Any) -> None:
        """Take over the colours of another theme."""
        self.plot.set_colours(theme_colours(event.value))


class Throttle(QTimer):
    """Calls a slot once, some time after the first of many events."""

    def __init__(
        self, parent: QWidget, interval_ms: int, slot: Callable[[], None]
    ) -> None:
        super().__init__(parent)
        self.setSingleShot(True)
        self.setInterval(interval_ms)
        self.timeout.connect(slot)

    def begin(self) -> None:
        """Note an event."""
        if not self.isActive():
            self.start()


def theme_colours(name: str) -> PlotColours:
    """Colours of the plot in a theme of napari."""
    theme = get_theme(name)
    colours = (theme.console, theme.text, theme.secondary)
    return PlotColours(*(colour.as_hex("long") for colour in colours))
