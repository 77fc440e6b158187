"""Tasks on this machine's cores: dask's threaded scheduler.

The kernels release the GIL, so threads share one copy of the data and need no
serialisation. One graph runs a whole stage: a task waits until the result `window`
places before it was collected, and the collecting tasks form a chain, so memory is
bounded and the order of collection is fixed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any, TypeVar

from napari_cnmf.compute.backend import (
    Backend,
    OneBlasThread,
    SerialBackend,
    check_cancel,
)
from napari_cnmf.errors import ParameterError

Task = TypeVar("Task")
Result = TypeVar("Result")


class ThreadBackend(OneBlasThread):
    """Runs tasks in threads of this process.

    Parameters
    ----------
    workers : int, optional
        Number of tasks at a time; all cores that this process may use by default.
    """

    def __init__(self, workers: int | None = None) -> None:
        self.workers = available_cores() if workers is None else workers
        if self.workers < 1:
            raise ParameterError(
                f"The number of workers must be at least 1. Got {workers} instead; "
                "leave it out to use all cores."
            )

    def run(
        self,
        function: Callable[[Task], Result],
        tasks: Iterable[Task],
        collect: Callable[[Result], None],
        cancel: Event | None = None,
    ) -> None:
        """See `Backend.run`."""
        from dask.base import compute
        from dask.delayed import delayed

        def work(task: Task, _gate: Any) -> Result:
            check_cancel(cancel)
            return function(task)

        def gather(result: Result, _previous: Any) -> None:
            check_cancel(cancel)
            collect(result)

        window = 2 * self.workers
        gathered: list[Any] = []
        for place, task in enumerate(tasks):
            gate = gathered[place - window] if place >= window else None
            result = delayed(work, pure=False, traverse=False)(task, gate)
            previous = gathered[-1] if gathered else None
            gathered.append(delayed(gather, pure=False)(result, previous))
        if not gathered:
            return
        # Leaving the pool waits for the tasks in hand, also after an error.
        with ThreadPoolExecutor(self.workers, thread_name_prefix="cnmf") as pool:
            compute(gathered[-1], scheduler="threads", pool=pool, optimize_graph=False)


def available_cores() -> int:
    """Cores that this process may use, which a cluster job may have limited."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def local_backend(workers: int | None = None) -> Backend:
    """Threads on this machine; the plain serial backend for one worker."""
    backend = ThreadBackend(workers)
    return SerialBackend() if backend.workers == 1 else backend
