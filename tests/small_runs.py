"""Small simulated movies and the stages on them, for tests of whole stages."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from napari_cnmf.cnmf.fit import fit
from napari_cnmf.cnmf.parameters import CnmfParameters
from napari_cnmf.cnmf.refit import refit
from napari_cnmf.components import Components
from napari_cnmf.compute import Backend, SerialBackend
from napari_cnmf.motion.parameters import MotionParameters
from napari_cnmf.motion.stage import Correction, correct
from napari_cnmf.movie import Movie
from napari_cnmf.movie.parameters import StoreParameters
from napari_cnmf.simulation import SOMA, Simulation, SimulationParameters, simulate
from napari_cnmf.summary import SummaryParameters

RATE_HZ = 30.0
STILL = MotionParameters(mode="none")


def still_movie(seed: int = 0, **changes: Any) -> Simulation:
    """Movie of bright cells that does not move: 600 frames of 96 x 96."""
    defaults: dict[str, Any] = {
        "n_frames": 600,
        "height_px": 96,
        "width_px": 96,
        "n_somata": 22,
        "n_processes": 2,
        "n_defocused": 3,
        "brightness": 12.0,
        "burst_rate_hz": 0.25,
        "motion_sd_px": 0.0,
    }
    return simulate(SimulationParameters(**(defaults | changes)), seed)


def as_movie(frames: np.ndarray) -> Movie:
    """Movie of an array."""
    return Movie.from_array(frames, frame_rate_hz=RATE_HZ)


def corrected(
    movie: Movie,
    folder: Path,
    backend: Backend | None = None,
    motion: MotionParameters = STILL,
    **options: Any,
) -> Correction:
    """Store and summarise a movie."""
    groups = {"store": StoreParameters(), "summary": SummaryParameters()} | options
    path = folder / "registered.zarr"
    with backend or SerialBackend() as opened:
        return correct(movie, motion, path=path, backend=opened, **groups)


@dataclass(frozen=True)
class Fits:
    """Outcome of both stages of the factorisation."""

    first: Components
    second: Components


def fitted(
    correction: Correction,
    parameters: CnmfParameters | None = None,
    backend: Backend | None = None,
) -> Fits:
    """Run `fit` and `refit`."""
    movie, summary = correction.movie, correction.summary
    parameters = parameters or CnmfParameters()
    with backend or SerialBackend() as opened:
        first = fit(movie, summary, parameters, backend=opened)
        second = refit(movie, summary, first, parameters, backend=opened)
    return Fits(first, second)


def matched(components: Components, truth: Simulation) -> list[tuple[int, int]]:
    """Pairs of found and true somata whose masks overlap by a third of their union."""
    found = _masks(components.footprints)
    true = _masks(truth.footprints)
    both = (found.T @ true).astype(float)
    union = found.sum(axis=0)[:, None] + true.sum(axis=0)[None] - both
    overlap = both / np.maximum(union, 1)
    pairs = zip(*linear_sum_assignment(-overlap), strict=True)
    return [(k, j) for k, j in pairs if overlap[k, j] > 1 / 3 and truth.kind[j] == SOMA]


def clear_somata(truth: Simulation) -> np.ndarray:
    """Numbers of the somata that any method should find."""
    clear = (truth.kind == SOMA) & (truth.fraction_in_field > 0.7)
    return np.flatnonzero(clear & (truth.snr > 5) & (truth.n_spikes > 3))


def _masks(footprints) -> np.ndarray:
    """(pixels, K) of 0 and 1: above a fifth of the maximum."""
    dense = footprints.toarray()
    return (dense > 0.2 * dense.max(axis=0)).astype(np.int64)
