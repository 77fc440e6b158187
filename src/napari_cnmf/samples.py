"""Sample data for napari's menu, as plain arrays: this file needs no napari."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_cnmf.simulation import SimulationParameters, simulate


def simulated_movie() -> list[tuple[np.ndarray, dict[str, Any], str]]:
    """Make a small two-photon movie to try the plugin on.

    Returns
    -------
    list of tuple
        One image layer: the (T, Y, X) movie, its name and frame rate, its type.
    """
    simulation = simulate(SimulationParameters())
    about = {
        "name": "simulated movie",
        "metadata": {"frame_rate_hz": simulation.frame_rate_hz},
    }
    return [(simulation.movie, about, "image")]
