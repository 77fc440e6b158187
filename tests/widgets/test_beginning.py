"""CNMF begins with a search, or with the cells that the user has marked."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import tiny_movies
from qtpy.QtWidgets import QFileDialog, QPushButton

from napari_cnmf.formats.results import load
from napari_cnmf.pipeline.folder import RunFolder
from napari_cnmf.pipeline.runner import run
from napari_cnmf.recipe import Recipe
from napari_cnmf.widgets.docks.beginning import FILE, SEARCH
from napari_cnmf.widgets.docks.stages import CnmfWidget
from napari_cnmf.widgets.session import session

FIELD = (64, 60)
PIXEL_UM = 1.5


@pytest.fixture(scope="module")
def registered(tmp_path_factory) -> RunFolder:
    """Folder of a registered tiny movie, whose upper rows are left out."""
    folder = tmp_path_factory.mktemp("registered")
    settings = (f"acquisition.pixel_size_um={PIXEL_UM}", "motion.mode=none")
    recipe = tiny_movies.recipe(*settings, "input.top=6")
    run(tiny_movies.movie(), recipe, folder, until="correct")
    return RunFolder(folder)


@pytest.fixture
def workspace(viewer, registered, tmp_path):
    workspace = session(viewer).workspace
    folder = RunFolder(shutil.copytree(registered.path, tmp_path / "found"))
    workspace.open_result(load(folder.result), folder)
    return workspace


@pytest.fixture
def dock(viewer, workspace):
    widget = CnmfWidget(viewer)
    viewer.window.add_dock_widget(widget, name="CNMF")
    return widget


def choose(dock, text: str) -> None:
    """Choose an entry of the list by its text."""
    choices = dock.begin_box.list
    place = choices.findText(text)
    assert place >= 0, [choices.itemText(i) for i in range(choices.count())]
    choices.setCurrentIndex(place)
    choices.activated.emit(place)


def shown(dock) -> str:
    return dock.begin_box.list.currentText()


def find_cells(dock, qtbot, monkeypatch) -> str:
    """Press the button and wait for the end."""
    monkeypatch.setattr(dock, "ask", lambda text: True)
    outcomes: list[str] = []
    dock.session.jobs.ended.connect(outcomes.append)
    buttons = dock.findChildren(QPushButton)
    next(b for b in buttons if b.text() == "Find cells").click()
    qtbot.waitUntil(lambda: bool(outcomes), timeout=60_000)
    return outcomes[0]


def painted(*corners: tuple[int, int]) -> np.ndarray:
    """Labels of the recorded field: squares of 8 px at these corners."""
    labels = np.zeros(FIELD, np.uint8)
    for number, (y, x) in enumerate(corners, 1):
        labels[y : y + 8, x : x + 8] = number
    return labels


def test_only_the_users_layers_can_be_chosen(dock, viewer):
    choices = dock.begin_box.list
    assert [choices.itemText(i) for i in range(choices.count())] == [SEARCH, FILE]
    layer = viewer.add_labels(painted((9, 9)), name="cells")
    viewer.add_points(name="middles")
    layer.name = "my cells"
    texts = [choices.itemText(i) for i in range(choices.count())]
    assert texts == [SEARCH, "labels: my cells", "points: middles", FILE]
    assert shown(dock) == SEARCH


def test_what_does_not_matter_to_marked_cells_is_not_shown(dock, viewer, workspace):
    viewer.add_labels(painted((9, 9)), name="cells")
    form = dock.forms["init"]
    assert form.editor("min_event_energy").isVisibleTo(form)
    choose(dock, "labels: cells")
    assert workspace.recipe.init.method == "seeded"
    assert not form.editor("min_event_energy").isVisibleTo(form)
    assert form.editor("neuron_half_size_px").isVisibleTo(form)
    choose(dock, SEARCH)
    assert workspace.recipe.init.method == "event_energy"
    assert form.editor("min_event_energy").isVisibleTo(form)
    assert form.editor("method").findText("seeded") == -1


def test_cells_are_found_where_labels_are_painted(
    dock, viewer, workspace, qtbot, monkeypatch
):
    layer = viewer.add_labels(painted((9, 9), (40, 30)), name="cells")
    choose(dock, "labels: cells")
    layer.data = painted((9, 9), (40, 30), (20, 45))  # it counts as it is when run
    assert find_cells(dock, qtbot, monkeypatch) == "done"
    cells = workspace.components
    np.testing.assert_array_equal(cells.ids, [0, 1, 2])
    expected = np.array([(12.5 - 6, 12.5), (43.5 - 6, 33.5), (23.5 - 6, 48.5)])
    assert np.abs(cells.centres - expected).max() < 5
    assert dock.changes == []
    assert shown(dock) == "labels: cells"
    copy = workspace.folder.path / workspace.recipe.init.seeds
    assert copy.exists()
    viewer.layers.remove(layer)
    assert shown(dock) == "the cells marked for the last run"
    assert find_cells(dock, qtbot, monkeypatch) == "done"
    np.testing.assert_array_equal(workspace.components.centres, cells.centres)


def test_points_lie_where_they_are_seen(dock, viewer, workspace, qtbot, monkeypatch):
    # Rows of the recorded field: the result begins at the seventh.
    points = [(0, 20, 13), (50, 50, 40)]
    scale = (1 / tiny_movies.RATE_HZ, PIXEL_UM, PIXEL_UM)
    viewer.add_points(points, scale=scale, name="middles")
    choose(dock, "points: middles")
    np.testing.assert_allclose(workspace.seeds(), [(14, 13), (44, 40)])
    assert find_cells(dock, qtbot, monkeypatch) == "done"
    assert len(workspace.components) == 2
    np.testing.assert_array_equal(
        workspace.components.origin.seed_yx, [(14, 13), (44, 40)]
    )


def test_a_layer_of_another_shape_is_refused_in_a_sentence(
    dock, viewer, workspace, qtbot, monkeypatch
):
    viewer.add_labels(np.eye(30, dtype=int), name="small")
    choose(dock, "labels: small")
    assert find_cells(dock, qtbot, monkeypatch) == "failed"
    assert "shape (30, 30)" in dock.message
    assert "the movie (58, 60)" in dock.message
    viewer.add_labels(np.zeros(FIELD, int), name="blank")
    choose(dock, "labels: blank")
    assert find_cells(dock, qtbot, monkeypatch) == "failed"
    assert "paint at least one label" in dock.message
    assert workspace.components is None


def test_the_cells_of_another_result_are_asked_for(dock, workspace, monkeypatch):
    chosen = [""]
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (chosen[0], ""))
    choose(dock, FILE)
    assert shown(dock) == SEARCH  # nothing was chosen
    chosen[0] = "/data/day-1/results.h5"
    choose(dock, FILE)
    assert shown(dock) == "day-1/results.h5"
    assert workspace.recipe.init.seeds == chosen[0]
    assert workspace.recipe.init.method == "seeded"
    workspace.set_recipe(Recipe())
    assert shown(dock) == SEARCH
    workspace.set_recipe(Recipe().with_settings({"init.method": "seeded"}))
    assert dock.begin_box.list.currentIndex() == -1


def test_two_docks_show_the_same_choice(dock, viewer):
    second = CnmfWidget(viewer)
    viewer.window.add_dock_widget(second, name="CNMF too")
    viewer.add_labels(painted((9, 9)), name="one")
    viewer.add_labels(painted((9, 9)), name="two")
    choose(dock, "labels: one")
    assert shown(second) == "labels: one"
    choose(second, "labels: two")
    assert shown(dock) == "labels: two"
