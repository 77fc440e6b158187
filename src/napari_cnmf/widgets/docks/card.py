"""The card of one cell: what it is, why it is accepted or rejected, how it looks.

Its scores stand against their limits, its footprint beside the mean of the frames in
which it is active: the two images whose likeness the r value measures.
"""

from __future__ import annotations

import html
from collections.abc import Sequence

import numpy as np
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from napari_cnmf.colours import ACCEPTED, REJECTED
from napari_cnmf.components import Components, Quality
from napari_cnmf.quality.explain import ScoreRow, explain
from napari_cnmf.widgets.docks.dock import wrapped
from napari_cnmf.widgets.parts.pixels import PixelImage
from napari_cnmf.widgets.parts.strip import FrameStrip

IMAGE_PX = 136

_SIGNS = {"at least": "≥", "at most": "≤", "above": "&gt;", "below": "&lt;"}


class Card(QWidget):
    """Everything about one cell that bears on whether it is one."""

    #: A frame in which the cell is active, which the user wants to see.
    frame_chosen = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.title, self.facts = wrapped(""), wrapped("")
        self.footprint, self.event_image = PixelImage(IMAGE_PX), PixelImage(IMAGE_PX)
        self.frames, self.table = wrapped(""), QLabel()
        self.strip = FrameStrip()
        self.strip.setToolTip(
            "The movie from its first to its last frame, with the frames of the mean "
            "image. A click shows the nearest of them."
        )
        self.strip.chosen.connect(self.frame_chosen)
        self._outline: np.ndarray | None = None
        self._um_per_px: float | None = None
        self._details = QWidget()
        inner = QVBoxLayout(self._details)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.addLayout(self._images())
        inner.addWidget(self.frames)
        inner.addWidget(self.strip)
        inner.addWidget(self.table)
        inner.addWidget(self.facts)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.title)
        column.addWidget(self._details)

    def show_nothing(self, why: str) -> None:
        """Be empty, and say why."""
        self.title.setText(why)
        self._details.hide()

    def show_verdict(self, components: Components, quality: Quality, k: int) -> None:
        """Show the verdict on component `k`, and each score against its limit."""
        why = explain(quality, k)
        word, colour = (
            ("accepted", ACCEPTED) if quality.accepted[k] else ("rejected", REJECTED)
        )
        self.title.setText(
            f"<b>Cell {components.ids[k]}</b> is <b style='color:{colour}'>{word}</b>"
            f"{html.escape(why.sentence.removeprefix(word))}."
        )
        self.table.setText(_table(why.rows))
        self._details.show()

    def show_cell(
        self,
        components: Components,
        k: int,
        frames: np.ndarray,
        pixel_size_um: tuple[float, float] | None,
    ) -> None:
        """Show size, place and the frames in which component `k` is active."""
        self.facts.setText(_facts(components, k, pixel_size_um))
        self.frames.setText(
            f"Active in {len(frames)} of {components.n_frames} frames; click to see:"
        )
        self.strip.set_frames(frames, components.n_frames)

    def show_footprint(
        self, footprint: np.ndarray, pixel_size_um: tuple[float, float] | None
    ) -> None:
        """Show the footprint (side, side) alone; its image follows."""
        self._outline = footprint
        self._um_per_px = None if pixel_size_um is None else pixel_size_um[1]
        self.footprint.show_image(footprint, um_per_px=self._um_per_px)
        self.event_image.show_text("")

    def show_event(self, event: np.ndarray) -> None:
        """Show the mean of the active frames (side, side) beside the footprint."""
        self.event_image.show_image(
            event, outlined=self._outline, um_per_px=self._um_per_px
        )

    def _images(self) -> QHBoxLayout:
        """Both images, each below its name."""
        sides = QHBoxLayout()
        sides.setSpacing(12)
        for name, image in (
            ("Footprint", self.footprint),
            ("Mean while active", self.event_image),
        ):
            side = QVBoxLayout()
            side.setSpacing(2)
            side.addWidget(QLabel(name))
            side.addWidget(image)
            sides.addLayout(side)
        sides.addStretch()
        return sides


def _table(rows: Sequence[ScoreRow]) -> str:
    """Scores, limits and whether they are kept; those that decide in bold."""
    lines = []
    for row in rows:
        colour, mark = (ACCEPTED, "✓") if row.passed else (REJECTED, "✗")
        name = f"<b>{row.name}</b>" if row.decided else row.name
        lines.append(
            f"<tr><td>{name}&nbsp;&nbsp;</td><td align='right'>{row.value:.2f}</td>"
            f"<td>&nbsp;{_SIGNS[row.direction]} {row.limit:g}&nbsp;&nbsp;</td>"
            f"<td style='color:{colour}'><b>{mark}</b></td></tr>"
        )
    return f"<table cellspacing='0' cellpadding='2'>{''.join(lines)}</table>"


def _facts(
    components: Components, k: int, pixel_size_um: tuple[float, float] | None
) -> str:
    """Size and place of component `k`, in micrometres too if they are known."""
    size, (y, x) = int(components.sizes_px[k]), components.centres[k]
    area = (
        "" if pixel_size_um is None else f" = {size * np.prod(pixel_size_um):.0f} µm²"
    )
    return f"{size} px{area}, at row {y:.0f}, column {x:.0f}"
