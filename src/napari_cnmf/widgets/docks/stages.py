"""The docks of the stages: summary images, CNMF and dF/F; what all have in common.

Each shows its groups of parameters, runs its stages into the folder of the run, and
says which parameters differ from those that its present outcome was made with.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any, ClassVar, get_type_hints

import numpy as np
from napari.viewer import Viewer

from napari_cnmf.cnmf.parameters import InitParameters
from napari_cnmf.formats.results import Result
from napari_cnmf.movie.parameters import INDICATORS
from napari_cnmf.recipe import Recipe
from napari_cnmf.widgets import running
from napari_cnmf.widgets.docks.beginning import BeginBox
from napari_cnmf.widgets.docks.dock import StageDock, heading, wrapped
from napari_cnmf.widgets.parts.form import caption

#: What else decides a search that begins with marked cells.
OF_SEEDED = ("neuron_half_size_px", "iterations", "space_bin_px", "time_bins")


class PipelineDock(StageDock):
    """A dock that runs stages of the pipeline."""

    #: First and last stage that this dock runs; their parameters are compared.
    stages: ClassVar[tuple[str, str]]

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self._changes = wrapped("")
        self._changes.hide()
        self.footer.insertWidget(0, self._changes)
        self.listen(self.workspace.recipe_changed, self._show_changes)
        self.listen(self.workspace.result_changed, self._show_changes)
        self._show_changes()

    def run_stages(self, title: str, first: str, until: str) -> None:
        """Run stages, after asking if cells would be lost."""
        if self.workspace.folder is None:
            layer = self.session.scene.layer("movie")
            name = "" if layer is None else layer.name
            self.workspace.set_folder(running.usual_folder(self.workspace, name))
        lost = running.losses(self.workspace, first)
        if not lost or self.ask(f"{title} again? This replaces {lost}."):
            work = running.stage_work(self.workspace, first, until)
            self.begin(title, work, self._done)

    def outcome(self, result: Result) -> str:  # noqa: ARG002 - for those who say more
        """Say in a line what was found."""
        return "Done."

    def _done(self, result: Result) -> None:
        """Say what was found; the workspace has the result already."""
        self.say(self.outcome(result))

    @property
    def changes(self) -> list[str]:
        """Parameters that differ from those of the present outcome, before and now."""
        if not running.is_done(self.workspace, self.stages[0]):
            return []
        changed = running.changes(self.workspace, *self.stages)
        return [
            f"{_caption(name)}: {_shown(old)} → {_shown(new)}"
            for name, (old, new) in changed.items()
        ]

    def _show_changes(self) -> None:
        """Show what has changed."""
        lines = self.changes
        head = "<b>Changed since the last run</b>"
        self._changes.setText("<br>".join([head, *lines]))
        self._changes.setVisible(bool(lines))


class SummaryWidget(PipelineDock):
    """Dock that computes the summary images again."""

    intro = "Mean, maximum, standard deviation, local correlation and noise of a pixel."
    stages = ("summarise", "summarise")

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self.add_form("summary")
        self.add_action(
            "Compute images",
            lambda: self.run_stages("Compute images", "summarise", "summarise"),
            lambda: running.lacks_registered(self.workspace),
            "Compute the images of the registered movie again",
        )


class CnmfWidget(PipelineDock):
    """Dock that finds cells and refines them."""

    intro = "Finds cells patch by patch, then refines them over the whole field."
    stages = ("fit", "refit")

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        kinetics = ("indicator", "decay_time_s", "rise_time_s")
        self._kinetics = self.add_form("acquisition", kinetics, "Indicator")
        self.body.addWidget(heading("Search"))
        self.begin_box = BeginBox(self.session.scene.viewer)
        self.body.addWidget(self.begin_box)
        names = [item.name for item in fields(InitParameters) if item.name != "seeds"]
        self._search = self.add_form("init", names)
        methods = self._search.editor("method")
        methods.removeItem(methods.findData("seeded"))  # the box above is for that
        self.add_form("spatial", title="Footprints")
        self.add_form("background", title="Background")
        self.add_form("merge", title="Merging")
        self.add_form("temporal", title="Traces")
        self.listen(self.workspace.recipe_changed, self._show_kinetics)
        self.listen(self.workspace.recipe_changed, self._show_search)
        self._show_kinetics()
        self._show_search()
        self.add_action(
            "Find cells",
            lambda: self.run_stages("Find cells", "fit", "refit"),
            lambda: running.lacks_registered(self.workspace),
            "Find cells in all patches, join them and refine them",
        )
        self.add_action(
            "Refine",
            self._refine,
            lambda: running.lacks_cells(self.workspace),
            "Update footprints and traces of the cells that are there",
        )

    def _refine(self) -> None:
        """Refine the cells; if they were evaluated, evaluate what they have become."""
        evaluated = self.workspace.quality is not None
        self.run_stages("Refine", "refit", "evaluate" if evaluated else "refit")

    def outcome(self, result: Result) -> str:
        """Say how many components there are."""
        n_found = 0 if result.components is None else len(result.components)
        return f"{n_found} components found; evaluate them next (Evaluate)."

    def _show_search(self) -> None:
        """Show what matters to a search, or to cells that were marked."""
        seeded = self.workspace.recipe.init.method == "seeded"
        self._search.show_only(OF_SEEDED if seeded else self._search.names)

    def _show_kinetics(self) -> None:
        """Show which decay and rise time the indicator stands for."""
        decay_s, rise_s = INDICATORS[self.workspace.recipe.acquisition.indicator]
        self._kinetics.show_auto("decay_time_s", decay_s)
        self._kinetics.show_auto("rise_time_s", rise_s)


class DffWidget(PipelineDock):
    """Dock that relates the traces to their baseline."""

    intro = "Relates each trace to its slow baseline and the background behind it."
    stages = ("dff", "dff")

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self.add_form("dff")
        self.add_action(
            "Compute dF/F",
            lambda: self.run_stages("Compute dF/F", "dff", "dff"),
            lambda: running.lacks_cells(self.workspace),
            "Compute dF/F of all cells",
        )

    def outcome(self, result: Result) -> str:
        """Say what the traces look like."""
        components = result.components
        if components is None or components.dff is None:
            return ""
        dark = int(np.isnan(components.dff).any(axis=1).sum())
        text = f"dF/F of {len(components) - dark} components is in Traces."
        return text + (f" {dark} have none: they are too dark." if dark else "")


def _caption(full_name: str) -> str:
    """Caption of a parameter by its full name."""
    group, name = full_name.split(".")
    kind = get_type_hints(Recipe)[group]
    return next(caption(item) for item in fields(kind) if item.name == name)


def _shown(value: Any) -> str:
    """Write a parameter's value."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value) or "none"
