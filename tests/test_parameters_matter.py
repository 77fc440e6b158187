"""Every parameter does something, and no change of one goes unnoticed.

Each parameter has a case here: a movie, a recipe to start from and another value. The
change must show in the recipe's hash, in the records of the stages, and in the result.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from itertools import chain
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tifffile

from napari_cnmf.compute import SerialBackend, silent
from napari_cnmf.errors import CnmfError
from napari_cnmf.formats import open_movie
from napari_cnmf.formats.results import MovieInfo, Result, digest
from napari_cnmf.movie import Movie
from napari_cnmf.pipeline.folder import RunFolder
from napari_cnmf.pipeline.keys import chosen
from napari_cnmf.pipeline.opening import open_input
from napari_cnmf.pipeline.records import recorded
from napari_cnmf.pipeline.stages import STAGES, Session, stage_named
from napari_cnmf.recipe import Recipe
from napari_cnmf.simulation import SimulationParameters, simulate


@dataclass(frozen=True)
class Case:
    """One parameter's other value, and where it makes a difference.

    Attributes
    ----------
    value : object
        What the parameter is changed to.
    base : dict
        Settings to start from, for both runs.
    movie : str
        Name of a movie of the class `Movies`.
    """

    value: Any
    base: dict[str, Any] = field(default_factory=dict)
    movie: str = "cells"


# Every pair of components that overlaps at all, or touches at all, is merged.
OVERLAPPING = {
    "merge.min_overlap": 0.0,
    "merge.min_correlation": 0.0,
    "merge.max_overlap": 1.0,
    "merge.touching_correlation": 1.0,
}
TOUCHING = {
    "merge.min_correlation": 1.0,
    "merge.touching_share": 0.0,
    "merge.touching_correlation": 0.0,
    "merge.max_area_somas": 100.0,
}
# Several patches, whose modes become those of the field.
LOW_RANK = {"background.model": "low_rank", "patches.patch_size_px": 32}
ONE_PHOTON = {
    "init.method": "corr_pnr",
    "init.min_correlation": 0.1,
    "init.min_pnr": 2.0,
}
SEEDED = {"init.method": "seeded"}
# The tiny field is several patches.
BENT = {"motion.mode": "piecewise", "motion.grid_step_px": 12}
# An HDF5 file states no frame rate.
FIRST = {"input.dataset": "first", "acquisition.frame_rate_hz": 30.0}
# Footprints cut small leave a rim in the residual, to be found by a second search.
CUT_SMALL = {"spatial.support_threshold": 0.8}
ELLIPSE = {"spatial.search": "ellipse"}
# Footprints of many pieces.
RAGGED = {"spatial.support_noise_sd": 0.0, "spatial.support_smoothing_px": 0.3}
CONSTRAINED = {"temporal.method": "constrained"}
CAIMAN = {"quality.rule": "caiman"}
# CaImAn's rule, left to one of its two scores.
BY_SNR = {**CAIMAN, "quality.caiman_min_r_value": 1.0}
BY_R_VALUE = {**CAIMAN, "quality.caiman_min_snr": 100.0}
# The rule of the step-by-step notebook, left to one of its three scores.
NO_FITNESS = {"quality.fitness_max_raw": -1e5, "quality.fitness_max_delta": -1e5}
BY_R_VALUE_ONLY = {"quality.rule": "fitness", **NO_FITNESS}
BY_FITNESS = {**BY_R_VALUE_ONLY, "quality.fitness_min_r_value": 1.0}
BY_SHAPE = {**BY_SNR, "quality.caiman_min_snr": 100.0}
LENIENT = {
    "quality.min_snr": 0.0,
    "quality.min_r_value": -1.0,
    "quality.min_relative_area": 0.0,
    "quality.max_relative_area": 100.0,
    "quality.min_soma_area": 0.0,
    "quality.max_ring": 10.0,
    "quality.min_edge": 0.0,
}

CASES = {
    "acquisition.frame_rate_hz": Case(15.0),
    "acquisition.pixel_size_um": Case(1.5),
    "acquisition.indicator": Case("gcamp6s"),
    "acquisition.decay_time_s": Case(1.0),
    "acquisition.rise_time_s": Case(0.3),
    "input.dataset": Case("second", FIRST, "datasets"),
    "input.channel": Case(1, {"input.channel": 0}, "channels"),
    "input.plane": Case(1, {"input.plane": 0}, "planes"),
    "input.first_frame": Case(12),
    "input.last_frame": Case(150),
    "input.frame_step": Case(2),
    "input.per_file": Case(True, {"input.last_frame": 60}, "two_files"),
    "input.top": Case(3),
    "input.bottom": Case(3),
    "input.left": Case(3),
    "input.right": Case(3),
    "input.resample_space": Case(0.7),
    "input.resample_time": Case(0.5),
    "input.max_missing": Case(0.01, movie="gaps"),
    "store.bin_s": Case(0.3),
    "store.noise_steps": Case(4.0),
    "motion.mode": Case("none"),
    "motion.max_shift_px": Case(2.0),
    "motion.grid_step_px": Case(16, BENT),
    "motion.grid_overlap_px": Case(6, BENT),
    "motion.max_deviation_px": Case(0.5, BENT),
    "motion.line_offset_px": Case(0.5),
    "motion.high_pass_px": Case(8.0),
    "motion.min_seen": Case(1.0),
    "motion.leave_out_bad": Case(False, movie="flashes"),
    "motion.local_template_s": Case(3.0),
    "motion.template_frames": Case(30),
    "motion.template_iterations": Case(1),
    "summary.neighbours": Case(4),
    "patches.patch_size_px": Case(32),
    "patches.patch_overlap_px": Case(6, {"patches.patch_size_px": 32}),
    "patches.max_components": Case(1),
    "init.neuron_half_size_px": Case(3.0),
    "init.event_threshold_sd": Case(6.0),
    "init.min_event_energy": Case(400.0),
    "init.method": Case("variance"),
    "init.seeds": Case("../right.csv", {**SEEDED, "init.seeds": "../left.csv"}),
    "init.n_components": Case(1),
    "init.iterations": Case(1),
    "init.rolling_bins": Case(10, {"init.method": "variance"}),
    "init.sparsity_sd": Case(20.0, {"init.method": "sparse_nmf"}),
    "init.space_bin_px": Case(2),
    "init.time_bins": Case(2),
    "init.min_correlation": Case(0.999, ONE_PHOTON),
    "init.min_pnr": Case(1000.0, ONE_PHOTON),
    "init.second_search": Case(True, CUT_SMALL),
    "spatial.rounds": Case(1),
    "spatial.search": Case("ellipse"),
    "spatial.search_px": Case(1),
    "spatial.ellipse_distance": Case(1.5, ELLIPSE),
    "spatial.ellipse_min_diameters": Case(0.5, ELLIPSE),
    "spatial.ellipse_max_diameters": Case(
        0.1, {**ELLIPSE, "spatial.ellipse_min_diameters": 0.05}
    ),
    "spatial.sparsity_sd": Case(2.0),
    "spatial.support_smoothing_px": Case(1.5),
    "spatial.threshold_by": Case("energy"),
    "spatial.support_threshold": Case(0.5),
    "spatial.energy_share": Case(0.5, {"spatial.threshold_by": "energy"}),
    "spatial.support_noise_sd": Case(10.0),
    "spatial.closing_px": Case(2, RAGGED),
    "spatial.pieces": Case("all", RAGGED),
    "spatial.min_piece_px": Case(1, {**RAGGED, "spatial.pieces": "all"}),
    "background.model": Case("low_rank"),
    "background.rank": Case(1, LOW_RANK),
    "background.patch_rank": Case(2, LOW_RANK),
    "background.ring_radius_diameters": Case(1.2, {"background.model": "ring"}),
    "background.pitch_diameters": Case(1.0),
    "background.smoothing_s": Case(0.5),
    "background.weight_smoothing_px": Case(5.0),
    "merge.min_overlap": Case(1.0, OVERLAPPING),
    "merge.min_correlation": Case(1.0, OVERLAPPING),
    "merge.max_overlap": Case(0.0, OVERLAPPING | {"merge.min_overlap": 1.0}),
    "merge.touching_share": Case(1.0, TOUCHING),
    "merge.touching_correlation": Case(1.0, TOUCHING),
    "merge.max_area_somas": Case(0.1, TOUCHING),
    "temporal.method": Case("constrained"),
    "temporal.ar_order": Case(2, CONSTRAINED),
    "temporal.penalty_sd": Case(3.0),
    "temporal.s_min": Case(-3.0, CONSTRAINED),
    "temporal.sweeps": Case(1),
    "temporal.baseline_window_s": Case(2.0),
    "temporal.baseline_percentile": Case(50.0),
    "temporal.fudge_factor": Case(0.8, CONSTRAINED),
    "temporal.nonnegative_baseline": Case(True, CONSTRAINED),
    "temporal.lags": Case(20, CONSTRAINED),
    "temporal.optimize_g": Case(5, CONSTRAINED),
    "temporal.noise_method": Case("median", CONSTRAINED),
    "temporal.noise_band_low": Case(0.4, CONSTRAINED),
    "temporal.noise_band_high": Case(0.4, CONSTRAINED),
    "quality.rule": Case("caiman"),
    "quality.min_snr": Case(1000.0, LENIENT),
    "quality.min_r_value": Case(1.0, LENIENT),
    "quality.min_relative_area": Case(10.0, LENIENT),
    "quality.max_relative_area": Case(0.0, LENIENT),
    "quality.min_soma_area": Case(10.0, LENIENT),
    "quality.max_ring": Case(-1.0, LENIENT),
    "quality.min_edge": Case(100.0, LENIENT),
    "quality.caiman_min_snr": Case(100.0, BY_SNR),
    "quality.caiman_snr_floor": Case(100.0, BY_SNR),
    "quality.caiman_min_r_value": Case(1.0, BY_R_VALUE),
    "quality.caiman_r_value_floor": Case(1.0, BY_R_VALUE),
    "quality.fitness_min_r_value": Case(1.0, BY_R_VALUE_ONLY),
    "quality.fitness_max_raw": Case(-60.0, BY_FITNESS),
    "quality.fitness_max_delta": Case(-20.0, BY_FITNESS),
    "quality.transient_s": Case(1.0),
    "quality.min_size_px": Case(5000.0, LENIENT),
    "quality.max_size_px": Case(0.0, LENIENT),
    "quality.max_eccentricity": Case(1.0, LENIENT),
    "quality.use_classifier": Case(False, {"quality.min_neuron_probability": 1.0}),
    "quality.classifier_model": Case("missing.onnx"),
    "quality.min_neuron_probability": Case(1.0),
    "quality.caiman_min_neuron_probability": Case(0.0, BY_SHAPE),
    "quality.caiman_neuron_probability_floor": Case(1.0, CAIMAN),
    "dff.method": Case("detrend"),
    "dff.percentile": Case(40.0),
    "dff.window_s": Case(2.0),
}


def names() -> list[str]:
    """Every parameter of a recipe by its full name."""
    recipe = Recipe()
    groups = [getattr(recipe, item.name) for item in fields(recipe)]
    return [f"{group.group}.{item.name}" for group in groups for item in fields(group)]


class Movies:
    """Tiny movies to try parameters on, made when they are asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        parameters = SimulationParameters(
            n_frames=200,
            height_px=48,
            width_px=48,
            n_somata=9,
            n_processes=1,
            n_defocused=1,
            brightness=15.0,
            burst_rate_hz=0.4,
            overlap_fraction=0.5,
            motion_sd_px=2.0,
        )
        self.frames = simulate(parameters, 3).movie
        for name, x in (("left", 12), ("right", 36)):  # seeds, for runs further down
            (folder / f"{name}.csv").write_text(f"y,x\n24,{x}\n")

    def cells(self) -> Movie:
        return Movie.from_array(self.frames, frame_rate_hz=30.0)

    def gaps(self) -> Movie:
        frames = self.frames.astype(np.float32)
        frames[::10] = np.nan
        return Movie.from_array(frames, frame_rate_hz=30.0)

    def flashes(self) -> Movie:
        frames = self.frames.copy()
        frames[60:180:40] = frames[60:180:40, ::-1, ::-1]
        return Movie.from_array(frames, frame_rate_hz=30.0)

    def two_files(self) -> Movie:
        paths = [self.folder / "first.tif", self.folder / "second.tif"]
        for path, frames in zip(paths, np.split(self.frames, 2), strict=True):
            tifffile.imwrite(path, frames, photometric="minisblack")
        return open_movie(paths, frame_rate_hz=30.0)

    def datasets(self) -> Path:
        path = self.folder / "datasets.h5"
        with h5py.File(path, "w") as file:
            file["first"], file["second"] = self.frames, self.frames[:, ::-1]
        return path

    def channels(self) -> Path:
        return self._hyperstack("channels.tif", axis=2)

    def planes(self) -> Path:
        return self._hyperstack("planes.tif", axis=1)

    def _hyperstack(self, name: str, axis: int) -> Path:
        """Write the movie and its mirror image next to each other along an axis."""
        both = np.stack([self.frames, self.frames[:, ::-1]], axis=1)
        shape = [len(both), 1, 1, *self.frames.shape[1:]]
        shape[axis] = 2
        path = self.folder / name
        metadata = {"axes": "TZCYX", "finterval": 1 / 30}
        tifffile.imwrite(path, both.reshape(shape), imagej=True, metadata=metadata)
        return path


