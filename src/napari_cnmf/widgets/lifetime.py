"""What ends with a widget.

Python's garbage collector empties everything in a cycle before it frees anything. A
function that only a dying widget holds would then be called, empty, by Qt's signal
`destroyed`, which crashes; so it is held here until it has been called.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import ismethod
from typing import Any
from weakref import WeakMethod

from qtpy.QtWidgets import QWidget

_HELD: set[Callable[[], None]] = set()


def at_end(widget: QWidget, act: Callable[[], Any]) -> None:
    """Call a function once, when Qt destroys a widget.

    If the function refers to the widget, Python keeps it until Qt destroys it.
    """

    def end() -> None:
        _HELD.discard(end)
        act()

    _HELD.add(end)
    widget.destroyed.connect(end)


def connect(widget: QWidget, signal: Any, slot: Callable[..., Any]) -> None:
    """Call a slot at each emission, as long as the widget lives.

    Parameters
    ----------
    widget : QWidget
        Is not kept alive.
    signal : psygnal.SignalInstance or napari.utils.events.EventEmitter
    slot : callable
        Usually a method of the widget.
    """
    signal.connect(slot)
    held: Callable[[], Any] = WeakMethod(slot) if ismethod(slot) else lambda: slot

    def leave() -> None:
        found = held()
        if found is not None:
            signal.disconnect(found)

    at_end(widget, leave)
