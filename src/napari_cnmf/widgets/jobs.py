"""Work beside the window: one job at a time, in a thread of its own.

The thread only appends what it has to tell to a queue; a timer of the GUI thread hands
it on. Of steps without payload it tells five a second, payloads are never left out.
napari knows the job as one of its tasks, so closing the window asks first and then
cancels.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event, Thread
from typing import Any, TypeVar

import numpy as np
from napari.layers import Labels, Shapes
from napari.qt.threading import WorkerBase, create_worker
from napari.utils.notifications import show_error, show_warning
from psygnal import Signal
from qtpy.QtCore import QCoreApplication, QTimer

from napari_cnmf.compute import Progress, ProgressEvent, short_collections, work_behind
from napari_cnmf.errors import CancelledError, CnmfError
from napari_cnmf.formats.results import Result
from napari_cnmf.pipeline.warmup import warm_up
from napari_cnmf.widgets.workspace import Workspace

logger = logging.getLogger(__name__)

T = TypeVar("T")
Work = Callable[[Progress, Event], T]

#: The queue is looked at so often.
_TICK_MS = 50
#: Steps without payload are told so often: each one paints the window anew.
_STEP_S = 0.2
#: Payloads make layers, which takes a while; the rest waits for the next tick.
_BUDGET_S = 0.02
#: How long a closing window waits for a job to end.
_PATIENCE_S = 2.0
#: The first dock is drawn before its threads compete for the interpreter.
_WARM_UP_AFTER_MS = 500

_warm = False


@dataclass(frozen=True, eq=False)
class _End:
    """How a job ended: with a value or with an error."""

    value: Any = None
    error: Exception | None = None


class Jobs:
    """Runs the jobs of one viewer, and tells in the GUI thread how they go.

    Parameters
    ----------
    workspace : Workspace
        Gets every result that a job tells of.
    """

    #: Title of a job that begins.
    started = Signal(str)
    #: A step; all that carry a payload, of the others the latest.
    progressed = Signal(ProgressEvent)
    #: What went wrong, before `ended`.
    failed = Signal(Exception)
    #: "done", "cancelled" or "failed".
    ended = Signal(str)

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._queue: deque[ProgressEvent | _End] = deque()
        self._thread: Thread | None = None
        self._cancel = Event()
        self._closing = Event()
        self._done: Callable[[Any], None] = _ignore
        self._task: _Task | None = None
        self.title = ""
        self._step: ProgressEvent | None = None
        self._step_due = 0.0
        self._timer = QTimer()
        self._timer.setInterval(_TICK_MS)
        self._timer.timeout.connect(self._deliver)
        application = QCoreApplication.instance()
        if application is not None:
            application.aboutToQuit.connect(self.close)

    @property
    def running(self) -> bool:
        """Whether there is a job that has not ended."""
        return self._thread is not None

    def start(
        self, title: str, work: Work[T], done: Callable[[T], None] | None = None
    ) -> bool:
        """Begin a job.

        Parameters
        ----------
        title : str
            What is done, in words: "Correct motion".
        work : callable
            ``work(progress, cancel)`` runs in the thread; it must not touch widgets.
        done : callable, optional
            Gets what `work` has returned, in the GUI thread, unless it failed.

        Returns
        -------
        bool
            Whether it began; there is only one job at a time.
        """
        if self.running:
            show_warning(f"{self.title} is still running; cancel it or wait for it.")
            return False
        self.title, self._done = title, done or _ignore
        self._cancel, self._queue, self._step = Event(), deque(), None
        self._task = create_worker(
            title, self.close, _worker_class=_Task, _start_thread=False
        )
        self._task.started.emit()
        arguments = (work, self._queue, self._cancel)
        self._thread = Thread(target=_work, args=arguments, name=f"cnmf {title}")
        self._thread.start()
        self._timer.start()
        self.started.emit(title)
        return True

    def cancel(self) -> None:
        """Ask the job to stop; it then ends with the outcome "cancelled"."""
        self._cancel.set()

    def close(self) -> None:
        """Stop the job without telling anyone: the window is closing."""
        thread, self._thread = self._thread, None
        self._cancel.set()
        self._closing.set()
        self._timer.stop()
        self._release_task()
        if thread is not None:
            thread.join(_PATIENCE_S)

    def warm_up(self) -> None:
        """Compile or load the kernels beside the window, so that runs begin at once.

        Done once a process, a moment after the first dock has been opened.
        """
        global _warm
        if not _warm:
            _warm = True
            QTimer.singleShot(_WARM_UP_AFTER_MS, self._warm_up)

    def _warm_up(self) -> None:
        """Begin to warm up."""
        Thread(target=_warmed_up, args=(self._closing,), name="cnmf warm-up").start()

    def _deliver(self) -> None:
        """Hand on what the thread has told so far."""
        now = time.perf_counter()
        while self._queue and time.perf_counter() < now + _BUDGET_S:
            item = self._queue.popleft()
            if isinstance(item, _End):
                self._tell_step()
                self._finish(item)
            elif item.payload is None:
                self._step = item
            else:
                if isinstance(item.payload, Result):
                    self._workspace.set_result(item.payload)
                self.progressed.emit(item)
        if now > self._step_due:
            self._tell_step()

    def _tell_step(self) -> None:
        """Tell of the latest step without payload, if there is a new one."""
        step, self._step = self._step, None
        if step is not None:
            self._step_due = time.perf_counter() + _STEP_S
            self.progressed.emit(step)

    def _finish(self, end: _End) -> None:
        """End the job and tell how it went."""
        self._timer.stop()
        self._thread = None
        done, self._done = self._done, _ignore
        self._release_task()
        try:
            if end.error is None:
                done(end.value)
            elif not isinstance(end.error, CancelledError):
                _report(self.title, end.error)
                self.failed.emit(end.error)
        finally:
            self.ended.emit(_outcome(end.error))

    def _release_task(self) -> None:
        """Tell napari that the job has ended; the task knows the viewer's window."""
        task, self._task = self._task, None
        if task is not None:
            task.finished.emit()


