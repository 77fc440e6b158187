"""The bar that shows how far the running job is, and cancels it."""

from __future__ import annotations

from qtpy.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_cnmf.compute import ProgressEvent
from napari_cnmf.widgets.jobs import Jobs
from napari_cnmf.widgets.lifetime import connect

#: What stages are called while they run.
STAGE_WORDS = {
    "correct": "Correcting motion",
    "summarise": "Computing images",
    "fit": "Finding cells",
    "refit": "Refining cells",
    "evaluate": "Evaluating cells",
    "dff": "Computing dF/F",
    "test": "Testing the cluster",
}


class RunBar(QWidget):
    """Progress of the running job: bar, rate, time left, and Cancel."""

    def __init__(self, jobs: Jobs) -> None:
        super().__init__()
        self._jobs = jobs
        self._bar = QProgressBar()
        self._bar.setTextVisible(False)
        self._bar.setFixedHeight(10)
        self._text = QLabel()
        self.cancel = QPushButton("Cancel")
        self.cancel.setToolTip("Stop; what is finished is kept")
        self.cancel.clicked.connect(self._stop)
        words = QVBoxLayout()
        words.setSpacing(2)
        words.addWidget(self._text)
        words.addWidget(self._bar)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(words, 1)
        layout.addWidget(self.cancel)
        self.setVisible(False)
        pairs = (
            (jobs.started, self._begin),
            (jobs.progressed, self._step),
            (jobs.ended, self._end),
        )
        for signal, slot in pairs:
            connect(self, signal, slot)
        if jobs.running:
            self._begin(jobs.title)

    @property
    def text(self) -> str:
        """What is going on, in words."""
        return str(self._text.text())

    def _begin(self, title: str) -> None:
        """Show that a job has begun."""
        self._text.setText(f"{title} ...")
        self._bar.setRange(0, 0)
        self.cancel.setEnabled(True)
        self.cancel.setText("Cancel")
        self.setVisible(True)

    def _step(self, event: ProgressEvent) -> None:
        """Show how far a stage is."""
        words = STAGE_WORDS.get(event.stage, event.stage)
        self._bar.setRange(0, event.total)
        self._bar.setValue(event.done)
        self._text.setText(words + progress_text(event))

    def _stop(self) -> None:
        """Cancel the job."""
        self.cancel.setEnabled(False)
        self.cancel.setText("Stopping ...")
        self._jobs.cancel()

    def _end(self) -> None:
        """Hide: there is nothing to wait for any more."""
        self.setVisible(False)


def progress_text(event: ProgressEvent) -> str:
    """Rate and time left of a stage, in words."""
    if not event.done:
        return " ..."
    rate = f"{event.rate:.0f}" if event.rate >= 10 else f"{event.rate:.1f}"
    return f": {rate} {event.unit}/s, {_duration(event.seconds_left)} left"


def _duration(seconds: float) -> str:
    """Write a time in seconds or minutes."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
