"""The dock of the computer: how many cores to use, and how much memory is left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import psutil
from napari.viewer import Viewer
from qtpy.QtCore import QTimer

from napari_cnmf.compute.threads import available_cores
from napari_cnmf.parameters import Parameters, param
from napari_cnmf.widgets.docks.dock import Dock, heading, wrapped
from napari_cnmf.widgets.parts.form import Form
from napari_cnmf.widgets.parts.runbar import RunBar

_TICK_MS = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputeParameters(Parameters):
    """Where to compute."""

    group: ClassVar[str] = "compute"

    workers: int | None = param(
        None,
        "Cores that a run uses. Auto takes all of them; fewer leave some to others.",
        low=1,
        high=1024,
    )


class ComputeWidget(Dock):
    """Dock that chooses the cores and shows what is going on."""

    intro = "Runs use this computer's cores. Results are the same for any number."

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self.form = Form(ComputeParameters(workers=self.workspace.workers))
        self.form.show_auto("workers", available_cores())
        self.form.changed.connect(self._choose)
        self.listen(self.workspace.workers_changed, self._show_workers)
        self.body.addWidget(self.form)
        self.body.addWidget(heading("Memory"))
        self._memory = wrapped("")
        self.body.addWidget(self._memory)
        self.body.addWidget(heading("Now"))
        self._now = wrapped("")
        self.body.addWidget(self._now)
        jobs = self.session.jobs
        self.footer.addWidget(RunBar(jobs))
        self.listen(jobs.started, self._show_now)
        self.listen(jobs.ended, self._show_now)
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._show_memory)
        self._timer.start(_TICK_MS)
        self._show_memory()
        self._show_now()

    def _choose(self, parameters: ComputeParameters) -> None:
        """Use another number of cores from the next run on."""
        self.workspace.set_workers(parameters.workers)

    def _show_workers(self) -> None:
        """Show the number of cores."""
        self.form.set_value(ComputeParameters(workers=self.workspace.workers))

    def _show_now(self, *_: str) -> None:
        """Show what is running."""
        jobs = self.session.jobs
        self._now.setText(f"{jobs.title} is running." if jobs.running else "Idle.")

    def _show_memory(self) -> None:
        """Show the memory of this program and of the computer."""
        own = psutil.Process().memory_info().rss
        whole = psutil.virtual_memory()
        self._memory.setText(
            f"napari uses {own / 1e9:.1f} GB; {whole.available / 1e9:.1f} of "
            f"{whole.total / 1e9:.1f} GB are free."
        )
