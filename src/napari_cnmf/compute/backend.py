"""The contract between the stages and whatever runs their tasks."""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from threading import Event
from types import TracebackType
from typing import Protocol, Self, TypeVar

import numpy as np
from numpy.typing import DTypeLike
from threadpoolctl import threadpool_limits

from napari_cnmf.compute.scratch import KeepsScratch, Scratch
from napari_cnmf.errors import (
    CancelledError,
    MissingFileError,
    OutputError,
    ParameterError,
)

logger = logging.getLogger(__name__)

Task = TypeVar("Task")
Result = TypeVar("Result")

_CONCERNS_ALL = (CancelledError, MissingFileError, OutputError, ParameterError)


class Backend(Protocol):
    """Runs independent tasks and hands their results over in order.

    A backend is a context manager; inside it BLAS uses one thread, so that `workers`
    tasks fill `workers` cores and results do not depend on their number.
    """

    memory_gb: float | None
    cache_gb: float
    scratch: Scratch

    tasks_bytes: Callable[[int], int] | None

    @property
    def workers(self) -> int:
        """Tasks that are worked on at a time."""

    def empty(
        self, shape: tuple[int, ...], dtype: DTypeLike = np.float32
    ) -> np.ndarray:
        """Return an uninitialised array, in memory or in a file: see `Scratch`."""

    @property
    def here(self) -> Backend:
        """A backend of this process, for small work on data that lie in its memory."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def lasting(self) -> AbstractContextManager[None]:
        """Keep what was started between the runs in this context."""

    def run(
        self,
        function: Callable[[Task], Result],
        tasks: Iterable[Task],
        collect: Callable[[Result], None],
        cancel: Event | None = None,
        *,
        failed: Callable[[Task, Exception], None] | None = None,
    ) -> None:
        """Call ``collect(function(task))`` for every task.

        A task that fails is tried once more, alone. What concerns all tasks (a full
        disk, a missing file, a wrong parameter, cancelling) is raised at once.

        Parameters
        ----------
        function : callable
            Depends on its task alone; may run anywhere, in any order.
        tasks : iterable
            Small values (paths, slices, parameters), not pixels.
        collect : callable
            Called once per task, in the order of the tasks, never concurrently:
            whatever it sums or writes is the same for any number of workers.
        cancel : threading.Event, optional
            Once set, no further task is begun.
        failed : callable, optional
            Called in place of `collect` with a task that failed twice and its second
            error; the others go on. By default that error is raised.

        Raises
        ------
        CancelledError
            If `cancel` was set before the last result was collected. No task is
            running any more when this, or an error of a task, is raised.
        """


def check_cancel(cancel: Event | None) -> None:
    """Raise `CancelledError` if the user asked to stop."""
    if cancel is not None and cancel.is_set():
        raise CancelledError("The run was cancelled; finished stages are kept.")


def concerns_all(error: BaseException) -> bool:
    """Whether an error would meet every task, so that none need be tried again."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    return isinstance(error, _CONCERNS_ALL) or not isinstance(error, Exception)


def tell_of_second_try(task: object, error: BaseException) -> None:
    """Write into the log that a task is tried once more."""
    name = type(error).__name__
    logger.info("task %s failed (%s: %s); tried again alone", task, name, error)


class OneBlasThread(KeepsScratch):
    """Context in which BLAS uses one thread; it may be entered again inside."""

    #: Bytes that so many tasks at a time take; a run says so before it enters.
    tasks_bytes: Callable[[int], int] | None = None
    _depth = 0
    _lasts = False
    _started: ExitStack | None = None

    def __enter__(self) -> Self:
        if self._started is not None and not self._depth and not self._suffices():
            self._end()
        if self._started is None:
            with ExitStack() as stack:
                blas = threadpool_limits(1, user_api="blas")
                stack.callback(blas.restore_original_limits)
                self._start(stack)
                self._started = stack.pop_all()
        self._depth += 1
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._depth -= 1
        if not self._depth and (error is not None or not self._lasts):
            self._end(kind, error, trace)

    @contextmanager
    def lasting(self) -> Iterator[None]:
        """See `Backend.lasting`; after an error, all is started anew."""
        self._lasts = True
        try:
            yield
        finally:
            self._lasts = False
            if not self._depth:
                self._end()

    def _end(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        """End what was started."""
        started, self._started = self._started, None
        if started is not None:
            started.__exit__(kind, error, trace)

    def _suffices(self) -> bool:
        """Whether what was started for an earlier run is enough for the next."""
        return True

    def _start(self, stack: ExitStack) -> None:
        """Start what the tasks need; what ends it again goes onto the stack."""


class LocalBackend(OneBlasThread):
    """What the backends that work in this process have in common."""

    @property
    def here(self) -> Self:
        """The backend itself: its tasks see this process's memory."""
        return self


class SerialBackend(LocalBackend):
    """Runs every task in the caller's thread: the plainest backend, for debugging."""

    workers = 1

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
        for task in tasks:
            check_cancel(cancel)
            try:
                result = _tried_twice(function, task)
            except Exception as error:
                if failed is None or concerns_all(error):
                    raise
                failed(task, error)
                continue
            check_cancel(cancel)
            collect(result)


def _tried_twice(function: Callable[[Task], Result], task: Task) -> Result:
    """Return what a function gives, at the second try if need be."""
    try:
        return function(task)
    except Exception as error:
        if concerns_all(error):
            raise
        tell_of_second_try(task, error)
    return function(task)
