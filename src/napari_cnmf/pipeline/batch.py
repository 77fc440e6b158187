"""Many movies one after the other: what fails is told, and the next begins.

How each movie is going is written down at every change, for people and for
spreadsheets; the results themselves are what the runs write. So a batch that was cut
short is simply begun again: runs that are finished say so at once.
"""

from __future__ import annotations

import logging
import time
import traceback
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain, count
from pathlib import Path
from threading import Event
from typing import Any

from napari_cnmf.compute import Backend, Progress, ProgressEvent, local_backend
from napari_cnmf.errors import CancelledError, CnmfError, OutputError
from napari_cnmf.formats.readers.registry import readable_suffixes
from napari_cnmf.formats.results import Result
from napari_cnmf.pipeline.log import logged_to
from napari_cnmf.pipeline.runner import run
from napari_cnmf.recipe import Recipe
from napari_cnmf.report.outcome import Findings, Outcome, save_outcomes
from napari_cnmf.report.overview import write_overview

logger = logging.getLogger(__name__)

#: Files that tell of a batch: all movies with pictures, their states, what was done.
PAGE, TABLE, LOG = "overview.html", "overview.csv", "overview.log"
#: Ending of the folders of results.
ENDING = "-cnmf"

_CANCELLED = "The batch was cancelled; the same command goes on with it"


@dataclass(frozen=True)
class Entry:
    """One movie of a batch.

    Attributes
    ----------
    movie : tuple of Path
        A file, several that follow one another, or a folder.
    output : Path
        Folder of its run.
    recipe : Recipe or None
        Its own; None for that of the batch.
    settings : tuple of str
        What is different for it, as for `Recipe.with_settings`.
    seeds : Path or None
        Cells to begin with.
    """

    movie: tuple[Path, ...]
    output: Path
    recipe: Recipe | None = None
    settings: tuple[str, ...] = ()
    seeds: Path | None = None

    @property
    def name(self) -> str:
        """Name of its file; of the first and their number if several."""
        more = f" and {len(self.movie) - 1} more" if len(self.movie) > 1 else ""
        return self.movie[0].name + more

    def parameters(self, recipe: Recipe) -> Recipe:
        """Return its parameters, `recipe` being that of the batch."""
        return (self.recipe or recipe).with_settings(self.settings)


@dataclass(frozen=True)
class BatchProgress:
    """A change of state of a movie of a batch, or a step of its run.

    Attributes
    ----------
    place, total : int
        Which movie, counted from 0, and how many there are.
    outcome : Outcome
        How it is going.
    step : ProgressEvent or None
        Of its run; None if its state has changed.
    """

    place: int
    total: int
    outcome: Outcome
    step: ProgressEvent | None = None


Listener = Callable[[BatchProgress], None]


def run_batch(  # noqa: PLR0913 - all choices of a batch in one call
    entries: Sequence[Entry],
    recipe: Recipe,
    folder: Path,
    *,
    title: str = "Batch",
    backend: Backend | None = None,
    progress: Listener = lambda _: None,
    cancel: Event | None = None,
    overwrite: bool = False,
) -> list[Outcome]:
    """Find the cells of many movies, one after the other.

    Parameters
    ----------
    entries : sequence of Entry
    recipe : Recipe
        For all that have none of their own.
    folder : path
        For the overview, which is written anew at every change.
    title : str
        Of the overview.
    backend : Backend, optional
        Where to work; all cores of this machine by default.
    progress : callable
        Told of every change and step.
    cancel : threading.Event, optional
        Ends the batch once set; the same call goes on.
    overwrite : bool
        Whether older results are replaced; else what is finished is kept.

    Returns
    -------
    list of Outcome
        One for each entry: "done", "incomplete" or "failed".

    Raises
    ------
    OutputError
        If the overview cannot be written, before anything runs.
    CancelledError
        If it was cancelled.
    """
    book = _Book(entries, folder, title, progress)
    book.write()
    backend = backend or local_backend()
    # Jobs on a cluster wait in a queue: they serve all movies.
    with logged_to(folder / LOG), backend.lasting():
        for place, entry in enumerate(entries):
            book.begin(place)
            try:
                result = run(
                    entry.movie,
                    entry.parameters(recipe),
                    entry.output,
                    seeds=entry.seeds,
                    backend=backend,
                    progress=book.steps(place),
                    cancel=cancel,
                    overwrite=overwrite,
                )
                book.finish(place, result)
            except (CancelledError, KeyboardInterrupt) as error:
                book.end(place, "cancelled", f"{_CANCELLED}.")
                raise CancelledError(
                    f"{_CANCELLED}; that was {entry.name}, movie {place + 1} of "
                    f"{len(entries)}."
                ) from error
            except Exception as error:  # noqa: BLE001 - of one movie, told in its place
                book.end(place, "failed", _reason(error, entry, folder))
    return book.outcomes


