"""The stage `fit`: patches side by side, one model of the field, its traces."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Event

import numpy as np
import scipy.sparse as sp

from napari_cnmf.cnmf.assemble import field_grid, with_traces
from napari_cnmf.cnmf.denoising import Denoiser
from napari_cnmf.cnmf.initialise.kernels import LANES
from napari_cnmf.cnmf.local import fit_local
from napari_cnmf.cnmf.merging import merge
from napari_cnmf.cnmf.model import Model
from napari_cnmf.cnmf.parameters import CnmfParameters
from napari_cnmf.cnmf.patches import Patch, solver_grid
from napari_cnmf.cnmf.traces import DEFAULT_DECAY_S
from napari_cnmf.components import Components
from napari_cnmf.compute import Backend, Progress, Stopwatch, silent
from napari_cnmf.errors import InputError
from napari_cnmf.movie import Movie
from napari_cnmf.movie.images import SummaryImages
from napari_cnmf.movie.normalised import (
    bin_length,
    bins_left_out,
    gains,
    normalised_bins,
)

MIN_BINS = LANES


@dataclass(frozen=True, eq=False)
class PatchResult:
    """What one patch found and owns.

    Attributes
    ----------
    patch : Patch
    footprints : csc_array
        (Y*X, k) float32, in pixels of the whole field, units of the pixels' noise.
    traces : ndarray
        (k, bins) float32.
    weights : ndarray
        Background weights of the core, (core rows, core cols) float32.
    """

    patch: Patch
    footprints: sp.csc_array
    traces: np.ndarray
    weights: np.ndarray


def fit(
    movie: Movie,
    summary: SummaryImages,
    parameters: CnmfParameters,
    *,
    backend: Backend,
    progress: Progress = silent,
    cancel: Event | None = None,
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
    progress : callable
        Told after each patch, whose `PatchResult` is the payload, and each block.
    cancel : threading.Event, optional
        Stops the stage once set.

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

    solver = PatchSolver(movie, summary, parameters, bin_frames)
    backend.run(solver, grid, collect, cancel)
    model = _joined(found, gains(summary) > 0, parameters)
    model = merge(model, parameters.merge, parameters.init.diameter_px)
    watch = Stopwatch(progress, "fit traces", movie.n_frames, "frames")
    return with_traces(
        model,
        np.arange(len(model)),
        movie,
        summary,
        parameters,
        backend=backend,
        watch=watch,
        cancel=cancel,
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


@dataclass(frozen=True, eq=False)
class PatchSolver:
    """Factorises one patch; sent to the workers."""

    movie: Movie
    summary: SummaryImages
    parameters: CnmfParameters
    bin_frames: int

    def __call__(self, patch: Patch) -> PatchResult:
        """Fit a patch and keep what is centred in its core."""
        movie = normalised_bins(
            self.movie, self.summary, self.bin_frames, patch.rows, patch.cols
        )
        denoiser = Denoiser.at(
            (self.movie.frame_rate_hz or 1.0) / self.bin_frames,
            self.parameters,
            self.parameters.decay_s or DEFAULT_DECAY_S,
        )
        valid = gains(self.summary, patch.rows, patch.cols) > 0
        model = fit_local(movie, valid, self.parameters, denoiser)
        return self._owned(patch, model)

    def _owned(self, patch: Patch, model: Model) -> PatchResult:
        """Cut a patch's model to its core, in pixels of the field."""
        n_x = self.movie.field_shape[1]
        y, x = np.divmod(np.arange(len(model.weights)), patch.shape[1])
        y, x = y + patch.rows.start, x + patch.cols.start
        mass = model.footprints.sum(axis=0)
        centres = np.stack([(model.footprints.T @ axis) / mass for axis in (y, x)], 1)
        model = model.select(np.flatnonzero(patch.owns(centres)))
        footprints = model.footprints
        shape = (self.movie.field_shape[0] * n_x, len(model))
        pixels = (y * n_x + x)[footprints.indices].astype(np.int32)
        core = (
            slice(
                patch.core_rows.start - patch.rows.start,
                patch.core_rows.stop - patch.rows.start,
            ),
            slice(
                patch.core_cols.start - patch.cols.start,
                patch.core_cols.stop - patch.cols.start,
            ),
        )
        return PatchResult(
            patch,
            sp.csc_array((footprints.data, pixels, footprints.indptr), shape=shape),
            model.traces,
            model.weights.reshape(patch.shape)[core],
        )


def _joined(
    found: list[PatchResult], valid: np.ndarray, parameters: CnmfParameters
) -> Model:
    """One model of the field from what the patches own."""
    weights = np.empty(valid.shape, np.float32)
    for part in found:
        weights[part.patch.core_rows, part.patch.core_cols] = part.weights
    grid = field_grid(valid, parameters)
    traces = np.concatenate([part.traces for part in found])
    return Model(
        valid=valid,
        grid=grid,
        footprints=sp.hstack([part.footprints for part in found], format="csc"),
        traces=traces,
        weights=weights.ravel(),
        background=np.zeros((grid.n_nodes, traces.shape[1]), np.float32),
    )
