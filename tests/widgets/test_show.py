"""From a script everything can be shown without touching a widget."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from widgets.many_cells import make_many

import napari_cnmf as cnmf
from napari_cnmf.errors import InputError
from napari_cnmf.widgets.session import session

SHAPE = (40, 60)


@pytest.fixture
def result():
    return make_many(20, 50, SHAPE)


def movie_of(n_frames: int, shape: tuple[int, int] = SHAPE) -> cnmf.Movie:
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 99, (n_frames, *shape)).astype(np.uint16)
    return cnmf.Movie.from_array(frames, frame_rate_hz=30.0)


def test_a_result_is_shown_with_its_docks(viewer, found_folder):
    assert cnmf.show(found_folder.path, viewer) is viewer
    workspace = session(viewer).workspace
    assert workspace.folder == found_folder
    assert session(viewer).scene.layer("registered") is not None
    names = " ".join(viewer.window.dock_widgets)
    assert "Evaluate" in names
    assert "Traces" in names


def test_components_alone_can_be_shown(viewer, result, qtbot):
    cnmf.show(result.components, viewer, docks=False)
    assert session(viewer).scene.layer("accepted") is not None
    session(viewer).workspace.select([3])
    qtbot.waitUntil(lambda: len(session(viewer).scene.layer("selected").data) > 0)


def test_components_are_shown_over_the_movie_of_their_size(viewer, result):
    cnmf.show_movie(movie_of(50), viewer)
    cnmf.show(result.components, viewer, docks=False)
    assert session(viewer).scene.layer("movie") is not None


def test_a_result_of_another_movie_is_refused_in_one_sentence(viewer, result):
    cnmf.show_movie(movie_of(50, (40, 61)), viewer)
    with pytest.raises(InputError, match="open the movie that it was made from"):
        cnmf.show(result, viewer)
    with pytest.raises(InputError, match="open the movie that it was made from"):
        cnmf.show(result.components, viewer)


def test_the_quilt_follows_the_recipe_that_is_given(viewer, result):
    recipe = cnmf.Recipe().with_settings(
        {"patches.patch_size_px": 32, "patches.patch_overlap_px": 8}
    )
    cnmf.show_quilt(result.summary, viewer, recipe)
    scene = session(viewer).scene
    n_patches = len(scene.layer("quilt").data)
    assert n_patches > 1
    cnmf.show_quilt(result.summary, viewer, cnmf.Recipe())
    assert len(scene.layer("quilt").data) == 1
    assert scene.layer("neuron size") is not None


def test_images_of_another_size_than_the_movie_are_refused(viewer, result):
    cnmf.show_movie(movie_of(50, (40, 61)), viewer)
    with pytest.raises(InputError, match="show its own images"):
        cnmf.show_quilt(result.summary, viewer)


def test_the_panels_are_shown(viewer, found_folder):
    cnmf.show_panels(found_folder.path, viewer)
    assert sum(layer.visible for layer in viewer.layers) >= 3


def test_importing_the_package_imports_neither_napari_nor_qt():
    code = (
        "import sys, napari_cnmf; napari_cnmf.__all__;"
        "assert not {'napari', 'qtpy', 'vispy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
