"""The docks of the stages run the pipeline by a click, and lose nothing unasked."""

from __future__ import annotations

import pytest
import tiny_movies
from qtpy.QtWidgets import QPushButton

from napari_cnmf.errors import ParameterError
from napari_cnmf.formats import open_movie
from napari_cnmf.formats.results import load
from napari_cnmf.pipeline.folder import RunFolder
from napari_cnmf.recipe import Recipe
from napari_cnmf.widgets.docks.motion import MotionWidget
from napari_cnmf.widgets.docks.stages import CnmfWidget, DffWidget, SummaryWidget
from napari_cnmf.widgets.session import session

DOCKS = (MotionWidget, SummaryWidget, CnmfWidget, DffWidget)


@pytest.fixture
def movie(run_folder):
    return open_movie(run_folder.path.parent / "movie.tif", frame_rate_hz=30)


@pytest.fixture
def workspace(viewer):
    return session(viewer).workspace


@pytest.fixture
def opened(workspace, found_folder, movie):
    """A workspace with a movie and what was found in it."""
    workspace.set_movie(movie)
    workspace.open_result(load(found_folder.result), found_folder)
    return workspace


@pytest.fixture
def dock(viewer):
    def made(kind):
        widget = kind(viewer)
        viewer.window.add_dock_widget(widget, name=kind.__name__)
        return widget

    return made


def button(widget, label: str) -> QPushButton:
    found = [b for b in widget.findChildren(QPushButton) if b.text() == label]
    assert len(found) == 1, label
    return found[0]


def press(widget, label: str, qtbot) -> str:
    """Press a button that starts a job, and wait for its end."""
    outcomes: list[str] = []
    widget.session.jobs.ended.connect(outcomes.append)
    button(widget, label).click()
    assert widget.session.jobs.running
    qtbot.waitUntil(lambda: bool(outcomes), timeout=60_000)
    return outcomes[0]


def test_an_empty_viewer_is_told_to_open_a_movie(dock, workspace):
    for kind in DOCKS:
        widget = dock(kind)
        assert widget.hint == "Open a movie first (Movie)."
        for action in widget.buttons:
            assert not action.isEnabled()
            assert action.toolTip() == widget.hint


def test_with_a_movie_only_the_motion_can_be_corrected(dock, workspace, movie):
    motion, cnmf = dock(MotionWidget), dock(CnmfWidget)
    workspace.set_movie(movie)
    assert button(motion, "Correct motion").isEnabled()
    assert motion.hint == ""
    assert cnmf.hint == "Correct the motion first (Motion)."


def test_from_movie_to_dff_by_clicks(dock, workspace, tmp_path, qtbot):
    workspace.set_movie(tiny_movies.movie())
    workspace.set_folder(RunFolder(tmp_path / "new"))
    motion, cnmf, dff = dock(MotionWidget), dock(CnmfWidget), dock(DffWidget)
    motion.forms["motion"].editor("max_shift_px").setValue(5)
    assert press(motion, "Correct motion", qtbot) == "done"
    assert "Crispness" in motion.report.text()
    assert workspace.result.summary is not None
    assert press(cnmf, "Find cells", qtbot) == "done"
    assert f"{len(workspace.components)} components" in cnmf.message
    assert press(dff, "Compute dF/F", qtbot) == "done"
    kept = load(workspace.folder.result)
    assert kept.components.dff is not None
    assert Recipe.from_toml(kept.recipe).motion.max_shift_px == 5


def test_a_fault_stands_beside_its_field(dock, workspace, movie, tmp_path, qtbot):
    workspace.set_movie(movie)
    workspace.set_folder(RunFolder(tmp_path / "new"))
    motion, cnmf = dock(MotionWidget), dock(CnmfWidget)
    cnmf.forms["init"].editor("neuron_half_size_px").setValue(50)
    assert press(motion, "Correct motion", qtbot) == "failed"
    assert "init.neuron_half_size_px=50" in motion.message
    assert "more than half of a field" in cnmf.forms["init"].error(
        "neuron_half_size_px"
    )
    assert cnmf.message == ""
    assert not (tmp_path / "new").exists()