class Runs:
    """Runs of all stages that share what their recipes have in common.

    A stage is run again only if a group of parameters that it claims to read has
    changed, so a parameter that acts without being claimed is found out as well.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.movies = Movies(folder)
        self.done: dict[tuple[str, ...], tuple[Path, Result]] = {}

    def outcome(self, movie: str, settings: dict[str, Any]) -> Result | str:
        """Result of a recipe, or the sentence by which it is refused."""
        recipe = Recipe().with_settings(settings)
        groups = recipe.to_dict()
        key: tuple[str, ...] = (movie,)
        outcome: tuple[Path, Result] | None = None
        try:
            for stage in STAGES:
                if stage.name == "summarise":  # done by the registration
                    continue
                also = [stage_named(name).reads for name in stage.includes]
                read = chosen(groups, [*stage.reads, *chain.from_iterable(also)])
                key = (*key, stage.name + json.dumps(read))
                if key not in self.done:
                    self.done[key] = self._run(stage, recipe, movie, outcome)
                outcome = self.done[key]
        except CnmfError as error:
            return str(error)
        return outcome[1]

    def _run(self, stage, recipe, movie, before) -> tuple[Path, Result]:
        """Run one stage after what was before."""
        source, result = None, None
        if before is None:
            source = open_input(getattr(self.movies, movie)(), recipe)
            path = self.folder / str(len(self.done))
            path.mkdir()
            result = Result(MovieInfo.of(source.repaired), recipe.to_toml())
        else:
            path, result = before
        with SerialBackend() as backend:
            session = Session(RunFolder(path), recipe, backend, silent, None, source)
            result = stage.work(session, result)
            return path, recorded(stage, session, result, 0.0)


# What is left of cells that move may be darker than its own noise.
pytestmark = pytest.mark.filterwarnings("ignore:.*have no dF/F")


@pytest.fixture(scope="module")
def outcome(tmp_path_factory) -> Callable[[str, dict[str, Any]], Result | str]:
    return Runs(tmp_path_factory.mktemp("runs")).outcome


def content(outcome: Result | str) -> str:
    """Hash of all that was found, and of nothing that only repeats a parameter."""
    if isinstance(outcome, str):
        return outcome
    quality = replace(outcome.components.quality, limits={}, rule="")
    return digest(
        replace(
            outcome,
            movie=replace(outcome.movie, fingerprint=""),
            recipe="",
            components=replace(outcome.components, quality=quality),
        )
    )


def provenance(outcome: Result | str) -> list[Any]:
    """What decided each stage, and its hash."""
    if isinstance(outcome, str):
        return [outcome]
    return [(record.key, record.parameters) for record in outcome.stages]


def test_every_parameter_has_a_case():
    assert list(CASES) == names()


@pytest.mark.parametrize("name", CASES)
def test_a_changed_parameter_changes_hash_record_and_result(name, outcome):
    case = CASES[name]
    changed = {**case.base, name: case.value}
    recipes = [Recipe().with_settings(s) for s in (case.base, changed)]
    assert recipes[0].digest() != recipes[1].digest()
    before, after = (outcome(case.movie, s) for s in (case.base, changed))
    assert not isinstance(before, str), before
    assert provenance(before) != provenance(after)
    assert content(before) != content(after)


def test_the_same_parameters_give_the_same_hash_record_and_result(
    outcome, tmp_path_factory
):
    again = Runs(tmp_path_factory.mktemp("again")).outcome
    first, second = (run("cells", {}) for run in (outcome, again))
    assert Recipe().digest() == Recipe().digest()
    assert provenance(first) == provenance(second)
    assert content(first) == content(second)


def test_the_crafted_movie_has_cells_of_both_verdicts(outcome):
    components = outcome("cells", {}).components
    assert len(components) >= 5
    assert 1 <= components.accepted.sum() < len(components)
