"""The dock of shifts: how far frames had moved, and how well they fit, over time."""

from __future__ import annotations

import numpy as np
from napari.viewer import Viewer
from qtpy.QtWidgets import QCheckBox, QLabel, QSpinBox

from napari_cnmf.formats.results import Result
from napari_cnmf.widgets.docks.plotdock import PlotDock
from napari_cnmf.widgets.parts.shift_rows import KINDS, shift_rows

NOTHING = "Nothing is registered yet: correct the motion first (Motion)."
_LABELS = {
    "shifts": ("shifts", "dy and dx of the whole frame, those of its patches in grey"),
    "correlation": ("correlation", "With the template; before registration in grey"),
    "residual": (
        "residual",
        "Displacement from the template left in means of frames; before in grey",
    ),
}


class ShiftsWidget(PlotDock):
    """Shifts, correlation and residual over time, and a cursor.

    Parameters
    ----------
    napari_viewer : Viewer
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self.kinds = {kind: self._kind_box(kind) for kind in KINDS}
        self.patch = QSpinBox()
        self.patch.setPrefix("patch ")
        self.patch.setSpecialValueText("all patches")
        self.patch.setToolTip("Counted row by row; of all, the outermost are shown")
        self.patch.valueChanged.connect(self.refresh)
        self.now = QLabel()
        self.add_controls(*self.kinds.values(), self.patch, self.now)
        self.listen(self.workspace.result_changed, self.refresh)
        self.refresh()

    @property
    def shown_kinds(self) -> list[str]:
        """What is shown, of `KINDS`."""
        return [kind for kind, box in self.kinds.items() if box.isChecked()]

    def refresh(self) -> None:
        """Show what the registration has given, if there was one."""
        result = self.workspace.result
        self._offer_patches(result)
        if result is None or result.shifts is None:
            self.plot.show_rows([], 0, 1.0)
        else:
            chosen = self.patch.value()
            patch = chosen - 1 if chosen else None
            rows = shift_rows(result, self.shown_kinds, patch)
            rate_hz = result.movie.frame_rate_hz or 1.0
            n_frames = len(result.shifts.values)
            self.plot.show_rows(rows, n_frames, rate_hz, _bad_frames(result))
        self.follow_slider()

    def follow_slider(self) -> None:
        """Put the cursor where the slider is, and say what is true of that frame."""
        super().follow_slider()
        if self.isVisible():
            frame = self.session.scene.current_frame()
            self.now.setText(in_words(self.workspace.result, frame))

    def _offer_patches(self, result: Result | None) -> None:
        """Offer the patches of a piecewise registration."""
        shifts = None if result is None else result.shifts
        patches = None if shifts is None else shifts.patches
        self.patch.setVisible(patches is not None)
        self.patch.blockSignals(True)
        self.patch.setRange(0, 0 if patches is None else len(patches.centres))
        self.patch.blockSignals(False)

    def _kind_box(self, kind: str) -> QCheckBox:
        """Check box that shows or hides a kind of curve."""
        label, tooltip = _LABELS[kind]
        box = QCheckBox(label)
        box.setToolTip(tooltip)
        box.setChecked(kind != "residual")
        box.toggled.connect(self.refresh)
        return box


def in_words(result: Result | None, frame: int) -> str:
    """Say how far a frame had moved, and what is wrong with it."""
    if result is None or result.shifts is None:
        return NOTHING
    if frame >= len(result.shifts.values):
        return ""
    dy, dx = result.shifts.values[frame].tolist()
    text = f"frame {frame:,}: dy {dy:.2f}, dx {dx:.2f} px".replace("-", "\u2212")
    reasons = () if result.registration is None else result.registration.reasons(frame)
    return f"{text} ({', '.join(reasons)})" if reasons else text


def _bad_frames(result: Result) -> np.ndarray:
    """Frames that remain bad."""
    if result.registration is None:
        return np.empty(0, np.int64)
    return result.registration.bad_frames
