"""Tasks on the workers of a dask cluster.

The function of a run is a task of its own, which the others depend on: dask brings it
to each worker once and makes it again where it was lost, and a task is no more than a
few bytes. Results leave the workers at once, so a worker that ends takes nothing along
but the tasks in hand, which others then do.
"""

from __future__ import annotations

import asyncio
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from math import inf
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

import cloudpickle

from napari_cnmf.compute.backend import Backend, OneBlasThread, check_cancel
from napari_cnmf.compute.matching import require_same_versions
from napari_cnmf.compute.remote import Done, Parcel, halt, packed, perform
from napari_cnmf.compute.threads import ThreadBackend
from napari_cnmf.compute.window import Window
from napari_cnmf.errors import (
    InputError,
    LostWorkerError,
    MissingFileError,
    ParameterError,
)

if TYPE_CHECKING:
    from distributed import Client

logger = logging.getLogger(__name__)

Task = TypeVar("Task")
Result = TypeVar("Result")

#: Seconds between two looks at the workers.
_ROUND_S = 1.0

#: Seconds until a scheduler that does not answer is given up, and a cluster without
#: any worker.
_PATIENCE_S, _LONELY_S = 10, 600

#: Of dask, while we use it.
_SETTINGS = {
    "distributed.admin.large-graph-warning-threshold": "1 GB",
    "distributed.scheduler.allowed-failures": 1,
    "distributed.comm.timeouts.connect": "20s",
}


class ClusterBackend(OneBlasThread, ABC):
    """Runs tasks on the workers of a dask cluster."""

    def __init__(self) -> None:
        self._threads: dict[str, int] = {}
        self._n_done = 0
        self._looked_s = 0.0
        self._here = ThreadBackend()

    @property
    def workers(self) -> int:
        """Tasks that are worked on at a time, at this moment."""
        return max(1, sum(self._threads.values()))

    @property
    def here(self) -> Backend:
        """Threads of this process."""
        return self._here

    @property
    def address(self) -> str:
        """Where the scheduler listens."""
        return str(self._client.scheduler.address)  # type: ignore[union-attr]

    @property
    def dashboard_link(self) -> str | None:
        """Address of dask's dashboard, None if there is none."""
        return None

    @abstractmethod
    def _open(self, stack: ExitStack) -> Client:
        """Return a client; what is to be closed again goes onto the stack."""

    def _tend(self) -> None:
        """Look after the workers, once a second while tasks run."""

    def _start(self, stack: ExitStack) -> None:
        """Connect to the cluster."""
        stack.enter_context(our_dask())
        self._threads = {}
        self._client = self._open(stack)

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
        check_cancel(cancel)
        sender = Sender(self._client, function, self._count)

        def tend() -> None:
            self._look()
            sender.spread(self._threads)

        try:
            window = Window(tasks, sender.send, self._width, tend)
            window.work_through(collect, failed, cancel)
        except BaseException:
            self._stop(sender)
            raise

    def _stop(self, sender: Sender) -> None:
        """Take back what was sent, and wait until no task of it works any more."""
        sender.stop()

    def _count(self) -> None:
        """Count tasks that were done, or a few that went together."""
        self._n_done += 1

    def _width(self) -> int:
        """Tasks in flight, at most: one in work and one in hand for each thread."""
        return 2 * sum(self._threads.values())

    def _look(self) -> None:
        """Look after the workers, if it is time to."""
        if time.monotonic() < self._looked_s + _ROUND_S and self._threads:
            return
        self._looked_s = time.monotonic()
        threads = self._client.nthreads()
        new = threads.keys() - self._threads.keys()
        if new:
            require_same_versions(self._client, new)
        self._threads = dict(threads)
        self._tend()


