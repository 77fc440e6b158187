"""What a run would replace and where its results go, without a viewer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny_movies
from example_values import make_components, make_result, with_verdicts

from napari_cnmf.movie import FileSpan
from napari_cnmf.pipeline.folder import RunFolder
from napari_cnmf.widgets import running
from napari_cnmf.widgets.workspace import Workspace


@pytest.fixture
def workspace() -> Workspace:
    workspace = Workspace()
    workspace.set_movie(tiny_movies.movie())
    return workspace


def test_nothing_is_lost_at_first(workspace):
    for first in ("correct", "fit", "refit", "evaluate", "dff"):
        assert running.losses(workspace, first) == ""


def test_cells_and_decisions_are_counted(workspace):
    components = with_verdicts(make_components())
    workspace.set_result(make_result(components))
    assert running.losses(workspace, "fit") == "the 4 components found so far"
    manual = np.array([1, 0, -1, 0], np.int8)
    quality = replace(components.quality, manual=manual)
    workspace.set_result(make_result(replace(components, quality=quality)))
    words = "the 4 components found so far and 2 decisions made by hand"
    assert running.losses(workspace, "fit") == words
    assert running.losses(workspace, "correct") == words
    assert running.losses(workspace, "refit") == ""


def test_a_result_on_disk_is_not_replaced_unasked(workspace, tmp_path):
    folder = RunFolder(tmp_path)
    folder.result.touch()
    workspace.set_folder(folder)
    assert running.losses(workspace, "correct") == f"the result in {tmp_path}"


@pytest.mark.parametrize(
    ("name", "folder"), [("day.1.tif", "day.1-cnmf"), ("day", "day-cnmf")]
)
def test_results_go_beside_the_movie(workspace, tmp_path, name, folder):
    file = FileSpan(str(tmp_path / name), 0, 150, 1)
    workspace.set_movie(replace(workspace.movie, files=(file,)))
    assert running.usual_folder(workspace).path == tmp_path / folder


def test_results_of_a_layer_go_below_the_home_folder(workspace):
    path = running.usual_folder(workspace, "a layer [1]").path
    assert path == Path.home() / "a-layer-1-cnmf"


def test_settings_of_a_stage_are_those_that_it_accepts(workspace):
    settings = running.settings_of(workspace.recipe, "dff", "dff")
    assert settings == {"dff.method": "dff", "dff.percentile": "auto"} | {
        "dff.window_s": 30.0
    }
