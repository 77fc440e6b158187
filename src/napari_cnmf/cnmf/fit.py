"""The stage `fit`: patches side by side, one model of the field, its traces."""

from __future__ import annotations

from dataclasses import replace
from threading import Event

import numpy as np
import scipy.sparse as sp

from napari_cnmf.cnmf.assemble import with_traces
from napari_cnmf.cnmf.background.grid import chosen_grid
from napari_cnmf.cnmf.background.low_rank import join_modes
from napari_cnmf.cnmf.background.ring import Ring
from napari_cnmf.cnmf.initialise.kernels import LANES
from napari_cnmf.cnmf.merging import drop_duplicates, merge
from napari_cnmf.cnmf.model import Model
from napari_cnmf.cnmf.parameters import CnmfParameters
from napari_cnmf.cnmf.patch_solver import PatchResult, PatchSolver
from napari_cnmf.cnmf.patches import solver_grid
from napari_cnmf.components import Components
from napari_cnmf.compute import Backend, Progress, Stopwatch, silent
from napari_cnmf.compute.kept import Keep, run_kept, shelf
from napari_cnmf.errors import InputError
from napari_cnmf.leaves import digest_of
from napari_cnmf.movie import Movie
from napari_cnmf.movie.images import SummaryImages
from napari_cnmf.movie.normalised import (
    bin_length,
    bins_left_out,
    gains,
)
from napari_cnmf.origin import Origin

MIN_BINS = LANES


def fit(  # noqa: PLR0913 - a stage is told all it needs in one call
    movie: Movie,
    summary: SummaryImages,
    parameters: CnmfParameters,
    *,
    backend: Backend,
    masks: sp.csc_array | None = None,
    progress: Progress = silent,
    cancel: Event | None = None,
    keep: Keep | None = None,
) -> Components:
    """Find the components of a registered movie.

    Parameters
    ----------
    movie : Movie
        Registered movie (T, Y, X).
    summary : SummaryImages
        Its mean and noise images.
    parameters : CnmfParameters
    backend : Backend
        Where patches and blocks of frames are worked on.
    masks : csc_array, optional
        (Y*X, K), where a seeded search begins; see `masks_from`. Each becomes one
        component, whose id is the number of its mask.
    progress : callable
        Told after each patch, whose `PatchResult` is the payload, and each block.
    cancel : threading.Event, optional
        Stops the stage once set.
    keep : Keep, optional
        Where to keep what is needed to go on later. What cannot be worked on is then
        left out; otherwise that is an error.

    Returns
    -------
    Components
        Possibly none; not yet evaluated.

    Raises
    ------
    InputError
        If the movie is too short.
    CancelledError
        If it was cancelled.
    """
    bin_frames = bin_length(movie)
    _require_bins(movie, bin_frames)
    n_bins = movie.n_frames // bin_frames
    grid = solver_grid(movie.field_shape, n_bins, parameters.patches)
    found: list[PatchResult] = []
    watch = Stopwatch(progress, "fit", len(grid), "patches")

    def collect(result: PatchResult) -> None:
        found.append(result)
        watch.advance(1, result)

    seeds = masks if parameters.init.method == "seeded" else None
    solver = PatchSolver(movie, summary, parameters, bin_frames, seeds)
    if keep is not None:
        digest = digest_of(solver.identity_of_search)
        solver = replace(solver, searches=shelf(keep.cache, "search", digest))
    run_kept(backend, solver, grid, collect, cancel, keep, lambda _: watch.advance(1))
    model = _joined(found, gains(summary) > 0, parameters)
    if seeds is None:
        model = drop_duplicates(model, "fit")
        model = merge(model, parameters.merge, parameters.init.diameter_px, "fit")
        ids = np.arange(len(model))
    else:
        model = model.select(np.argsort(model.origin.rank))
        ids = model.origin.rank
    watch = Stopwatch(progress, "fit traces", movie.n_frames, "frames")
    return with_traces(
        model,
        ids,
        movie,
        summary,
        parameters,
        backend=backend,
        watch=watch,
        cancel=cancel,
        keep=keep,
    )


def _require_bins(movie: Movie, bin_frames: int) -> None:
    """Refuse a movie of fewer time bins than the search works on at once."""
    n_lost = len(bins_left_out(movie.left_out, bin_frames, movie.n_frames))
    if movie.n_frames // bin_frames - n_lost < MIN_BINS:
        lost = f"; {n_lost} time bins of it are left out" if n_lost else ""
        raise InputError(
            f"The movie has {movie.n_frames} frames{lost}; at {bin_frames} frames per "
            f"time bin at least {MIN_BINS * bin_frames} are needed. Record longer, or "
            "make the bins shorter with store.bin_s."
        )


def _joined(
    found: list[PatchResult], valid: np.ndarray, parameters: CnmfParameters
) -> Model:
    """One model of the field from what the patches own."""
    grid = chosen_grid(valid, parameters)
    # As a patch begins with them, where one was left out.
    weights = valid.astype(np.float32) * (grid.n_nodes > 0)
    for part in found:
        weights[part.patch.core_rows, part.patch.core_cols] = part.weights
    traces = np.concatenate([part.traces for part in found])
    modes, mode_traces = join_modes(
        sp.hstack([part.modes for part in found], format="csc"),
        np.concatenate([part.mode_traces for part in found]),
        parameters.background.rank,
    )
    rings = [(part.ring, part.patch) for part in found if part.ring is not None]
    local = np.zeros((grid.n_nodes, traces.shape[1]), np.float32)
    return Model(
        valid=valid,
        footprints=sp.hstack([part.footprints for part in found], format="csc"),
        traces=traces,
        origin=Origin.joined([part.origin for part in found]),
        grid=grid,
        weights=weights.ravel(),
        modes=modes,
        background=np.concatenate([local, mode_traces]),
        ring=Ring.joined(rings, valid) if rings else None,
        fates=tuple(fate for part in found for fate in part.fates),
    )