class DaskBackend(ClusterBackend):
    """Runs tasks on a dask cluster that is there already.

    Parameters
    ----------
    address : str, optional
        Of its scheduler.
    scheduler_file : str, optional
        That its scheduler wrote; needed without an address.
    """

    def __init__(
        self, address: str | None = None, scheduler_file: str | None = None
    ) -> None:
        super().__init__()
        self._address = address
        self._scheduler_file = scheduler_file
        self._idle_since_s = time.monotonic()

    @property
    def dashboard_link(self) -> str | None:
        """Address of the cluster's dashboard."""
        return str(self._client.dashboard_link)

    def _open(self, stack: ExitStack) -> Client:
        """Connect to the scheduler."""
        from distributed import Client

        where = {"address": self._address}
        if self._address is None:
            where = {"scheduler_file": _existing(self._scheduler_file)}
        try:
            client = Client(**where, timeout=_PATIENCE_S, set_as_default=False)
        except (OSError, ValueError) as error:
            raise InputError(
                f"No dask scheduler answers at {self._address or self._scheduler_file} "
                f"({error}); start it, or correct dask.address."
            ) from error
        return stack.enter_context(client)

    def _tend(self) -> None:
        """Say so, and in the end give up, where no worker is left."""
        if self._threads:
            self._idle_since_s = time.monotonic()
        elif time.monotonic() > self._idle_since_s + _LONELY_S:
            raise LostWorkerError(
                f"The dask cluster has had no worker for {_LONELY_S / 60:.0f} minutes; "
                "start some and run again."
            )


def _existing(path: str | None) -> str:
    """Return the path of the file that a scheduler wrote, if it is there."""
    if path is None:
        raise ParameterError(
            "The backend 'dask' needs the address of a scheduler (dask.address) or the "
            "file that it wrote (dask.scheduler_file); give one of them."
        )
    if not Path(path).is_file():
        raise MissingFileError(
            f"There is no scheduler file {path}; start the scheduler with "
            "'dask scheduler --scheduler-file', or correct dask.scheduler_file."
        )
    return path


class Sender:
    """Sends the tasks of one run to the workers, and fetches their results.

    Parameters
    ----------
    client : Client
    function : callable
    tell : callable
        Called whenever something was done.
    """

    def __init__(
        self,
        client: Client,
        function: Callable[[Any], Any],
        tell: Callable[[], None],
    ) -> None:
        self._client = client
        self._tell = tell
        self._run = uuid4().hex
        self._numbers = count()
        self._under_way: set[Any] = set()
        content = packed(function)
        name = f"function-{self._run}"
        self._parcel = client.submit(Parcel, content, self._run, key=name)
        self._reached: set[str] = set()

    def spread(self, workers: Iterable[str]) -> None:
        """Bring the function to workers that have not had it yet.

        Dask gives tasks to those that have it, and others would only take over some.
        """
        new = set(workers) - self._reached
        if new:
            self._client.replicate([self._parcel])
            self._reached |= new

    def send(self, tasks: list[Any]) -> Future[Done]:
        """Send tasks off; their results leave the worker as soon as they are there."""
        future = self._client.submit(
            perform,
            self._parcel,
            cloudpickle.dumps(tasks),
            key=f"task-{self._run}-{next(self._numbers)}",
        )
        self._under_way.add(future)
        loop: asyncio.AbstractEventLoop = self._client.loop.asyncio_loop  # type: ignore[union-attr]
        return asyncio.run_coroutine_threadsafe(self._fetch(future), loop)

    def stop(self, grace_s: float = inf) -> bool:
        """Take back what was sent, and wait for the tasks that run.

        Returns
        -------
        bool
            Whether none runs any more, which is waited for so long at most.
        """
        # A scheduler that is gone has nothing to take back.
        with suppress(OSError):
            self._client.cancel(list(self._under_way), force=True)
            ended = self._client.run(halt, self._run, grace_s, on_error="ignore")
            return all(ended.values())
        return False

    async def _fetch(self, future: Any) -> Done:
        """Wait for a result and release it."""
        from distributed import KilledWorker

        try:
            done: Done = await self._client.gather(future, asynchronous=True)
        except asyncio.CancelledError as error:
            raise LostWorkerError("The scheduler has dropped a task.") from error
        except KilledWorker as error:
            raise LostWorkerError(
                "Workers ended, one after the other, while they did this task: it may "
                "need more memory than a worker has, or more time than is left to a "
                "job; allow more of them (slurm.memory, slurm.walltime)."
            ) from error
        else:
            self._tell()
            return done
        finally:
            self._under_way.discard(future)
            future.release()


@contextmanager
def our_dask() -> Iterator[None]:
    """Use dask with our settings, and without its messages: we say what matters."""
    import dask
    import distributed  # noqa: F401 - which sets up its loggers

    loggers = [logging.getLogger(f"distributed{part}") for part in ("", ".client")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with dask.config.set(_SETTINGS):
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