class _Book:
    """Keeps the outcomes of a batch, writes them down and tells of them."""

    def __init__(
        self,
        entries: Sequence[Entry],
        folder: Path,
        title: str,
        progress: Listener,
    ) -> None:
        counts = Counter(entry.name for entry in entries)
        self.outcomes = [
            Outcome(_name(entry, counts[entry.name] > 1), entry.output)
            for entry in entries
        ]
        self._folder, self._title, self._progress = folder, title, progress
        self._began = 0.0

    def write(self) -> None:
        """Write table and page."""
        save_outcomes(self.outcomes, self._folder / TABLE)
        write_overview(self.outcomes, self._folder / PAGE, self._title)

    def change(self, place: int, **values: Any) -> None:
        """Note what has changed of a movie; a page that cannot be written can wait."""
        self.outcomes[place] = outcome = replace(self.outcomes[place], **values)
        words = (
            f"{outcome.state}: {outcome.reason}" if outcome.reason else outcome.state
        )
        logger.info("%s: %s", outcome.name, words)
        try:
            self.write()
        except OutputError as error:
            logger.warning("%s", error)
        self._tell(place)

    def begin(self, place: int) -> None:
        """Note that the turn of a movie has come."""
        self._began = time.perf_counter()
        self.change(place, state="running", started=datetime.now().astimezone())

    def finish(self, place: int, result: Result) -> None:
        """Note what was found in a movie."""
        state = "done" if result.complete else "incomplete"
        self.end(place, state, _gaps(result), Findings.of(result))

    def end(
        self, place: int, state: str, reason: str = "", findings: Findings | None = None
    ) -> None:
        """Note how a movie has ended."""
        seconds = time.perf_counter() - self._began
        self.change(
            place, state=state, seconds=seconds, reason=reason, findings=findings
        )

    def steps(self, place: int) -> Progress:
        """Return what is told of the steps of a movie's run."""
        return lambda step: self._tell(place, step)

    def _tell(self, place: int, step: ProgressEvent | None = None) -> None:
        """Tell the listener of a change, or of a step."""
        outcome, total = self.outcomes[place], len(self.outcomes)
        self._progress(BatchProgress(place, total, outcome, step))


def _gaps(result: Result) -> str:
    """Say which parts of a movie are left out."""
    if not result.failures:
        return ""
    first, n_more = result.failures[0], len(result.failures) - 1
    more = f" and {n_more} more" if n_more else ""
    return (
        f"Parts of it failed twice and are left out: {first.stage}, {first.place} "
        f"({first.cause}){more}; the same command tries them again."
    )


def _name(entry: Entry, is_shared: bool) -> str:
    """Name of a movie; with its folder if another movie has this name too."""
    folder = "/".join(entry.output.parts[-2:])
    return f"{entry.name} ({folder})" if is_shared else entry.name


def _reason(error: Exception, entry: Entry, folder: Path) -> str:
    """Say why a movie failed; the traceback of a defect goes into the log."""
    if isinstance(error, CnmfError):
        return str(error)
    logger.error("%s failed", entry.name, exc_info=error)
    last = traceback.format_exception_only(error)[-1].strip()
    return (
        f"It stopped with a defect of napari-cnmf ({last}); please report it, with the "
        f"end of {folder / LOG}."
    )


def beside(movie: Path, folder: Path | None = None, ending: str = ENDING) -> Path:
    """Return the usual folder for the result of a movie.

    Parameters
    ----------
    movie : Path
    folder : Path, optional
        Where it lies; beside the movie by default.
    ending : str
        Of its name, after that of the movie.
    """
    name = movie.name
    endings = [s for s in readable_suffixes() if name.lower().endswith(s)]
    stem = name[: -len(max(endings, key=len))] if endings else name
    stem = stem.removesuffix(".ome")
    return (folder or movie.parent).absolute() / (stem + ending)


def free_folder(folder: Path, taken: Collection[Path]) -> Path:
    """Return a folder that no other movie of the batch has: numbered if need be."""
    names = (folder.with_name(f"{folder.name}-{number}") for number in count(2))
    return next(path for path in chain([folder], names) if path not in taken)
