"""The workflow shows all steps in order, how far each is, and their own pages."""

from __future__ import annotations

from dataclasses import replace

import pytest
import tiny_movies
from qtpy.QtWidgets import QPushButton

from napari_cnmf.formats import open_movie
from napari_cnmf.formats.results import digest, load
from napari_cnmf.pipeline.folder import RunFolder
from napari_cnmf.pipeline.runner import run
from napari_cnmf.widgets import running
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


@pytest.fixture
def cut_short(workflow, workspace, tmp_path, qtbot, monkeypatch):
    """A run with parameters of its own was cancelled when it began to find cells."""

    def cancelled(*movie_and_place, progress, cancel, **options):
        def tell(event) -> None:
            progress(event)
            if event.stage == "fit":
                cancel.set()

        return run(*movie_and_place, progress=tell, cancel=cancel, **options)

    file = tiny_movies.write_tif(tmp_path / "movie.tif")
    movie = open_movie(file, frame_rate_hz=tiny_movies.RATE_HZ)
    recipe = tiny_movies.recipe("motion.max_shift_px=9", "merge.min_correlation=0.7")
    workspace.set_movie(movie)
    workspace.set_recipe(recipe)
    workspace.set_folder(RunFolder(tmp_path / "cut short"))
    with monkeypatch.context() as patched:
        patched.setattr(running, "run", cancelled)
        button(workflow, "Run all").click()
        assert not workflow.go_on.isVisible()
        qtbot.waitUntil(lambda: not workflow.session.jobs.running, timeout=60_000)
    return recipe


def test_a_run_that_was_cut_short_is_gone_on_with(
    viewer, workflow, workspace, cut_short, tmp_path, qtbot
):
    folder, movie = workspace.folder, workspace.movie
    workspace.set_folder(None)  # as when napari is started anew
    workspace.set_movie(movie)
    workspace.set_recipe(tiny_movies.recipe())
    assert not workflow.go_on.isVisible()
    workspace.set_folder(folder)
    assert workflow.go_on.isVisible()
    assert "cut short while finding cells" in workflow.about.text()
    assert states(workflow)["Cells"] == "unfinished"
    workflow.go_on.click()
    qtbot.waitUntil(lambda: not workflow.session.jobs.running, timeout=60_000)
    assert workspace.recipe == cut_short
    at_once = run(movie, cut_short, tmp_path / "at once")
    assert digest(workspace.result) == digest(at_once)
    assert not workflow.go_on.isVisible()
    assert not workflow.about.isVisible()
    assert states(workflow)["Cells"].startswith("✓")


def test_without_its_movie_a_run_goes_on_with_the_registered_one(
    workflow, workspace, cut_short, qtbot
):
    folder = workspace.folder
    workspace.set_movie(None)
    workspace.open_result(load(folder.result), folder)
    workflow.go_on.click()
    qtbot.waitUntil(lambda: not workflow.session.jobs.running, timeout=60_000)
    assert load(folder.result).complete
    assert workspace.recipe == cut_short
