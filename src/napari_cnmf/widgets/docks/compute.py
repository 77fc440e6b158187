"""The dock of the computer: where runs work, what they will use, and how they are.

Whatever may take time (the estimate, a look at the queue, the test) is done beside the
window.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from typing import Any

import psutil
from napari.viewer import Viewer
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QButtonGroup, QHBoxLayout, QRadioButton

from napari_cnmf.compute.memory import available_bytes
from napari_cnmf.compute.threads import available_cores
from napari_cnmf.errors import CnmfError
from napari_cnmf.parameters import Parameters
from napari_cnmf.pipeline.budget import in_bytes, plan
from napari_cnmf.pipeline.opening import crop
from napari_cnmf.widgets.docks.cluster import ClusterBox
from napari_cnmf.widgets.docks.dock import Dock, heading, wrapped
from napari_cnmf.widgets.docks.queue import QueueBox
from napari_cnmf.widgets.parts.form import Form
from napari_cnmf.widgets.parts.runbar import RunBar
from napari_cnmf.widgets.workspace import Workspace

#: Backends in the user's words; "serial" is this machine too.
PLACES = {"threads": "This machine", "dask": "Dask cluster", "slurm": "SLURM"}
#: Group with the parameters of each.
GROUPS = {"threads": "compute", "dask": "dask", "slurm": "slurm"}
#: What clusters need beside what is installed anyway.
PACKAGES = ("distributed", "dask_jobqueue", "cryptography")
MISSING = (
    "Clusters need packages that are not installed. Install them with "
    '<code>pip install "napari-cnmf[cluster]"</code> and start napari again.'
)
GB = 10**9
_TICK_MS = 2000


class ComputeWidget(Dock):
    """Dock that chooses where runs work, and shows what is going on there."""

    intro = "Where runs work. The result is the same everywhere, to the byte."

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self._add_choice()
        self.forms = {group: self._add_form(group) for group in GROUPS.values()}
        self.estimate = wrapped("")
        self.missing = wrapped(MISSING)
        self.cluster = ClusterBox(self.session)
        self.queue = QueueBox(self.session)
        for part in (self.estimate, self.missing, self.cluster, self.queue):
            self.body.addWidget(part)
        self.body.addWidget(heading("Memory now"))
        self._memory = wrapped("")
        self.body.addWidget(self._memory)
        self.footer.addWidget(RunBar(self.session.jobs))
        workspace = self.workspace
        self.listen(workspace.computing_changed, self._show)
        for signal in (workspace.movie_changed, workspace.recipe_changed):
            self.listen(signal, self._show_estimate)
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._show_memory)
        self._timer.start(_TICK_MS)
        machine = self.forms["compute"]
        machine.show_auto("workers", available_cores())
        machine.show_auto("memory_gb", round(available_bytes() / GB))
        self._show_memory()
        self._show()

    def choose(self, backend: str) -> None:
        """Let runs work elsewhere from the next one on."""
        compute = replace(self.workspace.computing.compute, backend=backend)
        self._change("compute", compute)

    def _add_choice(self) -> None:
        """Add a button for each place."""
        self.places: dict[str, QRadioButton] = {}
        group, row = QButtonGroup(self), QHBoxLayout()
        for backend, words in PLACES.items():
            button = QRadioButton(words)
            button.clicked.connect(partial(self.choose, backend))
            group.addButton(button)
            row.addWidget(button)
            self.places[backend] = button
        row.addStretch(1)
        self.body.addLayout(row)

    def _add_form(self, group: str) -> Form:
        """Add the form of a group of parameters."""
        names = ("workers", "memory_gb", "cache_gb") if group == "compute" else None
        form = Form(getattr(self.workspace.computing, group), names)
        form.changed.connect(partial(self._change, group))
        self.body.addWidget(form)
        return form

    def _change(self, group: str, value: Parameters) -> None:
        """Put a form's values into the workspace."""
        computing: Any = self.workspace.computing
        self.workspace.set_computing(replace(computing, **{group: value}))

    def _show(self) -> None:
        """Show what is chosen, and the parameters of that place only."""
        computing = self.workspace.computing
        chosen = computing.compute.backend
        place = chosen if chosen in PLACES else "threads"
        self.places[place].setChecked(True)
        for group, form in self.forms.items():
            form.set_value(getattr(computing, group))
            form.setVisible(group == GROUPS[place])
        is_local = place == "threads"
        lacks = not is_local and not all(map(find_spec, PACKAGES))
        self.missing.setVisible(lacks)
        self.cluster.setVisible(not (is_local or lacks))
        self._show_estimate()

    def _show_estimate(self) -> None:
        """Show what a run of the open movie will use, or why it cannot be."""
        try:
            text = estimate(self.workspace)
        except CnmfError as error:
            text = str(error)
        self.estimate.setText(text)
        self.estimate.setVisible(bool(text))

    def _show_memory(self) -> None:
        """Show the memory of this program and of the computer."""
        own = psutil.Process().memory_info().rss
        whole = psutil.virtual_memory()
        self._memory.setText(
            f"napari uses {own / GB:.1f} GB; {whole.available / GB:.1f} of "
            f"{whole.total / GB:.1f} GB are free."
        )


def estimate(workspace: Workspace) -> str:
    """Say what a run of the open movie will use, "" if none is open.

    Raises
    ------
    ParameterError
        If it does not fit into the memory that is given, or its part is wrong.
    """
    if workspace.recorded is None:
        return ""
    movie = crop(workspace.recorded, workspace.recipe.input)
    compute = workspace.computing.compute
    is_local = compute.backend in ("threads", "serial")
    workers = compute.workers or available_cores() if is_local else 1
    memory_gb = compute.memory_gb if is_local else None
    shape, rate_hz = movie.shape, movie.frame_rate_hz
    budget = plan(shape, rate_hz, workspace.recipe, workers, memory_gb)
    if is_local:
        return f"A run {budget.in_words}."
    return (
        f"A run will use about {in_bytes(budget.memory_bytes)} of memory here and "
        f"{in_bytes(budget.disk_bytes)} of disk; each worker needs memory of its own."
    )
