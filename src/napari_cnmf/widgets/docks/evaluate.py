"""The Evaluate dock: limits over histograms, decisions by hand, and the cell's card.

Moving a limit applies the rule anew to scores that are already there, so all views
follow at once; decisions by hand stay apart from the rule and win over it.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from napari.viewer import Viewer
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_cnmf.components import Components
from napari_cnmf.errors import MissingStageError
from napari_cnmf.formats.results import Result
from napari_cnmf.quality.criteria import looks_at_peaks
from napari_cnmf.quality.evidence import (
    event_frames_used,
    footprint_box,
    mean_event_image,
)
from napari_cnmf.widgets import running
from napari_cnmf.widgets.docks.card import Card
from napari_cnmf.widgets.docks.curation import Curation
from napari_cnmf.widgets.docks.dock import StageDock, heading
from napari_cnmf.widgets.docks.verdicts import Verdicts
from napari_cnmf.widgets.latest import Latest
from napari_cnmf.widgets.parts.keys import DockKeys


class EvaluateWidget(StageDock):
    """Dock that decides which components are cells."""

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self.verdicts = Verdicts(self.session)
        self.card = Card()
        self.curation = Curation(self.session)
        self._image = Latest(self)
        self._shown: tuple[int, str] | None = None
        self.body.addWidget(self.verdicts)
        self._cell = QWidget()
        column = QVBoxLayout(self._cell)
        column.setContentsMargins(0, 0, 0, 0)
        for widget in (heading("Selected cell"), self.curation, self.card):
            column.addWidget(widget)
        self.body.addWidget(self._cell)
        self.evaluate = self.add_action(
            "Evaluate",
            self._evaluate,
            lambda: running.lacks_cells(self.workspace),
            "Compute all scores from the movie; decisions by hand are kept",
        )
        self._listen()
        self._bind_keys(napari_viewer)
        self._show_cell()

    def _listen(self) -> None:
        """Follow the workspace, and let the card move the viewer in time."""
        scene = self.session.scene
        self.listen(self.workspace.result_changed, self._show_anew)
        self.listen(self.workspace.quality_changed, self._show_cell)
        self.listen(self.workspace.selection_changed, self._show_cell)
        self.listen(scene.frame_changed, self.card.strip.set_current)
        self.card.strip.set_current(scene.current_frame())
        self.card.frame_chosen.connect(scene.go_to_frame)
        self._image.arrived.connect(self._show_image)

    def _bind_keys(self, viewer: Viewer) -> None:
        """Let keys do what the buttons do."""
        actions = {
            "A": self.curation.accept_selected,
            "R": self.curation.reject_selected,
            "U": self.curation.leave_selected,
            ",": self.curation.go_previous,
            ".": self.curation.go_next,
            "Ctrl+Z": self.workspace.undo,
            "Ctrl+Shift+Z": self.workspace.redo,
        }
        DockKeys(viewer, self, actions)

    def _evaluate(self) -> None:
        """Compute the scores anew."""
        work = running.stage_work(self.workspace, "evaluate", "evaluate")
        self.begin("Evaluate cells", work, self._done)

    def _done(self, _result: Result) -> None:
        """Say how to go on."""
        self.say("Move the limits, or decide about single cells by hand.")

    def _show_anew(self) -> None:
        """Show the selected cell of another result."""
        self._shown = None
        self._show_cell()

    def _show_cell(self) -> None:
        """Show the leading selected cell; what is shown already is left alone."""
        components, quality = self.workspace.components, self.workspace.quality
        selected = self.workspace.selected
        self._cell.setVisible(quality is not None)
        if components is None or quality is None or not selected:
            self._shown = None
            self._image.forget()
            self.card.show_nothing("Click a cell in the image, or step to the next.")
            return
        k = int(self.workspace.positions(selected[:1])[0])
        self.card.show_verdict(components, quality, k)
        if self._shown != (k, quality.rule):
            self._shown = (k, quality.rule)
            self._show_images(components, k)

    def _show_images(self, components: Components, k: int) -> None:
        """Show how component `k` looks."""
        self._image.forget()
        size = self.workspace.pixel_size_um
        frames = event_frames_used(components, k)
        self.card.show_cell(components, k, frames, size)
        try:
            self.card.show_footprint(footprint_box(components, k), size)
            self._show_event(components, k)
        except MissingStageError as error:
            self.card.event_image.show_text(str(error))

    def _show_event(self, components: Components, k: int) -> None:
        """Show the mean of the frames used; CaImAn's is read in a thread."""
        quality, movie = components.quality, self.workspace.registered
        if quality is None or looks_at_peaks(quality.rule):
            if movie is None:
                self.card.event_image.show_text(
                    "The registered movie is not on this disk."
                )
            else:
                self.card.event_image.show_text("Reading ...")
                self._image.ask(partial(mean_event_image, movie, components, k))
        elif quality.event_images is not None:
            self.card.show_event(quality.event_images[k])

    def _show_image(self, outcome: np.ndarray | Exception) -> None:
        """Show the mean image that was read, or why it could not be."""
        if isinstance(outcome, Exception):
            self.card.event_image.show_text(str(outcome))
        else:
            self.card.show_event(outcome)