class _Task(WorkerBase):
    """Stands for a job among napari's tasks; the work is done elsewhere.

    napari's own workers change Python's warning filters for all threads while they
    run, which two threads at once leave broken; so only their signals are used.
    """

    def __init__(self, _title: str, close: Callable[[], None]) -> None:
        super().__init__()
        self._close = close

    def quit(self) -> None:
        """Cancel the job: the window is closed."""
        self._close()


def _work(work: Work[Any], queue: deque[ProgressEvent | _End], cancel: Event) -> None:
    """Do a job in its thread, and append how it ended."""
    work_behind()
    try:
        with short_collections():
            end = _End(work(queue.append, cancel))
    except Exception as error:  # noqa: BLE001 - told to the user in the GUI thread
        end = _End(error=error)
    queue.append(end)


def _warmed_up(closing: Event) -> None:
    """Warm up; whatever is wrong will be said when a run meets it.

    napari itself compiles for the first layer with labels and for the first with
    shapes: in the GUI thread, and after any of our kernels whose turn it is.
    """
    try:
        Labels(np.zeros((8, 8), np.int32))
        corners = np.array([[0, 0], [0, 8], [8, 8], [8, 0]])
        Shapes([corners, corners], shape_type=["rectangle", "ellipse"])
        with short_collections():
            warm_up(closing)
    except CancelledError:
        return
    except Exception:
        logger.exception("the kernels could not be compiled beforehand")


def _outcome(error: Exception | None) -> str:
    """Say in a word how a job ended."""
    if error is None:
        return "done"
    return "cancelled" if isinstance(error, CancelledError) else "failed"


def _report(title: str, error: Exception) -> None:
    """Notify of an error in a sentence; the traceback of a surprise is logged."""
    if isinstance(error, CnmfError):
        show_error(str(error))
        return
    logger.error("%s failed", title, exc_info=error)
    show_error(
        f"{title} stopped with an unexpected {type(error).__name__} ({error}); "
        "the Log dock has the details, please report it."
    )


def _ignore(value: Any) -> None:
    """Do nothing with what a job has returned."""
