"""How the movies of a batch went: the values that its table and its page tell."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np

from napari_cnmf.formats.atomic import replacing
from napari_cnmf.formats.results import Result
from napari_cnmf.report.header import duration
from napari_cnmf.report.strip import strip_picture

#: What can be said of a movie of a batch; the last three need a look.
STATES = ("waiting", "running", "done", "incomplete", "failed", "cancelled")

_COLUMNS = (
    "movie", "state", "accepted", "rejected", "started", "seconds", "reason", "folder",
)  # fmt: skip
_WARNING = " WARNING "


@dataclass(frozen=True)
class Findings:
    """What a run has found, in numbers and one picture.

    Attributes
    ----------
    shape : (int, int, int)
        Frames, rows and columns.
    frame_rate_hz : float or None
    n_accepted, n_rejected : int or None
        Cells; None if none were searched for.
    n_bad_frames : int or None
        Frames that remain bad; None if nothing was registered.
    residual_px : float or None
        Displacement that is left, its median; None if it was not measured.
    seconds : float
        That all stages took.
    warnings : tuple of str
        What the run has warned of.
    picture : bytes
        Contours, traces and motion, as WebP.
    """

    shape: tuple[int, int, int]
    frame_rate_hz: float | None
    n_accepted: int | None
    n_rejected: int | None
    n_bad_frames: int | None
    residual_px: float | None
    seconds: float
    warnings: tuple[str, ...] = ()
    picture: bytes = field(default=b"", repr=False)

    @classmethod
    def of(cls, result: Result) -> Findings:
        """Gather them from a result."""
        found, cells = result.registration, result.components
        n_accepted = None if cells is None else int(cells.accepted.sum())
        residual_px = None
        if found is not None and len(found.residual_after):
            residual_px = float(np.median(found.residual_after))
        return cls(
            result.movie.shape,
            result.movie.frame_rate_hz,
            n_accepted,
            None if cells is None else len(cells) - int(cells.accepted.sum()),
            None if found is None else len(found.bad_frames),
            residual_px,
            sum(record.seconds for record in result.stages),
            _warnings(result.log),
            strip_picture(result),
        )


@dataclass(frozen=True)
class Outcome:
    """How one movie of a batch is going, or went.

    Attributes
    ----------
    name : str
        Of the movie.
    folder : Path
        Of its run.
    state : str
        One of `STATES`.
    started : datetime or None
        When its turn came.
    seconds : float
        That the run took, this time.
    reason : str
        Why it failed or is incomplete, in a sentence.
    findings : Findings or None
        What was found.
    """

    name: str
    folder: Path
    state: str = STATES[0]
    started: datetime | None = None
    seconds: float = 0.0
    reason: str = ""
    findings: Findings | None = None

    @property
    def in_words(self) -> str:
        """What was found, or else why nothing was; "" if neither is known yet."""
        found = self.findings
        if self.reason or found is None or found.n_accepted is None:
            return self.reason
        return (
            f"{found.n_accepted:,} accepted, {found.n_rejected:,} rejected in "
            f"{duration(found.seconds)}"
        )


def save_outcomes(outcomes: Sequence[Outcome], path: Path) -> None:
    """Write the states as a table for a spreadsheet; an older one is replaced.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    # Excel takes a file for UTF-8 only by the mark that utf-8-sig begins with.
    with (
        replacing(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8-sig") as file,
    ):
        table = csv.writer(file)
        table.writerow(_COLUMNS)
        table.writerows(map(_row, outcomes))


def _row(outcome: Outcome) -> list[object]:
    """Return an outcome as a row; what is unknown is empty."""
    found, started = outcome.findings, outcome.started
    return [
        outcome.name,
        outcome.state,
        None if found is None else found.n_accepted,
        None if found is None else found.n_rejected,
        None if started is None else started.isoformat(" ", "seconds"),
        f"{outcome.seconds:.1f}",
        outcome.reason,
        outcome.folder,
    ]


def _warnings(log: str) -> tuple[str, ...]:
    """Return what a log warns of, each once."""
    lines = (line.partition(_WARNING)[2].strip() for line in log.splitlines())
    return tuple(dict.fromkeys(filter(None, lines)))