def test_finding_cells_again_asks_and_names_what_is_lost(
    dock, opened, monkeypatch, qtbot
):
    cnmf = dock(CnmfWidget)
    opened.decide(opened.components.ids[:3], -1)
    questions = []
    monkeypatch.setattr(cnmf, "ask", lambda text: bool(questions.append(text)))
    before = opened.result
    button(cnmf, "Find cells").click()
    assert not opened.result is not before
    assert not cnmf.session.jobs.running
    n_found = len(opened.components)
    assert f"the {n_found} components found so far and 3 decisions" in questions[0]


def test_refining_asks_nothing_and_keeps_decisions(dock, opened, monkeypatch, qtbot):
    cnmf = dock(CnmfWidget)
    ids = opened.components.ids[:3]
    opened.decide(ids, -1)
    monkeypatch.setattr(cnmf, "ask", lambda text: pytest.fail(text))
    assert press(cnmf, "Refine", qtbot) == "done"
    kept = set(ids) & set(opened.components.ids)
    assert (opened.quality.manual[opened.positions(sorted(kept))] == -1).all()


def test_changed_parameters_are_shown_with_their_former_value(dock, opened):
    cnmf, motion = dock(CnmfWidget), dock(MotionWidget)
    assert cnmf.changes == motion.changes == []
    cnmf.forms["init"].editor("min_event_energy").setValue(0.05)
    cnmf.forms["acquisition"].auto_box("decay_time_s").click()
    assert cnmf.changes == [
        "Decay time (s): auto → 0.5",
        "Min event energy: 0.04 → 0.05",
    ]
    assert motion.changes == []


def test_forms_follow_the_recipe_and_each_other(dock, workspace):
    first, second = dock(MotionWidget), dock(MotionWidget)
    first.forms["motion"].editor("max_shift_px").setValue(33)
    assert second.forms["motion"].value.max_shift_px == 33
    assert workspace.recipe.motion.max_shift_px == 33


def test_the_indicator_says_what_auto_stands_for(dock, workspace):
    cnmf = dock(CnmfWidget)
    cnmf.forms["acquisition"].editor("indicator").setCurrentText("gcamp6s")
    assert cnmf.forms["acquisition"].editor("decay_time_s").text() == "1.2"
    assert workspace.recipe.acquisition.decay_time_s is None


def test_cancelling_says_so_and_keeps_the_result(dock, opened, monkeypatch, qtbot):
    cnmf = dock(CnmfWidget)
    monkeypatch.setattr(cnmf, "ask", lambda text: True)
    components = opened.components
    outcomes: list[str] = []
    cnmf.session.jobs.ended.connect(outcomes.append)
    button(cnmf, "Find cells").click()
    button(cnmf, "Cancel").click()
    qtbot.waitUntil(lambda: outcomes == ["cancelled"], timeout=10_000)
    assert cnmf.message == "Cancelled; what was finished is kept."
    assert opened.components is components


def test_a_closed_dock_hears_nothing_and_a_new_one_shows_the_same(
    viewer, workspace, dock, qtbot
):
    closed = dock(MotionWidget)
    closed.forms["motion"].editor("max_shift_px").setValue(8)
    heard = len(workspace.recipe_changed)
    with qtbot.waitSignal(closed.destroyed):
        viewer.window.remove_dock_widget(closed)
        closed.deleteLater()
    assert len(workspace.recipe_changed) < heard
    workspace.set_recipe(workspace.recipe.with_settings({"motion.max_shift_px": 9.0}))
    assert dock(MotionWidget).forms["motion"].value.max_shift_px == 9


def test_a_sentence_names_the_field_of_a_check(dock):
    motion = dock(MotionWidget)
    with pytest.raises(ParameterError) as caught:
        Recipe().with_settings({"motion.max_shift_px": 0.0})
    motion.show_failure(caught.value)
    assert motion.forms["motion"].error("max_shift_px") == str(caught.value)
    assert motion.message == str(caught.value)
