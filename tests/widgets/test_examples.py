"""The examples run as they stand, and do what they say."""

from __future__ import annotations

import csv
import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from small_runs import clear_somata, matched

from napari_cnmf.cnmf.patches import patch_grid
from napari_cnmf.formats.results import load
from napari_cnmf.movie import Movie
from napari_cnmf.widgets.session import session

EXAMPLES = Path(__file__).parents[2] / "examples"


def example(name: str) -> ModuleType:
    """Import an example without running it."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_whole_workflow_ends_with_cells_in_the_viewer(viewer, tmp_path, capsys):
    result = example("whole_workflow").main(viewer, tmp_path / "found")
    assert result.components.accepted.sum() > 10
    scene = session(viewer).scene
    for role in ("movie", "accepted", "rejected", "footprints"):
        assert scene.layer(role) is not None
    assert f"{result.components.accepted.sum()} cells" in capsys.readouterr().out


def test_the_quilt_follows_the_recipe(viewer, capsys):
    recipe = example("quilt_and_key_parameters").main(viewer)
    scene = session(viewer).scene
    patches = recipe.patches
    wanted = patch_grid((128, 128), patches.patch_size_px, patches.patch_overlap_px)
    assert len(scene.layer("quilt").data) == len(wanted)
    disc = np.ptp(np.asarray(scene.layer("neuron size").data[0]), axis=0)
    assert disc.max() == pytest.approx(recipe.init.diameter_px, abs=1)
    assert "patches.patch_size_px: 64 here, 48 there" in capsys.readouterr().out


def test_decisions_are_exported_and_written_beside_the_result(viewer, tmp_path):
    result = example("curate_and_export").main(viewer, tmp_path)
    cells = result.components
    (by_hand,) = cells.ids[cells.quality.manual == 1]
    with (tmp_path / "tables" / "cells.csv").open() as file:
        ids = {int(row["id"]) for row in csv.DictReader(file)}
    assert ids == set(cells.ids[cells.accepted].tolist())
    assert by_hand in ids
    kept = load(tmp_path / "found" / "results.h5").components.quality
    np.testing.assert_array_equal(kept.manual, cells.quality.manual)


def test_the_batch_leaves_a_damaged_movie_out(tmp_path, capsys):
    batch = example("batch")
    good = batch.simulated_movies(tmp_path, n=1)
    damaged = tmp_path / "damaged.tif"
    damaged.write_bytes(b"nothing")
    table = batch.analyse([damaged, *good], tmp_path)
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert {row["movie"] for row in rows} == {good[0].name}
    assert "damaged.tif is left out" in capsys.readouterr().out


def test_the_steps_find_the_clear_cells(tmp_path, capsys):
    walk = example("step_by_step")
    truth = walk.simulated_movie()
    cells, kept = walk.main(Movie.from_array(truth.movie), tmp_path)
    found = [j for _, j in matched(cells.select(kept), truth)]
    clear = clear_somata(truth)
    recall = np.isin(clear, found).mean()
    precision = len(found) / kept.sum()
    assert recall >= 0.9
    assert precision >= 0.7
    assert (tmp_path / "step_by_step.png").stat().st_size > 10_000
    assert f"{len(cells)}\n{kept.sum()}\n" in capsys.readouterr().out
