"""The Evaluate dock in a real viewer."""

from __future__ import annotations

import gc
from dataclasses import replace
from types import SimpleNamespace
from weakref import ref

import numpy as np
import pytest
from napari.utils.key_bindings import coerce_keybinding
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_cnmf.formats.results import load
from napari_cnmf.quality.evidence import event_frames_used
from napari_cnmf.widgets.docks.curation import Curation
from napari_cnmf.widgets.docks.evaluate import EvaluateWidget
from napari_cnmf.widgets.docks.verdicts import Verdicts
from napari_cnmf.widgets.session import session
from napari_cnmf.widgets.workspace import Workspace

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def workspace(viewer, found_folder):
    """Of the viewer, with an evaluated result open."""
    workspace = session(viewer).workspace
    workspace.open_result(load(found_folder.result), found_folder)
    return workspace


def opened(viewer, qtbot) -> EvaluateWidget:
    """The dock, in sight."""
    dock = EvaluateWidget(viewer)
    viewer.window.add_dock_widget(dock, name="Evaluate")
    qtbot.waitUntil(dock.isVisible)
    return dock


@pytest.fixture
def dock(viewer, workspace, qtbot) -> EvaluateWidget:
    return opened(viewer, qtbot)


class NoScene:
    """Stands for the layers of a viewer where none is needed."""

    def layer(self, role: str) -> None:
        return None

    def centre_on(self, component_id: int) -> None:
        pass


@pytest.fixture
def panel(qtbot, found) -> SimpleNamespace:
    """Limits and buttons of the dock without a viewer, which takes its time."""
    workspace = Workspace()
    workspace.open_result(found)
    session = SimpleNamespace(workspace=workspace, scene=NoScene())
    window = QWidget()
    qtbot.addWidget(window)
    verdicts, curation = Verdicts(session), Curation(session)
    column = QVBoxLayout(window)
    column.addWidget(verdicts)
    column.addWidget(curation)
    with qtbot.waitExposed(window):
        window.show()
    return SimpleNamespace(
        window=window, workspace=workspace, verdicts=verdicts, curation=curation
    )


def slider(dock, name):
    """Slider of a limit of the rule in force."""
    return dock.verdicts.sliders[dock.workspace.recipe.quality.rule].sliders[name]


def drag(qtbot, histogram, value: float) -> None:
    """Drag a limit to another value."""
    ends = histogram.x_of(histogram.limit), histogram.x_of(value)
    places = [QPoint(round(x), 30) for x in np.linspace(*ends, 6)]
    qtbot.mousePress(histogram, LEFT, pos=places[0])
    for place in places[1:]:
        qtbot.mouseMove(histogram, place)
    qtbot.mouseRelease(histogram, LEFT, pos=places[-1])


def press(viewer, key: str) -> None:
    """Press a key over the image."""
    viewer.keymap[coerce_keybinding(key)](viewer)


def test_an_empty_viewer_says_what_to_do_first(viewer, qtbot):
    dock = opened(viewer, qtbot)
    assert not dock.curation.isVisible()
    assert not dock.verdicts.counts.isVisible()


def test_dragging_a_limit_changes_verdicts_at_once(dock, workspace, qtbot):
    counts, seen = dock.verdicts.counts, []
    before = workspace.quality.accepted.sum()
    workspace.quality_changed.connect(lambda: seen.append(counts.text()))
    drag(qtbot, slider(dock, "min_snr").histogram, 1000.0)
    after = workspace.quality.accepted.sum()
    assert after < before
    assert len(seen) > 2
    assert f"{after} accepted" in counts.text()
    assert f"{len(workspace.components) - after} rejected" in counts.text()


def test_a_drag_is_one_step_of_undo(dock, workspace, qtbot):
    before = workspace.recipe.quality
    drag(qtbot, slider(dock, "min_snr").histogram, 1000.0)
    moved = workspace.recipe.quality
    qtbot.mouseClick(dock.verdicts.undo, LEFT)
    assert workspace.recipe.quality == before
    assert slider(dock, "min_snr").histogram.limit == before.min_snr
    assert slider(dock, "min_snr").number.shown == before.min_snr
    assert not dock.verdicts.undo.isEnabled()
    qtbot.mouseClick(dock.verdicts.redo, LEFT)
    assert workspace.recipe.quality == moved


