"""Part of the Motion dock: patches and shifts on the image, while they are in sight."""

from __future__ import annotations

from napari.viewer import Viewer
from qtpy.QtGui import QHideEvent, QShowEvent
from qtpy.QtWidgets import QCheckBox, QDoubleSpinBox, QHBoxLayout, QVBoxLayout, QWidget

from napari_cnmf.errors import CnmfError
from napari_cnmf.widgets.docks.plotdock import Throttle
from napari_cnmf.widgets.lifetime import connect
from napari_cnmf.widgets.session import session
from napari_cnmf.widgets.views.registration import (
    GRID,
    SHIFTS,
    draw_grid,
    draw_shifts,
    follow_shifts,
)

#: Drawn anew at most this often while a value is dragged.
REDRAW_MS = 50
GAIN = 5.0


class MarksBox(QWidget):
    """Draws the patch grid, and the shifts of the present frame as arrows.

    Parameters
    ----------
    viewer : Viewer
    """

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        owner = session(viewer)
        self._scene, self._workspace = owner.scene, owner.workspace
        self._drawn = False
        self.grid = _box("Patches", "Those of the present parameters")
        self.shifts = _box(
            "Shifts of the frame, times",
            "How far the content of the frame, or of each patch, had moved",
        )
        self.gain = _gain_box()
        row = QHBoxLayout()
        for widget in (self.shifts, self.gain):
            row.addWidget(widget)
        row.addStretch()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.grid)
        layout.addLayout(row)
        self._timer = Throttle(self, REDRAW_MS, self._redraw)
        for box in (self.grid, self.shifts):
            box.toggled.connect(self._redraw)
        self.gain.valueChanged.connect(self._redraw)
        for signal in (
            self._workspace.recipe_changed,
            self._workspace.movie_changed,
            self._workspace.folder_changed,
            self._workspace.result_changed,
        ):
            connect(self, signal, self._timer.begin)
        connect(self, self._scene.frame_changed, self._follow_frame)

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 - Qt's name
        """Draw them."""
        super().showEvent(event)
        self._drawn = True
        self._redraw()

    def hideEvent(self, event: QHideEvent) -> None:  # noqa: N802 - Qt's name
        """Take them away."""
        super().hideEvent(event)
        self._drawn = False
        if self._scene.is_open:
            for role in (GRID, SHIFTS):
                self._scene.remove(role)

    def _redraw(self) -> None:
        """Draw what is ticked."""
        self.grid.setEnabled(self._workspace.recipe.motion.mode == "piecewise")
        if not self._drawn:
            return
        if self.grid.isChecked():
            try:
                draw_grid(self._scene)
            except CnmfError:  # the part to use does not fit, as the Movie dock says
                self._scene.remove(GRID)
        else:
            self._scene.remove(GRID)
        if self.shifts.isChecked():
            draw_shifts(self._scene, self.gain.value())
        else:
            self._scene.remove(SHIFTS)

    def _follow_frame(self) -> None:
        """Show the shifts of another frame."""
        if self._drawn and self.shifts.isChecked():
            follow_shifts(self._scene)


def _box(text: str, tooltip: str) -> QCheckBox:
    """Make a ticked box."""
    box = QCheckBox(text)
    box.setToolTip(tooltip)
    box.setChecked(True)
    return box


def _gain_box() -> QDoubleSpinBox:
    """Make a box for how much longer than the shifts arrows are."""
    box = QDoubleSpinBox()
    box.setRange(0.1, 100)
    box.setDecimals(1)
    box.setValue(GAIN)
    box.setToolTip("Arrows are so many times as long as the shifts")
    return box
