"""The Batch dock: movies are listed, run one after the other, and opened."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from qtpy.QtCore import QMimeData, QPointF, Qt, QUrl
from qtpy.QtGui import QDropEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QFileDialog, QPushButton
from tiny_movies import RATE_HZ, recipe, simulation, write_tif

from napari_cnmf.formats.results import load
from napari_cnmf.pipeline.runner import run
from napari_cnmf.recipe import Recipe
from napari_cnmf.widgets.docks.batch import BatchWidget
from napari_cnmf.widgets.scene.scene import Scene

RATE = f"acquisition.frame_rate_hz={RATE_HZ}"


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    """Draw nothing, neither reports nor layers: both take longer than a tiny run."""
    for name in ("write_report", "write_motion_report"):
        monkeypatch.setitem(run.__globals__, name, lambda _, path: path.touch())
    monkeypatch.setattr("napari_cnmf.report.outcome.strip_picture", lambda _: b"")
    monkeypatch.setattr(Scene, "_show_result", lambda self: None)


@pytest.fixture
def dock(viewer):
    """The dock in a viewer whose parameters fit the movies."""
    widget = BatchWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Batch")
    widget.workspace.set_recipe(recipe(RATE))
    return widget


@pytest.fixture
def movies(tmp_path) -> list[Path]:
    """A movie that can be run, and one with holes that cannot be repaired."""
    holes = simulation().movie.astype(np.float32)
    holes[:, :30] = np.nan
    good, bad = tmp_path / "movie 2.tif", tmp_path / "movie 10.tif"
    return [write_tif(good), write_tif(bad, holes)]


def press(dock, label: str) -> None:
    for button in dock.findChildren(QPushButton):
        if button.text() == label:
            button.click()
            return
    raise LookupError(label)


def wait(dock, qtbot) -> None:
    qtbot.waitUntil(lambda: not dock.session.jobs.running, timeout=60_000)


def shown(dock) -> list[tuple[str, str]]:
    """State and text of each row."""
    return [(row.state.text(), row.text.text()) for row in dock.rows]


def test_without_movies_there_is_nothing_to_start(dock):
    assert dock.hint == "Add movies first."
    assert not dock.buttons[0].isEnabled()


def test_dropped_files_are_movies_in_natural_order(dock, movies):
    about = QMimeData()
    about.setUrls([QUrl.fromLocalFile(str(path)) for path in reversed(movies)])
    dock.dropEvent(
        QDropEvent(
            QPointF(0, 0),
            Qt.DropAction.CopyAction,
            about,
            Qt.MouseButton.LeftButton,
            Qt.KeyboardModifier.NoModifier,
        )
    )
    assert [line.entry.movie for line in dock.list.lines] == [(m,) for m in movies]
    assert shown(dock) == [("waiting", ""), ("waiting", "")]
    assert dock.buttons[0].isEnabled()


def test_files_and_folders_are_asked_for(dock, movies, monkeypatch):
    names = [str(movie) for movie in movies]
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_: (names, ""))
    folder = str(movies[0].parent)
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: folder)
    press(dock, "Movies ...")
    press(dock, "Folder ...")
    outputs = [line.entry.output for line in dock.list.lines]
    parent = movies[0].parent
    assert outputs[:2] == [parent / "movie 2-cnmf", parent / "movie 10-cnmf"]
    assert outputs[2] == parent.with_name(parent.name + "-cnmf")


def test_movies_leave_the_list_alone_or_all_at_once(dock, movies):
    dock.open_paths([*movies, movies[0]])
    assert dock.list.lines[2].entry.output.name == "movie 2-cnmf-2"
    dock.rows[1].remove.click()
    assert [line.entry.name for line in dock.list.lines] == ["movie 2.tif"] * 2
    assert len(dock.rows) == 2
    press(dock, "Clear")
    assert dock.rows == []
    assert dock.hint == "Add movies first."


def test_all_movies_are_run_and_failures_are_told_in_their_rows(dock, movies, qtbot):
    seen: list[tuple[str, bool]] = []

    def look(place: int) -> None:
        row = dock.rows[place]
        seen.append((row.state.text(), row.bar.isVisible()))

    dock.open_paths([movies[1], movies[0]])
    dock.list.stepped.connect(look)
    press(dock, "Start")
    assert not dock.rows[0].remove.isEnabled()
    wait(dock, qtbot)
    assert {("running", True), ("failed", False), ("done", False)} <= set(seen)
    (failed, why), (done, found) = shown(dock)
    assert (failed, done) == ("failed", "done")
    assert why.startswith("1800 of the movie's 3840 pixels hold NaN")
    cells = load(movies[0].parent / "movie 2-cnmf" / "results.h5").components
    assert found.startswith(f"{cells.accepted.sum()} accepted, ")
    assert dock.rows[0].remove.isEnabled()
    page = movies[0].parent / "overview.html"
    assert page.exists()
    assert QUrl.fromLocalFile(str(page)).toString() in dock.overview.text()
    assert dock.workspace.result is None  # the viewer shows what it showed


def test_a_double_click_opens_what_was_found(dock, movies, qtbot):
    dock.open_paths(movies[:1])
    QTest.mouseDClick(dock.rows[0], Qt.MouseButton.LeftButton)
    assert not dock.session.jobs.running  # nothing was found yet
    press(dock, "Start")
    wait(dock, qtbot)
    QTest.mouseDClick(dock.rows[0], Qt.MouseButton.LeftButton)
    wait(dock, qtbot)
    assert dock.workspace.folder.path == movies[0].parent / "movie 2-cnmf"
    assert dock.workspace.components is not None
    assert dock.workspace.movie.shape == simulation().movie.shape


def test_a_cancelled_batch_goes_on_when_it_is_started_again(dock, movies, qtbot):
    dock.open_paths([movies[0], movies[0]])

    def stop(place: int) -> None:
        if place == 1 and dock.list.lines[1].step is not None:
            dock.run_bar.cancel.click()

    dock.list.stepped.connect(stop)
    press(dock, "Start")
    wait(dock, qtbot)
    assert [state for state, _ in shown(dock)] == ["done", "cancelled"]
    assert dock.message.startswith("Cancelled")
    dock.list.stepped.disconnect(stop)
    press(dock, "Start")
    wait(dock, qtbot)
    assert [state for state, _ in shown(dock)] == ["done", "done"]


def test_a_table_lists_movies_with_parameters_of_their_own(dock, movies, qtbot):
    table = movies[0].parent / "all.csv"
    table.write_text("movie,motion.mode\nmovie 2.tif,none\n")
    dock.open_paths([table])
    wait(dock, qtbot)
    press(dock, "Start")
    wait(dock, qtbot)
    assert shown(dock)[0][0] == "done"
    assert load(dock.list.lines[0].outcome.folder / "results.h5").shifts is None
    assert "<title>all</title>" in (table.parent / "overview.html").read_text()


def test_faults_of_a_table_are_told_and_nothing_is_listed(dock, movies, qtbot):
    table = movies[0].parent / "all.csv"
    table.write_text("movie,motion.mod\nmovie 2.tif,none\nmovie 3.tif,\n")
    dock.open_paths([table])
    wait(dock, qtbot)
    assert "all.csv has 2 faults" in dock.message
    assert "line 1, column 'motion.mod'" in dock.message
    assert "line 3, column 'movie'" in dock.message
    assert dock.rows == []


def test_parameters_come_from_the_docks_or_from_a_file(
    dock, movies, tmp_path, monkeypatch
):
    path = tmp_path / "still.toml"
    recipe(RATE, "motion.mode=none").save(path)
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(path), ""))
    dock.parameters.activated.emit(1)
    assert dock.parameters.currentText() == "of still.toml"
    assert dock.list.recipe == ("still.toml", Recipe.load(path))
    dock.parameters.activated.emit(0)
    assert dock.parameters.currentText() == "those of the docks"
    assert dock.list.recipe is None
    path.write_text("[motion]\nmode = 3\n")
    dock.parameters.activated.emit(1)
    assert "motion.mode" in dock.message
    assert dock.list.recipe is None


def test_the_list_outlives_the_dock(dock, viewer, movies):
    dock.open_paths(movies)
    again = BatchWidget(viewer)
    viewer.window.add_dock_widget(again, name="Batch again")
    assert [row.name.text() for row in again.rows] == [
        "<b>movie 2.tif</b>",
        "<b>movie 10.tif</b>",
    ]
