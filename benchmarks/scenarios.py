"""Movies of many difficulties, with what a user would know of each.

Every scenario changes some parameters of the simulator, and tells the pipeline no more
than the microscope does and a look at the movie: the frame rate and, roughly, the size
of a cell. Nothing is tuned to a movie. Movies are simulated once and kept in the folder
for temporary files; the camera's zero is taken off, as dF/F needs it.
"""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from napari_cnmf.simulation import SimulationParameters, save_truth, simulate

FOLDER = Path(tempfile.gettempdir()) / "napari-cnmf-benchmarks" / "scenarios"
NO_SOURCES = {"n_somata": 0, "n_processes": 0, "n_defocused": 0}


@dataclass(frozen=True)
class Scenario:
    """A kind of movie and what the pipeline is told about it.

    Attributes
    ----------
    changes : dict
        Of `SimulationParameters`.
    half_size_px : float
        Half-size of a cell as the user states it.
    settings : dict
        Further ones of the recipe: what the user states wrongly.
    """

    changes: dict[str, Any] = field(default_factory=dict)
    half_size_px: float = 4.0
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def parameters(self) -> SimulationParameters:
        """What is simulated."""
        return SimulationParameters(**self.changes)

    @property
    def recipe(self) -> dict[str, Any]:
        """All settings that differ from the default recipe."""
        return {
            "acquisition.frame_rate_hz": self.parameters.frame_rate_hz,
            "init.neuron_half_size_px": self.half_size_px,
            **self.settings,
        }


def _field(side_px: int, **sources: Any) -> dict[str, Any]:
    """A square field of other size than the usual 128 px."""
    return {"height_px": side_px, "width_px": side_px, **sources}


SCENARIOS = {
    "standard": Scenario(),
    "no motion": Scenario({"motion_sd_px": 0.0}),
    "dense": Scenario(
        {"n_somata": 95, "overlap_fraction": 0.6, "min_distance_diameters": 0.3}
    ),
    "dim": Scenario({"brightness": 3.5}),
    "strong neuropil": Scenario({"neuropil": 14.0, "neuropil_modulation": 0.15}),
    "slow frame rate": Scenario({"frame_rate_hz": 7.5}),
    # Cells of another size send light of the same total strength.
    "small cells, 6 px": Scenario(
        {"diameter_px": 6.0, "brightness": 12.0, "n_somata": 120, "n_defocused": 24},
        half_size_px=2.0,
    ),
    "large cells, 20 px": Scenario(
        _field(192, diameter_px=20.0, n_somata=40, n_processes=4, n_defocused=8),
        half_size_px=7.0,
    ),
    "large cells, 26 px": Scenario(
        _field(224, diameter_px=26.0, n_somata=33, n_processes=3, n_defocused=6),
        half_size_px=9.5,
    ),
    "mixed sizes": Scenario({"diameter_sigma": 0.25}),
    "bleaching": Scenario({"bleaching": 0.6}),
    "bending motion": Scenario({"max_nonrigid_px": 3.0}),
    "many out of focus": Scenario({"n_defocused": 36}),
    "neuropil fragments": Scenario({"n_fragments": 30}),
    "size told 0.7x": Scenario(half_size_px=2.8),
    "size told 1.4x": Scenario(half_size_px=5.6),
    "decay told 0.25 s": Scenario(settings={"acquisition.decay_time_s": 0.25}),
    "decay told 1.2 s": Scenario(settings={"acquisition.decay_time_s": 1.2}),
    "no cells": Scenario(NO_SOURCES | {"neuropil_modulation": 0.0}),
    "neuropil only": Scenario(NO_SOURCES),
    "strong neuropil only": Scenario(
        NO_SOURCES | {"neuropil": 14.0, "neuropil_modulation": 0.15}
    ),
}


def scenario_movies(name: str, seed: int) -> tuple[Path, Path]:
    """Movie and truth of a scenario, simulated unless they are there already.

    Parameters
    ----------
    name : str
        Of `SCENARIOS`.
    seed : int

    Returns
    -------
    movie, truth : Path
        A tif (T, Y, X) int16, and the npz that `scoring.load_truth` reads.
    """
    return simulated(SCENARIOS[name].parameters, seed)


def simulated(parameters: SimulationParameters, seed: int) -> tuple[Path, Path]:
    """Movie and truth of any simulation, kept by a digest of its parameters."""
    digest = hashlib.sha256(repr(parameters).encode()).hexdigest()[:12]
    path = FOLDER / f"{digest}-{seed}.tif"
    truth = path.with_suffix(".npz")
    if not path.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        simulation = simulate(parameters, seed)
        save_truth(simulation, truth)
        part = path.with_suffix(".part")
        movie = simulation.movie.astype(np.int16) - np.int16(parameters.offset)
        tifffile.imwrite(part, movie, photometric="minisblack")
        part.rename(path)
    return path, truth


def same_scene(name: str, seed: int, noise_seed: int) -> tuple[Path, Path]:
    """Movie and truth of a scenario with other noise on the same scene."""
    return simulated(replace(SCENARIOS[name].parameters, noise_seed=noise_seed), seed)
