"""The viewer follows the workspace, and keeps what the user has set."""

from __future__ import annotations

import gc
from dataclasses import replace
from threading import Event
from weakref import ref

import numpy as np
import pytest
import scipy.sparse as sp
from widgets.many_cells import discs, make_many
from widgets.moved_movies import make_moved

from napari_cnmf.cnmf.patch_solver import PatchResult
from napari_cnmf.cnmf.patches import patch_grid
from napari_cnmf.compute import ProgressEvent
from napari_cnmf.movie import Movie
from napari_cnmf.origin import Origin
from napari_cnmf.recipe import Recipe
from napari_cnmf.widgets.scene import layers
from napari_cnmf.widgets.scene.shelf import ROLE
from napari_cnmf.widgets.session import session

SHAPE = (40, 60)
OF_CELLS = ("accepted", "rejected", "footprints", "selected")


@pytest.fixture
def result():
    return make_many(30, 50, SHAPE)


@pytest.fixture
def scene(viewer):
    return session(viewer).scene


def make_movie(n_frames: int = 50) -> Movie:
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 99, (n_frames, *SHAPE)).astype(np.uint16)
    return Movie.from_array(frames, frame_rate_hz=30.0, pixel_size_um=(0.8, 0.8))


def visible(viewer) -> list[str]:
    return [la.metadata[ROLE] for la in viewer.layers if la.visible]


def test_a_movie_is_shown_at_once_in_seconds_and_micrometres(viewer, scene):
    scene.workspace.set_movie(make_movie())
    layer = scene.layer("movie")
    assert np.allclose(layer.scale, (1 / 30, 0.8, 0.8))
    assert [str(u) for u in viewer.layers.units] == [
        "second",
        "micrometer",
        "micrometer",
    ]


def test_after_a_run_image_and_contours_are_visible_in_order(viewer, scene, result):
    scene.workspace.set_movie(make_movie())
    scene.workspace.set_result(result)
    shown = [role for role in visible(viewer) if role != "movie"]
    assert shown == ["correlation", "rejected", "accepted", "selected"]
    roles = [layer.metadata[ROLE] for layer in viewer.layers]
    assert roles[0] == "movie"
    assert roles[-1] == "selected"
    assert roles.index("correlation") < roles.index("footprints")


def test_a_new_result_changes_layers_in_place_and_keeps_what_is_the_users(
    scene, result
):
    scene.workspace.set_result(result)
    layer = scene.layer("correlation")
    layer.visible, layer.opacity = False, 0.5
    other = make_many(12, 50, SHAPE)
    scene.workspace.set_result(other)
    assert scene.layer("correlation") is layer
    assert (layer.visible, layer.opacity) == (False, 0.5)
    assert np.array_equal(layer.data, other.summary.correlation)
    assert scene.layer("footprints").data.max() == 12


def test_a_layer_that_was_closed_comes_back_with_new_values_only(viewer, scene, result):
    scene.workspace.set_result(result)
    viewer.layers.remove(scene.layer("std"))
    later = replace(result, components=replace(result.components, dff=None))
    scene.workspace.set_result(later)
    assert scene.layer("std") is None
    scene.workspace.set_result(make_many(12, 50, SHAPE))
    assert scene.layer("std") is not None


@pytest.mark.parametrize("role", OF_CELLS)
def test_closing_a_layer_breaks_nothing(viewer, scene, result, role):
    scene.workspace.set_result(result)
    viewer.layers.remove(scene.layer(role))
    scene.workspace.select([3])
    scene.workspace.decide([3], -1)
    assert [layer for layer in viewer.layers if layer.visible]


def test_verdicts_move_contours_at_once(scene, result, qtbot):
    scene.workspace.set_result(result)
    accepted = scene.layer("accepted")
    before = len(accepted.data)
    lead = int(result.components.ids[np.flatnonzero(result.components.accepted)[0]])
    scene.workspace.decide([lead], -1)
    assert len(accepted.data) < before
    labels = scene.layer("footprints")

    def told() -> bool:
        table = labels.features.set_index("id")
        return not table.loc[lead, "accepted"] and table.loc[lead, "manual"] == -1

    qtbot.waitUntil(told)


def test_the_selection_is_outlined(scene, result, qtbot):
    scene.workspace.set_result(result)
    scene.workspace.select([4])
    qtbot.waitUntil(lambda: len(scene.layer("selected").data) > 0)
    drawn = scene.layer("selected").data[:, 0]
    centre = result.components.centres[4]
    assert np.abs(drawn.mean(axis=0) - centre).max() < 4
    scene.workspace.select([])
    qtbot.waitUntil(lambda: len(scene.layer("selected").data) == 0)


def test_images_before_registration_are_hidden_in_the_same_contrast(scene):
    result = make_moved(shape=SHAPE)
    scene.workspace.set_result(result)
    for role in layers.COMPARED:
        before, after = scene.layer(role + layers.BEFORE), scene.layer(role)
        assert not before.visible
        assert before.contrast_limits == after.contrast_limits
        image = getattr(result.registration.before, role)
        assert np.array_equal(before.data, image)
    scene.workspace.set_result(make_many(12, 50, SHAPE))
    assert scene.layer("mean" + layers.BEFORE) is None


def test_what_was_not_always_seen_is_outlined(scene, result):
    scene.workspace.set_result(make_moved(shape=SHAPE))
    assert scene.layer("valid area").visible
    scene.workspace.set_result(result)
    assert scene.layer("valid area") is None


