"""Who works first, where a window and a run share the processor."""

from __future__ import annotations

import os
import sys
import threading

_NICENESS = 10


def work_behind() -> None:
    """Let the calling thread, and those it starts, work only where others do not.

    A run keeps all cores busy; a window that is to be painted must not queue with it.
    Only Linux knows the priority of a single thread; elsewhere nothing changes.
    """
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
