"""The contract between the stages and whatever runs their tasks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from threading import Event
from types import TracebackType
from typing import Protocol, Self, TypeVar

from threadpoolctl import threadpool_limits

from napari_cnmf.errors import CancelledError

Task = TypeVar("Task")
Result = TypeVar("Result")


class Backend(Protocol):
    """Runs independent tasks and hands their results over in order.

    A backend is a context manager; inside it BLAS uses one thread, so that `workers`
    tasks fill `workers` cores and results do not depend on their number.
    """

    workers: int

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

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


class OneBlasThread:
    """Context in which BLAS uses one thread."""

    def __enter__(self) -> Self:
        self._blas = threadpool_limits(1, user_api="blas")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._blas.restore_original_limits()


class SerialBackend(OneBlasThread):
    """Runs every task in the caller's thread: the plainest backend, for debugging."""

    workers = 1

    def run(
        self,
        function: Callable[[Task], Result],
        tasks: Iterable[Task],
        collect: Callable[[Result], None],
        cancel: Event | None = None,
    ) -> None:
        """See `Backend.run`."""
        for task in tasks:
            check_cancel(cancel)
            result = function(task)
            check_cancel(cancel)
            collect(result)
