"""Files that could end or hang this process are opened in another one first.

HDF5 and FFmpeg are large C libraries: a damaged file can make them loop for ever, take
all memory or end the process. Each file is therefore tried once in a child process
(`probe.py`), within limits of time and memory; what that does not survive is refused
here. The child starts in about 0.3 s, tries further files in milliseconds, and ends by
itself when nothing more comes; a file that has not changed is not tried again.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any

import psutil

from napari_cnmf.errors import InputError

CPU_S, WALL_S, START_S = 3.0, 60.0, 60.0
MEMORY_BYTES = 2**30
POLL_S = 0.1
COMMAND = ["-m", "napari_cnmf.formats.probe"]
READY, ALIVE = b"ready", b"alive"

logger = logging.getLogger(__name__)

_ONE_AT_A_TIME = Lock()
#: What tells a file -> what it does, in words; empty if nothing.
_tried: dict[tuple[Any, ...], str] = {}
_child: _Child | None = None


def require_harmless(path: Path, what: str, **options: Any) -> None:
    """Refuse a file that a child process does not survive.

    Where no child can be started (in a frozen application) nothing is tried.

    Parameters
    ----------
    path : Path
        The file.
    what : str
        What the child does with it: "movie" opens it with its reader, "hdf5" walks
        through it.
    **options
        Of `ReadOptions`.

    Raises
    ------
    InputError
        If the child ended, hung, or took too much memory.
    """
    key = _key(path, what, options)
    with _ONE_AT_A_TIME:
        if key not in _tried and can_start():
            job = {"path": os.path.abspath(path), "what": what, "options": options}
            _tried[key] = _harm(json.dumps(job))
    if harm := _tried.get(key, ""):
        raise InputError(
            f"{path.name} was tried in a process of its own and {harm}; it is damaged: "
            "copy or save it again."
        )


def trust(path: Path, what: str) -> None:
    """Note that a file needs no trial: this process has just written it."""
    _tried[_key(path, what, {})] = ""


def _key(path: Path, what: str, options: dict[str, Any]) -> tuple[Any, ...]:
    """Return what tells a file, as it is now and is used, from any other."""
    about = path.stat()
    times = about.st_mtime_ns, about.st_ctime_ns
    place = path.absolute(), about.st_size, about.st_ino
    return *place, *times, what, *sorted(options.items())


def can_start() -> bool:
    """Whether there is a Python to start: in a frozen application there is none."""
    is_python = Path(sys.executable or "").stem.lower().startswith("python")
    return is_python and not getattr(sys, "frozen", False)


def _harm(job: str) -> str:
    """Return what a file did to the child, in words; empty if nothing."""
    for _ in range(2):  # one that has been idle may end just now
        child = _running()
        if child is None:
            logger.warning("No child process starts: files are opened untried.")
            return ""
        if child.takes(job):
            return child.harm()
    return ""


def _running() -> _Child | None:
    """Return the child, a new one if need be; None if none can be started."""
    global _child
    if _child is None or not _child.is_usable:
        if _child is not None:
            _child.end()
        _child = _Child()
    return _child if _child.has_started else None


class _Child:
    """The process that tries files, one after the other."""

    def __init__(self) -> None:
        # -P: no module is taken from the folder that we happen to be in.
        self._process = subprocess.Popen(
            [sys.executable, "-P", *COMMAND],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        self._owner = os.getpid()
        self._answers: SimpleQueue[bytes] = SimpleQueue()
        Thread(target=self._listen, daemon=True).start()
        atexit.register(self.end)
        self.has_started = self._answer(START_S) == READY

    @property
    def is_usable(self) -> bool:
        """Whether it runs, and is a child of this very process."""
        return self._owner == os.getpid() and self._process.poll() is None

    def takes(self, job: str) -> bool:
        """Hand over a job; whether that was possible."""
        self._since, self._cpu_before_s = time.monotonic(), self._cpu_s()
        try:
            self._process.stdin.write(job.encode() + b"\n")  # type: ignore[union-attr]
            self._process.stdin.flush()  # type: ignore[union-attr]
        except OSError:
            return False
        return True

    def harm(self) -> str:
        """Wait for the end of a job, and return what went wrong, in words."""
        while (answer := self._answer(POLL_S)) is None:
            if excess := self._excess():
                self.end()
                return excess
        return "" if answer == ALIVE else "ended it"

    def end(self) -> None:
        """End the process."""
        atexit.unregister(self.end)
        if self._owner == os.getpid():
            self._process.kill()
            self._process.wait()
        with suppress(OSError):
            self._process.stdin.close()  # type: ignore[union-attr]

    def _listen(self) -> None:
        """Collect the answers; the last, an empty one, is the end of the process."""
        with self._process.stdout as lines:  # type: ignore[union-attr]
            for line in lines:
                self._answers.put(line.strip())
        self._answers.put(b"")

    def _answer(self, seconds: float) -> bytes | None:
        """Return the next answer; None if none comes in time."""
        try:
            return self._answers.get(timeout=seconds)
        except Empty:
            return None

    def _excess(self) -> str:
        """Return which limit the job exceeds, in words."""
        wall_s = time.monotonic() - self._since
        if wall_s > WALL_S or self._cpu_s() - self._cpu_before_s > CPU_S:
            return f"was not opened within {wall_s:.0f} s"
        if self._memory_bytes() > MEMORY_BYTES:
            return f"took more than {MEMORY_BYTES / 2**30:g} GB of memory"
        return ""

    def _cpu_s(self) -> float:
        """Processor time that it has used, so far."""
        with suppress(psutil.Error):
            times = psutil.Process(self._process.pid).cpu_times()
            return times.user + times.system
        return 0.0

    def _memory_bytes(self) -> int:
        """Memory that it uses."""
        with suppress(psutil.Error):
            return psutil.Process(self._process.pid).memory_info().rss
        return 0