def test_a_limit_can_be_typed(panel, qtbot):
    workspace = panel.workspace
    number = slider(panel, "min_r_value").number
    number.selectAll()
    qtbot.keyClicks(number, "0.99")
    qtbot.keyClick(number, Qt.Key.Key_Return)
    assert workspace.recipe.quality.min_r_value == 0.99
    assert workspace.quality.limits["low r value"] == 0.99
    assert workspace.can_undo


def test_all_limits_of_the_rule_are_there_and_can_be_put_back(panel, qtbot):
    workspace = panel.workspace
    changed = replace(workspace.recipe.quality, max_ring=-0.5, min_edge=3.0)
    workspace.set_limits(changed)
    workspace.keep()
    panel.verdicts.sliders["default"].fold.click()
    assert slider(panel, "max_ring").histogram.isVisible()
    assert slider(panel, "max_ring").histogram.limit == -0.5
    qtbot.mouseClick(panel.verdicts.reset, LEFT)
    assert workspace.recipe.quality.max_ring == 0.12
    assert workspace.recipe.quality.min_edge == 0.7


def test_only_limits_are_put_back(panel, qtbot):
    workspace = panel.workspace
    chosen = replace(
        workspace.recipe.quality, rule="caiman", use_classifier=True, transient_s=0.3
    )
    workspace.set_limits(replace(chosen, caiman_min_snr=9.0))
    workspace.keep()
    qtbot.mouseClick(panel.verdicts.reset, LEFT)
    assert workspace.recipe.quality == chosen


def test_another_rule_brings_its_own_limits(panel):
    workspace = panel.workspace
    panel.verdicts.rule.setCurrentIndex(panel.verdicts.rule.findData("caiman"))
    assert workspace.quality.rule == "caiman"
    assert slider(panel, "caiman_min_snr").isVisible()
    assert not panel.verdicts.sliders["default"].isVisible()
    workspace.undo()
    assert workspace.quality.rule == "default"
    assert slider(panel, "min_snr").isVisible()


def test_limits_moved_by_a_script_are_shown(panel):
    workspace = panel.workspace
    workspace.set_limits(replace(workspace.recipe.quality, min_snr=33.0))
    assert slider(panel, "min_snr").histogram.limit == 33.0
    assert slider(panel, "min_snr").number.shown == 33.0


def test_keys_decide_and_step_while_the_dock_is_in_sight(dock, workspace, viewer):
    press(viewer, ".")
    first = workspace.selected[0]
    press(viewer, "R")
    second = workspace.selected[0]
    assert second != first
    k, j = workspace.positions([first, second])
    assert workspace.quality.manual[k] == -1
    press(viewer, "A")
    assert workspace.quality.manual[j] == 1
    press(viewer, ",")
    workspace.select([first])
    press(viewer, "U")
    assert workspace.quality.manual[k] == 0
    assert "1 by hand" in dock.verdicts.counts.text()


def test_keys_are_left_to_others_that_have_them(viewer, workspace, qtbot):
    def own(_viewer) -> None:
        """Of the user."""

    viewer.bind_key("A", own)
    dock = opened(viewer, qtbot)
    assert viewer.keymap[coerce_keybinding("A")] is own
    dock.hide()
    assert viewer.keymap == {coerce_keybinding("A"): own}


def test_a_closed_dock_leaves_neither_keys_nor_itself_behind(viewer, workspace, qtbot):
    dock = ref(opened(viewer, qtbot))
    assert coerce_keybinding("R") in viewer.keymap
    viewer.window.remove_dock_widget(dock())
    assert viewer.keymap == {}
    gc.collect()
    assert dock() is None
    workspace.set_limits(replace(workspace.recipe.quality, min_snr=33.0))


def test_keys_work_in_the_dock_too(dock, workspace, qtbot):
    dock.curation.go_next()
    (cell,) = workspace.selected
    dock.activateWindow()
    dock.curation.accept.setFocus()
    qtbot.waitUntil(dock.curation.accept.hasFocus)
    qtbot.keyClick(dock.curation.accept, "R")
    assert workspace.quality.manual[workspace.positions([cell])[0]] == -1
    qtbot.keyClick(
        dock.curation.accept, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier
    )
    assert not workspace.quality.manual.any()


def test_several_cells_are_decided_at_once(panel, qtbot):
    workspace = panel.workspace
    ids = workspace.components.ids[[0, 2, 5]].tolist()
    workspace.select(ids)
    assert panel.curation.place.text() == "3 selected"
    qtbot.mouseClick(panel.curation.reject, LEFT)
    assert np.flatnonzero(workspace.quality.manual == -1).tolist() == [0, 2, 5]
    workspace.undo()
    assert not workspace.quality.manual.any()


