"""What the user sees while a command works: one live line, warnings, Ctrl-C.

Results go to standard output; progress, warnings and errors to standard error.
"""

from __future__ import annotations

import logging
import signal
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from napari_cnmf.compute import ProgressEvent

#: Seconds between two updates, on a terminal and elsewhere.
LIVE_S, QUIET_S = 0.1, 5.0


def say(text: str = "") -> None:
    """Write a line to standard output."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def complain(text: str) -> None:
    """Write a sentence about what went wrong to standard error."""
    sys.stderr.write(f"napari-cnmf: {text}\n")


def columns(rows: list[tuple[str, str]]) -> None:
    """Write names and values below one another."""
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        say(f"{name:<{width}}  {value}".rstrip())


class ProgressLine:
    """Shows how far each stage is.

    On a terminal one line is written over and over; elsewhere (a log, a cluster job)
    a new line every few seconds.

    Parameters
    ----------
    stream : text file
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_live = stream.isatty()
        self._shown = ""
        self._shown_s = time.monotonic()

    def __call__(self, event: ProgressEvent) -> None:
        """Show an event, unless another was shown just before."""
        if event.total > 0 and event.done >= event.total:
            self.write(_finished(event))
        elif self._is_live and time.monotonic() > self._shown_s + LIVE_S:
            self._show(_under_way(event))
        elif time.monotonic() > self._shown_s + QUIET_S:
            self.write(_under_way(event))

    def write(self, text: str) -> None:
        """Write a line that stays, in place of the one that does not."""
        self._clear()
        self._stream.write(text + "\n")
        self._stream.flush()
        self._shown_s = time.monotonic()

    def close(self) -> None:
        """Take the unfinished line away."""
        self._clear()
        self._stream.flush()

    def _show(self, text: str) -> None:
        """Show a line that will be replaced."""
        self._clear()
        self._stream.write(text)
        self._stream.flush()
        self._shown, self._shown_s = text, time.monotonic()

    def _clear(self) -> None:
        """Blank the line that is shown."""
        if self._shown:
            self._stream.write("\r" + " " * len(self._shown) + "\r")
        self._shown = ""


def _under_way(event: ProgressEvent) -> str:
    """Stage, percent, rate and time left."""
    if event.total == 0:
        return f"{event.stage:<17} ..."
    minutes, seconds = divmod(round(min(event.seconds_left, 1e6)), 60)
    left = f"{minutes} min {seconds:02d} s" if minutes else f"{seconds} s"
    percent = 100 * event.done // event.total
    return f"{event.stage:<17} {percent:3d} %   {_rate(event)}   {left} left"


def _finished(event: ProgressEvent) -> str:
    """Stage, what was done, and how fast."""
    done = f"{event.done:,} {event.unit} in {event.seconds:.1f} s"
    return f"{event.stage:<17} {done}   {_rate(event)}"


def _rate(event: ProgressEvent) -> str:
    """Units a second."""
    digits = 0 if event.rate >= 10 else 1
    return f"{event.rate:,.{digits}f} {event.unit}/s"


@contextmanager
def working() -> Iterator[dict[str, Any]]:
    """Give the progress line and the cancel event for a long command.

    Warnings are shown above the line. The first Ctrl-C sets the event, so that the
    work in hand is finished and files are tidied up; a second one aborts.
    """
    line, cancel = ProgressLine(sys.stderr), Event()
    with _warnings_on(line), _interrupt_sets(cancel, line):
        try:
            yield {"progress": line, "cancel": cancel}
        finally:
            line.close()


@contextmanager
def _warnings_on(line: ProgressLine) -> Iterator[None]:
    """Show the package's warnings, and Python's, above the progress line."""
    logger = logging.getLogger("napari_cnmf")
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: line.write(f"warning: {record.getMessage()}")  # type: ignore[method-assign]
    # Errors end the command, which then says so itself.
    handler.addFilter(lambda record: record.levelno == logging.WARNING)

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        logger.warning("%s", message)

    logger.addHandler(handler)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = show
            yield
    finally:
        logger.removeHandler(handler)


@contextmanager
def _interrupt_sets(cancel: Event, line: ProgressLine) -> Iterator[None]:
    """Let Ctrl-C set the event, and abort only when it is pressed again."""

    def on_interrupt(*_: Any) -> None:
        if cancel.is_set():
            raise KeyboardInterrupt
        cancel.set()
        line.write("Stopping once the work in hand is done; Ctrl-C again aborts.")

    previous = signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
