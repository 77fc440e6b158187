"""The Movie dock: opening, cutting, and going on with a result."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from qtpy.QtCore import QMimeData, QPointF, Qt, QUrl
from qtpy.QtGui import QDropEvent
from tiny_movies import write_tif

from napari_cnmf.errors import InputError
from napari_cnmf.formats.previous import keep_previous
from napari_cnmf.formats.results import load, save
from napari_cnmf.movie.parameters import InputParameters
from napari_cnmf.pipeline.folder import RunFolder
from napari_cnmf.widgets.docks.movie import PREVIEW, MovieWidget
from napari_cnmf.widgets.docks.subset import corners_of_shapes, cropped
from napari_cnmf.widgets.scene.scene import ROLE

FRAMES = np.random.default_rng(0).integers(0, 900, (60, 24, 32)).astype(np.uint16)


@pytest.fixture
def dock(viewer):
    """The dock in a viewer."""
    widget = MovieWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Movie")
    return widget


@pytest.fixture
def tif(tmp_path) -> Path:
    return write_tif(tmp_path / "day 1.tif", FRAMES)


def wait(dock, qtbot) -> None:
    """Wait until nothing is being opened."""
    qtbot.waitUntil(lambda: not dock.session.jobs.running, timeout=10_000)


def test_a_file_is_opened_and_described(dock, tif, qtbot):
    dock.open_paths([tif])
    wait(dock, qtbot)
    assert dock.workspace.movie.shape == FRAMES.shape
    assert "60 frames of 24 \N{MULTIPLICATION SIGN} 32 px" in dock.about.text()
    assert "uint16, 0.1 MB" in dock.about.text()
    assert "frame rate is not in the file" in dock.about.text()
    assert dock.workspace.folder == RunFolder(tif.parent / "day 1-cnmf")
    assert dock.folder.lies_there.text() == "Empty: the next run writes here."
    np.testing.assert_array_equal(dock.session.scene.layer("movie").data[7], FRAMES[7])


def test_dropped_files_are_one_recording_in_natural_order(dock, tmp_path, qtbot):
    paths = [write_tif(tmp_path / f"part{i}.tif", FRAMES + i) for i in (10, 9)]
    about = QMimeData()
    about.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    dock.dropEvent(
        QDropEvent(
            QPointF(),
            Qt.DropAction.CopyAction,
            about,
            Qt.MouseButton.LeftButton,
            Qt.KeyboardModifier.NoModifier,
        )
    )
    wait(dock, qtbot)
    names = [span.name for span in dock.workspace.movie.files]
    assert names == ["part9.tif", "part10.tif"]


def test_a_layer_is_used_where_it_is(dock, viewer, qtbot):
    about = {"metadata": {"frame_rate_hz": 20.0}, "name": "sample"}
    layer = viewer.add_image(FRAMES, **about)
    dock.source.layers.setCurrentText("sample")
    dock.source.layers.activated.emit(dock.source.layers.currentIndex())
    wait(dock, qtbot)
    assert dock.workspace.movie.frame_rate_hz == 20.0
    assert dock.session.scene.layer("movie") is layer
    assert len(viewer.layers) == 1
    assert dock.source.layers.currentText() == "sample"


def test_a_sample_that_is_open_already_is_used_at_once(viewer, qtbot):
    viewer.add_image(FRAMES, metadata={"frame_rate_hz": 20.0})
    dock = MovieWidget(viewer)
    qtbot.addWidget(dock)
    wait(dock, qtbot)
    assert dock.workspace.movie.shape == FRAMES.shape


def test_a_layer_of_the_users_is_left_when_a_file_is_opened(dock, viewer, tif, qtbot):
    layer = viewer.add_image(FRAMES[:40], name="mine")
    dock.open_layer(layer)
    wait(dock, qtbot)
    dock.open_paths([tif])
    wait(dock, qtbot)
    assert layer in viewer.layers
    assert ROLE not in layer.metadata
    assert dock.session.scene.layer("movie").name == "movie"


@pytest.mark.parametrize(
    ("image", "rgb", "words"),
    [
        (np.zeros((9, 8, 8, 3), np.uint8), True, "RGB"),
        (np.zeros((3, 9, 8, 8)), False, "4 axes"),
    ],
)
def test_a_layer_that_is_no_movie_gives_one_sentence(
    dock, viewer, qtbot, image, rgb, words
):
    dock.open_layer(viewer.add_image(image, rgb=rgb))
    wait(dock, qtbot)
    assert words in dock.message
    assert dock.workspace.movie is None


def test_the_choice_of_a_dataset_appears_when_a_file_needs_it(dock, tmp_path, qtbot):
    path = tmp_path / "two.h5"
    with h5py.File(path, "w") as file:
        file["a"], file["b"] = FRAMES, FRAMES[:30]
    assert dock.choice.isHidden()
    dock.open_paths([path])
    wait(dock, qtbot)
    assert dock.choice.form.names == ("dataset",)
    dock.choice.form.set_value(InputParameters(dataset="b"))
    dock.choice.button.click()
    wait(dock, qtbot)
    assert dock.workspace.movie.n_frames == 30
    assert dock.workspace.recipe.input.dataset == "b"
    assert dock.choice.isHidden()


def test_another_movie_brings_its_own_rate_and_is_whole(dock, tmp_path, tif, qtbot):
    recipe = dock.workspace.recipe.with_settings(
        ["acquisition.frame_rate_hz=15", "input.first_frame=20"]
    )
    dock.workspace.set_recipe(recipe)
    dock.open_paths([tif])
    wait(dock, qtbot)
    assert dock.workspace.recipe.acquisition.frame_rate_hz == 15  # the file has none
    assert dock.workspace.recipe.input.first_frame == 0
    stated = tmp_path / "stated.h5"
    with h5py.File(stated, "w") as file:
        file.create_dataset("mov", data=FRAMES).attrs["frame_rate"] = 8.0
    dock.open_paths([stated])
    wait(dock, qtbot)
    assert dock.workspace.recipe.acquisition.frame_rate_hz is None
    assert dock.workspace.movie.frame_rate_hz == 8.0


def test_a_frame_rate_that_is_given_places_the_movie(dock, tif, qtbot):
    dock.open_paths([tif])
    wait(dock, qtbot)
    layer = dock.session.scene.layer("movie")
    assert layer.scale[0] == 1.0
    dock.session.scene.go_to_frame(12)
    recipe = dock.workspace.recipe.with_settings(
        ["acquisition.frame_rate_hz=10", "acquisition.pixel_size_um=2"]
    )
    dock.workspace.set_recipe(recipe)
    np.testing.assert_allclose(layer.scale, (0.1, 2.0, 2.0))
    assert "10 Hz, 6.0 s" in dock.about.text()
    assert dock.session.scene.current_frame() == 12
    dock.session.scene.go_to_frame(30)
    assert dock.session.scene.viewer.dims.current_step[0] == 30


def test_frames_are_taken_from_the_slider(dock, tif, qtbot):
    dock.open_paths([tif])
    wait(dock, qtbot)
    dock.session.scene.go_to_frame(10)
    dock.subset.start_here()
    dock.session.scene.go_to_frame(39)
    dock.subset.end_here()
    assert dock.workspace.recipe.input.first_frame == 10
    assert dock.workspace.recipe.input.last_frame == 40
    assert dock.subset.summary.text().startswith(
        "Used: 30 frames of 24 \N{MULTIPLICATION SIGN} 32 px"
    )
    dock.subset.use_whole()
    assert dock.subset.summary.text() == "The whole movie is used."


def test_pixels_are_taken_from_a_drawn_rectangle(dock, viewer, tif, qtbot):
    dock.open_paths([tif])
    wait(dock, qtbot)
    dock.subset.crop_to_shape()
    assert "draw a rectangle" in dock.message
    viewer.add_shapes([np.array([[3.6, 5.5], [3.6, 20.4], [18.4, 20.4], [18.4, 5.5]])])
    dock.subset.crop_to_shape()
    part = dock.workspace.recipe.input
    assert (part.top, part.bottom, part.left, part.right) == (4, 5, 6, 11)


def test_pixels_are_taken_from_the_view(dock, viewer, tif, qtbot):
    dock.open_paths([tif])
    wait(dock, qtbot)
    viewer.scene.camera.center = (0, 12, 16)
    viewer.scene.camera.zoom = 120
    layer = dock.session.scene.layer("movie")
    qtbot.waitUntil(lambda: layer.corner_pixels[0, 2] > 0)
    dock.subset.crop_to_view()
    part = dock.workspace.recipe.input
    assert part.left > 0
    assert part.right > 0
    assert part.left + part.right < 32


def test_a_box_outside_of_the_movie_is_refused():
    corners = np.array([[-9.0, 2.0], [-3.0, 8.0]])
    with pytest.raises(InputError, match="outside of the movie"):
        cropped(InputParameters(), corners, (24, 32))


def test_a_shape_is_placed_by_the_scales_of_both_layers(viewer):
    movie = viewer.add_image(FRAMES, scale=(0.1, 2, 2), translate=(0, 4, 6))
    shapes = viewer.add_shapes([np.array([[8, 10], [8, 20], [16, 20], [16, 10]])])
    corners = corners_of_shapes(shapes, movie)
    np.testing.assert_allclose(corners.min(axis=0), (2, 2))
    np.testing.assert_allclose(corners.max(axis=0), (6, 7))


def test_a_result_that_lies_there_can_be_gone_on_with(dock, found_folder, qtbot):
    [movie] = load(found_folder.result).movie.files
    dock.open_paths([Path(movie.path)])
    wait(dock, qtbot)
    dock.workspace.set_folder(found_folder)
    assert not dock.folder.open.isHidden()
    dock.folder.open.click()
    wait(dock, qtbot)
    assert dock.workspace.components is not None
    assert dock.workspace.movie is not None
    assert dock.folder.lies_there.text() == "The open result lies here."


def test_a_result_without_its_movie_is_opened_all_the_same(dock, found_folder, qtbot):
    result = load(found_folder.result)
    gone = replace(result.movie.files[0], path="/nowhere/movie.tif")
    moved = replace(result, movie=replace(result.movie, files=(gone,)))
    save(moved, found_folder.result, overwrite=True)
    dock.open_result(found_folder.result)
    wait(dock, qtbot)
    assert dock.workspace.components is not None
    assert dock.workspace.movie is None
    assert "no longer at /nowhere/movie.tif" in dock.message


def test_a_result_of_another_movies_size_gives_one_sentence(
    dock, found_folder, tif, qtbot
):
    result = load(found_folder.result)
    alone = replace(result, movie=replace(result.movie, files=()))
    save(alone, found_folder.result, overwrite=True)
    dock.open_paths([tif])
    wait(dock, qtbot)
    dock.open_result(found_folder.result)
    wait(dock, qtbot)
    assert "open the movie that it was made from" in dock.message
    assert dock.workspace.result is None


def test_the_preview_shows_the_same_time_with_fewer_frames(dock, tmp_path, qtbot):
    path = tmp_path / "movie.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("mov", data=FRAMES).attrs["frame_rate"] = 10.0
    dock.open_paths([path])
    wait(dock, qtbot)
    dock.preview.setChecked(True)
    layer = dock.session.scene.layer(PREVIEW)
    assert layer.data.shape[0] == 6
    np.testing.assert_allclose(layer.scale[0], 1.0)
    np.testing.assert_allclose(layer.data[2], FRAMES[20:30].mean(axis=0), rtol=1e-5)
    dock.preview.setChecked(False)
    assert dock.session.scene.layer(PREVIEW) is None


def test_the_list_of_layers_is_live_and_ends_with_the_dock(viewer, qtbot):
    dock = MovieWidget(viewer)
    viewer.add_image(FRAMES, name="one")
    assert dock.source.layers.count() == 2
    viewer.layers["one"].name = "other"
    assert dock.source.layers.itemText(1) == "other"
    dock.deleteLater()
    with qtbot.waitSignal(dock.destroyed):
        pass
    viewer.layers.clear()


def test_from_a_damaged_result_one_goes_back_to_the_state_before(
    dock, found_folder, tmp_path, qtbot
):
    folder = RunFolder(tmp_path / "damaged")
    former = load(found_folder.result)
    save(former, folder.result)
    keep_previous(folder.result)
    save(former, folder.result, overwrite=True)
    os.truncate(folder.result, 5000)
    dock.open_result(folder.result)
    wait(dock, qtbot)
    assert "results.previous.h5" in dock.message
    assert not dock.go_back.isHidden()
    dock.go_back.click()
    wait(dock, qtbot)
    assert dock.go_back.isHidden()
    assert dock.workspace.result.movie == former.movie
    assert dock.workspace.folder == folder
