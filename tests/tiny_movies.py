"""Tiny movies that a whole run takes a second for."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import tifffile

from napari_cnmf.movie import Movie
from napari_cnmf.recipe import Recipe
from napari_cnmf.simulation import Simulation, SimulationParameters, simulate

RATE_HZ = 30.0


@cache
def simulation() -> Simulation:
    """A dozen cells on 64 x 60 px, 150 frames."""
    parameters = SimulationParameters(
        n_frames=150,
        height_px=64,
        width_px=60,
        n_somata=12,
        n_processes=1,
        n_defocused=2,
    )
    return simulate(parameters, seed=0)


def movie(array: np.ndarray | None = None) -> Movie:
    """The simulated movie, or another array, at the usual frame rate."""
    pixels = simulation().movie if array is None else array
    return Movie.from_array(pixels, frame_rate_hz=RATE_HZ)


def write_tif(path: Path, array: np.ndarray | None = None) -> Path:
    """Write the simulated movie, or another array, as tif."""
    pixels = simulation().movie if array is None else array
    tifffile.imwrite(path, pixels, photometric="minisblack")
    return path


def recipe(*settings: str) -> Recipe:
    """The default recipe with changes."""
    return Recipe().with_settings(settings)


def leftovers(folder: Path) -> list[str]:
    """Names of unfinished files below a folder."""
    return sorted(path.name for path in folder.rglob("*.part"))
