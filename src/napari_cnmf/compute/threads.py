"""Tasks on this machine's cores: dask's threaded scheduler.

The kernels release the GIL, so threads share one copy of the data and need no
serialisation. One graph runs a whole stage: a task waits until the result `window`
places before it was collected, and the collecting tasks form a chain, so memory is
bounded and the order of collection is fixed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from threading import Condition, Event
from typing import Any, TypeVar

from napari_cnmf.compute.backend import (
    Backend,
    LocalBackend,
    SerialBackend,
    check_cancel,
    concerns_all,
    tell_of_second_try,
)
from napari_cnmf.errors import ParameterError

Task = TypeVar("Task")
Result = TypeVar("Result")


class ThreadBackend(LocalBackend):
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
        *,
        failed: Callable[[Task, Exception], None] | None = None,
    ) -> None:
        """See `Backend.run`."""
        from dask.local import get_async

        room = _Room()

        def work(task: Task, _gate: Any) -> Result | _Failure:
            with room.among_others():
                check_cancel(cancel)
                return _first_try(function, task)

        def gather(result: Result | _Failure, _previous: Any) -> None:
            check_cancel(cancel)
            if isinstance(result, _Failure):
                with room.alone():
                    result = _second_try(function, result, keep=failed is not None)
                check_cancel(cancel)
            if not isinstance(result, _Failure):
                collect(result)
            elif failed is not None:
                failed(result.task, result.error)

        window = 2 * self.workers
        graph: dict[tuple[str, int], tuple[Any, ...]] = {}
        for place, task in enumerate(tasks):
            gate = ("gather", place - window) if place >= window else None
            previous = ("gather", place - 1) if place else None
            graph["work", place] = partial(work, task), gate
            graph["gather", place] = gather, ("work", place), previous
        if not graph:
            return
        last = "gather", len(graph) // 2 - 1
        # Leaving the pool waits for the tasks in hand, also after an error. It is given
        # the next tasks before it needs them: dask's own loop has to wait for the GIL.
        with ThreadPoolExecutor(self.workers, thread_name_prefix="cnmf") as pool:
            get_async(pool.submit, window, graph, last)


@dataclass(frozen=True)
class _Failure:
    """A task that failed, and how."""

    task: Any
    error: Exception


def _first_try(function: Callable[[Task], Result], task: Task) -> Result | _Failure:
    """Return what a function gives, or its failure."""
    try:
        return function(task)
    except Exception as error:
        if concerns_all(error):
            raise
        tell_of_second_try(task, error)
        return _Failure(task, error)


def _second_try(
    function: Callable[[Any], Result], failure: _Failure, keep: bool
) -> Result | _Failure:
    """Return what a function gives, or its failure if that is to be kept."""
    try:
        return function(failure.task)
    except Exception as error:
        if not keep or concerns_all(error):
            raise
        return _Failure(failure.task, error)


class _Room:
    """Where tasks work: among others, or one of them alone."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._inside = 0
        self._is_closed = False

    @contextmanager
    def among_others(self) -> Iterator[None]:
        """Work while others do, once nobody wants to be alone."""
        with self._changed:
            self._changed.wait_for(lambda: not self._is_closed)
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Let nobody else in, and work once all others have left."""
        with self._changed:
            self._is_closed = True
            self._changed.wait_for(lambda: self._inside == 0)
        try:
            yield
        finally:
            with self._changed:
                self._is_closed = False
                self._changed.notify_all()


def available_cores() -> int:
    """Cores that this process may use, which a cluster job may have limited.

    In a job of SLURM they are those of all its tasks on this node.
    """
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    tasks, each = (_slurm(f"SLURM_{name}") for name in ("NTASKS", "CPUS_PER_TASK"))
    wanted = (tasks or 1) * (each or 1) if tasks or each else cores
    return min(cores, wanted, _slurm("SLURM_CPUS_ON_NODE") or cores)


def _slurm(name: str) -> int | None:
    """Return a number that SLURM tells its jobs, None outside of one."""
    text = os.environ.get(name, "")
    return int(text) if text.isdecimal() and int(text) > 0 else None


def local_backend(
    workers: int | None = None, memory_gb: float | None = None
) -> Backend:
    """Threads on this machine; the plain serial backend for one worker.

    Parameters
    ----------
    workers : int, optional
        Tasks at a time; all cores by default.
    memory_gb : float, optional
        What a run may use; by default most of what is free.
    """
    threads = ThreadBackend(workers)
    backend: Backend = SerialBackend() if threads.workers == 1 else threads
    backend.memory_gb = memory_gb
    return backend
