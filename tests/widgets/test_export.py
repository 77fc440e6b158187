"""Saving, exporting, and recipes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from napari_cnmf.errors import InputError
from napari_cnmf.formats import open_movie
from napari_cnmf.formats.exchange.caiman_parameters import read_caiman
from napari_cnmf.formats.exchange.caiman_results import import_caiman
from napari_cnmf.formats.exchange.suite2p import import_suite2p
from napari_cnmf.formats.results import load
from napari_cnmf.recipe import Recipe
from napari_cnmf.report.outlines import write_outlines
from napari_cnmf.widgets.docks.export import ExportWidget
from napari_cnmf.widgets.docks.exports import EXPORTS
from napari_cnmf.widgets.scene.scene import Scene


@pytest.fixture
def dock(viewer, found_folder, monkeypatch):
    """The dock with a result, whose layers are not needed here and take a second."""
    monkeypatch.setattr(Scene, "_show_result", lambda self: None)
    widget = ExportWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Save and export")
    widget.workspace.open_result(load(found_folder.result), found_folder)
    return widget


def wait(dock, qtbot) -> None:
    qtbot.waitUntil(lambda: not dock.session.jobs.running, timeout=30_000)


def test_without_cells_nothing_can_be_written(viewer, qtbot):
    dock = ExportWidget(viewer)
    qtbot.addWidget(dock)
    assert all(not action.button.isEnabled() for action in dock._actions)


def test_all_is_written_and_the_folder_is_linked(dock, found_folder, qtbot):
    for box in dock.boxes:
        box.setChecked(True)
    dock.session_start.setText("2026-05-01T12:00:00+02:00")
    dock.write()
    wait(dock, qtbot)
    folder = found_folder.path / "export"
    names = {name for export in EXPORTS for name in export.files}
    files = (file for file in folder.rglob("*") if file.is_file())
    assert {file.relative_to(folder).as_posix() for file in files} == names
    cells = dock.workspace.components
    assert len(import_caiman(folder / "caiman.hdf5").components) == len(cells)
    assert len(import_suite2p(folder).components) == len(cells)
    assert folder.as_uri() in dock.done.text()
    assert Recipe.load(folder / "recipe.toml") == Recipe.from_toml(
        load(found_folder.result).recipe
    )


@pytest.mark.parametrize("text", ["", "yesterday", "2026-05-01T12:00:00"])
def test_nwb_is_not_written_without_the_time_of_the_recording(dock, text):
    place = next(i for i, export in enumerate(EXPORTS) if export.is_dated)
    assert not dock.session_start.isEnabled()
    dock.boxes[place].setChecked(True)
    assert dock.session_start.isEnabled()
    dock.session_start.setText(text)
    dock.write()
    assert not dock.session.jobs.running
    assert "2026-05-01T12:00:00+02:00" in dock.message


def test_rejected_cells_can_be_left_out(dock, found_folder, qtbot):
    dock.accepted_only.setChecked(True)
    dock.boxes[1].setChecked(True)
    dock.write()
    wait(dock, qtbot)
    with np.load(found_folder.path / "export" / "cells.npz") as arrays:
        assert len(arrays["C"]) == dock.workspace.components.accepted.sum()
        assert arrays["accepted"].all()


def test_files_that_are_there_are_only_replaced_after_a_yes(
    dock, found_folder, qtbot, monkeypatch
):
    table = found_folder.path / "export" / "cells.csv"
    table.parent.mkdir()
    table.write_text("mine")
    asked = []
    monkeypatch.setattr(dock, "ask", lambda question: asked.append(question))
    dock.write()
    assert not dock.session.jobs.running
    assert "Replace cells.csv in" in asked[0]
    assert table.read_text() == "mine"
    monkeypatch.setattr(dock, "ask", lambda question: True)
    dock.write()
    wait(dock, qtbot)
    assert table.read_text().startswith("id,accepted")


def test_a_folder_that_cannot_be_written_to_gives_one_sentence(dock, tmp_path, qtbot):
    (tmp_path / "file").write_text("")
    dock.folder.setText(str(tmp_path / "file"))
    dock.write()
    wait(dock, qtbot)
    assert str(tmp_path / "file") in dock.message


def test_nothing_ticked_is_said(dock):
    for box in dock.boxes:
        box.setChecked(False)
    dock.write()
    assert "Tick" in dock.message


def test_the_result_is_saved_with_its_decisions(dock, tmp_path, qtbot):
    first = int(dock.workspace.components.ids[0])
    dock.workspace.decide([first], -1)
    dock.save_result(tmp_path / "mine.h5")
    wait(dock, qtbot)
    assert load(tmp_path / "mine.h5").components.quality.manual[0] == -1


@pytest.mark.parametrize("name", ["corrected.tif", "corrected.h5"])
def test_the_corrected_movie_is_saved_in_the_type_of_the_recording(
    dock, tmp_path, qtbot, name
):
    dock.save_movie(tmp_path / name)
    wait(dock, qtbot)
    assert name in dock.done.text()
    saved, registered = open_movie(tmp_path / name), dock.workspace.registered
    assert saved.dtype == load(dock.workspace.folder.result).movie.dtype == "uint16"
    assert saved.frame_rate_hz == pytest.approx(registered.frame_rate_hz)
    np.testing.assert_allclose(saved.read(), registered.read(), atol=0.501)


def test_a_movie_of_another_ending_is_refused(dock, tmp_path, qtbot):
    dock.save_movie(tmp_path / "corrected.avi")
    wait(dock, qtbot)
    assert "corrected.avi does not end with .tif or .h5" in dock.message


def test_recipes_go_out_and_come_in(dock, tmp_path):
    recipe = Recipe().with_settings(["init.neuron_half_size_px=7"])
    dock.workspace.set_recipe(recipe)
    dock.save_recipe(tmp_path / "mine.toml")
    dock.workspace.set_recipe(Recipe())
    dock.load_recipe(tmp_path / "mine.toml")
    assert dock.workspace.recipe == recipe


def test_a_recipe_with_a_mistake_changes_nothing(dock, tmp_path):
    path = tmp_path / "wrong.toml"
    path.write_text("[init]\nneuron_half_size_px = -3\n")
    before = dock.workspace.recipe
    dock.load_recipe(path)
    assert "init.neuron_half_size_px" in dock.message
    assert dock.workspace.recipe == before


@pytest.mark.parametrize("name", ["params.json", "params.py"])
def test_parameters_of_caiman_are_taken_over(dock, tmp_path, name):
    values = {"fr": 15, "gSig": [4, 4], "use_cuda": False}
    path = tmp_path / name
    text = json.dumps(values) if path.suffix == ".json" else f"opts = {values!r}"
    path.write_text(text)
    dock.load_caiman(path)
    assert dock.workspace.recipe.acquisition.frame_rate_hz == 15
    assert dock.workspace.recipe.init.neuron_half_size_px == 4
    assert "use_cuda" in dock.message


@pytest.mark.parametrize("text", ["", "[1, 2]", "{", "import os", "x = f()"])
def test_what_is_no_dictionary_gives_one_sentence(tmp_path, text):
    path = tmp_path / "params.py"
    path.write_text(text)
    with pytest.raises(InputError, match=r"params\.py cannot be read as a dictionary"):
        read_caiman(path)


def test_the_figure_of_contours_wants_a_known_ending(found, tmp_path: Path):
    write_outlines(found, tmp_path / "cells.svg")
    assert "<svg" in (tmp_path / "cells.svg").read_text()
    with pytest.raises(InputError, match="pdf, png, svg"):
        write_outlines(found, tmp_path / "cells.gif")
