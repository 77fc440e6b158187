"""How true the registration is: simulated movies, whose motion is known.

`python benchmarks/registration.py accuracy` prints the error of the shifts by the size
of the field, the amplitude of its bending and the light, beside other packages where
these are installed. `sharpness` compares registered movies with the same movies
without motion; `whole` runs all stages on a movie that bends, rigid and piecewise.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from pipeline import SETTINGS, SIZES
from registration_others import bender, shifters
from scoring import load_truth, score

from napari_cnmf import (
    Movie,
    Recipe,
    SimulationParameters,
    local_backend,
    run,
    simulate,
)
from napari_cnmf.compute import ProgressEvent, SerialBackend
from napari_cnmf.motion.parameters import MotionParameters
from napari_cnmf.motion.piecewise import PatchGrid
from napari_cnmf.motion.stage import Correction, correct
from napari_cnmf.movie.images import crispness
from napari_cnmf.movie.parameters import StoreParameters
from napari_cnmf.simulation import Simulation, save_truth
from napari_cnmf.summary import SummaryParameters

MODES = ("rigid", "piecewise")
SOURCES = ("n_somata", "n_processes", "n_defocused")
OTHER_FRAMES, BENT_FRAMES = 100, 8  # that other packages, and slow ones, are tried on

Row = dict[str, float]


@dataclass(frozen=True)
class Field:
    """What is simulated.

    Attributes
    ----------
    side_px, n_frames : int
        Of the movie.
    bend_px : float
        Largest displacement on top of the shift.
    light : float
        Photons, in parts of the simulator's usual number.
    """

    side_px: int
    n_frames: int
    bend_px: float
    light: float

    @property
    def moving(self) -> SimulationParameters:
        """As many sources for each pixel as usual."""
        usual = SimulationParameters()
        more = (self.side_px / usual.width_px) ** 2
        return replace(
            usual,
            n_frames=self.n_frames,
            height_px=self.side_px,
            width_px=self.side_px,
            max_nonrigid_px=self.bend_px,
            brightness=self.light * usual.brightness,
            neuropil=self.light * usual.neuropil,
            **{name: round(more * getattr(usual, name)) for name in SOURCES},
        )

    @property
    def still(self) -> SimulationParameters:
        """The same scene, cells and noise without motion."""
        p, almost_none = self.moving, 1e-9 if self.bend_px else 0.0
        # The scene reaches beyond the field by both limits: their sum must remain.
        limit = p.max_shift_px + p.max_nonrigid_px - almost_none
        return replace(
            p, motion_sd_px=0.0, max_nonrigid_px=almost_none, max_shift_px=limit
        )


def main() -> None:
    """Print the table asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table", choices=("accuracy", "sharpness", "whole"))
    parser.add_argument("--sides", type=int, nargs="+", default=[128, 256])
    parser.add_argument("--bends", type=float, nargs="+", default=[0, 1, 2, 3])
    parser.add_argument("--light", type=float, nargs="+", default=[0.5, 1, 2, 4])
    parser.add_argument("--frames", type=int, default=1000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()
    if options.table == "whole":
        for mode in MODES:
            _print_row(mode, [whole(mode, seed) for seed in options.seeds])
        return
    measure = accuracy if options.table == "accuracy" else sharpness
    for side in options.sides:
        for bend in options.bends:
            for light in options.light:
                field = Field(side, options.frames, bend, light)
                name = f"{side} px, bend {bend:g} px, light x {light:g}"
                _print_row(name, [measure(field, seed) for seed in options.seeds])


def accuracy(field: Field, seed: int) -> Row:
    """Root mean square of the error along an axis, in px, at the patches' centres."""
    simulation = simulate(field.moving, seed)
    rigid, piecewise = (registered(simulation.movie, mode)[0].shifts for mode in MODES)
    patches, template = piecewise.patches, piecewise.template
    true = displacements(simulation, patches.centres)
    errors = patches.values - true
    row = {
        "uncorrected": error_px(-true),
        "rigid": error_px(rigid.values[:, None] - true),
        "piecewise": error_px(errors),
        "... to its template": error_px(errors - np.median(errors, axis=0)),
    }
    for name, find in shifters().items():
        some = _spread(simulation.movie, OTHER_FRAMES)
        frames = simulation.movie[some].astype(np.float32)
        row[name] = error_px(find(template, frames)[:, None] - true[some])
    bend = bender()
    if bend is not None and field.bend_px:
        some = _spread(simulation.movie, BENT_FRAMES)
        frames = simulation.movie[some].astype(np.float32)
        row["SimpleITK"] = error_px(
            bend(template, frames, patches.centres) - true[some]
        )
    return row


def sharpness(field: Field, seed: int) -> Row:
    """How sharp movies are, in parts of the same movie without motion."""
    simulation = simulate(field.moving, seed)
    still = simulate(field.still, seed).movie
    true = displacements(simulation, np.full((1, 2), 0.5 * field.side_px))[:, 0]
    row = {}
    for mode in MODES:
        found, frames = registered(simulation.movie, mode)
        # The template may lie a little off the truth's zero.
        offset = np.rint(np.median(found.shifts.values - true, axis=0)).astype(int)
        border = np.add(found.summary.borders, np.abs(offset).max())
        goal = sharp(np.roll(still, -offset, axis=(1, 2)), border)
        for name, value in sharp(frames, border).items():
            row[f"{mode}: {name}"] = value / goal[name]
        for name, value in sharp(simulation.movie, border).items():
            row[f"as recorded: {name}"] = value / goal[name]
    return row


def whole(mode: str, seed: int) -> Row:
    """Cost of the registration of a movie, its error, and the score of what follows."""
    size = SIZES["medium"] | {"max_nonrigid_px": 3.0}
    simulation = simulate(SimulationParameters(**size), seed)
    recipe = Recipe().with_settings((*SETTINGS, f"motion.mode={mode}"))
    seconds: list[float] = []

    def mark(event: ProgressEvent) -> None:
        if event.stage == "correct":
            seconds.append(time.process_time())

    with tempfile.TemporaryDirectory() as folder:
        movie = Movie.from_array(simulation.movie, frame_rate_hz=30.0)
        seconds.append(time.process_time())
        result = run(movie, recipe, folder, backend=local_backend(1), progress=mark)
        save_truth(simulation, Path(folder) / "truth.npz")
        scores = score(result, load_truth(Path(folder) / "truth.npz"))
    shifts = result.shifts
    centres = PatchGrid.covering(shifts.template.shape, None, None).centres
    found = shifts.values[:, None] if shifts.patches is None else shifts.patches.values
    true = displacements(simulation, centres)
    return {
        "CPU s": seconds[-1] - seconds[0],
        "uncorrected": error_px(-true),
        "error": error_px(found - true),
        "F1": scores.f1,
        "precision": scores.precision,
        "recall": scores.recall,
        "traces": scores.trace_correlation,
        "spikes": scores.spike_correlation,
    }


def registered(movie: np.ndarray, mode: str) -> tuple[Correction, np.ndarray]:
    """Run the stage on a movie (T, Y, X); what it gives, and the registered frames."""
    with tempfile.TemporaryDirectory() as folder, SerialBackend() as backend:
        found = correct(
            Movie.from_array(movie, frame_rate_hz=30.0),
            MotionParameters(mode=mode),
            path=Path(folder) / "registered",
            store=StoreParameters(),
            summary=SummaryParameters(),
            backend=backend,
        )
        return found, found.movie.read(slice(None))


def displacements(simulation: Simulation, centres: np.ndarray) -> np.ndarray:
    """True displacements (T, P, 2) at some centres (P, 2)."""
    y, x = np.rint(centres).astype(int).T
    bends = np.einsum(
        "mt,map->tpa", simulation.mode_traces, simulation.modes[:, :, y, x]
    )
    return simulation.shifts[:, None] + bends


def error_px(difference: np.ndarray) -> float:
    """Root mean square along an axis of (T, P, 2), once the usual offset is removed."""
    difference = difference - np.median(difference, axis=(0, 1))
    return float(np.sqrt((difference**2).mean()))


def sharp(movie: np.ndarray, borders: np.ndarray) -> Row:
    """Measures of sharpness of a movie (T, Y, X) within its borders."""
    top, bottom, left, right = borders
    _, height, width = movie.shape
    frames = movie[:, top : height - bottom, left : width - right].astype(np.float32)
    mean, halves = frames.mean(axis=0), [frames[k::2].mean(axis=0) for k in (0, 1)]
    pairs = zip(*(np.gradient(half) for half in halves), strict=True)
    frames -= frames.mean(axis=(1, 2), keepdims=True)
    template = mean - mean.mean()
    norms = np.linalg.norm(frames, axis=(1, 2)) * np.linalg.norm(template)
    return {
        "crispness": crispness(mean),
        # Noise, which differs between the halves, adds nothing to their product.
        "crispness without noise": float(np.sqrt(sum((a * b).sum() for a, b in pairs))),
        "correlation": float((np.tensordot(frames, template, 2) / norms).mean()),
    }


def _spread(movie: np.ndarray, count: int) -> np.ndarray:
    """Numbers of frames spread over a movie."""
    return np.linspace(0, len(movie) - 1, min(count, len(movie))).astype(int)


def _print_row(name: str, rows: list[Row]) -> None:
    """Print means over movies."""
    means = {key: np.mean([row[key] for row in rows]) for key in rows[0]}
    values = ", ".join(f"{key} {value:.3f}" for key, value in means.items())
    print(f"{name}: {values}", flush=True)


if __name__ == "__main__":
    main()