def test_steps_follow_the_chosen_order_and_centre_the_view(dock, workspace, viewer):
    dock.curation.column.setCurrentText("SNR")
    dock.curation.falling.setChecked(True)
    dock.curation.go_next()
    (cell,) = workspace.selected
    k = int(workspace.positions([cell])[0])
    assert k == workspace.quality.snr.argmax()
    world = session(viewer).scene.place.to_world(workspace.components.centres[k])
    np.testing.assert_allclose(viewer.scene.camera.center[-2:], world, atol=1e-3)
    assert not dock.curation.previous.isEnabled()


def test_without_going_on_the_selection_stays(panel):
    workspace = panel.workspace
    panel.curation.go_on.setChecked(False)
    panel.curation.go_next()
    chosen = workspace.selected
    panel.curation.reject_selected()
    assert workspace.selected == chosen


def test_the_card_shows_the_selected_cell(dock, workspace):
    k = 3
    workspace.select([int(workspace.components.ids[k])])
    assert f"Cell {workspace.components.ids[k]}<" in dock.card.title.text()
    side = workspace.quality.event_images.shape[1]
    assert dock.card.footprint.shown.shape == (side, side)
    assert dock.card.event_image.shown.shape == (side, side)
    workspace.select([])
    assert not dock.card.table.isVisible()


def test_the_card_follows_the_limits(dock, workspace, qtbot):
    dock.curation.choice.setCurrentText("accepted")
    dock.curation.go_next()
    assert "accepted" in dock.card.title.text()
    drag(qtbot, slider(dock, "min_snr").histogram, 1000.0)
    workspace.set_limits(replace(workspace.recipe.quality, min_snr=1000.0))
    assert "rejected" in dock.card.title.text()


def test_a_click_on_an_active_frame_moves_the_viewer_there(
    dock, workspace, viewer, qtbot
):
    workspace.select([int(workspace.components.ids[1])])
    frames = event_frames_used(workspace.components, 1)
    strip = dock.card.strip
    pos = QPoint(int(strip.x_of(int(frames[0]))), 10)
    qtbot.mouseClick(strip, LEFT, pos=pos)
    assert session(viewer).scene.current_frame() in frames


def test_the_mean_image_of_caimans_rule_is_read_from_the_movie(dock, workspace, qtbot):
    dock.verdicts.rule.setCurrentIndex(dock.verdicts.rule.findData("caiman"))
    for i in workspace.components.ids[:4]:  # the last one is what stays
        workspace.select([int(i)])
    qtbot.waitUntil(lambda: dock.card.event_image.shown is not None)
    assert dock.card.event_image.shown.shape == dock.card.footprint.shown.shape


def test_rejected_cells_can_be_hidden(dock, viewer):
    layer = session(viewer).scene.layer("rejected")
    dock.verdicts.show_rejected.click()
    assert not layer.visible
    layer.visible = True
    assert dock.verdicts.show_rejected.isChecked()


def test_closing_the_dock_and_the_viewer_loses_no_decision(
    workspace, viewer, qtbot, found_folder
):
    dock = opened(viewer, qtbot)
    dock.curation.go_next()
    (cell,) = workspace.selected
    dock.curation.reject_selected()
    drag(qtbot, slider(dock, "min_snr").histogram, 30.0)
    limit = workspace.recipe.quality.min_snr
    viewer.window.remove_dock_widget(dock)
    del dock
    again = opened(viewer, qtbot)
    assert slider(again, "min_snr").histogram.limit == limit
    assert "1 by hand" in again.verdicts.counts.text()
    reloaded = load(found_folder.result)
    k = workspace.positions([cell])[0]
    assert reloaded.components.quality.manual[k] == -1
    assert reloaded.components.quality.limits["low SNR"] == limit


def test_evaluating_again_keeps_decisions_by_hand(dock, workspace, qtbot):
    workspace.decide([int(workspace.components.ids[0])], -1)
    scores = workspace.quality.snr
    qtbot.mouseClick(dock.evaluate, LEFT)
    qtbot.waitUntil(lambda: not dock.session.jobs.running, timeout=60000)
    assert workspace.quality.snr is not scores
    assert workspace.quality.manual[0] == -1
