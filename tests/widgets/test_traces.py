"""The Traces dock in a real viewer."""

from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import pytest
from qtpy.QtWidgets import QApplication

from napari_cnmf.movie import Movie
from napari_cnmf.quality.highlights import clearest, largest_events
from napari_cnmf.widgets.docks.traces import N_CLEAREST, TracesWidget
from napari_cnmf.widgets.session import session


@pytest.fixture
def workspace(viewer, found):
    """Of the viewer, with an evaluated result open; without images, for speed."""
    workspace = session(viewer).workspace
    workspace.set_result(replace(found, summary=None))
    return workspace


@pytest.fixture
def scene(viewer, found, workspace):
    """Of the viewer, with a movie as long as the result."""
    frames = np.zeros(found.movie.shape, np.uint8)
    workspace.movie = Movie.from_array(frames, frame_rate_hz=30.0)
    workspace.movie_changed.emit()
    return session(viewer).scene


def opened(viewer, qtbot) -> TracesWidget:
    """The dock, in sight below the image."""
    dock = TracesWidget(viewer)
    viewer.window.add_dock_widget(dock, name="Traces", area="bottom")
    qtbot.waitUntil(dock.isVisible)
    return dock


@pytest.fixture
def dock(viewer, workspace, qtbot) -> TracesWidget:
    return opened(viewer, qtbot)


def shown(dock: TracesWidget) -> list[int]:
    """Ids of the cells in the plot."""
    return [int(row.label) for row in dock.plot.rows]


def test_without_cells_it_says_what_to_do_until_they_are_found(viewer, qtbot, found):
    dock, workspace = opened(viewer, qtbot), session(viewer).workspace
    assert "open a result" in dock.hint.text()
    assert not dock.export.isEnabled()
    workspace.set_result(replace(found, summary=None))
    assert shown(dock)
    workspace.set_result(None)
    assert shown(dock) == []


def test_without_selection_the_clearest_accepted_cells_are_shown(
    dock, workspace, found, qtbot
):
    cells = found.components
    assert shown(dock) == cells.ids[clearest(cells, N_CLEAREST)].tolist()
    assert "clearest" in dock.hint.text()
    assert not dock.events.smaller.isEnabled()
    best = shown(dock)[0]
    workspace.decide([best], -1)
    qtbot.waitUntil(lambda: best not in shown(dock))


def test_the_selection_is_shown_in_its_order(dock, workspace, found):
    ids = found.components.ids[[4, 1]].tolist()
    workspace.select(ids)
    assert shown(dock) == ids
    assert dock.hint.text() == ""


def test_of_many_selected_cells_the_first_are_shown(
    dock, workspace, found, monkeypatch
):
    monkeypatch.setattr("napari_cnmf.widgets.docks.traces.MOST_ROWS", 3)
    workspace.select(found.components.ids[:8])
    assert shown(dock) == found.components.ids[:3].tolist()
    assert dock.hint.text() == "3 of 8 selected cells"


def test_boxes_choose_what_is_shown(dock, workspace, found):
    workspace.select(found.components.ids[:1])
    dock.kinds["raw"].setChecked(False)
    dock.kinds["deconvolved"].setChecked(False)
    dock.kinds["dff"].setChecked(True)
    (row,) = dock.plot.rows
    assert [list(lane.curves) for lane in row.lanes] == [["denoised"], ["dff"]]


def test_dff_that_is_not_computed_is_greyed_out_with_the_reason(dock, workspace, found):
    found = replace(found, summary=None)
    bare = replace(found, components=replace(found.components, dff=None))
    workspace.set_result(bare)
    assert not dock.kinds["dff"].isEnabled()
    assert "not computed" in dock.kinds["dff"].text()
    workspace.set_result(found)
    assert dock.kinds["dff"].isEnabled()


def test_cursor_and_slider_are_one(viewer, dock, scene, qtbot):
    viewer.dims.set_point(0, 123 / 30)
    qtbot.waitUntil(lambda: dock.plot.cursor_frame == 123)
    dock.plot.frame_asked.emit(77)
    assert scene.current_frame() == 77
    assert viewer.dims.point[0] * 30 == pytest.approx(77)


def test_frames_that_pass_fast_move_the_cursor_once(dock, scene, qtbot, monkeypatch):
    moved = []
    monkeypatch.setattr(dock.plot, "set_cursor", moved.append)
    for frame in range(100, 140):
        scene.go_to_frame(frame)
    assert moved == []
    qtbot.waitUntil(lambda: moved == [139])


def test_a_dock_out_of_sight_catches_up(viewer, dock, scene):
    dock.parentWidget().hide()
    scene.go_to_frame(50)
    dock.parentWidget().show()
    assert dock.plot.cursor_frame == 50


def test_the_button_goes_from_event_to_event_by_size(dock, workspace, scene, found):
    workspace.select(found.components.ids[:1])
    events = largest_events(found.components.denoised[0])
    for frame in events[:3]:
        dock.events.step(1)
        assert scene.current_frame() == frame
    dock.events.step(-1)
    assert scene.current_frame() == events[1]
    workspace.select(found.components.ids[1:2])
    dock.events.step(1)
    assert scene.current_frame() == largest_events(found.components.denoised[1])[0]


def test_the_figure_and_the_table_of_what_is_shown_are_saved(
    dock, workspace, found, tmp_path, qtbot, viewer
):
    ids = found.components.ids[[2, 0]].tolist()
    jobs = session(viewer).jobs
    workspace.select(ids)
    dock.export_figure(tmp_path / "traces.svg")
    qtbot.waitUntil(lambda: not jobs.running, timeout=20_000)
    dock.export_table(tmp_path / "traces.csv")
    qtbot.waitUntil(lambda: not jobs.running)
    assert f">{ids[0]}<" in (tmp_path / "traces.svg").read_text()
    with (tmp_path / "traces.csv").open(newline="") as file:
        titles = next(csv.reader(file))
    kinds = ("raw", "denoised", "deconvolved")
    assert titles == ["time_s", *(f"cell{i}_{kind}" for i in ids for kind in kinds)]


def test_the_plot_follows_the_theme(viewer, dock):
    viewer.theme = "light"
    light = dock.plot.canvas.backgroundBrush().color().lightness()
    viewer.theme = "dark"
    dark = dock.plot.canvas.backgroundBrush().color().lightness()
    assert dark < 60 < 200 < light


def test_a_closed_dock_hears_nothing_and_a_new_one_shows_the_same(
    viewer, dock, workspace, found, qtbot
):
    workspace.select(found.components.ids[3:4])
    viewer.window.remove_dock_widget(dock)
    dock.deleteLater()
    QApplication.processEvents()
    viewer.theme = "light"
    workspace.select(found.components.ids[5:6])
    again = opened(viewer, qtbot)
    assert shown(again) == found.components.ids[5:6].tolist()
