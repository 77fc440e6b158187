"""The workflow shows all steps in order, how far each is, and their own pages."""

from __future__ import annotations

from dataclasses import replace

import pytest
import tiny_movies
from qtpy.QtWidgets import QPushButton

from napari_cnmf.formats import open_movie
from napari_cnmf.formats.results import load
from napari_cnmf.pipeline.folder import RunFolder
from napari_cnmf.widgets.docks.motion import MotionWidget
from napari_cnmf.widgets.docks.workflow import STEPS, WorkflowWidget
from napari_cnmf.widgets.session import session


@pytest.fixture
def workspace(viewer):
    return session(viewer).workspace


@pytest.fixture
def workflow(viewer):
    widget = WorkflowWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Workflow")
    return widget


def states(workflow) -> dict[str, str]:
    tree = workflow.steps
    rows = [tree.topLevelItem(place) for place in range(tree.topLevelItemCount())]
    return {step.name: row.text(1) for step, row in zip(STEPS, rows, strict=True)}


def button(workflow, label: str) -> QPushButton:
    return next(b for b in workflow.buttons if b.text() == label)


def test_at_first_only_a_movie_can_be_opened(workflow):
    assert states(workflow) == {step.name: "" for step in STEPS} | {"Movie": "ready"}
    assert workflow.hint == "Open a movie first (Movie)."
    assert not button(workflow, "Run all").isEnabled()


def test_every_step_has_its_page_and_one_run_bar_serves_all(workflow, qtbot):
    for step in STEPS:
        workflow.show_step(step.name)
        page = workflow.page(step.name)
        assert page.isVisible()
        assert type(page).__name__ == step.dock.split(":")[1]
    workflow.show_step("Motion")
    with qtbot.waitSignal(workflow.page("Cells").run_bar.destroyed):
        pass
    assert workflow.run_bar.isHidden()


def test_what_was_found_is_summed_up(workflow, workspace, found_folder, run_folder):
    workspace.set_movie(
        open_movie(run_folder.path.parent / "movie.tif", frame_rate_hz=30)
    )
    workspace.open_result(load(found_folder.result), found_folder)
    shown = states(workflow)
    n_found = len(workspace.components)
    n_accepted = int(workspace.quality.accepted.sum())
    assert shown["Movie"] == "✓ 600 frames of 96 x 96 px"
    assert shown["Cells"] == f"✓ {n_found} components"
    assert shown["Evaluate"] == f"✓ {n_accepted} of {n_found} accepted"
    assert shown["dF/F"] == "✓ done"
    assert button(workflow, "Run the rest").toolTip() == "All steps are done."


def test_the_rest_is_run_from_the_first_step_that_is_missing(
    workflow, workspace, found_folder, qtbot
):
    result = load(found_folder.result)
    stages = tuple(r for r in result.stages if r.stage in ("correct", "fit", "refit"))
    workspace.open_result(replace(result, stages=stages), found_folder)
    assert states(workflow)["Evaluate"] == "ready"
    outcomes: list[str] = []
    workflow.session.jobs.ended.connect(outcomes.append)
    button(workflow, "Run the rest").click()
    qtbot.waitUntil(lambda: outcomes == ["done"], timeout=60_000)
    assert workspace.components.dff is not None
    assert [r.stage for r in workspace.result.stages][-2:] == ["evaluate", "dff"]


def test_run_all_finds_cells_as_it_goes(workflow, workspace, tmp_path, qtbot):
    workspace.set_movie(tiny_movies.movie())
    workspace.set_folder(RunFolder(tmp_path / "all"))
    told: list[str] = []
    workspace.result_changed.connect(
        lambda: told.append(workspace.result.stages[-1].stage)
    )
    button(workflow, "Run all").click()
    assert workflow.run_bar.isVisible()
    qtbot.waitUntil(lambda: not workflow.session.jobs.running, timeout=60_000)
    assert told == ["correct", "fit", "refit", "evaluate", "dff"]
    assert load(workspace.folder.result).complete


def test_a_page_is_the_dock_of_that_step(workflow, workspace):
    workflow.show_step("Motion")
    page = workflow.page("Motion")
    assert isinstance(page, MotionWidget)
    page.forms["motion"].editor("max_shift_px").setValue(17)
    assert workspace.recipe.motion.max_shift_px == 17
