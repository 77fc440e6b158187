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
from napari_cnmf.cnmf.denoising import Denoised, Denoiser
from napari_cnmf.cnmf.kinetics import decay_time
from napari_cnmf.cnmf.model import Model
from napari_cnmf.cnmf.parameters import CnmfParameters
from napari_cnmf.cnmf.temporal import NormalEquations, solve_traces
from napari_cnmf.compute import Backend, Stopwatch
from napari_cnmf.movie import Movie
from napari_cnmf.movie.images import SummaryImages
from napari_cnmf.movie.normalised import normalised_frames
from napari_cnmf.movie.store import block_frames

DEFAULT_DECAY_S = 0.5


@dataclass(frozen=True, eq=False)
class Projector:
    """Projects blocks of frames on cells and background; sent to the workers."""

    movie: Movie
    summary: SummaryImages
    model: Model
    block: int

    def __call__(self, first: int) -> tuple[int, np.ndarray]:
        """Return the block's first frame and its products (K + nodes, n)."""
        last = min(first + self.block, self.movie.n_frames)
        pixels = normalised_frames(self.movie, self.summary, slice(first, last))
        return first, products(pixels, self.model)


def products(movie: np.ndarray, model: Model) -> np.ndarray:
    """Products (K + nodes, T) of a movie (pixels, T) with cells and background."""
    a, grid = model.footprints, model.grid
    out = np.empty((len(model) + grid.n_nodes, movie.shape[1]), np.float32)
    kernels.project(movie, a.indptr, a.indices, a.data, out[: len(model)])
    kernels.project_grid(
        movie, grid.nodes, grid.shares, model.weights, out[len(model) :]
    )
    return out


def gram(model: Model) -> sp.csr_array:
    """Overlaps (K + nodes, K + nodes) of cells and background maps."""
    maps = model.grid.maps(model.weights)
    both = sp.hstack([model.footprints, maps], format="csc")
    overlaps = (both.T @ both).tocsr().astype(np.float32)
    overlaps.sort_indices()
    return overlaps


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
    n_rows = len(model) + model.grid.n_nodes
    target = np.empty((n_rows, movie.n_frames), np.float32)

    def collect(part: tuple[int, np.ndarray]) -> None:
        first, block = part
        target[:, first : first + block.shape[1]] = block
        watch.advance(block.shape[1])

    block = block_frames(movie.field_shape, 1)
    projector = Projector(movie, summary, model, block)
    backend.run(projector, range(0, movie.n_frames, block), collect, cancel)
    return NormalEquations(gram(model), target, len(model))


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
    """Demix and denoise all traces, with the decay time given or estimated."""
    decay_s = parameters.decay_s
    if decay_s is None:
        denoiser = Denoiser.at(rate_hz, parameters, DEFAULT_DECAY_S)
        _, raw, _ = solve_traces(equations, start, denoiser, 1)
        decay_s = decay_time(raw, rate_hz, parameters.rise_s, DEFAULT_DECAY_S)
    denoiser = Denoiser.at(rate_hz, parameters, decay_s)
    sweeps = parameters.temporal.sweeps
    _, raw, background = solve_traces(equations, start, denoiser, sweeps)
    return Demixed(raw, denoiser.denoise(raw), background)
