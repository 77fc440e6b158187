"""The dock of the whole workflow: all steps in order, and the page of the chosen one.

The pages are the very docks of the steps, made when they are first shown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from napari.viewer import Viewer
from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QStackedWidget,
    QTreeWidget,
    QTreeWidgetItem,
    QWidget,
)

from napari_cnmf.pipeline.stages import STAGES
from napari_cnmf.widgets import running
from napari_cnmf.widgets.docks.dock import StageDock, wrapped
from napari_cnmf.widgets.docks.stages import PipelineDock
from napari_cnmf.widgets.parts.runbar import STAGE_WORDS
from napari_cnmf.widgets.workspace import Workspace

_NAME_PX, _ROW_PX = 120, 22


@dataclass(frozen=True)
class Step:
    """One step of the workflow.

    Attributes
    ----------
    name : str
    dock : str
        Module and class of its page: "motion:MotionWidget".
    lacks : callable
        Says what must be done first.
    stage : str
        Stage of the pipeline that finishes it, "" if none does.
    also : tuple of str
        Stages before that one that belong to it.
    """

    name: str
    dock: str
    lacks: Callable[[Workspace], str]
    stage: str = ""
    also: tuple[str, ...] = ()


STEPS = (
    Step("Movie", "movie:MovieWidget", lambda _: ""),
    Step("Motion", "motion:MotionWidget", running.lacks_movie, "correct"),
    Step("Images", "stages:SummaryWidget", running.lacks_registered, "summarise"),
    Step("Patches", "patches:PatchesWidget", running.lacks_movie),
    Step("Cells", "stages:CnmfWidget", running.lacks_registered, "refit", ("fit",)),
    Step("Evaluate", "evaluate:EvaluateWidget", running.lacks_cells, "evaluate"),
    Step("dF/F", "stages:DffWidget", running.lacks_cells, "dff"),
    Step("Export", "export:ExportWidget", running.lacks_cells),
)


class WorkflowWidget(PipelineDock):
    """Dock with the whole workflow."""

    scrolls = False
    stages = ("correct", "dff")

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self.steps = _steps_list()
        self.steps.currentItemChanged.connect(self._turn_page)
        self._pages = QStackedWidget()
        self._made: dict[int, QWidget] = {}
        self.body.addWidget(self.steps)
        self.body.addWidget(self._pages, 1)
        self.add_action(
            "Run all",
            lambda: self.run_stages("Run all", "correct", "dff"),
            lambda: running.lacks_movie(self.workspace),
            "Run all steps from the movie to dF/F",
        )
        self.add_action(
            "Run the rest",
            lambda: self.run_stages("Run the rest", self._next_stage(), "dff"),
            lambda: running.lacks_registered(self.workspace) or self._all_done(),
            "Run the steps that are not done yet",
        )
        self._cut_short: running.CutShort | None = None
        self.about = wrapped("")
        self.footer.insertWidget(0, self.about)
        self.go_on = self.add_action(
            "Go on",
            self._go_on,
            lambda: running.lacks_movie(self.workspace),
            "Take up the run that was cut short, with its parameters",
        )
        workspace, jobs = self.workspace, self.session.jobs
        for signal in (
            workspace.movie_changed,
            workspace.quality_changed,
            workspace.recipe_changed,
        ):
            self.listen(signal, self._show_states)
        for signal in (
            workspace.folder_changed,
            workspace.result_changed,
            jobs.started,
            jobs.ended,
        ):
            self.listen(signal, self._look_for_run)
        self._look_for_run()
        self.steps.setCurrentItem(self.steps.topLevelItem(0))

    @property
    def changes(self) -> list[str]:
        """None here: each page shows those of its step."""
        return []

    def page(self, name: str) -> QWidget:
        """Return the page of a step, made at the first call."""
        place = [step.name for step in STEPS].index(name)
        if place not in self._made:
            module, kind = STEPS[place].dock.split(":")
            dock = getattr(import_module(f"napari_cnmf.widgets.docks.{module}"), kind)
            page = dock(self.session.scene.viewer)
            if isinstance(page, StageDock):
                page.run_bar.deleteLater()  # the workflow has one of its own
            page.layout().setContentsMargins(0, 6, 0, 0)
            self._made[place] = page
            self._pages.addWidget(page)
        return self._made[place]

    def show_step(self, name: str) -> None:
        """Go to a step."""
        place = [step.name for step in STEPS].index(name)
        self.steps.setCurrentItem(self.steps.topLevelItem(place))

    def _turn_page(self, item: QTreeWidgetItem) -> None:
        """Show the page of the chosen step."""
        step = STEPS[self.steps.indexOfTopLevelItem(item)]
        self._pages.setCurrentWidget(self.page(step.name))

    def _look_for_run(self, *_: str) -> None:
        """Offer to go on, if a run in the folder was cut short."""
        busy = self.session.jobs.running
        cut = None if busy else running.cut_short(self.workspace.folder)
        self._cut_short = cut
        if cut is not None:
            doing = STAGE_WORDS[cut.stage].lower()
            self.about.setText(
                f"The run in this folder was cut short while {doing}; what it had "
                "done is kept."
            )
        self.about.setVisible(cut is not None)
        self.go_on.setVisible(cut is not None)
        self._show_states()

    def _go_on(self) -> None:
        """Take up the run that was cut short."""
        cut = self._cut_short
        if cut is not None:
            self.workspace.set_recipe(cut.recipe)
            work = running.going_on_work(self.workspace, cut)
            self.begin("Go on", work, self._done)

    def _next_stage(self) -> str:
        """Name of the first stage that is not done."""
        left = (s.name for s in STAGES if not running.is_done(self.workspace, s.name))
        return next(left, "")

    def _all_done(self) -> str:
        """Say that nothing is left, if so."""
        return "" if self._next_stage() else "All steps are done."

    def _show_states(self) -> None:
        """Show how far each step is."""
        for place, step in enumerate(STEPS):
            item = self.steps.topLevelItem(place)
            cut = self._cut_short
            is_cut = cut is not None and cut.stage in (step.stage, *step.also)
            text = "unfinished" if is_cut else _state(step, self.workspace)
            item.setText(1, text)
            item.setToolTip(1, step.lacks(self.workspace))


def _steps_list() -> QTreeWidget:
    """Make the list of steps: number and name, and how far each is."""
    tree = QTreeWidget()
    tree.setColumnCount(2)
    tree.setHeaderHidden(True)
    tree.setRootIsDecorated(False)
    tree.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
    tree.setColumnWidth(0, _NAME_PX)
    for number, step in enumerate(STEPS, 1):
        item = QTreeWidgetItem([f"{number}   {step.name}", ""])
        item.setSizeHint(0, QSize(_NAME_PX, _ROW_PX))
        tree.addTopLevelItem(item)
    tree.setFixedHeight(len(STEPS) * _ROW_PX + 2 * tree.frameWidth())
    tree.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    return tree


def _state(step: Step, workspace: Workspace) -> str:
    """Say in a few words how far a step is."""
    if step.name == "Movie" and workspace.movie is not None:
        n_frames, height, width = workspace.movie.shape
        return f"✓ {n_frames} frames of {height} x {width} px"
    if running.is_done(workspace, step.stage):
        return "✓ " + _outcome(step, workspace)
    return "" if step.lacks(workspace) else "ready"


def _outcome(step: Step, workspace: Workspace) -> str:
    """Say what a finished step has given."""
    components, quality = workspace.components, workspace.quality
    if step.stage == "refit" and components is not None:
        return f"{len(components)} components"
    if step.stage == "evaluate" and quality is not None:
        return f"{int(quality.accepted.sum())} of {len(quality.accepted)} accepted"
    return "done"
