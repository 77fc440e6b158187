"""Docks find their side of the window, and share it as tabs."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget

PLUGIN = "napari-cnmf"


def opened(viewer, name: str) -> QDockWidget:
    """The frame of a dock that is opened from the menu."""
    frame, _ = viewer.window.add_plugin_dock_widget(PLUGIN, name)
    return frame


def window_of(frame: QWidget) -> QMainWindow:
    return frame.parentWidget()


def test_traces_go_to_the_bottom(viewer, qtbot):
    frame = opened(viewer, "Traces")
    bottom = Qt.DockWidgetArea.BottomDockWidgetArea
    qtbot.waitUntil(lambda: window_of(frame).dockWidgetArea(frame) == bottom)


def test_docks_of_one_side_share_it_as_tabs(viewer, qtbot):
    first = opened(viewer, "Motion")
    second = opened(viewer, "CNMF")
    window = window_of(first)
    qtbot.waitUntil(lambda: window.tabifiedDockWidgets(first) == [second])
    qtbot.waitUntil(lambda: not second.visibleRegion().isEmpty())


def test_a_dock_of_others_is_left_alone(viewer, qtbot):
    other = viewer.window.add_dock_widget(QWidget(), name="other")
    frame = opened(viewer, "Log")
    qtbot.wait(50)
    assert window_of(frame).tabifiedDockWidgets(other) == []
