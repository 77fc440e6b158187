"""Traces at the full frame rate: one pass over the movie.

Each block of frames is projected on the footprints and on the background's maps; the
movie is not needed again for any number of sweeps. Nothing larger than the traces is
kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from threading import Event

import numpy as np
import scipy.sparse as sp

from napari_cnmf.cnmf import kernels
from napari_cnmf.cnmf.kinetics import time_constants
from napari_cnmf.cnmf.denoising import Denoised, Denoiser
from napari_cnmf.cnmf.model import Model
from napari_cnmf.movie.normalised import gains
from napari_cnmf.cnmf.parameters import CnmfParameters
from napari_cnmf.cnmf.temporal import NormalEquations, normal_gram, solve_traces
from napari_cnmf.compute import Backend, Stopwatch
from napari_cnmf.movie import Movie
from napari_cnmf.movie.images import SummaryImages
from napari_cnmf.movie.store import block_frames

DEFAULT_KINETICS_S = (0.5, 0.08)


@dataclass(frozen=True, eq=False)
class Projection:
    """One block of frames seen through the footprints and the background's maps."""

    first: int
    cells: np.ndarray
    nodes: np.ndarray


@dataclass(frozen=True, eq=False)
class Projector:
    """Projects a block of frames; sent to the workers.

    Footprints and weights already carry the gains of the pixels.
    """

    movie: Movie
    block: int
    footprints: sp.csc_array
    weights: np.ndarray
    model: Model

    def __call__(self, first: int) -> Projection:
        """Project the block that begins at frame `first`."""
        last = min(first + self.block, self.movie.n_frames)
        frames = self.movie.read(slice(first, last)).astype(np.float32, copy=False)
        rows, cols = self.model.grid.rows, self.model.grid.cols
        cells = np.empty((len(self.model), len(frames)), np.float32)
        nodes = np.empty((len(frames), rows.n_nodes, cols.n_nodes), np.float32)
        a = self.footprints
        pixels = frames.reshape(len(frames), -1)
        kernels.project_frames(pixels, a.indptr, a.indices, a.data, cells)
        kernels.project_frames_grid(
            frames, self.weights, rows.low, rows.part, cols.low, cols.part, nodes
        )
        return Projection(first, cells, nodes.reshape(len(frames), -1).T)


def project(
    movie: Movie,
    summary: SummaryImages,
    model: Model,
    *,
    backend: Backend,
    watch: Stopwatch,
    cancel: Event | None,
) -> NormalEquations:
    """Read the movie once and set up the equations of its traces.

    Parameters
    ----------
    movie : Movie
        Registered.
    summary : SummaryImages
        Its mean and noise.
    model : Model
        Footprints and background weights of the field.

    Returns
    -------
    NormalEquations
        For the movie with its mean removed, in units of the pixels' noise.
    """
    gain = gains(summary)
    n_cells = len(model)
    footprints = sp.csc_array(sp.diags_array(gain.ravel()) @ model.footprints)
    weights = model.weights.reshape(gain.shape) * gain
    block = block_frames(movie.field_shape, 1)
    target = np.empty((n_cells + model.grid.n_nodes, movie.n_frames), np.float32)

    def collect(part: Projection) -> None:
        frames = slice(part.first, part.first + part.cells.shape[1])
        target[:n_cells, frames] = part.cells
        target[n_cells:, frames] = part.nodes
        watch.advance(part.cells.shape[1])

    projector = Projector(movie, block, footprints, weights, model)
    backend.run(projector, range(0, movie.n_frames, block), collect, cancel)
    maps = model.grid.maps(weights.ravel())
    both = sp.hstack([footprints, maps], format="csc")
    target -= (both.T @ summary.mean.ravel())[:, None]
    usable = np.sign(gain).ravel()
    gram = normal_gram(
        sp.csc_array(sp.diags_array(usable) @ model.footprints),
        model.grid.maps(model.weights * usable),
    )
    return NormalEquations(gram, target, n_cells)


@dataclass(frozen=True, eq=False)
class Demixed:
    """Traces of the field: raw and denoised parts, and the background's."""

    raw: np.ndarray
    parts: Denoised
    background: np.ndarray


def demix(
    equations: NormalEquations,
    start: np.ndarray,
    parameters: CnmfParameters,
    rate_hz: float,
) -> Demixed:
    """Demix and denoise all traces, with the kinetics given or estimated."""
    decay_s, rise_s = DEFAULT_KINETICS_S
    sweeps = parameters.temporal.sweeps
    if parameters.decay_s is None or parameters.rise_s is None:
        denoiser = Denoiser.at(rate_hz, parameters, decay_s, rise_s)
        _, raw, _ = solve_traces(equations, start, denoiser, 1)
        decay_s, rise_s = time_constants(raw, rate_hz, (decay_s, rise_s))
    decay_s = parameters.decay_s or decay_s
    rise_s = rise_s if parameters.rise_s is None else parameters.rise_s
    denoiser = Denoiser.at(rate_hz, parameters, decay_s, rise_s)
    _, raw, background = solve_traces(equations, start, denoiser, sweeps)
    return Demixed(raw, denoiser.denoise(raw), background)
