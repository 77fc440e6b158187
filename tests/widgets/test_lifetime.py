"""Connections end with their widget."""

from __future__ import annotations

import gc
from weakref import ref

from psygnal import Signal
from qtpy.QtWidgets import QWidget

from napari_cnmf.widgets.lifetime import at_end, connect


class Source:
    told = Signal(int)


class Listener(QWidget):
    def __init__(self, source: Source) -> None:
        super().__init__()
        self.heard: list[int] = []
        self.me = self  # a cycle, as widgets have them
        connect(self, source.told, self.heard.append)
        connect(self, source.told, self.hear)

    def hear(self, value: int) -> None:
        self.heard.append(-value)


def test_a_slot_is_called_until_qt_destroys_the_widget(qtbot):
    source = Source()
    widget = Listener(source)
    source.told.emit(3)
    assert sorted(widget.heard) == [-3, 3]
    widget.deleteLater()
    with qtbot.waitSignal(widget.destroyed):
        pass
    source.told.emit(4)
    assert sorted(widget.heard) == [-3, 3]
    assert len(source.told) == 0


def test_a_function_is_called_once_at_the_end(qtbot):
    widget, ended = QWidget(), []
    at_end(widget, lambda: ended.append(True))
    gc.collect()
    widget.deleteLater()
    qtbot.waitUntil(lambda: ended == [True])


def test_a_widget_in_a_cycle_can_be_collected(qapp):
    """Its connections must neither keep it nor crash once it is gone."""
    source = Source()
    widget = Listener(source)
    heard, known = widget.heard, ref(widget)
    del widget
    gc.collect()
    assert known() is None
    source.told.emit(1)
    assert -1 not in heard
