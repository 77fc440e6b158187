"""The dock of the registration: parameters, outcome, and ways to look at it."""

from __future__ import annotations

from napari.viewer import Viewer
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QPushButton

from napari_cnmf.widgets import running
from napari_cnmf.widgets.docks.before_after import BeforeAfterBox
from napari_cnmf.widgets.docks.dock import heading, wrapped
from napari_cnmf.widgets.docks.marks import MarksBox
from napari_cnmf.widgets.docks.registration_report import report
from napari_cnmf.widgets.docks.stages import PipelineDock

PIECEWISE_ONLY = ("grid_step_px", "grid_overlap_px", "max_deviation_px")


class MotionWidget(PipelineDock):
    """Dock that registers the movie."""

    intro = "Registers each frame to a template and keeps the movie for the next steps."
    stages = ("correct", "correct")

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self.add_form("motion", title="Registration")
        self.add_form("store", title="Registered movie")
        self.report = wrapped("")
        self.report.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextBrowserInteraction
        )
        self.report.linkActivated.connect(self._go_to)
        self.before_after = BeforeAfterBox(napari_viewer)
        self.marks = MarksBox(napari_viewer)
        self.plot = QPushButton("Shifts over time")
        self.plot.setToolTip("Plot shifts, correlation and residual below the image")
        self.plot.clicked.connect(self._open_plot)
        for title, widget in (
            ("Outcome", self.report),
            ("Before and after", self.before_after),
            ("On the image", self.marks),
        ):
            self.body.addWidget(heading(title))
            self.body.addWidget(widget)
        self.body.addWidget(self.plot)
        self.add_action(
            "Correct motion",
            lambda: self.run_stages("Correct motion", "correct", "correct"),
            lambda: running.lacks_movie(self.workspace),
            "Register all frames; also computes the summary images",
        )
        self.listen(self.workspace.recipe_changed, self._show_mode)
        self.listen(self.workspace.result_changed, self._show_report)
        self._show_mode()
        self._show_report()

    def _show_mode(self) -> None:
        """Show the parameters that matter in the chosen mode."""
        form, mode = self.forms["motion"], self.workspace.recipe.motion.mode
        hidden = PIECEWISE_ONLY if mode == "rigid" else ()
        form.show_only(
            ("mode",) if mode == "none" else set(form.names).difference(hidden)
        )

    def _show_report(self) -> None:
        """Say what was found."""
        result = self.workspace.result
        self.report.setText(report(result) or "-")
        shifts = None if result is None else result.shifts
        offset_px = None if shifts is None else shifts.line_offset_px
        self.forms["motion"].show_auto("line_offset_px", offset_px)
        self.plot.setEnabled(shifts is not None)

    def _go_to(self, frame: str) -> None:
        """Go to a frame that is listed."""
        self.session.scene.go_to_frame(int(frame))

    def _open_plot(self) -> None:
        """Open the plot below the image."""
        window = self.session.scene.viewer.window
        window.add_plugin_dock_widget("napari-cnmf", "Shifts")
