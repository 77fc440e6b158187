"""What is on auto is measured once, recorded, and used by all later stages."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest
from small_runs import RATE_HZ, as_movie, still_movie

from napari_cnmf.cnmf.initialise.methods import initialise
from napari_cnmf.cnmf.parameters import InitParameters
from napari_cnmf.compute import SerialBackend
from napari_cnmf.errors import ParameterError
from napari_cnmf.formats.results import digest, load
from napari_cnmf.pipeline import automatic
from napari_cnmf.pipeline.automatic import measured
from napari_cnmf.pipeline.runner import rerun, run
from napari_cnmf.proposal import DECAY, HALF_SIZE
from napari_cnmf.recipe import Recipe
from napari_cnmf.summary.parameters import SummaryParameters
from napari_cnmf.summary.stage import summarise

AUTO = {"init.neuron_half_size_px": "auto"}


@pytest.fixture(autouse=True)
def _quick_report(monkeypatch):
    """Do not draw."""
    for name in ("write_report", "write_motion_report"):
        monkeypatch.setitem(run.__globals__, name, lambda _, path: path.touch())


@pytest.fixture(scope="module")
def movie():
    return as_movie(still_movie().movie)


@pytest.fixture(scope="module")
def folder(movie, tmp_path_factory):
    """Folder of a run with the size on auto, until the evaluation."""
    path = tmp_path_factory.mktemp("auto") / "out"
    with SerialBackend() as backend:
        recipe = Recipe().with_settings(AUTO)
        run(movie, recipe, path, until="evaluate", backend=backend)
    return path


@pytest.fixture(scope="module")
def result(folder):
    return load(folder / "results.h5")


@pytest.fixture
def no_proposals(monkeypatch):
    """Nothing may be measured."""
    monkeypatch.delattr(automatic, "propose")


def used(result, stage: str) -> float:
    """Half-size that a stage was run with, as recorded."""
    record = next(r for r in result.stages if r.stage == stage)
    return record.parameters["init"]["neuron_half_size_px"]


def test_the_measured_size_and_its_evidence_are_in_the_result(result):
    size = next(p for p in result.proposals if p.parameter == HALF_SIZE)
    assert size.confident
    assert size.value == pytest.approx(4.0, rel=0.2)
    assert len(size.curve_x) == len(size.curve_y) > 10
    assert size.evidence in result.log
    assert Recipe.from_toml(result.recipe).init.neuron_half_size_px is None
    assert {used(result, s) for s in ("fit", "refit", "evaluate")} == {size.value}


def test_auto_finds_what_the_measured_size_finds(result, movie, tmp_path):
    told = {"init.neuron_half_size_px": used(result, "fit")}
    with SerialBackend() as backend:
        recipe = Recipe().with_settings(told)
        other = run(movie, recipe, tmp_path / "out", until="evaluate", backend=backend)
    assert other.proposals is None
    same = {"recipe": other.recipe, "proposals": None}
    assert digest(replace(result, **same)) == digest(other)
    used_by = [{r.stage: r.parameters for r in one.stages} for one in (result, other)]
    assert used_by[0] == used_by[1]


def test_later_stages_measure_nothing_again(folder, result, no_proposals):
    with SerialBackend() as backend:
        again = rerun("refit", folder, until="evaluate", backend=backend)
    assert again.proposals == result.proposals
    assert used(again, "evaluate") == used(result, "fit")


def test_a_refit_that_is_set_on_auto_measures(movie, tmp_path):
    with SerialBackend() as backend:
        run(movie, Recipe(), tmp_path / "out", until="fit", backend=backend)
        found = rerun("refit", tmp_path / "out", AUTO, backend=backend)
        assert used(found, "fit") == 4.0
        assert used(found, "refit") == found.proposals[0].value != 4.0
        told = {"init.neuron_half_size_px": 4.0}
        assert rerun("fit", tmp_path / "out", told, backend=backend).proposals is None


@pytest.fixture(scope="module")
def noise():
    """A movie of noise alone, and its images."""
    frames = np.random.default_rng(0).normal(100, 5, (300, 48, 48))
    movie = as_movie(frames.astype(np.float32))
    with SerialBackend() as backend:
        return movie, summarise(movie, SummaryParameters(), backend=backend)


def test_nothing_is_measured_if_nothing_is_on_auto(noise, no_proposals):
    assert measured(*noise, Recipe(), backend=SerialBackend()) is None


def test_a_guess_is_warned_of(noise, caplog):
    settings = {**AUTO, "acquisition.indicator": "estimate"}
    with caplog.at_level(logging.INFO, "napari_cnmf"), SerialBackend() as backend:
        measured(*noise, Recipe().with_settings(settings), backend=backend)
    size, decay = (r.getMessage() for r in caplog.records if r.levelname == "WARNING")
    assert size.startswith(f"{HALF_SIZE} is on auto, and 4 px is a guess: no size")
    assert decay.startswith(f"{DECAY} is on auto, and 0.5 s is a guess: ")


def test_an_estimated_decay_is_recorded_and_left_to_the_cells(movie, tmp_path):
    settings = {"acquisition.indicator": "estimate"}
    with SerialBackend() as backend:
        recipe = Recipe().with_settings(settings)
        found = run(movie, recipe, tmp_path / "out", until="fit", backend=backend)
    decay = next(p for p in found.proposals if p.parameter == DECAY)
    proposed = np.exp(-1 / (decay.value * RATE_HZ))
    slow = np.roots([1, *-found.components.trace_fit.ar[0]]).max()
    assert slow != pytest.approx(proposed, abs=1e-5)
    assert slow == pytest.approx(proposed, rel=0.05)
    assert used(found, "fit") == 4.0


def test_a_search_without_a_size_is_refused():
    movie, valid = np.zeros((256, 32), np.float32), np.ones((16, 16), bool)
    parameters = InitParameters(neuron_half_size_px=None)
    with pytest.raises(ParameterError, match=r"still on auto.*`propose`"):
        initialise(movie, valid, parameters, 3)
