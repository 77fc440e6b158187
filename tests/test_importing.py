"""Results of other programs are read as ours, with their parameters."""

from __future__ import annotations

import h5py
import numpy as np
from caiman_values import unit_components
from example_values import make_result

from napari_cnmf.formats.exchange.caiman_results import export_caiman
from napari_cnmf.formats.results import digest, save
from napari_cnmf.pipeline.importing import import_result
from napari_cnmf.recipe import Recipe


def test_a_result_of_ours_is_read_by_its_folder_or_file(tmp_path):
    result = make_result()
    save(result, tmp_path / "results.h5")
    for path in (tmp_path, tmp_path / "results.h5"):
        assert digest(import_result(path)) == digest(result)


def test_caimans_parameters_are_in_the_recipe(shared):
    path = shared / "data" / "caiman-results" / "simulated-small.hdf5"
    result = import_result(path)
    recipe = Recipe.from_toml(result.recipe)
    assert recipe.acquisition.frame_rate_hz == 30
    assert recipe.acquisition.decay_time_s == 0.5
    assert recipe.quality.rule == "caiman"
    assert recipe.quality.caiman_min_snr == 1.5
    assert recipe.motion.mode == "rigid"
    assert "init.nb" in result.log
    # What CaImAn assumes where nobody told it is not taken for a fact.
    assert recipe.acquisition.pixel_size_um is None
    assert recipe.input.dataset is None


def test_a_parameter_that_is_not_allowed_here_does_not_hinder_the_import(tmp_path):
    path = tmp_path / "caiman.hdf5"
    cells = unit_components()
    export_caiman(make_result(cells), path)
    with h5py.File(path, "r+") as file:
        file["params/data/decay_time"][()] = -1
    result = import_result(path)
    assert "not taken over" in result.log
    assert Recipe.from_toml(result.recipe).acquisition.frame_rate_hz == 20
    np.testing.assert_array_equal(result.components.accepted, cells.accepted)
