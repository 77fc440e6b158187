"""The movies of a viewer's batch, and how each is going; knows no widget.

It belongs to the session, so that closing the dock loses nothing, even while the
batch runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from weakref import WeakKeyDictionary

from psygnal import Signal

from napari_cnmf.compute import Backend, Progress, ProgressEvent
from napari_cnmf.pipeline.batch import (
    BatchProgress,
    Entry,
    beside,
    free_folder,
    run_batch,
)
from napari_cnmf.pipeline.stages import stages_between
from napari_cnmf.recipe import Recipe
from napari_cnmf.report.outcome import Outcome
from napari_cnmf.widgets.jobs import Work
from napari_cnmf.widgets.session import Session
from napari_cnmf.widgets.settings import preference

_STAGES = [stage.name for stage in stages_between("correct", None)]


@dataclass(frozen=True)
class Line:
    """One movie of the list.

    Attributes
    ----------
    entry : Entry
    outcome : Outcome
        How it is going.
    share : float
        How much of its run is done, from 0 to 1.
    step : ProgressEvent or None
        The latest of its run.
    """

    entry: Entry
    outcome: Outcome
    share: float = 0.0
    step: ProgressEvent | None = None


class BatchList:
    """The movies of a batch in order.

    Attributes
    ----------
    lines : list of Line
    recipe : (str, Recipe) or None
        Name and content of the file that gives the parameters; None for those of the
        docks.
    table : Path or None
        Where the movies were listed first, if they were.
    running : int or None
        Place of the movie whose turn it is.
    """

    #: There are other movies.
    listed = Signal()
    #: The place of a movie of which something has changed.
    stepped = Signal(int)

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.recipe: tuple[str, Recipe] | None = None
        self.table: Path | None = None
        self.running: int | None = None

    @property
    def folder(self) -> Path:
        """Where the overview lies: beside the table, or beside the first result."""
        first = self.lines[0].entry.output if self.lines else Path("none")
        return (self.table or first).parent

    def add_movies(self, movies: Sequence[Path]) -> None:
        """Add movies, each of which is one file or folder."""
        ending = preference("results", "folder_ending", "-cnmf")
        for movie in movies:
            taken = {line.entry.output for line in self.lines}
            folder = free_folder(beside(movie, ending=ending), taken)
            self._add(Entry((movie,), folder))
        self.listed.emit()

    def add_table(self, table: Path, entries: Sequence[Entry]) -> None:
        """Add the movies of a table."""
        if not self.lines:
            self.table = table
        for entry in entries:
            self._add(entry)
        self.listed.emit()

    def remove(self, place: int) -> None:
        """Take a movie out; what was found in it is kept."""
        del self.lines[place]
        if not self.lines:
            self.table = None
        self.listed.emit()

    def clear(self) -> None:
        """Take all movies out."""
        self.lines, self.table = [], None
        self.listed.emit()

    def work(self, recipe: Recipe, backend: Backend) -> Work[list[Outcome]]:
        """Return the work that runs all movies."""
        entries = [line.entry for line in self.lines]
        for place, line in enumerate(self.lines):
            waiting = Outcome(line.entry.name, line.entry.output)
            self._put(place, Line(line.entry, waiting))
        folder = self.folder
        title = "Batch" if self.table is None else self.table.stem

        def work(progress: Progress, cancel: Event) -> list[Outcome]:
            return run_batch(
                entries,
                recipe,
                folder,
                title=title,
                backend=backend,
                progress=lambda event: progress(_as_step(event)),
                cancel=cancel,
            )

        return work

    def hear(self, event: ProgressEvent) -> None:
        """Take over what a job tells, if it is about the batch."""
        change = event.payload
        if isinstance(change, BatchProgress):
            line = Line(self.lines[change.place].entry, change.outcome)
            is_running = change.outcome.state == "running"
            self.running = change.place if is_running else None
            self._put(change.place, line)
        elif self.running is not None:
            line = self.lines[self.running]
            share = max(line.share, _share(event))
            self._put(self.running, replace(line, share=share, step=event))

    def _add(self, entry: Entry) -> None:
        """Add a movie at the end."""
        self.lines.append(Line(entry, Outcome(entry.name, entry.output)))

    def _put(self, place: int, line: Line) -> None:
        """Change what is known of a movie."""
        self.lines[place] = line
        self.stepped.emit(place)


def _as_step(event: BatchProgress) -> ProgressEvent:
    """Return an event as one of a job; only changes of state carry a payload.

    What a run tells of its cells and results is left out: the viewer shows something
    else meanwhile.
    """
    if event.step is not None:
        return replace(event.step, payload=None)
    return ProgressEvent(event.outcome.name, 0, 0, "", 0.0, event)


def _share(event: ProgressEvent) -> float:
    """How much of a run is done, each stage counted alike."""
    stage = event.stage.split()[0]
    if stage not in _STAGES:
        return 0.0
    done = event.done / event.total if event.total else 0.0
    return (_STAGES.index(stage) + done) / len(_STAGES)


_LISTS: WeakKeyDictionary[Session, BatchList] = WeakKeyDictionary()


def batch_list(session: Session) -> BatchList:
    """Return the batch of a session, made at the first call."""
    if session not in _LISTS:
        _LISTS[session] = made = BatchList()
        session.jobs.progressed.connect(made.hear)
    return _LISTS[session]
