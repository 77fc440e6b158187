"""How true the registration is: simulated movies, whose motion is known.

`python benchmarks/registration.py accuracy` prints the error of the shifts over the
light, the amplitude of the bend and the size of the field, beside other packages where
these are installed. `sharpness` compares registered movies with the same movies
without motion, and `whole` runs all stages on a bending movie, rigid and piecewise.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from registration_others import bender, shifters

from napari_cnmf.compute import SerialBackend
from napari_cnmf.motion.parameters import MotionParameters
from napari_cnmf.motion.stage import Correction, correct
from napari_cnmf.movie import Movie
from napari_cnmf.movie.images import crispness
from napari_cnmf.movie.parameters import StoreParameters
from napari_cnmf.simulation import Simulation, SimulationParameters, simulate
from napari_cnmf.summary import SummaryParameters

#: Somata, processes and defocused somata for each pixel, as in the default field.
DENSITY = {"n_somata": 60, "n_processes": 6, "n_defocused": 12}
BENT_FRAMES = 12  # of the slow B-splines

Row = dict[str, float]


def main() -> None:
    """Print the tables asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table", choices=TABLES)
    parser.add_argument("--sides", type=int, nargs="+", default=[128, 256])
    parser.add_argument("--light", type=float, nargs="+", default=[0.5, 1, 2, 4])
    parser.add_argument("--bends", type=float, nargs="+", default=[0, 1, 2, 3])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--frames", type=int, default=300)
    options = parser.parse_args()
    seen = False
    for side in options.sides:
        for bend in options.bends:
            for light in options.light:
                field = Field(side, bend, light, options.frames)
                rows = [TABLES[options.table](field, seed) for seed in options.seeds]
                _print_row(field, rows, with_head=not seen)
                seen = True


@dataclass(frozen=True)
class Field:
    """What is simulated: side in px, bend in px, light as a multiple, frames."""

    side: int
    bend: float
    light: float
    n_frames: int

    @property
    def parameters(self) -> SimulationParameters:
        """The same for the simulator."""
        usual = SimulationParameters()
        more = (self.side / usual.width_px) ** 2
        return replace(
            usual,
            n_frames=self.n_frames,
            height_px=self.side,
            width_px=self.side,
            max_nonrigid_px=self.bend,
            brightness=self.light * usual.brightness,
            neuropil=self.light * usual.neuropil,
            **{name: round(more * getattr(usual, name)) for name in SOURCES},
        )

    @property
    def still(self) -> SimulationParameters:
        """The same scene, cells and noise without motion."""
        p, nearly_none = self.parameters, 1e-9 if self.bend else 0.0
        # The scene reaches as far beyond the field as both limits together.
        return replace(
            p,
            motion_sd_px=0.0,
            max_nonrigid_px=nearly_none,
            max_shift_px=p.max_shift_px + p.max_nonrigid_px - nearly_none,
        )