def test_without_a_result_its_layers_go(viewer, scene, result):
    scene.workspace.set_result(result)
    scene.workspace.set_movie(make_movie())
    assert [layer.metadata[ROLE] for layer in viewer.layers] == ["movie"]


def test_other_layers_and_the_active_one_are_left_alone(viewer, scene, result):
    own = viewer.add_points([[1, 2]], name="mine")
    scene.workspace.set_result(result)
    scene.workspace.set_result(None)
    assert list(viewer.layers) == [own]
    assert viewer.layers.selection.active is own


def test_frames_are_those_of_the_slider_both_ways(viewer, scene):
    scene.workspace.set_movie(make_movie())
    told: list[int] = []
    scene.frame_changed.connect(told.append)
    viewer.dims.set_current_step(0, 7)
    assert (scene.current_frame(), told) == (7, [7])
    scene.go_to_frame(12)
    assert viewer.dims.current_step[0] == 12
    scene.go_to_frame(999)
    assert scene.current_frame() == 49
    assert told == [7, 12, 49]


def test_without_a_movie_docks_still_share_a_frame(scene, result):
    scene.workspace.set_result(result)
    told: list[int] = []
    scene.frame_changed.connect(told.append)
    scene.go_to_frame(5)
    assert told == [5]


def test_a_part_of_the_movie_lies_where_it_was_cut_from(viewer, scene, result):
    part = {"input.top": 4, "input.left": 6, "input.first_frame": 10}
    cut = replace(result, recipe=Recipe().with_settings(part).to_toml())
    scene.workspace.set_movie(make_movie(80))
    scene.workspace.set_result(cut)
    assert np.allclose(scene.layer("correlation").translate, (3.2, 4.8))
    scene.go_to_frame(2)
    assert viewer.dims.current_step[0] == 12


def test_an_average_covers_the_pixels_that_it_was_made_of():
    part = Recipe().with_settings({"input.top": 4, "input.resample_space": 0.5}).input
    place = layers.Place(None, None, part.origin, 1 / part.resample_space)
    assert place.scale.tolist() == [1, 2, 2]
    # Of rows 4 and 5, and of columns 0 and 1: its middle lies between them.
    assert place.to_world((0, 0)).tolist() == [4.5, 0.5]
    known = layers.Place(15.0, (3.0, 3.0), part.origin, 1 / part.resample_space)
    assert known.to_world((0, 0)).tolist() == [4.5 * 1.5, 0.5 * 1.5]


def test_the_view_moves_to_a_cell(viewer, scene, result):
    scene.workspace.set_result(result)
    scene.centre_on(9)
    centre = viewer.scene.camera.center[-2:]
    assert np.allclose(centre, result.components.centres[9] * 0.8, atol=1e-4)


def patch_result() -> PatchResult:
    found = discs(np.random.default_rng(5), 3, SHAPE)
    patch = patch_grid(SHAPE, 64, 0)[0]
    nothing = sp.csc_array((SHAPE[0] * SHAPE[1], 0), dtype=np.float32)
    return PatchResult(
        patch,
        found,
        traces=np.zeros((3, 4)),
        origin=Origin.unknown(3),
        fates=(),
        weights=np.zeros(SHAPE),
        modes=nothing,
        mode_traces=np.zeros((0, 4)),
        ring=None,
    )


def tell(scene, payload) -> None:
    scene._jobs.progressed.emit(ProgressEvent("fit", 1, 2, "patches", 1.0, payload))


def test_cells_appear_patch_by_patch_and_go_if_there_is_no_result(
    viewer, scene, result
):
    scene.workspace.set_result(replace(result, components=None))
    tell(scene, patch_result())
    layer = scene.layer("footprints")
    assert layer.visible
    assert layer.data.max() == 3
    tell(scene, patch_result())
    assert scene.layer("footprints") is layer
    assert layer.data.max() == 6
    scene._jobs.ended.emit("cancelled")
    assert scene.layer("footprints") is None


def test_the_result_takes_the_place_of_the_cells_found_so_far(scene, result):
    scene.workspace.set_result(replace(result, components=None))
    tell(scene, patch_result())
    scene.workspace.set_result(result)
    scene._jobs.ended.emit("done")
    layer = scene.layer("footprints")
    assert not layer.visible
    assert np.array_equal(layer.data, layers.label_image(result.components))


def test_a_cancelled_search_leaves_the_former_cells(scene, result):
    scene.workspace.set_result(result)
    tell(scene, patch_result())
    scene._jobs.ended.emit("cancelled")
    layer = scene.layer("footprints")
    assert np.array_equal(layer.data, layers.label_image(result.components))
    assert len(layer.features) == len(result.components)


def test_cells_found_so_far_stay_closed_if_the_user_closes_them(viewer, scene, result):
    scene.workspace.set_result(replace(result, components=None))
    tell(scene, patch_result())
    viewer.layers.remove(scene.layer("footprints"))
    tell(scene, patch_result())
    assert scene.layer("footprints") is None


def test_layers_come_one_by_one_while_a_job_runs(scene, result, qtbot):
    release = Event()
    scene._jobs.start("wait", lambda _progress, _cancel: release.wait(5))
    scene.workspace.set_result(result)
    assert scene.layer("accepted") is None
    qtbot.waitUntil(lambda: scene.layer("selected") is not None)
    release.set()
    qtbot.waitUntil(lambda: not scene._jobs.running)


def test_the_session_does_not_keep_its_viewer_alive(make_napari_viewer):
    viewer = make_napari_viewer()
    kept = session(viewer)
    gone = ref(viewer)
    viewer.close()
    del viewer
    gc.collect()
    assert kept.scene.is_open == (gone() is not None)
