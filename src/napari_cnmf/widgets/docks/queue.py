"""Part of the Compute dock: the jobs of the run, what they wait for, the dashboard.

SLURM is asked in a thread, while a run is on every two seconds, and otherwise when
there is a reason to: jobs that outlived a closed window are found by their name.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qtpy.QtCore import QSize, Qt, QTimer
from qtpy.QtWidgets import (
    QAbstractItemView,
    QSizePolicy,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_cnmf.colours import ACCEPTED
from napari_cnmf.compute import Backend
from napari_cnmf.compute.job_script import job_name
from napari_cnmf.compute.queue import Job, jobs_named
from napari_cnmf.widgets.docks.dock import connect, heading, wrapped
from napari_cnmf.widgets.latest import Latest
from napari_cnmf.widgets.session import Session

_TICK_MS = 2000
_ROW_PX, _MOST_ROWS = 22, 8

#: What SLURM's commonest reasons mean.
REASONS = {
    "Resources": "no node is free",
    "Priority": "others come first",
    "Dependency": "another job comes first",
    "ReqNodeNotAvail": "the nodes are down or reserved",
    "PartitionDown": "the partition is closed",
    "PartitionTimeLimit": "more time than the partition gives",
    "PartitionNodeLimit": "more nodes than the partition gives",
    "QOSMaxJobsPerUserLimit": "you have as many jobs as are allowed",
}


@dataclass(frozen=True)
class State:
    """What is known of the jobs of a run.

    Attributes
    ----------
    jobs : tuple of Job
        Those of SLURM that have not ended.
    n_tasks : int
        Tasks worked on at a time, 0 if nothing runs.
    dashboard : str or None
        Address of dask's dashboard.
    """

    jobs: tuple[Job, ...]
    n_tasks: int
    dashboard: str | None


@dataclass(frozen=True)
class Look:
    """Looks at the jobs of a run, in a thread.

    Attributes
    ----------
    folder : Path or None
        Of the run, if it has jobs on SLURM.
    backend : Backend or None
        Where a run works at this moment, if not in this process.
    """

    folder: Path | None
    backend: Backend | None

    def __call__(self) -> State:
        """Ask SLURM and dask."""
        backend: Any = self.backend
        name = None if self.folder is None else job_name(self.folder)
        name = getattr(backend, "name", name)
        found = [] if name is None else jobs_named(name)
        alive = (job for job in found if not job.has_ended)
        return State(
            tuple(sorted(alive, key=lambda job: (job.state != "RUNNING", job.id))),
            0 if backend is None else backend.workers,
            getattr(backend, "dashboard_link", None),
        )


class QueueBox(QWidget):
    """Shows the jobs of a run; hidden where there are none.

    Parameters
    ----------
    session : Session
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.table = _table()
        self.about = wrapped("")
        self.about.setOpenExternalLinks(True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (heading("Jobs"), self.about, self.table):
            layout.addWidget(widget)
        self._latest = Latest(self)
        self._latest.arrived.connect(self.show_state)
        self._timer = QTimer(self)
        self._timer.setInterval(_TICK_MS)
        self._timer.timeout.connect(self.look)
        workspace, jobs = session.workspace, session.jobs
        for signal in (workspace.computing_changed, workspace.folder_changed):
            connect(self, signal, self.look)
        for signal in (jobs.started, jobs.ended):
            connect(self, signal, self._follow)
        self._follow()

    def look(self) -> None:
        """Look at the jobs beside the window, if there may be any."""
        workspace = self._session.workspace
        place = workspace.computing.compute.backend
        folder = workspace.folder if place == "slurm" else None
        backend = workspace.backend
        if backend is not None and backend.here is backend:
            backend = None
        if folder is None and backend is None:
            self._latest.forget()
            self.hide()
            return
        self._latest.ask(Look(None if folder is None else folder.path, backend))

    def _follow(self, *_: str) -> None:
        """Look again and again while something runs, and once more when it ends."""
        self._timer.start() if self._session.jobs.running else self._timer.stop()
        self.look()

    def show_state(self, found: State | Exception) -> None:
        """Show what was found, or why nothing could be."""
        self.table.clear()
        if isinstance(found, Exception):
            self.about.setText(str(found))
        else:
            self.about.setText(in_words(found, self._session.jobs.running))
            for job in found.jobs:
                self.table.addTopLevelItem(_row(job))
        n_rows = self.table.topLevelItemCount()
        frame = self.table.header().sizeHint().height() + 2 * self.table.frameWidth()
        self.table.setFixedHeight(min(n_rows, _MOST_ROWS) * _ROW_PX + frame)
        self.table.setVisible(n_rows > 0)
        self.setVisible(bool(self.about.text()))


def _table() -> QTreeWidget:
    """Make the empty table of jobs."""
    table = QTreeWidget()
    table.setHeaderLabels(["Job", "State", "Node, or why it waits"])
    table.setRootIsDecorated(False)
    table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
    table.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    table.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    return table


def _row(job: Job) -> QTreeWidgetItem:
    """Make the row of a job."""
    place = job.node or REASONS.get(job.reason, job.reason)
    row = QTreeWidgetItem([job.id, job.state.lower(), place])
    row.setToolTip(2, job.reason or job.node)
    row.setSizeHint(0, QSize(0, _ROW_PX))
    return row


def in_words(state: State, is_running: bool) -> str:
    """Say how many jobs there are, and where more is to be seen."""
    waiting = sum(job.state == "PENDING" for job in state.jobs)
    counts = {"running": len(state.jobs) - waiting, "pending": waiting}
    said = [f"{count} {word}" for word, count in counts.items() if count]
    if not is_running:
        left = "Jobs of an earlier run into this folder; the next run ends them."
        return left if said else ""
    if state.n_tasks and not waiting:
        said.append(f"{tasks(state.n_tasks)} at a time")
    text = ", ".join(said) or "Submitting ..."
    if state.dashboard is None:
        return text
    style = f"color: {ACCEPTED}"  # readable on both themes, unlike Qt's blue
    link = f'<a href="{state.dashboard}" style="{style}">dashboard</a>'
    return f"{text}; see the {link}"


def tasks(count: int) -> str:
    """Say how many tasks."""
    return f"{count} task" if count == 1 else f"{count} tasks"
