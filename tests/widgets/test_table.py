"""The table of cells by itself, and its dock in a real viewer."""

from __future__ import annotations

from dataclasses import replace

import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QApplication

from napari_cnmf.widgets.docks.table import CellsWidget, CellTable
from napari_cnmf.widgets.parts import cell_model
from napari_cnmf.widgets.session import session
from napari_cnmf.widgets.workspace import Workspace

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def workspace(found) -> Workspace:
    """With an evaluated result open."""
    opened = Workspace()
    opened.set_result(found)
    return opened


@pytest.fixture
def table(qtbot, workspace) -> CellTable:
    """The table by itself, shown."""
    shown = CellTable(workspace)
    qtbot.addWidget(shown)
    shown.resize(400, 300)
    shown.show()
    qtbot.waitExposed(shown)
    return shown


def opened(viewer, qtbot) -> CellsWidget:
    """The dock in a viewer, in sight."""
    dock = CellsWidget(viewer)
    viewer.window.add_dock_widget(dock, name="Cells")
    qtbot.waitUntil(dock.isVisible)
    return dock


def click(qtbot, table: CellTable, row: int, modifier=None) -> None:
    """Click a row."""
    place = table.view.visualRect(table.model.index(row, 0)).center()
    keys = modifier or Qt.KeyboardModifier.NoModifier
    qtbot.mouseClick(table.view.viewport(), LEFT, keys, place)


def marked(table: CellTable) -> list[int]:
    """Ids of the rows that are marked."""
    rows = table.view.selectionModel().selectedRows()
    return sorted(int(table.model.ids[index.row()]) for index in rows)


def test_rows_that_are_clicked_are_selected_everywhere(table, workspace, qtbot):
    click(qtbot, table, 2)
    assert workspace.selected == (table.model.ids[2],)
    click(qtbot, table, 0, Qt.KeyboardModifier.ControlModifier)
    assert workspace.selected == (table.model.ids[0], table.model.ids[2])


def test_cells_that_are_selected_elsewhere_are_marked(table, workspace):
    ids = [int(table.model.ids[k]) for k in (5, 1)]
    workspace.select(ids)
    assert marked(table) == sorted(ids)
    assert table.view.currentIndex().row() == 5
    assert workspace.selected == tuple(ids)
    workspace.select([])
    assert marked(table) == []


def test_a_selected_cell_is_listed_whatever_the_filter_says(table, workspace):
    table.choice.setCurrentIndex(1)
    rejected = workspace.components.ids[~workspace.components.accepted][0]
    assert rejected not in table.model.ids
    workspace.select([rejected])
    assert rejected in table.model.ids
    assert marked(table) == [rejected]


def test_keys_decide_about_the_selected_rows(table, workspace, qtbot):
    cell = int(table.model.ids[0])
    workspace.select([cell])
    k = workspace.positions([cell])[0]
    for key, manual in (("R", -1), ("A", 1), ("U", 0)):
        qtbot.keyClick(table.view, getattr(Qt.Key, f"Key_{key}"))
        assert workspace.quality.manual[k] == manual
    assert workspace.selected == (cell,)


def test_a_cell_rejected_in_the_list_of_accepted_stays_until_it_is_left(
    table, workspace
):
    table.choice.setCurrentIndex(1)
    first, second = (int(i) for i in table.model.ids[:2])
    workspace.select([first])
    table.decide(-1)
    assert table.model.ids[0] == first
    table.step(1)
    assert workspace.selected == (second,)
    table.decide(-1)
    assert first not in table.model.ids
    assert marked(table) == [second]


def test_verdicts_leave_the_place_in_the_table(table, workspace, qtbot):
    table.view.setFixedHeight(160)
    QApplication.processEvents()
    workspace.select([table.model.ids[-1]])
    bar = table.view.verticalScrollBar()
    before = bar.value()
    assert before > 0
    table.decide(-1)
    assert bar.value() == before
    assert marked(table) == [table.model.ids[-1]]


def test_steps_go_along_the_order_of_the_table(table, workspace):
    table.view.sortByColumn(cell_model.SNR, Qt.SortOrder.DescendingOrder)
    ids = table.model.ids.tolist()
    walked = []
    for _ in range(3):
        table.step(1)
        walked.append(workspace.selected[0])
    assert walked == ids[:3]
    table.step(-1)
    assert workspace.selected == (ids[1],)
    workspace.select([ids[-1]])
    table.step(1)
    assert workspace.selected == (ids[-1],)


def test_a_click_on_a_header_sorts_and_keeps_the_selection(table, workspace, qtbot):
    cell = int(table.model.ids[3])
    workspace.select([cell])
    header = table.view.horizontalHeader()
    place = QPoint(header.sectionViewportPosition(cell_model.SNR) + 8, 5)
    qtbot.mouseClick(header.viewport(), LEFT, pos=place)
    scores = workspace.quality.snr[workspace.positions(table.model.ids)]
    assert scores.tolist() in (sorted(scores), sorted(scores, reverse=True))
    assert marked(table) == [cell]


def test_the_filter_says_how_many_there_are(table, workspace):
    accepted = workspace.components.accepted
    counts = [len(accepted), accepted.sum(), (~accepted).sum()]
    words = [table.choice.itemText(i) for i in range(3)]
    assert [int(word.split("(")[1][:-1]) for word in words] == counts
    table.choice.setCurrentIndex(2)
    assert table.model.rowCount() == counts[2]
    table.text.setText("no such reason")
    assert table.model.rowCount() == 0


def test_a_double_click_asks_for_the_cell(table, qtbot):
    place = table.view.visualRect(table.model.index(1, 0)).center()
    qtbot.mouseClick(table.view.viewport(), LEFT, pos=place)
    with qtbot.waitSignal(table.wanted) as wanted:
        qtbot.mouseDClick(table.view.viewport(), LEFT, pos=place)
    assert wanted.args == [table.model.ids[1]]


def test_before_the_evaluation_a_decision_is_refused_with_what_to_do(
    table, workspace, found
):
    bare = replace(found, components=replace(found.components, quality=None))
    workspace.set_result(bare)
    workspace.select(found.components.ids[:1])
    refused = []
    table.refused.connect(refused.append)
    table.decide(1)
    assert "evaluate" in refused[0]


def test_the_dock_shows_cells_when_they_are_found(viewer, qtbot, found):
    dock = opened(viewer, qtbot)
    assert dock.table.model.rowCount() == 0
    dock.table.step(1)
    scene, workspace = session(viewer).scene, session(viewer).workspace
    workspace.set_result(replace(found, summary=None))
    assert dock.table.model.rowCount() == len(found.components)
    dock.table.wanted.emit(int(found.components.ids[1]))
    expected = scene.place.to_world(found.components.centres[1])
    assert viewer.scene.camera.center[1:] == pytest.approx(expected)


def test_decisions_are_shown_when_the_dock_is_opened_again(
    viewer, found, found_folder, qtbot
):
    workspace = session(viewer).workspace
    workspace.open_result(replace(found, summary=None), found_folder)
    dock = opened(viewer, qtbot)
    cell = int(dock.table.model.ids[0])
    workspace.select([cell])
    dock.table.decide(-1)
    viewer.window.remove_dock_widget(dock)
    dock.deleteLater()
    QApplication.processEvents()
    table = opened(viewer, qtbot).table
    row = table.model.row(cell)
    assert table.model.data(table.model.index(row, cell_model.VERDICT)) == "rejected"
    assert marked(table) == [cell]
