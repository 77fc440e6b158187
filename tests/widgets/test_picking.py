"""A click selects what lies under it."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse as sp
from napari.utils.interactions import (
    mouse_double_click_callbacks,
    mouse_move_callbacks,
    mouse_press_callbacks,
    mouse_release_callbacks,
)
from widgets.many_cells import make_many
from wrapt import ObjectProxy

from napari_cnmf.widgets.scene.picking import FootprintIndex
from napari_cnmf.widgets.session import session

SHAPE = (40, 60)
PIXEL_UM = 0.8


def square(top: int, left: int, side: int = 8) -> np.ndarray:
    """Footprint that is strongest in its middle."""
    image = np.zeros(SHAPE, np.float32)
    ramp = 1 + np.minimum(np.arange(side), np.arange(side)[::-1])
    image[top : top + side, left : left + side] = np.outer(ramp, ramp)
    return image.ravel() / np.linalg.norm(image)


@pytest.fixture
def result():
    """Cells 0 and 1 overlap, 2 is alone and rejected, 3 is alone."""
    made = make_many(4, 20, SHAPE)
    images = [square(5, 5), square(5, 10), square(25, 40), square(25, 10)]
    footprints = sp.csc_array(np.stack(images, axis=1))
    quality = replace(made.components.quality, flags=np.array([0, 0, 1, 0], np.int32))
    components = replace(made.components, footprints=footprints, quality=quality)
    return replace(made, components=components)


@pytest.fixture
def viewer_with_cells(viewer, result):
    session(viewer).workspace.set_result(result)
    return viewer


@pytest.fixture
def workspace(viewer_with_cells):
    return session(viewer_with_cells).workspace


def event(kind: str, y: float, x: float, **more) -> ObjectProxy:
    """What napari makes of the mouse at a row and column; on screen ten times that."""
    about = {
        "type": f"mouse_{kind}",
        "position": (y * PIXEL_UM, x * PIXEL_UM),
        "pos": np.array([x, y]) * 10,
        "button": 1,
        "modifiers": (),
        "handled": False,
        "is_dragging": kind == "move",
    }
    return ObjectProxy(
        SimpleNamespace(**(about | more))
    )  # napari changes what it wraps


def click(viewer, y: float, x: float, **more) -> None:
    mouse_press_callbacks(viewer, event("press", y, x, **more))
    mouse_release_callbacks(viewer, event("release", y, x, **more))


def test_a_click_selects_the_cell_and_one_on_nothing_clears(
    viewer_with_cells, workspace
):
    click(viewer_with_cells, 29, 13)
    assert workspace.selected == (3,)
    click(viewer_with_cells, 20, 30)
    assert workspace.selected == ()


def test_repeated_clicks_cycle_through_overlapping_cells(viewer_with_cells, workspace):
    seen = []
    for _ in range(3):
        click(viewer_with_cells, 8, 11)
        seen.append(workspace.selected)
    assert seen == [(0,), (1,), (0,)]


def test_a_click_elsewhere_begins_with_the_strongest_again(
    viewer_with_cells, workspace
):
    workspace.select([0])
    click(viewer_with_cells, 8, 6)
    assert workspace.selected == (0,)
    click(viewer_with_cells, 8, 11)
    assert workspace.selected == (0,)


def test_shift_adds_and_takes_away(viewer_with_cells, workspace):
    click(viewer_with_cells, 29, 13)
    click(viewer_with_cells, 8, 6, modifiers=("Shift",))
    assert workspace.selected == (3, 0)
    click(viewer_with_cells, 20, 30, modifiers=("Shift",))
    assert workspace.selected == (3, 0)
    click(viewer_with_cells, 29, 13, modifiers=("Shift",))
    assert workspace.selected == (0,)


def test_a_drag_selects_nothing(viewer_with_cells, workspace):
    mouse_press_callbacks(viewer_with_cells, event("press", 29, 13))
    mouse_move_callbacks(viewer_with_cells, event("move", 29, 15))
    mouse_release_callbacks(viewer_with_cells, event("release", 29, 13))
    assert workspace.selected == ()


def test_other_buttons_and_drawing_modes_keep_their_meaning(
    viewer_with_cells, workspace
):
    click(viewer_with_cells, 29, 13, button=2)
    assert workspace.selected == ()
    labels = session(viewer_with_cells).scene.layer("footprints")
    viewer_with_cells.layers.selection.active = labels
    labels.visible = True
    labels.mode = "paint"
    click(viewer_with_cells, 29, 13)
    assert workspace.selected == ()


def test_a_contour_counts_as_its_cell(viewer_with_cells, workspace):
    click(viewer_with_cells, 24, 13)  # a pixel outside of the footprint
    assert workspace.selected == (3,)


def test_hidden_rejected_cells_are_not_picked(viewer_with_cells, workspace):
    click(viewer_with_cells, 29, 43)
    assert workspace.selected == (2,)
    session(viewer_with_cells).scene.layer("rejected").visible = False
    click(viewer_with_cells, 29, 44)
    assert workspace.selected == ()


def test_a_double_click_goes_on_over_an_overlap_and_zooms_elsewhere(
    viewer_with_cells, workspace
):
    camera = viewer_with_cells.scene.camera
    zoom = camera.zoom
    click(viewer_with_cells, 8, 11)
    mouse_double_click_callbacks(viewer_with_cells, event("double_click", 8, 11))
    assert workspace.selected == (1,)
    assert camera.zoom == zoom
    mouse_double_click_callbacks(viewer_with_cells, event("double_click", 29, 13))
    assert camera.zoom == 2 * zoom


@pytest.mark.parametrize("point", [(-5, -5), (0, 0), (39, 59), (60, 10)])
def test_points_at_and_beyond_the_border_are_looked_up(result, point):
    index = FootprintIndex(result.components)
    assert index.at(point, np.ones(4, bool)) == []


def test_cells_at_a_point_are_ordered_by_their_strength_there(result):
    index = FootprintIndex(result.components)
    everything = np.ones(4, bool)
    assert index.at((8, 10), everything) == [0, 1]
    assert index.at((8, 12), everything) == [1, 0]
    assert index.at((8, 12), np.array([True, False, True, True])) == [0]
