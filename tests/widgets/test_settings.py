"""The last recipe survives, and nothing about it can stop napari from starting."""

from __future__ import annotations

import logging

import pytest

from napari_cnmf.recipe import Recipe
from napari_cnmf.widgets import settings
from napari_cnmf.widgets.session import session
from napari_cnmf.widgets.settings import (
    Keeper,
    load_recipe,
    preference,
    recipe_file,
    save_recipe,
)
from napari_cnmf.widgets.workspace import Workspace

CHANGED = Recipe().with_settings({"motion.max_shift_px": 31.0})


def test_there_are_defaults_at_first(own_configuration):
    assert load_recipe() == Recipe()
    assert not list(own_configuration.iterdir())


def test_a_saved_recipe_comes_back(own_configuration):
    save_recipe(CHANGED)
    assert load_recipe() == CHANGED
    assert recipe_file().parent == own_configuration


@pytest.mark.parametrize(
    "text", ["[motion", "[motion]\nmax_shift_px = -1", "[motion]\nnonsense = 1", "\0"]
)
def test_a_corrupt_file_is_a_warning_and_defaults(text, caplog):
    recipe_file().write_text(text)
    with caplog.at_level(logging.WARNING, "napari_cnmf"):
        assert load_recipe() == Recipe()
    assert "all is default" in caplog.text


def test_a_file_that_is_no_text_is_a_warning_and_defaults(caplog):
    recipe_file().write_bytes(b"\xff\xfe\xfa")
    with caplog.at_level(logging.WARNING, "napari_cnmf"):
        assert load_recipe() == Recipe()
    assert "all is default" in caplog.text


def test_a_place_that_cannot_be_written_to_is_a_warning(
    own_configuration, monkeypatch, caplog
):
    file = own_configuration / "file"
    file.touch()
    monkeypatch.setattr(settings, "user_config_path", lambda name: file / name)
    with caplog.at_level(logging.WARNING, "napari_cnmf"):
        save_recipe(CHANGED)
    assert "not kept for the next time" in caplog.text


def test_a_change_is_saved_a_moment_later(qapp, qtbot):
    workspace = Workspace()
    keeper = Keeper(workspace)
    workspace.set_recipe(CHANGED)
    assert load_recipe() == Recipe()
    qtbot.waitUntil(lambda: load_recipe() == CHANGED)
    keeper.flush()


def test_quitting_saves_at_once(qapp):
    workspace = Workspace()
    keeper = Keeper(workspace)
    workspace.set_recipe(CHANGED)
    keeper.flush()
    assert load_recipe() == CHANGED


def test_a_new_viewer_begins_with_the_last_recipe(viewer):
    first = session(viewer)
    first.workspace.set_recipe(CHANGED)
    first.keeper.flush()
    assert Workspace(load_recipe()).recipe == CHANGED


def test_an_unregistered_plugin_has_the_defaults():
    assert preference("nowhere", "nothing", 7) == 7
