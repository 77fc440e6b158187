"""The folder of a run: what lies in it, and whether it can be written to.

Everything in it is written under a temporary name first (``*.part``), so that what
bears its final name is whole. What a killed run left behind is removed by the next.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from napari_cnmf.errors import OutputError
from napari_cnmf.formats.curation import curation_path
from napari_cnmf.formats.seeds import COPIES
from napari_cnmf.movie.discard import discard


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

    def require_free(self, overwrite: bool) -> None:
        """Refuse a folder that holds a result, or a path that is no folder."""
        if self.path.exists() and not self.path.is_dir():
            raise OutputError(
                f"The output {self.path} is a file, but results are written to a "
                "folder; choose another name."
            )
        if not overwrite and self.result.exists():
            raise OutputError(
                f"{self.path} already holds a result, which is kept; choose another "
                "folder, or overwrite it on purpose (--overwrite)."
            )

    def prepare(self, needed_bytes: int) -> None:
        """Make the folder, clear it of an older result and check that it is usable.

        Raises
        ------
        OutputError
            If it cannot be written to, or too little space is left.
        """
        probe = self.path / "probe.part"
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise OutputError(
                f"The output folder {self.path} cannot be written to "
                f"({error.strerror}); choose another one or make it writable."
            ) from error
        self.remove_leftovers()
        free = shutil.disk_usage(self.path).free + _size(self.movie)
        if free < needed_bytes:
            raise OutputError(
                f"The registered movie needs about {needed_bytes / 1e9:.1f} GB, but "
                f"{free / 1e9:.1f} GB are free at {self.path}; free space there or "
                "choose another output folder."
            )
        reports = (self.report, self.motion_report)
        for file in (self.result, self.curation, *reports, self.log, self.recipe):
            file.unlink(missing_ok=True)

    def remove_leftovers(self) -> None:
        """Remove what a killed run was writing."""
        reports = (self.report, self.motion_report)
        finals = (self.movie, self.result, *reports, self.recipe)
        for name in (*(final.name for final in finals), COPIES):
            for unfinished in self.path.glob(f"{name}*.part"):
                with suppress(OSError):  # whoever needs the name will say so
                    if unfinished.is_dir():
                        discard(unfinished)
                    else:
                        unfinished.unlink(missing_ok=True)


def _size(path: Path) -> int:
    """Bytes of all files below a path."""
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
