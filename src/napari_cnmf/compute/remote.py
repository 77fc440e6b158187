"""What runs on the workers of a cluster.

The function of a run travels once, as bytes, in a `Parcel`; each worker that meets
it keeps it and opens it once. Tasks are counted while they run, so that a run that
ends early can wait until none of them writes any more.
"""

from __future__ import annotations

import asyncio
import ctypes
import io
import pickle
import platform
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from threading import Lock
from typing import Any, NamedTuple

import cloudpickle
import numpy as np
from threadpoolctl import ThreadpoolController

from napari_cnmf.errors import CancelledError, InputError

#: More than all images of a field of 2048 x 2048 px take; a movie takes more.
LARGEST_PARCEL_BYTES = 500_000_000

#: Of ``malloc.h``.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


class Parcel:
    """The function of one run, pickled, and unpickled where it is used.

    Parameters
    ----------
    content : bytes
        From `packed`.
    run : str
        Which run it belongs to.
    """

    def __init__(self, content: bytes, run: str) -> None:
        self.content = content
        self.run = run

    def __reduce__(self) -> tuple[Any, ...]:
        return Parcel, (self.content, self.run)

    @cached_property
    def function(self) -> Callable[[Any], Any]:
        """The function itself."""
        _keep_freed_memory()
        return pickle.loads(self.content)

    @cached_property
    def libraries(self) -> ThreadpoolController:
        """The linear algebra that the function has brought along."""
        return ThreadpoolController()


def _keep_freed_memory() -> None:
    """Have glibc keep what arrays leave for the next ones, as it does by itself.

    Dask's nannies set MALLOC_TRIM_THRESHOLD_, and with it fixed, every array above
    128 kB comes from the system anew: reading a movie then takes twice as long. These
    are the limits that glibc's own adaptation comes to.
    """
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            glibc = ctypes.CDLL("libc.so.6")
            glibc.mallopt(_M_MMAP_THRESHOLD, 32 * 2**20)
            glibc.mallopt(_M_TRIM_THRESHOLD, 64 * 2**20)


class _Packer(cloudpickle.Pickler):
    """Pickles anything but a movie's worth of pixels."""

    n_bytes = 0

    def reducer_override(self, item: Any) -> Any:
        """Count the bytes of arrays before they are copied."""
        if isinstance(item, np.ndarray):
            self.n_bytes += item.nbytes
            if self.n_bytes > LARGEST_PARCEL_BYTES:
                raise InputError(
                    f"The tasks hold more than {LARGEST_PARCEL_BYTES / 1e6:.0f} MB of "
                    "pixels or traces in this process's memory, which the workers of "
                    "a cluster do not see; save the movie as a file on storage that "
                    "they share and give that instead, or work with the backend "
                    "'threads'."
                )
        return super().reducer_override(item)


def packed(function: Callable[[Any], Any]) -> bytes:
    """Pickle a function that is sent to workers.

    Raises
    ------
    InputError
        If it holds the pixels of a movie instead of the path of its file.
    """
    content = io.BytesIO()
    _Packer(content, protocol=pickle.HIGHEST_PROTOCOL).dump(function)
    return content.getvalue()


class Done(NamedTuple):
    """What came of some tasks.

    Attributes
    ----------
    seconds : float
        That they took.
    results : list
        In their order, up to the first that failed.
    failure : tuple or None
        What makes that one's error anew. Errors themselves do not travel well: the
        pickling that dask brings along does not know those of two built-in types.
    """

    seconds: float
    results: list[Any]
    failure: tuple[Any, ...] | None

    @property
    def error(self) -> Exception | None:
        """The error of the first task that failed."""
        return None if self.failure is None else _remade(*self.failure)


def perform(parcel: Parcel, tasks: bytes) -> Done:
    """Do some tasks of a run, on a worker."""
    function = parcel.function
    results: list[Any] = []
    failure = None
    with _counted(parcel.run, parcel.libraries):
        started = time.perf_counter()
        try:
            results.extend(function(task) for task in pickle.loads(tasks))
        except Exception as error:  # noqa: BLE001 - which is judged where it is sent to
            failure = _that_can_be_sent(error)
        return Done(time.perf_counter() - started, results, failure)


def _that_can_be_sent(error: Exception) -> tuple[Any, ...]:
    """Return what makes an error anew; where it arose becomes a note."""
    error.add_note(f"On {platform.node()}:\n{_trace_of(error)}")
    parts = tuple(error.__reduce__())
    try:
        _remade(*pickle.loads(cloudpickle.dumps(parts)))
    except Exception:  # noqa: BLE001 - whatever its class does wrong
        return RuntimeError, (f"{type(error).__name__}: {error}",)
    return parts


def _trace_of(error: Exception) -> str:
    """Return where an error arose."""
    return "".join(traceback.format_exception(error))


def _remade(
    kind: Callable[..., Exception],
    arguments: tuple[Any, ...],
    state: dict[str, Any] | None = None,
) -> Exception:
    """Make an error of its parts."""
    error = kind(*arguments)
    vars(error).update(state or {})
    return error


async def halt(run: str, grace_s: float) -> bool:
    """Begin no further task of a run on this worker, and wait for those that run.

    Returns
    -------
    bool
        Whether none runs any more, which is waited for so long at most.
    """
    _halted.add(run)
    until = time.monotonic() + grace_s
    while _running[run] and time.monotonic() < until:
        await asyncio.sleep(0.02)
    return not _running[run]


_lock = Lock()
_halted: set[str] = set()
_running: Counter[str] = Counter()
_blas: list[Any] = []


@contextmanager
def _counted(run: str, libraries: ThreadpoolController) -> Iterator[None]:
    """Count a task while it runs; BLAS uses one thread while there are any."""
    with _lock:
        if run in _halted:
            raise CancelledError("The run had ended before this task was begun.")
        if not _running.total():
            _blas.append(libraries.limit(limits=1, user_api="blas"))
        _running[run] += 1
    try:
        yield
    finally:
        with _lock:
            _running[run] -= 1
            if not _running.total():
                _blas.pop().restore_original_limits()
