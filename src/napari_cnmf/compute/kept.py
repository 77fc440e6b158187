"""What tasks have given, kept in files: a run that was cut short goes on.

Whoever works on a task, this process or one on a cluster, writes what it gives as one
uncompressed npz file (named arrays with checksums; nothing is pickled), under another
name first. The file is named after all that decides its content, so that whatever is
there under that name is right; one that is damaged counts as absent.
"""

from __future__ import annotations

import logging
import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any, Protocol, TypeVar
from zipfile import BadZipFile, ZipFile

import numpy as np
from numpy.lib.format import write_array

from napari_cnmf.compute.backend import Backend
from napari_cnmf.errors import CnmfError, OutputError
from napari_cnmf.leaves import Leaf, digest_of, leaves, restored

logger = logging.getLogger(__name__)

Value = TypeVar("Value")

# Of its tasks, a stage may lose: without more, its outcome would be worth little.
_MOST_LOST = 0.1
# What reading a file raises that was cut short or changed.
_DAMAGES = (
    BadZipFile,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True, slots=True)
class Failure:
    """A task that failed twice: what the result lacks, and why.

    Attributes
    ----------
    stage : str
        Where it belongs to.
    place : str
        Where in the movie it worked, in words.
    cause : str
        The error.
    first_frame, stop_frame : int
        ``range(first_frame, stop_frame)`` are frames that hold no data for it.
    """

    stage: str
    place: str
    cause: str
    first_frame: int = 0
    stop_frame: int = 0


@dataclass(frozen=True)
class Keep:
    """Where a stage keeps what its tasks give, and what became of those that failed.

    Attributes
    ----------
    stage : str
        Its name.
    unfinished : Path
        Folder that lasts until the stage is done.
    cache : Path
        Folder that lasts, for what other parameters of the stage leave as it is.
    failures : list of Failure
        Of the stage so far.
    """

    stage: str
    unfinished: Path
    cache: Path
    failures: list[Failure] = field(default_factory=list)

    def loser(self, n_tasks: int) -> Callable[..., None]:
        """Return what is to be called with each of some tasks that failed for good.

        It is called with the task's place in words, its error, and the first frame
        and the one after the last if frames lack data. It raises the first error if
        more than a tenth of the tasks fail, and more than one, or all.
        """
        errors: list[Exception] = []

        def lose(place: str, error: Exception, first: int = 0, stop: int = 0) -> None:
            errors.append(error)
            n_lost = len(errors)
            if n_lost == n_tasks or n_lost > max(1, _MOST_LOST * n_tasks):
                raise errors[0]
            failure = Failure(self.stage, place, _in_words(error), first, stop)
            self.failures.append(failure)
            logger.warning(
                "%s: %s could not be worked on and is left out (%s)",
                self.stage,
                place,
                failure.cause,
            )

        return lose


class Keepable(Protocol):
    """The function of a stage's tasks; what it holds decides what they give."""

    @property
    def kind(self) -> type:
        """What it returns: a dataclass or named tuple."""

    def __call__(self, task: Any, /) -> Any:
        """Work on one task."""

    def place(self, task: Any, /) -> str:
        """Say where in the movie a task works."""


@dataclass(frozen=True, eq=False)
class Keeping:
    """Works on tasks that were not done before; sent to the workers."""

    function: Keepable
    folder: Path

    def __call__(self, task: Any) -> Any:
        """Return what the function gives, or gave."""
        path = self.folder / f"{digest_of(task)[:16]}.npz"
        return kept(path, self.function.kind, lambda: self.function(task))


def run_kept(
    backend: Backend,
    function: Keepable,
    tasks: Sequence[Any],
    collect: Callable[[Any], None],
    cancel: Event | None,
    keep: Keep | None,
    lost: Callable[[Any], None],
) -> None:
    """Run the tasks of a stage; what they gave in an earlier run is read instead.

    Parameters
    ----------
    backend, function, tasks, collect, cancel
        As for `Backend.run`.
    keep : Keep or None
        Without it nothing is kept, and the error of a task is raised.
    lost : callable
        Called in place of `collect` with a task that failed for good.
    """
    if keep is None:
        backend.run(function, tasks, collect, cancel)
        return
    lose = keep.loser(len(tasks))

    def failed(task: Any, error: Exception) -> None:
        lose(function.place(task), error)
        lost(task)

    folder = shelf(keep.unfinished, type(function).__name__, digest_of(function))
    backend.run(Keeping(function, folder), tasks, collect, cancel, failed=failed)


def shelf(folder: Path, name: str, digest: str) -> Path:
    """Return the folder for what has a name and a digest.

    Those of the same name with another digest are removed: one state of it is kept.
    """
    present = folder / f"{name}-{digest[:16]}"
    for other in folder.glob(f"{name}-*"):
        if other != present:
            shutil.rmtree(other, ignore_errors=True)
    return present


def kept(path: Path, kind: type[Value], make: Callable[[], Value]) -> Value:
    """Return the value that a file holds; or make it, and write the file."""
    value = load_kept(path, kind)
    if value is None:
        value = make()
        save_kept(path, value)
    return value


def load_kept(path: Path, kind: type[Value]) -> Value | None:
    """Read a value; None if there is no file, or it is damaged."""
    try:
        value: Value = restored(kind, _read(path))
    except FileNotFoundError:
        return None
    except _DAMAGES as error:
        logger.info("%s is damaged (%s) and is made again", path, error)
        return None
    return value


def save_kept(path: Path, value: Any, *, sync: bool = False) -> None:
    """Write a value; the file appears under its name when it is whole.

    Parameters
    ----------
    path : Path
        Missing folders are made.
    value : dataclass instance or named tuple
    sync : bool
        Wait until it is on the disk, as befits a file that replaces another. It costs
        6 ms and more; what a power cut takes of others is found out by the checksums.

    Raises
    ------
    OutputError
        If it cannot be written: no permission, disk full.
    """
    with _appearing(path) as temporary, temporary.open("wb") as file:
        with ZipFile(file, "w") as parts:
            for name, leaf in leaves(value):
                with parts.open(f"{name}.npy", "w", force_zip64=True) as part:
                    write_array(part, np.asarray(leaf), allow_pickle=False)
        if sync:
            file.flush()
            os.fsync(file.fileno())


def _read(path: Path) -> dict[str, Leaf]:
    """Return the leaves in a file, whose checksums must be right."""
    with ZipFile(path) as parts:
        damaged = parts.testzip()
        if damaged is not None:
            raise BadZipFile(f"the checksum of {damaged} is wrong")
    with np.load(path, allow_pickle=False) as arrays:
        return {name: _leaf(arrays[name]) for name in arrays.files}


@contextmanager
def _appearing(path: Path) -> Iterator[Path]:
    """Give a temporary path that nobody else has, which becomes `path` in the end."""
    temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise OutputError(
            f"What was computed so far cannot be kept in {path.parent} "
            f"({error.strerror}); free space there or choose another output folder."
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _leaf(array: np.ndarray) -> Leaf:
    """Return an array as it was before it was written, or a text."""
    return str(array) if array.dtype.kind == "U" else array


def _in_words(error: Exception) -> str:
    """Say what went wrong: our errors are sentences, others need their name."""
    if isinstance(error, CnmfError):
        return str(error).rstrip(".")
    return f"{type(error).__name__}: {error}".rstrip(": .")
