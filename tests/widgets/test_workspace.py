"""The workspace tells of every change, and never loses a decision."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from example_values import IDS, make_components, make_result, with_verdicts

from napari_cnmf.errors import InputError, MissingStageError
from napari_cnmf.formats.results import Result, load, save
from napari_cnmf.movie import Movie
from napari_cnmf.pipeline.folder import RunFolder
from napari_cnmf.quality.rule import apply_rule
from napari_cnmf.recipe import Recipe
from napari_cnmf.widgets.workspace import Workspace


@pytest.fixture
def result() -> Result:
    return make_result(with_verdicts(make_components()))


@pytest.fixture
def workspace(result: Result, tmp_path) -> Workspace:
    folder = RunFolder(tmp_path)
    save(result, folder.result)
    workspace = Workspace()
    workspace.set_folder(folder)
    workspace.set_result(result)
    return workspace


@pytest.fixture
def told(workspace: Workspace) -> list[str]:
    """Names of the signals in the order in which they came."""
    names: list[str] = []
    for name in ("recipe", "result", "quality", "selection", "folder", "movie"):
        signal = getattr(workspace, f"{name}_changed")
        signal.connect(lambda name=name: names.append(name), check_nargs=False)
    return names


def manual(workspace: Workspace) -> dict[int, int]:
    """Decision by hand of every component, by id."""
    quality = workspace.quality
    assert quality is not None
    return dict(zip(IDS.tolist(), quality.manual.tolist(), strict=True))


def test_a_decision_goes_to_the_component_of_that_id(workspace):
    workspace.decide([11, 3], -1)
    assert manual(workspace) == {7: 0, 3: -1, 11: -1, 5: 0}


def test_a_decision_is_on_disk_at_once(workspace):
    workspace.decide([5], 1)
    kept = load(workspace.folder.result).components.quality
    assert kept.manual[IDS.tolist().index(5)] == 1


def test_undo_and_redo_walk_through_the_decisions(workspace):
    workspace.decide([7], -1)
    workspace.decide([3], 1)
    workspace.undo()
    assert manual(workspace) == {7: -1, 3: 0, 11: 0, 5: 0}
    workspace.undo()
    assert not workspace.can_undo
    workspace.redo()
    workspace.redo()
    assert manual(workspace) == {7: -1, 3: 1, 11: 0, 5: 0}
    assert not workspace.can_redo


def test_what_is_undone_is_undone_on_disk_too(workspace):
    workspace.decide([7], -1)
    workspace.undo()
    assert not load(workspace.folder.result).components.quality.manual.any()


def test_a_new_decision_ends_what_could_be_made_again(workspace):
    workspace.decide([7], -1)
    workspace.undo()
    workspace.decide([3], -1)
    assert not workspace.can_redo


def test_moving_a_limit_is_one_step_of_the_history(workspace):
    before = workspace.recipe.quality
    for limit in (4.0, 5.0, 6.0):
        workspace.set_limits(replace(before, min_snr=limit))
    workspace.keep()
    assert workspace.quality.limits["low SNR"] == 6.0
    workspace.undo()
    assert workspace.recipe.quality == before
    assert workspace.quality.limits == {"low SNR": 20.0}
    assert not workspace.can_undo


def test_limits_decide_as_the_rule_does_and_leave_decisions_alone(workspace):
    workspace.decide([7], 1)
    limits = replace(workspace.recipe.quality, min_snr=6.0)
    workspace.set_limits(limits)
    expected = apply_rule(workspace.quality, limits)
    assert np.array_equal(workspace.quality.flags, expected.flags)
    assert manual(workspace)[7] == 1


def test_kept_limits_are_those_of_the_reopened_result(workspace):
    workspace.set_limits(replace(workspace.recipe.quality, min_snr=6.5))
    workspace.keep()
    again = load(workspace.folder.result)
    assert Recipe.from_toml(again.recipe).quality.min_snr == 6.5
    assert again.components.quality.limits["low SNR"] == 6.5


def test_verdicts_change_no_other_parameter_of_the_result(workspace):
    recipe = workspace.recipe.with_settings({"init.neuron_half_size_px": 9.0})
    workspace.set_recipe(recipe)
    workspace.decide([7], 1)
    assert Recipe.from_toml(workspace.result.recipe).init == Recipe().init


def test_selecting_the_same_again_tells_nobody(workspace, told):
    workspace.select([3, 7])
    workspace.select([3, 7])
    assert told == ["selection"]
    assert workspace.selected == (3, 7)


def test_a_new_result_keeps_the_selected_cells_that_it_has(workspace, result, told):
    workspace.select([3, 7])
    cells = result.components.select(np.array([0, 2]))
    workspace.set_result(replace(result, components=cells))
    assert workspace.selected == (7,)
    assert told == ["selection", "result", "selection"]


def test_another_movie_lets_go_of_the_result(workspace, told):
    workspace.set_movie(None)
    assert workspace.result is None
    assert told == ["result", "movie"]


def test_without_cells_a_decision_says_what_to_do_first():
    with pytest.raises(MissingStageError, match="run CNMF first"):
        Workspace().decide([1], 1)


def test_without_scores_limits_say_what_to_do_first(workspace, result):
    bare = replace(result, components=replace(result.components, quality=None))
    workspace.set_result(bare)
    with pytest.raises(MissingStageError, match="evaluate"):
        workspace.set_limits(workspace.recipe.quality)


def test_a_result_opens_with_its_parameters(result):
    recipe = Recipe().with_settings({"quality.min_snr": 3.5})
    workspace = Workspace()
    workspace.open_result(replace(result, recipe=recipe.to_toml()))
    assert workspace.recipe == recipe
    assert workspace.components is result.components


def test_a_result_of_a_movie_of_another_size_is_refused(result):
    workspace = Workspace()
    workspace.set_movie(Movie.from_array(np.zeros((20, 6, 8), np.uint16)))
    with pytest.raises(InputError, match=r"20 frames of 6 x 9 px.* of 6 x 8 px"):
        workspace.open_result(result)
    assert workspace.result is None


def test_a_result_of_a_part_of_the_movie_opens(result):
    cropped = Recipe().with_settings({"input.first_frame": 4, "input.left": 2})
    workspace = Workspace()
    workspace.set_movie(Movie.from_array(np.zeros((24, 6, 11), np.uint16)))
    workspace.open_result(replace(result, recipe=cropped.to_toml()))
    assert workspace.result is not None


def test_a_result_opens_even_if_its_registered_movie_cannot_be_used(
    result, tmp_path, caplog
):
    folder = RunFolder(tmp_path)
    folder.movie.mkdir()
    old = {"attributes": {"version": 1}}
    (folder.movie / "zarr.json").write_text(json.dumps(old))
    workspace = Workspace()
    workspace.open_result(result, folder)
    assert workspace.result is result
    assert workspace.registered is workspace.registered is None
    assert caplog.text.count("register the movie again") == 1
