"""Compile or load all kernels, by running the stages on a tiny movie.

The first run on a computer otherwise spends seconds on it, and the first one of a
process a second; here that is done beforehand, while the user still chooses a movie.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event

from napari_cnmf.baseline import dff
from napari_cnmf.cnmf.fit import fit
from napari_cnmf.cnmf.refit import refit
from napari_cnmf.compute import SerialBackend
from napari_cnmf.motion.stage import correct
from napari_cnmf.movie import Movie
from napari_cnmf.quality.stage import evaluate
from napari_cnmf.recipe import Recipe
from napari_cnmf.simulation import SimulationParameters, simulate

_TINY = SimulationParameters(
    n_frames=120,
    height_px=48,
    width_px=48,
    n_somata=6,
    n_processes=0,
    n_defocused=0,
    brightness=20.0,
    burst_rate_hz=0.5,
)


def warm_up(cancel: Event | None = None) -> None:
    """Run all stages once on a movie of a second.

    Parameters
    ----------
    cancel : threading.Event, optional
        Ends it once set.

    Raises
    ------
    CancelledError
        If it was cancelled.
    """
    tiny, recipe = simulate(_TINY), Recipe()
    movie = Movie.from_array(tiny.movie, frame_rate_hz=tiny.frame_rate_hz)
    with TemporaryDirectory() as folder, SerialBackend() as backend:
        done = correct(
            movie,
            recipe.motion,
            path=Path(folder) / "registered.zarr",
            store=recipe.store,
            summary=recipe.summary,
            backend=backend,
            cancel=cancel,
        )
        inputs, cnmf = (done.movie, done.summary), recipe.cnmf()
        found = fit(*inputs, cnmf, backend=backend, cancel=cancel)
        found = refit(*inputs, found, cnmf, backend=backend, cancel=cancel)
        found = evaluate(
            *inputs,
            found,
            recipe.quality,
            diameter_px=recipe.init.diameter_px,
            backend=backend,
            cancel=cancel,
        )
        dff(found, recipe.dff, backend=backend, cancel=cancel)
