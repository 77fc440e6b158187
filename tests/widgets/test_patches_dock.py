"""The dock of patches: the image shows at once what a value means."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from napari.utils.interactions import (
    mouse_move_callbacks,
    mouse_press_callbacks,
    mouse_release_callbacks,
)
from widgets.many_cells import make_many
from wrapt import ObjectProxy

from napari_cnmf.cnmf.parameters import PatchParameters
from napari_cnmf.cnmf.patches import patch_grid, solver_grid
from napari_cnmf.movie import Movie
from napari_cnmf.proposal import Proposal
from napari_cnmf.widgets.docks.patches import PatchesWidget, checks
from napari_cnmf.widgets.session import session
from napari_cnmf.widgets.views import quilt

SHAPE = (120, 150)
SMALL = {"patches.patch_size_px": 64, "patches.patch_overlap_px": 16}


@pytest.fixture
def workspace(viewer):
    return session(viewer).workspace


@pytest.fixture
def scene(viewer):
    return session(viewer).scene


def test_a_long_movie_is_cut_into_smaller_patches_by_solver_and_quilt_alike():
    parameters = PatchParameters(patch_size_px=128)
    short = solver_grid((512, 512), 3000 // 3, parameters)
    long = solver_grid((512, 512), 6000, parameters)
    assert short == patch_grid((512, 512), 128, 24)
    assert max(patch.shape[0] for patch in long) < max(p.shape[0] for p in short)


def test_figures_are_those_of_the_grid():
    grid = patch_grid((200, 300), 128, 24)
    figures = quilt.GridFigures.of(grid)
    assert figures.n_patches == 6
    assert figures.size_px == grid[0].shape
    rows = sorted({patch.rows.start for patch in grid})
    cols = sorted({patch.cols.start for patch in grid})
    overlaps = (
        figures.size_px[0] - np.diff(rows).max(),
        figures.size_px[1] - np.diff(cols).max(),
    )
    assert figures.overlap_px == min(overlaps) >= 24
    assert quilt.GridFigures.of(grid[:1]).overlap_px == 0


def test_checks_are_those_of_the_notebook():
    grid = patch_grid(SHAPE, 64, 16)
    assert all("\N{CHECK MARK}" in line for line in checks(grid, 11.0))
    first, second = checks(grid, 33.0)
    assert "at least 3 wide" in first
    assert "larger than the overlap" in second


def test_an_empty_viewer_says_what_to_do(viewer, scene):
    dock = PatchesWidget(viewer)
    viewer.window.add_dock_widget(dock)
    assert "Open a movie" in dock.message
    assert scene.layer("quilt") is None


def test_the_quilt_is_live_and_goes_with_the_dock(viewer, scene, workspace, qtbot):
    workspace.set_result(make_many(20, 50, SHAPE))
    dock = PatchesWidget(viewer)
    shown = viewer.window.add_dock_widget(dock)
    qtbot.waitUntil(lambda: scene.layer("quilt") is not None)
    before = len(scene.layer("quilt").data)
    form = dock.forms["patches"]
    form.set_value(replace(form.value, patch_size_px=64, patch_overlap_px=16))
    dock.commit()
    qtbot.waitUntil(lambda: len(scene.layer("quilt").data) > before)
    assert len(scene.layer("quilt").data) == len(quilt.grid_of(workspace))
    assert f"{len(scene.layer('quilt').data)} of" in dock.figures.text()
    viewer.window.remove_dock_widget(shown)
    qtbot.waitUntil(lambda: scene.layer("quilt") is None)
    assert scene.layer("neuron size") is None


def test_the_quilt_of_a_part_lies_over_that_part(viewer, scene, workspace):
    frames = np.zeros((30, *SHAPE), np.uint16)
    workspace.set_movie(Movie.from_array(frames, frame_rate_hz=30.0))
    part = {"input.top": 10, "input.left": 20}
    workspace.set_recipe(workspace.recipe.with_settings({**SMALL, **part}))
    quilt.draw_quilt(scene)
    corners = np.concatenate(scene.layer("quilt").data)
    layer = scene.layer("quilt")
    world = np.array([layer.data_to_world(corner) for corner in corners])
    assert world.min(axis=0).tolist() == [9.5, 19.5]
    assert world.max(axis=0).tolist() == [SHAPE[0] - 0.5, SHAPE[1] - 0.5]


def test_what_changed_since_the_last_run_is_told(viewer, workspace, qtbot):
    workspace.set_result(make_many(20, 50, SHAPE))
    dock = PatchesWidget(viewer)
    viewer.window.add_dock_widget(dock)
    assert dock.differences.text() == "Nothing."
    workspace.set_recipe(workspace.recipe.with_settings(SMALL))
    qtbot.waitUntil(lambda: "patch_size_px" in dock.differences.text())
    assert "128" in dock.differences.text()
    assert "64" in dock.differences.text()


@pytest.fixture
def opened(workspace, run_folder, found):
    """What was found in a movie, with its registered movie."""
    workspace.open_result(found, run_folder)
    return workspace


def test_the_movie_proposes_values_to_use(viewer, opened, qtbot):
    dock = PatchesWidget(viewer)
    viewer.window.add_dock_widget(dock)
    assert not dock.proposals.isVisible()
    (button,) = dock.buttons
    button.click()
    qtbot.waitUntil(dock.proposals.isVisible, timeout=60_000)
    use = dock.proposals.buttons["init.neuron_half_size_px"]
    assert (use.text(), use.isEnabled()) == ("Use", True)
    assert "the search most often finds" in use.toolTip()
    use.click()
    assert 3 < opened.recipe.init.neuron_half_size_px != 4.0
    assert (use.text(), use.isEnabled()) == ("in use", False)
    dock.proposals.buttons["patches.max_components"].click()
    assert 10 < opened.recipe.patches.max_components < 1000
    opened.set_recipe(opened.recipe.with_settings({"init.neuron_half_size_px": 9}))
    assert use.isEnabled()


def test_without_a_registered_movie_the_button_says_what_is_missing(viewer):
    dock = PatchesWidget(viewer)
    viewer.window.add_dock_widget(dock)
    (button,) = dock.buttons
    assert not button.isEnabled()
    assert "Open a movie first" in dock.hint


def test_what_auto_stood_for_is_shown_and_drawn(viewer, workspace, qtbot):
    measured = Proposal("init.neuron_half_size_px", 6.0, 5.5, 6.5, True, "so it is")
    result = replace(make_many(20, 50, SHAPE), proposals=(measured,))
    workspace.set_recipe(
        workspace.recipe.with_settings({"init.neuron_half_size_px": "auto"})
    )
    assert workspace.diameter_px == 11.0
    workspace.set_result(result)
    assert workspace.diameter_px == 16.5
    dock = PatchesWidget(viewer)
    viewer.window.add_dock_widget(dock)
    assert dock.forms["init"].editor("neuron_half_size_px").text() == "6"
    assert list(dock.proposals.buttons) == ["init.neuron_half_size_px"]
    workspace.set_result(None)
    assert not dock.proposals.buttons


def test_the_disc_is_dragged_instead_of_the_view(viewer, scene, workspace, qtbot):
    workspace.set_result(make_many(20, 50, SHAPE))
    dock = PatchesWidget(viewer)
    viewer.window.add_dock_widget(dock)
    qtbot.waitUntil(lambda: quilt.disc_centre(scene) is not None)
    start = quilt.disc_centre(scene)

    def event(kind: str, at: np.ndarray) -> ObjectProxy:
        about = SimpleNamespace(
            type=f"mouse_{kind}", position=tuple(at), pos=at * 10, button=1,
            modifiers=(), handled=False, is_dragging=kind == "move",
        )  # fmt: skip
        return ObjectProxy(about)  # napari changes what it wraps

    mouse_press_callbacks(viewer, event("press", start))
    assert not viewer.scene.camera.mouse_pan
    mouse_move_callbacks(viewer, event("move", start + 7))
    mouse_release_callbacks(viewer, event("release", start + 7))
    assert np.allclose(quilt.disc_centre(scene), start + 7)
    assert viewer.scene.camera.mouse_pan
