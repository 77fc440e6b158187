"""Whole stories as users live them: by mouse and keyboard, in a real window."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from napari.viewer import Viewer
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QCheckBox, QPushButton, QWidget

from napari_cnmf.formats.results import load
from napari_cnmf.pipeline.folder import RunFolder
from napari_cnmf.widgets.session import Session, session

RUN_MS = 180_000


def button(dock: QWidget, text: str) -> QPushButton:
    """The button of a dock with a text."""
    found = [b for b in dock.findChildren(QPushButton) if b.text() == text]
    shown = [b for b in found if b.isVisible()]
    assert len(shown) == 1, f"{len(shown)} buttons '{text}'"
    return shown[0]


def press(qtbot, dock: QWidget, text: str) -> None:
    """Click a button that must be enabled."""
    wanted = button(dock, text)
    assert wanted.isEnabled(), wanted.toolTip()
    qtbot.mouseClick(wanted, Qt.MouseButton.LeftButton)


def wait(qtbot, here: Session) -> None:
    """Wait for the running job."""
    qtbot.waitUntil(lambda: not here.jobs.running, timeout=RUN_MS)


def table(path: Path) -> list[dict[str, str]]:
    """Rows of a table."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_from_sample_data_to_a_table_by_clicking(qtbot, viewer: Viewer, tmp_path):
    viewer.open_sample("napari-cnmf", "simulated_movie_with_motion")
    _, workflow = viewer.window.add_plugin_dock_widget("napari-cnmf", "Workflow")
    here = session(viewer)
    wait(qtbot, here)
    workspace = here.workspace
    assert workspace.movie is not None
    assert workspace.frame_rate_hz == pytest.approx(30)
    workspace.set_folder(RunFolder(tmp_path / "found"))

    press(qtbot, workflow, "Run all")
    wait(qtbot, here)
    assert workspace.result.complete
    assert here.scene.layer("accepted") is not None

    workflow.show_step("Evaluate")
    page = workflow.page("Evaluate")
    by_rule = workspace.components.accepted
    qtbot.mouseClick(button(page, "▶  (.)"), Qt.MouseButton.LeftButton)
    (doubtful,) = workspace.selected
    k = int(workspace.positions([doubtful])[0])
    press(qtbot, page, "Reject  (R)" if by_rule[k] else "Accept  (A)")
    assert workspace.components.accepted[k] != by_rule[k]
    press(qtbot, page, "Undo")
    assert workspace.components.accepted[k] == by_rule[k]
    press(qtbot, page, "Redo")

    workflow.show_step("Export")
    page = workflow.page("Export")
    only = next(
        b for b in page.findChildren(QCheckBox) if b.text() == "Accepted cells only"
    )
    only.setChecked(True)
    press(qtbot, page, "Write files")
    wait(qtbot, here)

    cells = table(next(tmp_path.rglob("cells.csv")))
    accepted = workspace.components.ids[workspace.components.accepted]
    assert [int(row["id"]) for row in cells] == accepted.tolist()
    again = load(workspace.folder.result)
    assert np.array_equal(again.components.accepted, workspace.components.accepted)


@pytest.mark.slow
def test_a_real_movie_step_by_step(qtbot, viewer: Viewer, shared, tmp_path):
    _, workflow = viewer.window.add_plugin_dock_widget("napari-cnmf", "Workflow")
    here = session(viewer)
    workspace = here.workspace
    page = workflow.page("Movie")
    page.open_paths([shared / "data" / "two-photon-crop" / "movie.tif"])
    wait(qtbot, here)
    workspace.set_folder(RunFolder(tmp_path / "found"))
    workspace.set_recipe(
        workspace.recipe.with_settings({"acquisition.frame_rate_hz": 30})
    )
    for step, action in (
        ("Motion", "Correct motion"),
        ("Images", "Compute images"),
        ("Cells", "Find cells"),
        ("Evaluate", "Evaluate"),
        ("dF/F", "Compute dF/F"),
    ):
        workflow.show_step(step)
        press(qtbot, workflow.page(step), action)
        wait(qtbot, here)
    assert workspace.result.complete
    assert workspace.components.accepted.sum() >= 15
    assert workspace.components.dff is not None

    _, traces = viewer.window.add_plugin_dock_widget("napari-cnmf", "Traces")
    cell = int(workspace.components.ids[0])
    workspace.select([cell])
    qtbot.waitUntil(lambda: len(traces.plot.rows) == 1)
    here.scene.go_to_frame(321)
    qtbot.waitUntil(lambda: traces.plot.cursor_frame == 321)
