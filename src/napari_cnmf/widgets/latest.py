"""A value worked out beside the window, of which only the last one asked for counts."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from typing import Any

from qtpy.QtCore import QObject, QTimer, Signal

_TICK_MS = 20


class Latest(QObject):
    """Works out one value at a time in a thread.

    What was asked for while another value was worked out replaces what waits, so
    stepping fast through cells leaves no queue behind.
    """

    #: The value, or the exception in its place.
    arrived = Signal(object)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._wanted: Callable[[], Any] | None = None
        self._running: _Run | None = None
        self._timer = QTimer(self)
        self._timer.setInterval(_TICK_MS)
        self._timer.timeout.connect(self._look)

    def ask(self, work: Callable[[], Any]) -> None:
        """Have a value worked out; what was asked for before is dropped."""
        self._wanted = work
        self._timer.start()
        self._look()

    def forget(self) -> None:
        """Drop what was asked for."""
        self._wanted = None

    def _look(self) -> None:
        """Begin what is wanted, or hand on what is done."""
        run = self._running
        if run is not None and run.is_alive():
            return
        if run is not None and run.work is self._wanted:
            self._wanted = None
            self.arrived.emit(run.outcome)
        self._running = None
        if self._wanted is None:
            self._timer.stop()
        else:
            self._running = _Run(self._wanted)
            self._running.start()


class _Run(Thread):
    """A thread that keeps what its work has returned or raised."""

    def __init__(self, work: Callable[[], Any]) -> None:
        super().__init__(name="cnmf card")
        self.work = work
        self.outcome: Any = None

    def run(self) -> None:
        """Do the work."""
        try:
            self.outcome = self.work()
        except Exception as error:  # noqa: BLE001 - handed on to whoever asked
            self.outcome = error
