"""The folder of a run: what lies in it, and whether it can be written to.

Everything in it is written under a temporary name first (``*.part``), so that what
bears its final name is whole. What a killed run left behind is gone on with by the
next, or removed.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from napari_cnmf.compute.kept import Keep, shelf
from napari_cnmf.errors import OutputError
from napari_cnmf.formats.curation import curation_path
from napari_cnmf.formats.previous import damaged_path, previous_path
from napari_cnmf.formats.seeds import COPIES
from napari_cnmf.movie.discard import discard
from napari_cnmf.movie.draft import draft_path

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunFolder:
    """The files of one run.

    Attributes
    ----------
    path : Path
        The folder.
    """

    path: Path

    @property
    def movie(self) -> Path:
        """The registered movie."""
        return self.path / "registered.zarr"

    @property
    def result(self) -> Path:
        """All that was found."""
        return self.path / "results.h5"

    @property
    def curation(self) -> Path:
        """Verdicts since the result was written."""
        return curation_path(self.result)

    @property
    def former(self) -> tuple[Path, Path, Path]:
        """The result before its last stage, verdicts on it, and a damaged one."""
        former = previous_path(self.result)
        return former, curation_path(former), damaged_path(self.result)

    @property
    def report(self) -> Path:
        """The picture of all that was found."""
        return self.path / "report.png"

    @property
    def motion_report(self) -> Path:
        """The picture of the registration."""
        return self.path / "motion.png"

    @property
    def log(self) -> Path:
        """What was done and when."""
        return self.path / "run.log"

    @property
    def recipe(self) -> Path:
        """The parameters."""
        return self.path / "recipe.toml"

    @property
    def unfinished(self) -> Path:
        """What stages that are not done have computed so far."""
        return self.path / "unfinished"

    @property
    def cache(self) -> Path:
        """What stages have computed that they can use again."""
        return self.path / "cache"

    def keep(self, stage: str, version: int) -> Keep:
        """Where a stage of some version keeps what it has computed."""
        unfinished, cache = (
            shelf(place, stage, str(version)) for place in (self.unfinished, self.cache)
        )
        return Keep(stage, unfinished, cache)

    def require_folder(self) -> None:
        """Refuse a path that is no folder."""
        if self.path.exists() and not self.path.is_dir():
            raise OutputError(
                f"The output {self.path} is a file, but results are written to a "
                "folder; choose another name."
            )

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Make the folder if need be, and keep other runs out of it for a while.

        A run that is killed lets go of the folder, too.

        Raises
        ------
        OutputError
            If another run is at work in it, or it cannot be written to.
        """
        lock = FileLock(self.path / "run.lock", timeout=0)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except Timeout as error:
            raise OutputError(
                f"Another run is at work in {self.path}; wait for its end, cancel it, "
                "or choose another output folder."
            ) from error
        except OSError as error:
            raise OutputError(
                f"The output folder {self.path} cannot be written to "
                f"({error.strerror}); choose another one or make it writable."
            ) from error
        try:
            yield
        finally:
            remove(Path(lock.lock_file))
            lock.release()

    def require_space(self, least_bytes: int, likely_bytes: int = 0) -> None:
        """Refuse to begin where the registered movie finds no room.

        Parameters
        ----------
        least_bytes : int
            What the registered movie takes at the least.
        likely_bytes : int
            What all files take, about: of less there is a warning.

        Raises
        ------
        OutputError
            If too little space is left.
        """
        there = (self.movie, draft_path(self.movie), self.unfinished)
        replaced = (*there, self.result, previous_path(self.result))
        free = shutil.disk_usage(self.path).free + sum(map(size_of, replaced))
        if free < least_bytes:
            raise OutputError(
                f"The registered movie needs about {least_bytes / 1e9:.1f} GB, but "
                f"{free / 1e9:.1f} GB are free at {self.path}; free space there or "
                "choose another output folder."
            )
        if free < likely_bytes:
            logger.warning(
                "the run will take about %.1f GB, but %.1f GB are free at %s: it may "
                "end before it is done, and the same command then goes on with it",
                likely_bytes / 1e9,
                free / 1e9,
                self.path,
            )

    def clear(self) -> None:
        """Remove an older result; its movie stays until there is another."""
        reports = (self.report, self.motion_report)
        results = (self.result, self.curation, *self.former)
        for file in (*results, *reports, self.log, self.recipe):
            file.unlink(missing_ok=True)

    def remove_leftovers(self) -> None:
        """Remove what a killed run was writing, but for what can be gone on with."""
        reports = (self.report, self.motion_report)
        finals = (self.movie, self.result, self.curation, *reports, self.recipe)
        folders = (self.unfinished, self.cache)
        for name in (*(final.name for final in (*finals, *folders)), COPIES):
            for unfinished in self.path.glob(f"{name}*.part"):
                if unfinished != draft_path(self.movie):
                    remove(unfinished)

    def begin_afresh(self) -> None:
        """Remove an older result with all that would be of use to another run."""
        self.clear()
        self.remove_unfinished()
        remove(self.cache)

    def remove_unfinished(self) -> None:
        """Remove what a run that was cut short could be gone on with."""
        remove(self.unfinished)
        remove(draft_path(self.movie))
        for cut_short in self.cache.rglob("*.part"):
            remove(cut_short)


def remove(path: Path) -> None:
    """Remove a file or folder, if possible; whoever needs the name will say so."""
    with suppress(OSError):
        if path.is_dir():
            discard(path)
        else:
            path.unlink(missing_ok=True)


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files below a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
