"""What a run leaves that its result does not need, and how much room it takes.

Results, movies, recipes, logs and reports are never among it.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import napari_cnmf
from napari_cnmf.errors import InputError, MissingFileError
from napari_cnmf.movie.draft import draft_path
from napari_cnmf.pipeline.folder import RunFolder, remove, size_of


@dataclass(frozen=True, slots=True)
class Leaving:
    """Files that can be removed.

    Attributes
    ----------
    about : str
        What they are good for.
    paths : tuple of Path
        Files and folders; those that are not there count nothing.
    """

    about: str
    paths: tuple[Path, ...]

    @property
    def n_bytes(self) -> int:
        """Room that they take."""
        return sum(size_of(path) for path in self.paths if path.exists())

    def remove(self) -> None:
        """Remove them."""
        for path in self.paths:
            remove(path)


def leavings_of(folder: RunFolder, everything: bool = False) -> list[Leaving]:
    """Return what can be removed from the folder of a run.

    Parameters
    ----------
    folder : RunFolder
    everything : bool
        Also what a run that was cut short goes on with, and the former state of the
        result.

    Raises
    ------
    MissingFileError, InputError
        If there is no such folder, or no run has worked in it.
    """
    path = folder.path
    if not path.is_dir():
        raise MissingFileError(f"There is no folder {path}; name that of a result.")
    if not folder.log.exists():
        raise InputError(
            f"{path} holds no {folder.log.name}, so no run has worked there, and "
            "nothing is removed; name the folder of a result."
        )
    found = [
        Leaving("searches that another run need not make again", (folder.cache,)),
        Leaving("logs of workers that failed", (path / "worker-logs",)),
    ]
    if everything:
        draft = draft_path(folder.movie)
        found += [
            Leaving("what a run goes on with", (folder.unfinished, draft)),
            Leaving("the result before its last stage", folder.former),
        ]
    return found


def compiled_kernels() -> Leaving:
    """Return this user's compiled kernels: the next run makes them again."""
    root = Path(napari_cnmf.__file__).parent
    folders: set[Path] = set()
    for file in root.rglob("kernels*.py"):
        parts = file.relative_to(root).with_suffix("").parts
        module = import_module(".".join((napari_cnmf.__name__, *parts)))
        kernels = (value for value in vars(module).values() if hasattr(value, "stats"))
        folders |= {Path(kernel.stats.cache_path) for kernel in kernels}
    files = (file for folder in folders for file in folder.glob("*.nb[ic]"))
    return Leaving("compiled kernels", tuple(sorted(files)))


def trim_cache(folder: RunFolder, limit_bytes: float) -> None:
    """Remove the oldest files of a folder's cache until the rest keeps to a limit."""
    files = [path for path in folder.cache.rglob("*") if path.is_file()]
    total = sum(map(size_of, files))
    for path in sorted(files, key=lambda path: path.stat().st_mtime_ns):
        if total <= limit_bytes:
            break
        total -= size_of(path)
        remove(path)
