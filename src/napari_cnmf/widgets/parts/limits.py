"""The limits of a rule: each is dragged over a histogram, or typed in.

Which limits there are, their names, bounds and help come from `QualityParameters`; what
they are held against comes from the rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_cnmf.components import Quality
from napari_cnmf.quality.criteria import Criterion
from napari_cnmf.quality.parameters import QualityParameters
from napari_cnmf.widgets.parts.editors import editor_for
from napari_cnmf.widgets.parts.form import tooltip
from napari_cnmf.widgets.parts.histogram import Histogram

_TALL_PX, _LOW_PX = 64, 34
_FIELDS = {item.name: item for item in fields(QualityParameters)}


class LimitSlider(QWidget):
    """One limit: its name, a field for its number and the histogram to drag it over."""

    #: The limit, all the while it moves.
    moved = Signal(float)
    #: The end of a movement.
    released = Signal()

    def __init__(self, limit: Criterion, height_px: int) -> None:
        super().__init__()
        item = _FIELDS[limit.parameter]
        bounds = (item.metadata["low"], item.metadata["high"])
        self.limit = limit
        self.histogram = Histogram(
            keeps_above=limit.keeps_above, bounds=bounds, height_px=height_px
        )
        self.number = editor_for(item, float)
        self.setToolTip(tooltip(item, float, optional=False))
        name = QLabel(f"{limit.name} {limit.direction}")
        name.setBuddy(self.number)
        self.histogram.setAccessibleName(name.text())
        head = QHBoxLayout()
        head.addWidget(name, stretch=1)
        head.addWidget(self.number)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addLayout(head)
        column.addWidget(self.histogram)
        self.histogram.moved.connect(self._drag)
        self.histogram.released.connect(self.released)
        self.number.edited.connect(self._type)

    def show_limit(self, quality: Quality, value: float) -> None:
        """Show where the limit stands among the scores, and who is accepted."""
        scores = getattr(quality, self.limit.score)
        self.histogram.show_scores(scores, quality.accepted, value)
        self.number.show_value(value)

    def _drag(self, value: float) -> None:
        """Show the number of a limit that is dragged."""
        self.number.show_value(value)
        self.moved.emit(value)

    def _type(self, value: float) -> None:
        """Take a number that was typed in: a movement of one step."""
        self.moved.emit(value)
        self.released.emit()


class LimitSliders(QWidget):
    """All limits of one rule, the rarely used ones folded away.

    Parameters
    ----------
    limits : sequence of Criterion
        The first `n_main` have large histograms and are always shown.
    n_main : int
    """

    #: The new `QualityParameters`, all the while a limit moves.
    moved = Signal(object)
    #: The end of a movement.
    released = Signal()

    def __init__(self, limits: Sequence[Criterion], n_main: int = 2) -> None:
        super().__init__()
        self._parameters = QualityParameters()
        self.sliders: dict[str, LimitSlider] = {}
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        for limit in limits[:n_main]:
            column.addWidget(self._slider(limit, _TALL_PX))
        self._others = QWidget()
        inner = QVBoxLayout(self._others)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.setSpacing(8)
        for limit in limits[n_main:]:
            inner.addWidget(self._slider(limit, _LOW_PX))
        self.fold = QToolButton()
        self.fold.setText("Other limits")
        self.fold.setCheckable(True)
        self.fold.setAutoRaise(True)
        self.fold.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.fold.toggled.connect(self._unfold)
        column.addWidget(self.fold)
        column.addWidget(self._others)
        self._unfold(False)

    def show_limits(self, quality: Quality, parameters: QualityParameters) -> None:
        """Show where the limits stand among the scores, and who is accepted."""
        self._parameters = parameters
        for name, slider in self.sliders.items():
            counts = slider.limit.is_asked_for(parameters)
            known = getattr(quality, slider.limit.score) is not None
            slider.setVisible(counts and known)
            if known:
                slider.show_limit(quality, getattr(parameters, name))

    def _slider(self, limit: Criterion, height_px: int) -> LimitSlider:
        """Make the slider of one limit."""
        slider = self.sliders[limit.parameter] = LimitSlider(limit, height_px)
        slider.moved.connect(lambda value: self._move(limit.parameter, value))
        slider.released.connect(self.released)
        return slider

    def _move(self, name: str, value: float) -> None:
        """Tell of parameters with one limit moved."""
        changes: dict[str, Any] = {name: value}
        self._parameters = replace(self._parameters, **changes)
        self.moved.emit(self._parameters)

    def _unfold(self, shown: bool) -> None:
        """Show or hide the other limits."""
        arrow = Qt.ArrowType.DownArrow if shown else Qt.ArrowType.RightArrow
        self.fold.setArrowType(arrow)
        self._others.setVisible(shown)


def narrow(button: QPushButton) -> QPushButton:
    """Let a button be as narrow as its neighbours need it to be."""
    button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    return button
