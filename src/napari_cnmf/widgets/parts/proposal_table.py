"""Proposals below one another: parameter, value, and a button that takes it over.

The evidence is in the tooltip of each row. What the movie cannot tell is in italics.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, get_type_hints

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QGridLayout, QLabel, QPushButton, QWidget

from napari_cnmf.proposal import Proposal
from napari_cnmf.recipe import Recipe
from napari_cnmf.widgets.parts.form import caption


class ProposalTable(QWidget):
    """A row for each proposal."""

    #: Full name of a parameter and the value that the user takes over.
    used = Signal(str, object)

    def __init__(self) -> None:
        super().__init__()
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setVerticalSpacing(2)
        self._grid.setColumnStretch(1, 1)
        self._values: dict[str, float] = {}
        self.buttons: dict[str, QPushButton] = {}

    def show_proposals(self, proposals: Sequence[Proposal]) -> None:
        """Show other proposals; none hides the table."""
        while (item := self._grid.takeAt(0)) is not None:
            item.widget().deleteLater()
        self._values = {p.parameter: _rounded(p.value) for p in proposals}
        self.buttons = {}
        for row, proposal in enumerate(proposals):
            self._add(row, proposal)
        self.setVisible(bool(proposals))

    def follow(self, recipe: Recipe) -> None:
        """Show which values the recipe has already."""
        for name, button in self.buttons.items():
            in_use = _value_in(recipe, name) == self._values[name]
            button.setEnabled(not in_use)
            button.setText("in use" if in_use else "Use")

    def _add(self, row: int, proposal: Proposal) -> None:
        """Add the row of a proposal."""
        name, value = proposal.parameter, self._values[proposal.parameter]
        words = proposal.in_words
        shown = QLabel(words if proposal.confident else f"<i>{words}</i>, a guess")
        button = QPushButton("Use")
        button.clicked.connect(lambda: self.used.emit(name, value))
        self.buttons[name] = button
        for column, widget in enumerate((QLabel(_caption(name)), shown, button)):
            # Qt wraps a tooltip only if it is HTML.
            widget.setToolTip(f"<p>{proposal.evidence}.</p>")
            self._grid.addWidget(widget, row, column)


def _rounded(value: float) -> float:
    """Three digits of a measured value; whole numbers stay as they are."""
    return value if isinstance(value, int) else float(f"{value:.3g}")


def _value_in(recipe: Recipe, full_name: str) -> Any:
    """Value of a parameter by its full name."""
    group, name = full_name.split(".")
    return getattr(getattr(recipe, group), name)


def _caption(full_name: str) -> str:
    """Caption of a parameter without its unit, which stands beside the value."""
    group, name = full_name.split(".")
    kind = get_type_hints(Recipe)[group]
    item = next(item for item in fields(kind) if item.name == name)
    return caption(item).split(" (")[0]
