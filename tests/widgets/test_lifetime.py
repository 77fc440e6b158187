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


def test_a_widget_in_a_cycle_can_be_collected(qapp):
    """Its connections must neither keep it nor crash when they end."""
    source, ended = Source(), []
    widget = Listener(source)
    at_end(widget, lambda: ended.append(True))
    known = ref(widget)
    del widget
    gc.collect()
    assert known() is None
    assert ended == [True]
    source.told.emit(1)
