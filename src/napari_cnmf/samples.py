"""Sample movies for napari's menu, as plain arrays: this file needs no napari."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_cnmf.simulation import SimulationParameters, simulate

LayerTuple = tuple[np.ndarray, dict[str, Any], str]

#: A cell body of 11 px is then 13 um wide, as in the cortex.
_PIXEL_SIZE_UM = 1.2


def simulated_movie() -> list[LayerTuple]:
    """Make a small two-photon movie that does not move.

    Returns
    -------
    list of tuple
        One image layer: the (T, Y, X) movie, its name, scale and frame rate, its type.
    """
    return [_layer("simulated movie", SimulationParameters(motion_sd_px=0.0))]


def simulated_movie_with_motion() -> list[LayerTuple]:
    """Make the same movie of an animal that moves: drift, breathing and jerks.

    Returns
    -------
    list of tuple
        As for `simulated_movie`.
    """
    moving = SimulationParameters(motion_sd_px=2.0, jerk_rate_hz=0.2)
    return [_layer("simulated movie with motion", moving)]


def _layer(name: str, parameters: SimulationParameters) -> LayerTuple:
    """Simulate a movie and describe it as a layer."""
    simulation = simulate(parameters)
    movie, rate_hz = simulation.movie, simulation.frame_rate_hz
    low, high = np.percentile(movie[:: len(movie) // 20], (1, 99.9))
    about = {
        "name": name,
        "scale": (1 / rate_hz, _PIXEL_SIZE_UM, _PIXEL_SIZE_UM),
        "units": ("s", "um", "um"),
        "axis_labels": ("t", "y", "x"),
        "contrast_limits": (float(low), float(high)),
        "metadata": {
            "frame_rate_hz": rate_hz,
            "pixel_size_um": (_PIXEL_SIZE_UM, _PIXEL_SIZE_UM),
        },
    }
    return movie, about, "image"
