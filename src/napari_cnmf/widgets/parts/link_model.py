"""The rows of a comparison as a table: sorted by any column, listed by state."""

from __future__ import annotations

from typing import Any

import numpy as np
from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt
from qtpy.QtGui import QColor

from napari_cnmf.comparison import Comparison, Link
from napari_cnmf.matching import STATES

DISPUTED = "verdict differs"
#: Which rows the table lists.
CHOICES = ("all", *STATES, DISPUTED)
#: Titles and hints of the columns.
COLUMNS = (
    ("state", "What became of the cell from A to B"),
    ("A", "Number of the cell in A"),
    ("B", "Number of the cell in B"),
    ("overlap", "Likeness of the footprints, 1 if they are the same"),
    ("apart (px)", "Distance of the centres"),
    ("r", "Correlation of the raw traces; none if frames or frame rates differ"),
    ("SNR A", "As the rule in force takes it"),
    ("SNR B", "As the rule in force takes it"),
    ("in A", "Verdict of A"),
    ("in B", "Verdict of B"),
)
_FORMATS = ("{}", "{}", "{}", "{:.2f}", "{:.1f}", "{:.2f}", "{:.1f}", "{:.1f}")
_VERDICTS = {None: "\u2013", True: "accepted", False: "rejected"}


class LinkModel(QAbstractTableModel):
    """Rows of a comparison.

    Parameters
    ----------
    colours : (str, str)
        Of both results.
    """

    def __init__(self, colours: tuple[str, str]) -> None:
        super().__init__()
        self._colours = colours
        self._comparison: Comparison | None = None
        self._values: list[tuple[Any, ...]] = []
        self._sorting = (0, False)
        #: Rows of the comparison that are listed, from top to bottom.
        self.rows = np.empty(0, np.int64)

    def set_comparison(self, comparison: Comparison | None) -> None:
        """Show another comparison."""
        self._comparison = comparison
        links = () if comparison is None else comparison.links
        self._values = [_values(link) for link in links]
        self.set_filter("all", accepted_only=False)

    def matching_rows(self, choice: str, *, accepted_only: bool) -> np.ndarray:
        """Rows (N,) of the comparison that are of a choice."""
        comparison = self._comparison
        if comparison is None:
            return np.empty(0, np.int64)
        links = comparison.links
        of_choice = np.array(
            [
                choice == "all"
                or (link.is_disputed if choice == DISPUTED else link.state == choice)
                for link in links
            ],
            bool,
        )
        return np.flatnonzero(of_choice & (comparison.is_cell | (not accepted_only)))

    def count(self, choice: str, *, accepted_only: bool) -> int:
        """Count the cells of a state, or the rows of another choice."""
        rows = self.matching_rows(choice, accepted_only=accepted_only)
        if self._comparison is None or choice not in STATES:
            return len(rows)
        listed = np.isin(np.arange(len(self._values)), rows)
        return self._comparison.matching.counts(listed)[choice]

    def set_filter(self, choice: str, *, accepted_only: bool) -> None:
        """List the rows of a choice, all or those that either result accepts."""
        self._put(self.matching_rows(choice, accepted_only=accepted_only))

    def rowCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802 - Qt's
        """Count the listed rows."""
        return 0 if parent is not None and parent.isValid() else len(self.rows)

    def columnCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802
        """Count the columns."""
        return 0 if parent is not None and parent.isValid() else len(COLUMNS)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Say what stands in a cell of the table and how it looks."""
        row, column = int(self.rows[index.row()]), index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            return _text(self._values[row][column], column)
        if role == Qt.ItemDataRole.TextAlignmentRole and 0 < column < len(_FORMATS):
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        if role == Qt.ItemDataRole.ForegroundRole and column in (1, 2):
            return QColor(self._colours[column - 1])
        if role == Qt.ItemDataRole.ToolTipRole and self._comparison is not None:
            reasons = zip("AB", self._comparison.reasons(row), strict=True)
            return "\n".join(f"{side}: {why}" for side, why in reasons if why)
        return None

    def headerData(  # noqa: N802 - Qt's name
        self,
        section: int,
        orientation: Qt.Orientation,
        role: int = Qt.ItemDataRole.DisplayRole,
    ) -> Any:
        """Name the columns."""
        if orientation == Qt.Orientation.Vertical:
            return None
        title, hint = COLUMNS[section]
        known = {Qt.ItemDataRole.DisplayRole: title, Qt.ItemDataRole.ToolTipRole: hint}
        return known.get(Qt.ItemDataRole(role))

    def sort(
        self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder
    ) -> None:
        """Put the listed rows in the order of a column; what is unknown comes last."""
        self._sorting = (column, order == Qt.SortOrder.DescendingOrder)
        self._put(self.rows)

    def _put(self, rows: np.ndarray) -> None:
        """List rows, in the order of the table."""
        column, falling = self._sorting
        values = {row: self._values[row][column] for row in sorted(rows.tolist())}
        if column == 0:
            values = {row: STATES.index(state) for row, state in values.items()}
        known = [row for row, value in values.items() if value is not None]
        known.sort(key=lambda row: values[row], reverse=falling)
        unknown = [row for row, value in values.items() if value is None]
        self.beginResetModel()
        self.rows = np.array(known + unknown, np.int64)
        self.endResetModel()


def _values(link: Link) -> tuple[Any, ...]:
    """Return what stands in the columns."""
    numbers = link.overlap, link.distance_px, link.correlation
    return link.state, *link.ids, *numbers, *link.snr, *link.accepted


def _text(value: Any, column: int) -> str:
    """Write a value of a column."""
    if column >= len(_FORMATS):
        return _VERDICTS[value]
    return "\u2013" if value is None else _FORMATS[column].format(value)
