"""The dock "Patches and key parameters": what decides a run, seen on the image.

While sizes are changed, the quilt of patches and a disc of a neuron's size follow on
the image. Both are drawn as long as the dock is in sight; the disc can be dragged onto
a cell. The checks are those of CaImAn's demo notebook.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from html import escape
from typing import Any

import numpy as np
from napari.viewer import Viewer
from qtpy.QtCore import Qt, QTimer
from qtpy.QtGui import QHideEvent, QShowEvent
from qtpy.QtWidgets import QPushButton

from napari_cnmf.cnmf.patches import Patch
from napari_cnmf.errors import CnmfError
from napari_cnmf.proposal import HALF_SIZE, Proposal
from napari_cnmf.recipe import Recipe
from napari_cnmf.widgets import running
from napari_cnmf.widgets.docks.dock import StageDock, heading, wrapped
from napari_cnmf.widgets.parts.proposal_table import ProposalTable
from napari_cnmf.widgets.views import quilt

#: Patches should be at least this many neurons wide.
MIN_NEURONS = 3
#: The quilt is drawn anew at most this often while a value is dragged.
REDRAW_MS = 50
GOOD, BAD = "\N{CHECK MARK}", "\N{WARNING SIGN}"


class PatchesWidget(StageDock):
    """Dock in which patches and key parameters are chosen."""

    intro = (
        "CNMF works on overlapping patches. Drag the yellow disc onto a cell to "
        "compare sizes."
    )

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self._drawn = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(REDRAW_MS)
        self._timer.timeout.connect(self._redraw)
        self.add_form("patches", title="Patches")
        key = ("neuron_half_size_px", "min_event_energy")
        self._sizes = self.add_form("init", key, title="Key parameters")
        self.add_form("merge", ("min_correlation",), title="Merging")
        self.disc_button = QPushButton("Bring the disc into view")
        self.disc_button.clicked.connect(lambda: quilt.draw_disc(self.session.scene))
        self.body.addWidget(self.disc_button)
        self.proposals = ProposalTable()
        self.proposals.used.connect(self._use)
        self._proposals_heading = heading("What the movie says")
        self.body.addWidget(self._proposals_heading)
        self.body.addWidget(self.proposals)
        self.add_action(
            "Propose from the movie",
            self._propose,
            lambda: running.lacks_registered(self.workspace),
            "Measure cell size, decay time and more in the registered movie",
        )
        self.figures, self.checks, self.differences = (wrapped("") for _ in range(3))
        for title, label in (
            ("The patches", self.figures),
            ("Checks", self.checks),
            ("Changed since the last run", self.differences),
        ):
            label.setTextFormat(Qt.TextFormat.RichText)
            self.body.addWidget(heading(title))
            self.body.addWidget(label)
        for signal in (
            self.workspace.recipe_changed,
            self.workspace.movie_changed,
            self.workspace.folder_changed,
            self.workspace.result_changed,
        ):
            self.listen(signal, self._redraw_soon)
        self.listen(self.workspace.result_changed, self._show_measured)
        self.listen(self.workspace.recipe_changed, self._compare)
        self._show_measured()
        self._redraw()

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 - Qt's name
        """Draw the quilt and the disc."""
        super().showEvent(event)
        if not self._drawn:
            self._drawn = True
            self.session.scene.viewer.mouse_drag_callbacks.append(self._drag)
            self._redraw()

    def hideEvent(self, event: QHideEvent) -> None:  # noqa: N802 - Qt's name
        """Take the quilt and the disc away."""
        super().hideEvent(event)
        if self._drawn:
            self._drawn = False
            scene = self.session.scene
            if scene.is_open:
                scene.viewer.mouse_drag_callbacks.remove(self._drag)
                for role in (quilt.QUILT, quilt.DISC):
                    scene.remove(role)

    def _propose(self) -> None:
        """Ask the registered movie, beside the window."""
        work = running.proposing_work(self.workspace)
        self.begin("Propose parameters", work, self._show_proposals)

    def _show_measured(self) -> None:
        """Show what a run has measured, and what "auto" stood for in it."""
        result = self.workspace.result
        proposals = () if result is None else result.proposals or ()
        sizes = (p.value for p in proposals if p.parameter == HALF_SIZE)
        self._sizes.show_auto("neuron_half_size_px", next(sizes, None))
        self._show_proposals(proposals)

    def _show_proposals(self, proposals: Sequence[Proposal]) -> None:
        """List proposals."""
        self.proposals.show_proposals(proposals)
        self._proposals_heading.setVisible(bool(proposals))
        self._compare()

    def _compare(self) -> None:
        """Show which of the proposed values are in the recipe."""
        self.proposals.follow(self.workspace.recipe)

    def _use(self, name: str, value: float) -> None:
        """Take over a proposed value."""
        self.workspace.set_recipe(self.workspace.recipe.with_settings({name: value}))

    def _redraw_soon(self) -> None:
        """Show the change shortly, together with those that follow at once."""
        if not self._timer.isActive():
            self._timer.start()

    def _redraw(self) -> None:
        """Show the patches of the present recipe, in figures and on the image."""
        scene = self.session.scene
        try:
            grid = quilt.grid_of(self.workspace)
        except CnmfError as error:
            self.say(str(error), "error")
            return
        self.say("" if grid else "Open a movie to see its patches.")
        self.figures.setText(self._in_words(grid))
        self.checks.setText("<br>".join(checks(grid, self.workspace.diameter_px)))
        self.differences.setText(self._changes())
        self.disc_button.setEnabled(bool(grid))
        if self._drawn:
            quilt.draw_quilt(scene)
            if grid:
                quilt.draw_disc(scene, quilt.disc_centre(scene))

    def _in_words(self, grid: list[Patch]) -> str:
        """Say how many patches there are, how large, and how many cells they hold."""
        if not grid:
            return "-"
        figures, recipe = quilt.GridFigures.of(grid), self.workspace.recipe
        height, width = figures.size_px
        lines = [f"{figures.n_patches} of {height} \N{MULTIPLICATION SIGN} {width} px"]
        if figures.n_patches > 1:
            asked = recipe.patches.patch_overlap_px
            lines.append(f"Overlap {figures.overlap_px} px (asked for: {asked} px)")
        room = height * width / self.workspace.diameter_px**2
        lines.append(f"Room for about {room:.0f} neurons in each")
        components = self.workspace.components
        if components is not None:
            found = quilt.found_per_patch(grid, components)
            lines.append(f"Found in the last run: {found:.0f} in each (median)")
        return "<br>".join(lines)

    def _changes(self) -> str:
        """Write what differs from the parameters of the result shown."""
        result = self.workspace.result
        if result is None or result.components is None:
            return "There was no run yet."
        found = self.workspace.recipe.differences(Recipe.from_toml(result.recipe))
        shown = [change for change in found if change[0].split(".")[0] in self.forms]
        if not shown:
            return "Nothing."
        rows = "".join(
            f"<tr><td>{escape(name.split('.')[1])}&nbsp;</td>"
            f"<td align='right'>{escape(before)}&nbsp;\N{RIGHTWARDS ARROW}&nbsp;</td>"
            f"<td><b>{escape(now)}</b></td></tr>"
            for name, now, before in shown
        )
        return f"<table>{rows}</table>"

    def _drag(self, viewer: Viewer, event: Any) -> Generator[None, None, None]:
        """Move the disc while it is dragged, instead of the view."""
        scene = self.session.scene
        centre = quilt.disc_centre(scene)
        if centre is None or event.button != 1 or viewer.dims.ndisplay != 2:
            return
        away = np.asarray(event.position[-2:]) - centre
        radius_px = self.workspace.diameter_px / 2
        if np.hypot(*(away / scene.place.scale[1:])) > radius_px:
            return
        camera = viewer.scene.camera
        panned, camera.mouse_pan = camera.mouse_pan, False
        yield
        while event.type == "mouse_move":
            quilt.draw_disc(scene, np.asarray(event.position[-2:]) - away)
            yield
        camera.mouse_pan = panned


def checks(grid: list[Patch], diameter_px: float) -> list[str]:
    """Say whether patches and overlap suit the size of a neuron."""
    if not grid:
        return ["-"]
    figures = quilt.GridFigures.of(grid)
    width = min(figures.size_px) / diameter_px
    good = width >= MIN_NEURONS
    lines = [
        f"{GOOD if good else BAD} A patch is {width:.1f} neurons wide"
        + ("." if good else f"; make it at least {MIN_NEURONS} wide.")
    ]
    if figures.n_patches > 1:
        good = figures.overlap_px >= diameter_px
        lines.append(
            f"{GOOD if good else BAD} A neuron of {diameter_px:.0f} px "
            + ("fits into the overlap." if good else "is larger than the overlap.")
        )
    return lines
