"""Each stage after the registration, on one core: 1500 frames of 128 x 128 pixels.

`pytest -n 0 benchmarks/test_stages.py`; the greedy search by itself on one patch of it.
"""

from __future__ import annotations

import pytest

from napari_cnmf.baseline import DffParameters, dff
from napari_cnmf.cnmf.fit import fit
from napari_cnmf.cnmf.initialise.greedy import greedy
from napari_cnmf.cnmf.parameters import CnmfParameters
from napari_cnmf.cnmf.refit import refit
from napari_cnmf.compute import SerialBackend
from napari_cnmf.motion.parameters import MotionParameters
from napari_cnmf.motion.stage import correct
from napari_cnmf.movie import Movie
from napari_cnmf.movie.normalised import bin_length, normalised_bins
from napari_cnmf.movie.parameters import StoreParameters
from napari_cnmf.quality.parameters import QualityParameters
from napari_cnmf.quality.stage import evaluate
from napari_cnmf.simulation import SimulationParameters, simulate
from napari_cnmf.summary import SummaryParameters

PARAMETERS = CnmfParameters()
ROUNDS = {"rounds": 3, "warmup_rounds": 1}


@pytest.fixture(scope="module")
def backend():
    with SerialBackend() as opened:
        yield opened


@pytest.fixture(scope="module")
def correction(tmp_path_factory, backend):
    movie = simulate(SimulationParameters(), 1).movie
    return correct(
        Movie.from_array(movie, frame_rate_hz=30.0),
        MotionParameters(),
        path=tmp_path_factory.mktemp("run") / "registered.zarr",
        store=StoreParameters(),
        summary=SummaryParameters(),
        backend=backend,
    )


@pytest.fixture(scope="module")
def components(correction, backend):
    movie, summary = correction.movie, correction.summary
    return fit(movie, summary, PARAMETERS, backend=backend)


def test_reading_a_patch(benchmark, correction):
    movie, summary = correction.movie, correction.summary
    whole = slice(0, 128)
    bins = bin_length(movie)
    benchmark.pedantic(normalised_bins, (movie, summary, bins, whole, whole), **ROUNDS)


def test_greedy_search(benchmark, correction):
    movie, summary = correction.movie, correction.summary
    whole = slice(0, 128)
    bins = normalised_bins(movie, summary, bin_length(movie), whole, whole)
    task = (bins, summary.valid, PARAMETERS.init, 1000)
    benchmark.pedantic(greedy, task, **ROUNDS)


def test_fit(benchmark, correction, backend):
    task = (correction.movie, correction.summary, PARAMETERS)
    benchmark.pedantic(fit, task, {"backend": backend}, **ROUNDS)


def test_refit(benchmark, correction, components, backend):
    task = (correction.movie, correction.summary, components, PARAMETERS)
    benchmark.pedantic(refit, task, {"backend": backend}, **ROUNDS)


def test_evaluate(benchmark, correction, components, backend):
    task = (correction.movie, correction.summary, components, QualityParameters())
    options = {"diameter_px": 11.0, "backend": backend}
    benchmark.pedantic(evaluate, task, options, **ROUNDS)


def test_dff(benchmark, components, backend):
    task = (components, DffParameters())
    benchmark.pedantic(dff, task, {"backend": backend}, **ROUNDS)
