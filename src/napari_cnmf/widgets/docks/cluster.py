"""Part of the Compute dock: whether a cluster can be used, and the script of its jobs.

Both are worked out beside the window: the test waits for a worker, and the commands of
SLURM may take a while.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from threading import Event

from qtpy.QtCore import Qt, QTimer
from qtpy.QtGui import QFontDatabase, QGuiApplication
from qtpy.QtWidgets import (
    QHBoxLayout,
    QPlainTextEdit,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_cnmf.compute import Backend, Progress, ProgressEvent
from napari_cnmf.compute.choose import slurm_backend, trial_backend
from napari_cnmf.compute.sight import require_sight
from napari_cnmf.errors import CancelledError, CnmfError
from napari_cnmf.widgets.docks.dock import connect
from napari_cnmf.widgets.docks.queue import tasks
from napari_cnmf.widgets.latest import Latest
from napari_cnmf.widgets.parts.findings import Findings
from napari_cnmf.widgets.running import known, usual_folder
from napari_cnmf.widgets.session import Session
from napari_cnmf.widgets.workspace import Workspace

TITLE = "Test the cluster"
IN_MEMORY = (
    "The open movie lies in the memory of napari, which workers do not see; save it as "
    "a file on storage that all of them share, and open that."
)
_SCRIPT_PX = 240
_SETTLED_MS = 400


@dataclass(frozen=True)
class Finding:
    """One thing that a test has found out."""

    good: bool
    text: str


class ClusterBox(QWidget):
    """Tries the chosen cluster, and shows the script of its jobs.

    Parameters
    ----------
    session : Session
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.test = QPushButton("Test")
        self.test.setToolTip("Start one worker and see whether a run would work there")
        self.test.clicked.connect(self.begin_test)
        self.show_script = QPushButton("Job script")
        self.show_script.setCheckable(True)
        self.show_script.setToolTip("What would be submitted; nothing is")
        self.show_script.toggled.connect(self._ask_script)
        self.findings = Findings()
        self.script = _ScriptBox()
        layout, buttons = QVBoxLayout(self), QHBoxLayout()
        layout.setContentsMargins(0, 4, 0, 0)
        for button in (self.test, self.show_script):
            buttons.addWidget(button)
        layout.addLayout(buttons)
        layout.addWidget(self.findings)
        layout.addWidget(self.script)
        self._latest = Latest(self)
        self._latest.arrived.connect(self.script.show_text)
        self._settled = QTimer(self)  # a scheduler is made to write the script
        self._settled.setSingleShot(True)
        self._settled.setInterval(_SETTLED_MS)
        self._settled.timeout.connect(self._ask_script)
        workspace, jobs = session.workspace, session.jobs
        connect(self, workspace.computing_changed, self._change)
        connect(self, workspace.folder_changed, self._wait_to_ask)
        connect(self, jobs.progressed, self._hear)
        for signal in (jobs.started, jobs.ended):
            connect(self, signal, self._show_busy)
        self._show_place()
        self._show_busy()

    def begin_test(self) -> None:
        """Try the cluster with the values of now."""
        self.findings.clear()
        trial = Trial.of(self._session.workspace)
        work = known(self._session.workspace, trial.backend, trial)
        self._session.jobs.start(TITLE, work)

    def _hear(self, event: ProgressEvent) -> None:
        """Show what a test has found out."""
        if isinstance(event.payload, Finding):
            self.findings.add(event.payload.good, event.payload.text)

    def _change(self) -> None:
        """Forget what was found out about another place."""
        self.findings.clear()
        self._show_place()
        self._wait_to_ask()

    def _wait_to_ask(self) -> None:
        """Have the script written anew once nothing more changes."""
        self._settled.start()

    def _show_place(self) -> None:
        """Offer the script where there are jobs."""
        is_slurm = self._session.workspace.computing.compute.backend == "slurm"
        self.show_script.setVisible(is_slurm)
        self.script.setVisible(is_slurm and self.show_script.isChecked())

    def _show_busy(self, *_: str) -> None:
        """Only one job runs at a time."""
        self.test.setEnabled(not self._session.jobs.running)

    def _ask_script(self) -> None:
        """Have the script written, if it is to be seen."""
        self._show_place()
        if not self.script.isHidden():
            workspace = self._session.workspace
            computing, folder = workspace.computing, workspace.folder
            path = None if folder is None else folder.path
            self._latest.ask(lambda: slurm_backend(computing, path).script())


@dataclass(frozen=True)
class Trial:
    """Starts one worker and has it look at the movie and the folder, in a thread.

    Attributes
    ----------
    backend : Backend
        Of one worker.
    movies : tuple of Path
        Files of the open movie.
    folder : Path
        Where results will go, or the nearest folder above that is there.
    is_in_memory : bool
        Whether the open movie has no file.
    """

    backend: Backend
    movies: tuple[Path, ...]
    folder: Path
    is_in_memory: bool

    @classmethod
    def of(cls, workspace: Workspace) -> Trial:
        """Prepare the trial of what a workspace would run."""
        movie, folder = workspace.movie, workspace.folder
        if folder is None and movie is not None:
            folder = usual_folder(workspace)
        path = Path.home() if folder is None else folder.path.absolute()
        files = () if movie is None else movie.files
        here = next(place for place in (path, *path.parents) if place.is_dir())
        return cls(
            trial_backend(workspace.computing, here),
            tuple(dict.fromkeys(Path(span.path) for span in files)),
            here,
            movie is not None and not files,
        )

    def __call__(self, progress: Progress, cancel: Event) -> None:
        """Try it, and tell one finding after the other."""

        def tell(good: bool, text: str) -> None:
            finding = Finding(good, text)
            progress(ProgressEvent("test", 0, 0, "", 0.0, finding))

        try:
            with self.backend as backend:
                tell(True, self._greeting)
                machine = require_sight(backend, self.movies, self.folder, cancel)
                tell(True, f"A worker has started on {machine} and runs our version.")
                tell(True, f"It sees {self._seen}.")
                tell(True, f"It works on {tasks(backend.workers)} at a time.")
        except CancelledError:
            raise
        except CnmfError as error:
            tell(False, str(error))
        if self.is_in_memory:
            tell(False, IN_MEMORY)

    @property
    def _greeting(self) -> str:
        """What is known once the backend has been entered."""
        is_slurm = hasattr(self.backend, "script")
        return "SLURM accepts the job." if is_slurm else "The scheduler answers."

    @property
    def _seen(self) -> str:
        """What the worker sees, in words."""
        return f"the movie and {self.folder}" if self.movies else str(self.folder)


class _ScriptBox(QWidget):
    """A text to look at and to copy."""

    def __init__(self) -> None:
        super().__init__()
        self.text = QPlainTextEdit()
        self.text.setReadOnly(True)
        self.text.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.text.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.text.setFixedHeight(_SCRIPT_PX)
        fixed = QSizePolicy.Policy.Fixed
        self.text.setSizePolicy(QSizePolicy.Policy.Expanding, fixed)
        self.copy = QPushButton(" Copy ")
        self.copy.clicked.connect(self._copy)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.text)
        layout.addWidget(self.copy, 0, Qt.AlignmentFlag.AlignRight)

    def show_text(self, text: str | Exception) -> None:
        """Show the script, or why there is none."""
        self.text.setPlainText(str(text))
        self.copy.setEnabled(isinstance(text, str))

    def _copy(self) -> None:
        """Put the text on the clipboard."""
        QGuiApplication.clipboard().setText(self.text.toPlainText())
