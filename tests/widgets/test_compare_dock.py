"""The Compare dock: table, contours and traces of two results, one of them open."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from example_values import make_result
from planted_edits import edited
from qtpy.QtCore import Qt

from napari_cnmf.colours import COMPARED
from napari_cnmf.comparison import compare
from napari_cnmf.formats.results import Result, save
from napari_cnmf.pipeline.comparing import OPEN
from napari_cnmf.widgets.docks.compare import CompareWidget
from napari_cnmf.widgets.parts.compared_rows import compared_rows
from napari_cnmf.widgets.parts.link_model import CHOICES, DISPUTED, LinkModel
from napari_cnmf.widgets.scene.layers import LINE_PX
from napari_cnmf.widgets.views.compared import PREFIX


@pytest.fixture(scope="module")
def results() -> tuple[Result, Result]:
    """Before and after planted edits."""
    planted = edited(0)
    first, second = (
        replace(
            make_result(),
            components=cells,
            summary=None,
            shifts=None,
            registration=None,
            movie=replace(make_result().movie, shape=(200, *cells.fov_shape)),
        )
        for cells in (planted.before, planted.after)
    )
    return first, second


@pytest.fixture
def model(qapp, results) -> LinkModel:
    """The table by itself."""
    made = LinkModel(COMPARED)
    made.set_comparison(compare(*results))
    return made


@pytest.fixture
def dock(viewer, qtbot) -> CompareWidget:
    widget = CompareWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Compare", area="bottom")
    qtbot.waitUntil(widget.isVisible)
    return widget


@pytest.fixture
def compared(dock, results, tmp_path, qtbot) -> CompareWidget:
    """With the first result open and the second from a file."""
    dock.workspace.set_result(results[0])
    save(results[1], tmp_path / "after" / "results.h5")
    dock.sides[1].open_paths([tmp_path / "after"])
    press(dock, qtbot)
    return dock


def press(dock: CompareWidget, qtbot) -> None:
    """Compare, and wait for the end."""
    dock.start.click()
    qtbot.waitUntil(lambda: not dock.session.jobs.running, timeout=20000)


def listed(dock: CompareWidget, choice: str) -> None:
    """List the rows of a choice, also those that both reject."""
    dock.accepted.setChecked(False)
    dock.choice.setCurrentIndex(CHOICES.index(choice))
    dock.choice.activated.emit(CHOICES.index(choice))


def roles(dock: CompareWidget) -> set[str]:
    """Layers of the comparison."""
    metadata = (layer.metadata for layer in dock.session.scene.viewer.layers)
    found = (about.get("napari-cnmf", "") for about in metadata)
    return {role for role in found if role.startswith(PREFIX)}


# The table and the traces by themselves


def test_states_are_counted_as_cells_and_listed_as_rows(model, results):
    found = compare(*results)
    counts = {"lost": 10, "gained": 7, "split": 5, "merged": 3, "moved": 20}
    assert counts == {s: model.count(s, accepted_only=False) for s in counts}
    assert model.rowCount() == len(found.links)
    model.set_filter("split", accepted_only=False)
    assert model.rowCount() == 10
    assert {model.index(i, 0).data() for i in range(10)} == {"split"}
    model.set_filter(DISPUTED, accepted_only=False)
    assert sorted(model.rows) == found.disputed


def test_rows_that_both_reject_are_left_out_at_will(model, results):
    model.set_filter("all", accepted_only=True)
    is_cell = compare(*results).is_cell
    np.testing.assert_array_equal(np.sort(model.rows), np.flatnonzero(is_cell))
    assert not is_cell.all()


def test_columns_sort_and_what_is_unknown_comes_last(model, results):
    links = compare(*results).links
    for order in (Qt.SortOrder.AscendingOrder, Qt.SortOrder.DescendingOrder):
        model.sort(4, order)
        shown = [links[row].distance_px for row in model.rows]
        known = [value for value in shown if value is not None]
        assert known == sorted(known, reverse=order == Qt.SortOrder.DescendingOrder)
        assert shown[len(known) :] == [None] * 17


def test_a_cell_that_is_missing_leaves_its_columns_open(model):
    model.set_filter("lost", accepted_only=False)
    texts = [model.index(0, column).data() for column in range(model.columnCount())]
    assert texts[2:6] == ["\u2013"] * 4
    assert texts[7] == texts[9] == "\u2013"
    hint = model.index(0, 0).data(Qt.ItemDataRole.ToolTipRole)
    assert hint.startswith("A: ")
    assert "B: " not in hint


def test_traces_of_another_length_are_drawn_on_one_time(results):
    cells = results[1].components
    half = {
        name: getattr(cells, name)[:, ::2]
        for name in ("denoised", "residual_traces", "spikes", "dff")
    }
    short = replace(cells, frame_rate_hz=cells.frame_rate_hz / 2, **half)
    found = compare(results[0], replace(results[1], components=short))
    row = int(found.matching.rows("same")[0])
    a, b = (drawn.lanes[0].curves["denoised"] for drawn in compared_rows(found, row))
    assert a.shape == b.shape == (200,)
    np.testing.assert_allclose(a[:198:2], b[:198:2], rtol=1e-4, atol=1e-4)


# The dock


def test_what_cannot_be_compared_is_said(dock, results, tmp_path, qtbot):
    assert "Choose two results" in dock.message
    assert not dock.table.isEnabled()
    dock.start.click()
    assert "choose A and B from files" in dock.message
    dock.workspace.set_result(results[0])
    dock.sides[1].path.setText(str(tmp_path / "none.h5"))
    press(dock, qtbot)
    assert "none.h5" in dock.message
    assert dock.comparison is None


def test_a_row_shows_both_contours_and_traces(compared):
    assert compared.comparison.names == (OPEN, "after")
    assert compared.comparison.results[0] is compared.workspace.result
    listed(compared, "merged")
    assert compared.choice.currentText() == "merged (3)"
    row = int(compared.model.rows[0])
    compared.table.selectRow(0)
    first, second = compared.comparison.matching.case(row)
    a, b = compared.comparison.cells
    labels = [line.label for line in compared.plot.rows]
    assert labels == [str(i) for i in (*a.ids[first], *b.ids[second])]
    assert len(roles(compared)) == 5
    centres = np.concatenate([a.centres[first], b.centres[second]])
    expected = compared.session.scene.place.to_world(centres.mean(axis=0))
    camera = compared.session.scene.viewer.scene.camera
    np.testing.assert_allclose(camera.center[-2:], expected, rtol=1e-5)


def test_only_contours_of_listed_rows_are_drawn_while_the_dock_is_in_sight(compared):
    scene = compared.session.scene

    def n_pieces() -> list[int]:
        return [len(scene.layer(f"{PREFIX}{side} {LINE_PX}").data) for side in "AB"]

    listed(compared, "all")
    assert all(n_pieces())
    listed(compared, "lost")
    assert [bool(n) for n in n_pieces()] == [True, False]
    assert not scene.layer("accepted").visible
    compared.parentWidget().hide()
    assert roles(compared) == set()
    assert scene.layer("accepted").visible
    compared.parentWidget().show()
    assert roles(compared) != set()


def test_a_comparison_ends_with_the_result_it_was_made_of(compared, qtbot):
    press(compared, qtbot)  # another one takes the place of the first
    assert compared.comparison is not None
    compared.workspace.set_result(None)
    assert compared.comparison is None
    assert roles(compared) == set()
    assert compared.model.rowCount() == 0


def test_table_and_picture_are_saved(compared, tmp_path, qtbot):
    compared.save_to(tmp_path / "out")
    qtbot.waitUntil(lambda: not compared.session.jobs.running, timeout=20000)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"comparison.csv", "comparison.png"}
    assert "Saved" in compared.message
