"""The rows and columns of the table of cells, and in which order they stand.

It holds whole columns and an order of the cells; nothing is made per row, so thousands
of cells sort and filter at once. Verdicts change the texts of rows, never their order,
so that one can go down the table and decide.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt
from qtpy.QtGui import QColor

from napari_cnmf.colours import ACCEPTED, REJECTED
from napari_cnmf.components import REASONS, Components, Quality
from napari_cnmf.quality.criteria import looks_at_peaks
from napari_cnmf.quality.explain import explain

#: Which cells the table lists.
CHOICES = ("all", "accepted", "rejected")
ID, VERDICT, HAND, SNR, R_VALUE, REASON, SIZE, Y, X = range(9)

_TITLES = ("cell", "verdict", "\u270e", "SNR", "r", "reasons", "size", "y", "x")
_FORMATS = {ID: "{}", SNR: "{:.1f}", R_VALUE: "{:.2f}", SIZE: "{:.0f}"}
_FORMATS |= {Y: "{:.0f}", X: "{:.0f}", REASON: "{}"}
_HINTS = (
    "Number of the cell",
    "Accepted or rejected, by the rule or by hand",
    "Decided by hand: such a verdict stays whatever the limits are",
    "Peak signal over noise, as the rule in force takes it",
    "Likeness of the footprint and its mean image while active",
    "What the rule finds against the cell",
    "Area of the footprint",
    "Row of the centre, in pixels",
    "Column of the centre, in pixels",
)


@dataclass(frozen=True, eq=False)
class CellColumns:
    """The columns of the table.

    Attributes
    ----------
    size_unit : str
    values : tuple of ndarray
        (K,) each; NaN is unknown.
    components : Components
    """

    size_unit: str
    values: tuple[np.ndarray, ...]
    components: Components

    @classmethod
    def of(
        cls, components: Components, pixel_size_um: tuple[float, float] | None
    ) -> CellColumns:
        """Gather the columns of all components."""
        quality, (y, x) = components.quality, components.centres.T
        snr = r_value = np.full(len(components), np.nan)
        manual = np.zeros(len(components), np.int8)
        if quality is not None:
            snr, r_value = _scores(quality)
            manual = quality.manual
        values = (components.ids, components.accepted, manual, snr, r_value)
        sizes = components.sizes_px * float(np.prod(pixel_size_um or 1.0))
        return cls(
            "px" if pixel_size_um is None else "\u00b5m\u00b2",
            (*values, _reasons(components), sizes, y, x),
            components,
        )

    def order(self, column: int, *, falling: bool) -> np.ndarray:
        """Positions (K,) in the order of a column; what is unknown comes last."""
        _, keys = np.unique(self.values[column], return_inverse=True, equal_nan=True)
        known = self.values[column] == self.values[column]
        keys = np.where(known, -keys if falling else keys, len(keys))
        return np.argsort(keys, kind="stable")

    def listed(self, choice: str, text: str) -> np.ndarray:
        """Which cells (K,) are of a choice and have a reason that contains a text."""
        accepted = self.values[VERDICT]
        found = {"accepted": accepted, "rejected": ~accepted}.get(
            choice, np.ones(len(accepted), bool)
        )
        if text:
            lower = np.char.lower(self.values[REASON])
            found = found & (np.char.find(lower, text.lower()) >= 0)
        return found

    def text(self, k: int, column: int) -> str:
        """Write what stands in a cell of the table."""
        value = self.values[column][k]
        if column == VERDICT:
            evaluated = self.components.quality is not None
            return ("accepted" if value else "rejected") if evaluated else "\u2013"
        if column == HAND:
            return "\u270e" if value else ""
        return "\u2013" if value != value else _FORMATS[column].format(value)


class CellModel(QAbstractTableModel):
    """Cells as rows of a table."""

    def __init__(self) -> None:
        super().__init__()
        self.columns: CellColumns | None = None
        self._sorting = (ID, False)
        self._filter = ("all", "")
        self._order = self._rows = np.empty(0, np.int64)

    @property
    def ids(self) -> np.ndarray:
        """Ids of the listed cells, from top to bottom."""
        return (
            self._rows if self.columns is None else self.columns.values[ID][self._rows]
        )

    def row(self, cell_id: int) -> int | None:
        """Row of a cell, None if it is not listed."""
        found = np.flatnonzero(self.ids == cell_id)
        return int(found[0]) if len(found) else None

    def set_columns(self, columns: CellColumns | None, selected: np.ndarray) -> None:
        """Show other values; rows stay where they are if the cells are the same.

        Parameters
        ----------
        columns : CellColumns, optional
        selected : ndarray
            Positions of cells that are listed in any case.
        """
        known, self.columns = self.columns, columns
        if columns is None:
            self._order = np.empty(0, np.int64)
        elif known is None or not np.array_equal(known.values[ID], columns.values[ID]):
            self._order = columns.order(self._sorting[0], falling=self._sorting[1])
        self._list(selected)

    def set_filter(self, choice: str, text: str, selected: np.ndarray) -> None:
        """List the cells of a choice whose reasons contain a text, and the selected."""
        self._filter = (choice, text)
        self._list(selected)

    def rowCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802 - Qt's
        """Count the listed cells."""
        return 0 if parent is not None and parent.isValid() else len(self._rows)

    def columnCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802
        """Count the columns."""
        return 0 if parent is not None and parent.isValid() else len(_HINTS)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Say what stands in a cell of the table and how it looks."""
        if self.columns is None:
            return None
        k, column = int(self._rows[index.row()]), index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            return self.columns.text(k, column)
        if role == Qt.ItemDataRole.TextAlignmentRole:
            right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
            return None if column in (VERDICT, HAND, REASON) else right
        quality = self.columns.components.quality
        if quality is None:
            return None
        if role == Qt.ItemDataRole.DecorationRole and column == VERDICT:
            return QColor(ACCEPTED if self.columns.values[VERDICT][k] else REJECTED)
        if role == Qt.ItemDataRole.ToolTipRole:
            return explain(quality, k).sentence
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
        if role == Qt.ItemDataRole.ToolTipRole:
            return _HINTS[section]
        if role == Qt.ItemDataRole.DisplayRole:
            return self._title(section)
        return None

    def sort(
        self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder
    ) -> None:
        """Put the listed cells in the order of a column."""
        self._sorting = (column, order == Qt.SortOrder.DescendingOrder)
        if self.columns is not None:
            self._order = self.columns.order(column, falling=self._sorting[1])
            self._put(self._order[np.isin(self._order, self._rows)])

    def _title(self, column: int) -> str:
        """Title of a column, with the unit of sizes."""
        if column == SIZE and self.columns is not None:
            return f"{_TITLES[column]} ({self.columns.size_unit})"
        return _TITLES[column]

    def _list(self, selected: np.ndarray) -> None:
        """List what the filter and the selection want."""
        if self.columns is None:
            self._put(self._order)
            return
        listed = self.columns.listed(*self._filter)
        listed[selected] = True
        self._put(self._order[listed[self._order]])

    def _put(self, rows: np.ndarray) -> None:
        """Show these rows; repaint only if they are the same as before."""
        if np.array_equal(rows, self._rows):
            if len(rows):
                last = self.index(len(rows) - 1, len(_HINTS) - 1)
                self.dataChanged.emit(self.index(0, 0), last)
            return
        self.beginResetModel()
        self._rows = rows
        self.endResetModel()


def _scores(quality: Quality) -> tuple[np.ndarray, np.ndarray]:
    """SNR and r value that the rule in force looks at."""
    if looks_at_peaks(quality.rule):
        return quality.caiman_snr, quality.caiman_r_value
    return quality.snr, quality.r_value


def _reasons(components: Components) -> np.ndarray:
    """Names (K,) of what the rule finds against each component."""
    if components.quality is None:
        return np.full(len(components), "")
    # Few combinations occur, so each is put into words once.
    flags, which = np.unique(components.quality.flags, return_inverse=True)
    words = [
        ", ".join(reason.name for reason in REASONS if flag >> reason.bit & 1)
        for flag in flags.tolist()
    ]
    return np.array(words, dtype=str)[which]
