"""The Motion dock: its form, the outcome in words, and ways to look at it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from widgets.moved_movies import BAD, GRID, PIECEWISE, make_moved

from napari_cnmf.formats import open_movie
from napari_cnmf.formats.results import load
from napari_cnmf.movie import Movie
from napari_cnmf.widgets.docks.motion import PIECEWISE_ONLY, MotionWidget
from napari_cnmf.widgets.running import NO_MOVIE
from napari_cnmf.widgets.scene.layers import BEFORE, COMPARED
from napari_cnmf.widgets.session import session
from napari_cnmf.widgets.views.registration import GRID as PATCHES
from napari_cnmf.widgets.views.registration import SHIFTS, SIDE, TITLES

SHAPE = (40, 60)


@pytest.fixture
def workspace(viewer):
    return session(viewer).workspace


@pytest.fixture
def scene(viewer):
    return session(viewer).scene


@pytest.fixture
def dock(viewer, qtbot) -> MotionWidget:
    widget = MotionWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Motion")
    qtbot.waitUntil(widget.isVisible)
    return widget


@pytest.fixture
def moved(workspace):
    """A movie is open, and what its piecewise registration has found."""
    result = make_moved(shape=SHAPE)
    frames = np.zeros(result.movie.shape, np.uint8)
    size_um = result.movie.pixel_size_um
    movie = Movie.from_array(frames, frame_rate_hz=30.0, pixel_size_um=size_um)
    workspace.set_movie(movie)
    workspace.open_result(result)
    return result


@pytest.fixture
def registered(workspace, found_folder, run_folder):
    """A recorded movie and the registered one are on disk and open."""
    file = run_folder.path.parent / "movie.tif"
    workspace.set_movie(open_movie(file, frame_rate_hz=30))
    workspace.open_result(load(found_folder.result), found_folder)
    return workspace


def visible(viewer) -> list[str]:
    return [layer.name for layer in viewer.layers if layer.visible]


def test_only_fields_that_matter_in_the_mode_are_shown(dock):
    form = dock.forms["motion"]
    mode = form.editor("mode")
    for chosen, patches, limit in (
        ("rigid", False, True),
        ("piecewise", True, True),
        ("none", False, False),
    ):
        mode.setCurrentText(chosen)
        assert mode.isVisible()
        assert form.editor("max_shift_px").isVisible() == limit
        assert form.more.isVisible() == limit
        for name in PIECEWISE_ONLY:
            assert form.editor(name).isVisible() == patches


def test_the_outcome_is_told_in_figures(dock, moved):
    text = dock.report.text()
    lengths = np.hypot(*moved.shifts.values.T)
    assert f"median {np.median(lengths):.2f}, at most {lengths.max():.1f} px" in text
    assert "top 2, bottom 3, left 4 px" in text
    assert "0.40 px" in text
    assert "(+100 %)" in text
    assert "1.500 \N{RIGHTWARDS ARROW} 0.100 px" in text
    assert dock.forms["motion"].editor("line_offset_px").text() == "0.4"


def test_a_bad_frame_is_a_link_to_it(dock, moved, scene):
    text = dock.report.text()
    assert f"{len(BAD)} frames remain bad" in text
    assert ">20\N{EN DASH}22</a>" in text
    dock.report.linkActivated.emit("40")
    assert scene.current_frame() == 40


def test_many_bad_frames_are_counted_not_listed(dock, workspace, moved):
    flags = np.tile([0, 1], 30).astype(np.int32)
    found = replace(moved.registration, flags=flags)
    workspace.set_result(replace(moved, registration=found))
    assert dock.report.text().count("<a ") == 20
    assert "and 10 more" in dock.report.text()
    good = replace(found, flags=np.zeros_like(flags))
    workspace.set_result(replace(moved, registration=good))
    assert "No frame remains bad." in dock.report.text()


def test_a_movie_that_was_not_registered_says_so(dock, workspace, moved):
    workspace.set_result(replace(moved, shifts=None, registration=None))
    assert dock.report.text() == "The frames were taken as they are."
    assert not dock.plot.isEnabled()
    workspace.set_result(None)
    assert dock.report.text() == "-"


def test_the_patches_of_the_present_parameters_are_drawn(dock, scene, moved, qtbot):
    qtbot.waitUntil(lambda: scene.layer(PATCHES) is not None)
    few = len(scene.layer(PATCHES).data)
    dock.forms["motion"].editor("grid_step_px").setValue(8)
    qtbot.waitUntil(lambda: len(scene.layer(PATCHES).data) > few)
    dock.forms["motion"].editor("mode").setCurrentText("rigid")
    qtbot.waitUntil(lambda: scene.layer(PATCHES) is None)
    assert not dock.marks.grid.isEnabled()


def test_the_patches_are_drawn_before_any_run(dock, scene, workspace, qtbot):
    workspace.set_movie(Movie.from_array(np.zeros((30, *SHAPE), np.uint8)))
    workspace.set_recipe(workspace.recipe.with_settings(PIECEWISE))
    qtbot.waitUntil(lambda: scene.layer(PATCHES) is not None)
    corners = scene.layer(PATCHES).data.sum(axis=1)
    assert corners.max(axis=0).tolist() == [SHAPE[0] - 0.5, SHAPE[1] - 0.5]


def test_arrows_follow_the_frame(dock, scene, moved, qtbot):
    qtbot.waitUntil(lambda: scene.layer(SHIFTS) is not None)
    layer = scene.layer(SHIFTS)
    assert len(layer.data) == np.prod(GRID)
    for t in (3, 41):
        scene.go_to_frame(t)
        np.testing.assert_array_equal(layer.data[:, 1], moved.shifts.patches.values[t])
        np.testing.assert_array_equal(layer.data[:, 0], moved.shifts.patches.centres)
    assert layer.length == 5
    dock.marks.gain.setValue(2)
    assert layer.length == 2
    dock.marks.shifts.setChecked(False)
    assert scene.layer(SHIFTS) is None


def test_a_rigid_shift_is_one_arrow_in_the_middle(dock, scene, workspace, qtbot):
    result = make_moved(shape=SHAPE, piecewise=False)
    workspace.set_result(result)
    qtbot.waitUntil(lambda: scene.layer(SHIFTS) is not None)
    scene.go_to_frame(9)
    ((place, shift),) = scene.layer(SHIFTS).data
    np.testing.assert_array_equal(place, (19.5, 29.5))
    np.testing.assert_array_equal(shift, result.shifts.values[9])


def test_marks_go_with_the_dock(viewer, dock, scene, moved, qtbot):
    qtbot.waitUntil(lambda: scene.layer(SHIFTS) is not None)
    viewer.window.remove_dock_widget(dock)
    dock.deleteLater()
    qtbot.waitUntil(lambda: scene.layer(SHIFTS) is None)
    assert scene.layer(PATCHES) is None


def test_both_movies_stand_side_by_side(viewer, dock, scene, registered):
    dock.before_after.movies.click()
    recorded, after = (scene.layer(SIDE + name) for name in TITLES)
    assert after.translate[2] - recorded.translate[2] > recorded.data.shape[2]
    np.testing.assert_array_equal(recorded.data[33], registered.movie.read()[33])
    kept = registered.registered.read(slice(33, 34))[0]
    np.testing.assert_array_equal(after.data[33], kept)
    assert recorded.contrast_limits == after.contrast_limits
    recorded.contrast_limits = (1, 55)
    assert after.contrast_limits == [1, 55]
    after.gamma = 0.5
    assert recorded.gamma == 0.5


def test_shifts_stay_visible_over_the_recorded_movie(
    viewer, dock, scene, registered, qtbot
):
    shifts = replace(make_moved(600, (96, 96)).shifts, line_offset_px=0.0)
    registered.set_result(replace(registered.result, shifts=shifts))
    qtbot.waitUntil(lambda: len(scene.layer(SHIFTS).data) == np.prod(GRID))
    dock.before_after.movies.click()
    assert set(visible(viewer)) == {"shifts", *TITLES, "titles"}
    scene.go_to_frame(12)
    np.testing.assert_array_equal(
        scene.layer(SHIFTS).data[:, 1], shifts.patches.values[12]
    )


def test_leaving_the_movies_restores_the_former_view(viewer, dock, scene, registered):
    camera = viewer.scene.camera
    camera.center, camera.zoom = (0, 30, 40), 7.5
    before = visible(viewer)
    dock.before_after.movies.click()
    assert camera.zoom != 7.5
    dock.before_after.movies.click()
    assert visible(viewer) == before
    assert camera.zoom == 7.5
    np.testing.assert_allclose(camera.center, (0, 30, 40))


def test_a_new_result_takes_the_movies_away(viewer, dock, registered):
    dock.before_after.movies.click()
    registered.set_result(replace(registered.result, components=None))
    assert not dock.before_after.movies.isChecked()
    assert not set(TITLES) & {layer.name for layer in viewer.layers}


def test_without_the_recorded_movie_there_is_nothing_to_compare_with(
    dock, workspace, found_folder
):
    workspace.open_result(load(found_folder.result), found_folder)
    assert not dock.before_after.movies.isEnabled()
    assert dock.before_after.movies.toolTip() == NO_MOVIE


def test_an_image_flickers_between_before_and_after(viewer, dock, scene, moved):
    box = dock.before_after
    box.image.setCurrentIndex(COMPARED.index("mean"))
    box.flicker.click()
    assert scene.layer("mean" + BEFORE).visible
    assert not scene.layer("mean").visible
    assert not scene.layer("correlation").visible
    scene.layer("mean" + BEFORE).contrast_limits = (0.1, 0.2)
    box.flicker.click()
    assert scene.layer("mean").visible
    assert not scene.layer("mean" + BEFORE).visible
    assert scene.layer("mean").contrast_limits == [0.1, 0.2]


def test_images_before_are_shown_only_if_they_are_known(dock, workspace, moved):
    assert dock.before_after.flicker.isEnabled()
    workspace.set_result(replace(moved, registration=None))
    assert not dock.before_after.flicker.isEnabled()


def test_the_plot_opens_below(viewer, dock, moved):
    dock.plot.click()
    assert "Shifts (napari-cnmf)" in viewer.window.dock_widgets
