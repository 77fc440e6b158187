"""Rows and columns of the table of cells, without a window."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from example_values import IDS, make_components, make_quality
from qtpy.QtCore import Qt

from napari_cnmf.quality.parameters import QualityParameters
from napari_cnmf.quality.rule import apply_rule
from napari_cnmf.widgets.parts import cell_model as table
from napari_cnmf.widgets.parts.cell_model import CellColumns, CellModel

NOBODY = np.empty(0, np.int64)


def cells(**changes):
    """Four cells, of which the second has a low SNR and the third a low r value."""
    scores = {"snr": [30.0, 2.0, 9.0, 20.0], "r_value": [0.9, 0.95, 0.1, 0.99]}
    fair = {name: np.ones(4, np.float32) for name in ("relative_area", "soma_area")}
    fair |= {"ring": np.zeros(4, np.float32), "edge": np.ones(4, np.float32)}
    scores = {name: np.float32(values) for name, values in (scores | changes).items()}
    quality = replace(make_quality(), manual=np.zeros(4, np.int8), **fair, **scores)
    quality = apply_rule(quality, QualityParameters())
    return replace(make_components(), quality=quality)


def columns(components=None) -> CellColumns:
    return CellColumns.of(cells() if components is None else components, None)


@pytest.fixture
def model() -> CellModel:
    filled = CellModel()
    filled.set_columns(columns(), NOBODY)
    return filled


def texts(model: CellModel, column: int) -> list[str]:
    """One column, from top to bottom."""
    return [model.data(model.index(r, column)) for r in range(model.rowCount())]


@pytest.mark.parametrize("column", range(9))
@pytest.mark.parametrize("falling", [False, True])
def test_any_column_gives_an_order(column, falling):
    found = columns()
    values = found.values[column][found.order(column, falling=falling)].tolist()
    assert values == sorted(values, reverse=falling)


@pytest.mark.parametrize("falling", [False, True])
def test_unknown_scores_come_last(falling):
    order = columns(cells(snr=[5, np.nan, 9, 1])).order(table.SNR, falling=falling)
    assert order[-1] == 1


def test_equal_cells_stay_in_their_order():
    order = columns().order(table.HAND, falling=True)
    assert order.tolist() == [0, 1, 2, 3]


def test_rows_say_what_the_rule_says(model):
    model.sort(table.SNR, Qt.SortOrder.DescendingOrder)
    assert model.ids.tolist() == IDS[[0, 3, 2, 1]].tolist()
    assert texts(model, table.SNR) == ["30.0", "20.0", "9.0", "2.0"]
    verdicts = ["accepted", "accepted", "rejected", "rejected"]
    assert texts(model, table.VERDICT) == verdicts
    assert texts(model, table.REASON) == ["", "", "low r value", "low SNR"]


@pytest.mark.parametrize("rule", ["caiman", "fitness"])
def test_scores_are_those_of_the_rule_in_force(model, rule):
    components = cells()
    quality = apply_rule(components.quality, QualityParameters(rule=rule))
    model.set_columns(columns(replace(components, quality=quality)), NOBODY)
    expected = [f"{snr:.1f}" for snr in components.quality.caiman_snr]
    model.sort(table.ID)
    assert texts(model, table.SNR) == np.array(expected)[np.argsort(IDS)].tolist()


def test_before_the_evaluation_scores_and_verdicts_are_unknown(model):
    model.set_columns(columns(replace(cells(), quality=None)), NOBODY)
    assert texts(model, table.SNR) == ["\u2013"] * 4
    assert texts(model, table.VERDICT) == ["\u2013"] * 4


def test_sizes_are_in_square_micrometres_if_pixels_are_known(model):
    model.set_columns(CellColumns.of(cells(), (1.5, 2.0)), NOBODY)
    assert texts(model, table.SIZE) == ["12"] * 4
    title = model.headerData(table.SIZE, Qt.Orientation.Horizontal)
    assert title == "size (\u00b5m\u00b2)"


@pytest.mark.parametrize(
    ("choice", "text", "listed"),
    [
        ("all", "", [0, 1, 2, 3]),
        ("accepted", "", [0, 3]),
        ("rejected", "", [1, 2]),
        ("all", "snr", [1]),
        ("rejected", "R Value", [2]),
        ("accepted", "snr", []),
    ],
)
def test_the_filter_lists_a_choice_with_a_reason(model, choice, text, listed):
    model.set_filter(choice, text, NOBODY)
    assert sorted(model.ids) == sorted(IDS[listed])


def test_selected_cells_are_listed_in_any_case(model):
    model.set_filter("accepted", "", np.array([1]))
    assert sorted(model.ids) == sorted(IDS[[0, 1, 3]])


def test_verdicts_change_texts_but_neither_order_nor_rows(model):
    model.sort(table.VERDICT)
    before, resets, repaints = model.ids.tolist(), [], []
    model.modelReset.connect(lambda: resets.append(1))
    model.dataChanged.connect(lambda *_: repaints.append(1))
    components = cells()
    by_hand = replace(components.quality, manual=np.int8([-1, 1, 0, 0]))
    model.set_columns(columns(replace(components, quality=by_hand)), NOBODY)
    assert model.ids.tolist() == before
    assert (resets, repaints) == ([], [1])
    row = model.row(IDS[0])
    assert texts(model, table.VERDICT)[row] == "rejected"
    assert texts(model, table.HAND)[row] == "\u270e"


def test_other_cells_take_the_order_that_was_chosen(model):
    model.sort(table.SNR, Qt.SortOrder.DescendingOrder)
    some = cells().select(np.array([1, 2, 3]))
    model.set_columns(columns(some), NOBODY)
    assert model.ids.tolist() == IDS[[3, 2, 1]].tolist()


def test_a_cell_tells_why_it_is_rejected(model):
    row = model.row(IDS[1])
    tip = model.data(model.index(row, 0), Qt.ItemDataRole.ToolTipRole)
    assert tip.startswith("rejected by SNR 2.00 < 8")


def test_without_cells_there_are_no_rows(model):
    model.set_columns(None, NOBODY)
    assert model.rowCount() == 0
    assert model.row(IDS[0]) is None
