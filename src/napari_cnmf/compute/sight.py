"""Whether the workers of a cluster see the files of a run."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from pathlib import Path
from tempfile import NamedTemporaryFile
from threading import Event

from napari_cnmf.compute.backend import Backend
from napari_cnmf.errors import InputError, OutputError


def require_sight(
    backend: Backend,
    movies: Iterable[Path],
    folder: Path,
    cancel: Event | None = None,
) -> str:
    """Have a worker look at movies, and write into a folder.

    Parameters
    ----------
    backend : Backend
        Inside its context.
    movies : iterable of Path
    folder : Path
        Where results will be written.
    cancel : threading.Event, optional
        Ends the wait for a worker.

    Returns
    -------
    str
        Name of the machine that the worker runs on.

    Raises
    ------
    InputError, OutputError
        If it does not see a movie, or the folder.
    """
    sizes: list[tuple[str, int | None]] = []
    paths = [path.resolve() for path in movies]
    backend.run(_look_at, paths, sizes.append, cancel)
    for path, (machine, size) in zip(paths, sizes, strict=True):
        if size != path.stat().st_size:
            raise InputError(
                f"The worker on {machine} does not see {path} as it is here; put the "
                "movie on storage that all nodes share, under the same path."
            )
    written: list[tuple[str, bool]] = []
    with NamedTemporaryFile(dir=folder, prefix="seen-by-workers-") as probe:
        backend.run(_write_to, [Path(probe.name).resolve()], written.append, cancel)
        ((machine, is_seen),) = written
        if not is_seen or not probe.read():
            raise OutputError(
                f"The worker on {machine} cannot write to {folder.resolve()} as this "
                "machine does; choose an output folder on storage that all nodes share."
            )
    return machine


def _look_at(path: Path) -> tuple[str, int | None]:
    """Return the machine, and the size of a file that it sees."""
    return platform.node(), path.stat().st_size if path.exists() else None


def _write_to(path: Path) -> tuple[str, bool]:
    """Return the machine, and whether it could write to a file that is there."""
    machine = platform.node()
    if not path.exists() or not os.access(path, os.W_OK):
        return machine, False
    path.write_bytes(b"seen")
    return machine, True
