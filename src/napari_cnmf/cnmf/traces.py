"""Traces at the full frame rate: one pass over the movie.

Each block of frames is projected on the footprints and on the background's maps; the
movie is not needed again for any number of sweeps. Nothing larger than the traces is
kept.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from threading import Event

import numpy as np
import scipy.sparse as sp

from napari_cnmf.cnmf import kernels
from napari_cnmf.cnmf.denoising import Denoiser
from napari_cnmf.cnmf.kinetics import decay_time
from napari_cnmf.cnmf.model import Model
from napari_cnmf.cnmf.parameters import CnmfParameters
from napari_cnmf.cnmf.temporal import Demixed, NormalEquations, solve_traces
from napari_cnmf.compute import Backend, Stopwatch
from napari_cnmf.movie import Movie
from napari_cnmf.movie.blocks import block_frames
from napari_cnmf.movie.images import SummaryImages
from napari_cnmf.movie.normalised import bridge, normalised_frames, tiles
from napari_cnmf.movie.store import TILE_PX

logger = logging.getLogger(__name__)

DEFAULT_DECAY_S = 0.5


@dataclass(frozen=True, eq=False)
class ModelTile:
    """What a model has in one tile of its field.

    Attributes
    ----------
    rows, cols : slice
        The tile.
    places : ndarray
        (k,) int64, rows of the cells with pixels here and of a low-rank background.
    footprints : csc_array
        (pixels of the tile, k) float32, theirs.
    nodes, shares, weights : ndarray
        Of the background's grid, for the pixels of the tile.
    """

    rows: slice
    cols: slice
    places: np.ndarray
    footprints: sp.csc_array
    nodes: np.ndarray
    shares: np.ndarray
    weights: np.ndarray

    def add_products(self, movie: np.ndarray, n_cells: int, out: np.ndarray) -> None:
        """Add products of the tile's movie (pixels, T) to `out` (K + background, T)."""
        a = self.footprints
        kernels.project(movie, a.indptr, a.indices, a.data, self.places, out)
        kernels.project_grid(
            movie, self.nodes, self.shares, self.weights, out[n_cells:]
        )


def model_tiles(model: Model, side_px: int) -> list[ModelTile]:
    """Cut a model into tiles, row by row."""
    by_pixel = sp.hstack([model.footprints, model.modes], format="csr")
    places = np.arange(by_pixel.shape[1])
    places[len(model) :] += model.grid.n_nodes
    numbers = np.arange(len(model.weights)).reshape(model.field_shape)
    cut = []
    for rows, cols in tiles(model.field_shape, side_px):
        pixels = numbers[rows, cols].ravel()
        local = by_pixel[pixels].tocsc()
        here = np.flatnonzero(np.diff(local.indptr))
        part = ModelTile(
            rows,
            cols,
            places[here],
            local[:, here],
            model.grid.nodes[pixels],
            model.grid.shares[pixels],
            model.weights[pixels],
        )
        cut.append(part)
    return cut


@dataclass(frozen=True, eq=False)
class Projector:
    """Projects blocks of frames on cells and background; sent to the workers."""

    movie: Movie
    summary: SummaryImages
    tiles: list[ModelTile]
    n_cells: int
    n_rows: int
    block: int

    def __call__(self, first: int) -> tuple[int, np.ndarray]:
        """Return the block's first frame and its products (K + background, n).

        Tile by tile, so that what was unpacked is still in the cache.
        """
        frames = slice(first, min(first + self.block, self.movie.n_frames))
        out = np.zeros((self.n_rows, frames.stop - frames.start), np.float32)
        for tile in self.tiles:
            pixels = normalised_frames(
                self.movie, self.summary, frames, tile.rows, tile.cols
            )
            tile.add_products(pixels, self.n_cells, out)
        return first, out


def products(movie: np.ndarray, model: Model) -> np.ndarray:
    """Products (K + background, T) of a movie (pixels, T) with cells and background."""
    out = np.zeros((model.n_rows, movie.shape[1]), np.float32)
    (whole,) = model_tiles(model, max(model.field_shape))
    whole.add_products(movie, len(model), out)
    return out


def gram(model: Model) -> sp.csr_array:
    """Overlaps (K + background, K + background) of cells and background maps."""
    both = sp.hstack([model.footprints, model.maps()], format="csc")
    return _products_of(both, both)


def _products_of(left: sp.csc_array, right: sp.csc_array) -> sp.csr_array:
    """Products of all pairs of columns, sorted."""
    found = (left.T @ right).tocsr().astype(np.float32)
    found.sort_indices()
    return found


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
        For the movie with its mean removed, in units of the pixels' noise; without the
        frames that are left out.
    """
    target = np.empty((model.n_rows, movie.n_frames), np.float32)

    def collect(part: tuple[int, np.ndarray]) -> None:
        first, block = part
        target[:, first : first + block.shape[1]] = block
        watch.advance(block.shape[1])

    block = block_frames(movie.field_shape, 1)
    parts = model_tiles(model, TILE_PX)
    projector = Projector(movie, summary, parts, len(model), model.n_rows, block)
    backend.run(projector, range(0, movie.n_frames, block), collect, cancel)
    bridge(target, np.array(movie.left_out, np.int64))
    return NormalEquations(gram(model), target, len(model))


def demix(
    movie: Movie,
    equations: NormalEquations,
    model: Model,
    bin_frames: int,
    parameters: CnmfParameters,
    cancel: Event | None,
) -> Demixed:
    """Demix and denoise all traces, with the decay time given or estimated.

    Parameters
    ----------
    movie : Movie
        For its length and frame rate.
    equations : NormalEquations
        From `project`.
    model : Model
        Its traces, binned in time, are where the sweeps begin.
    bin_frames : int
    parameters : CnmfParameters
    cancel : threading.Event or None

    Returns
    -------
    Demixed
    """
    rate_hz = movie.frame_rate_hz or 1.0
    binned = np.concatenate([model.traces, model.background])
    decay_s = parameters.decay_s
    if decay_s is None:
        denoiser = Denoiser.at(rate_hz, parameters, DEFAULT_DECAY_S)
        start = unbinned(binned, bin_frames, movie.n_frames)
        raw = solve_traces(equations, start, denoiser, 1, cancel).raw
        decay_s = decay_time(raw, rate_hz, parameters.rise_s, DEFAULT_DECAY_S)
        logger.info("decay time, estimated on the cells found: %.3g s", decay_s)
    denoiser = Denoiser.at(rate_hz, parameters, decay_s)
    start = unbinned(binned, bin_frames, movie.n_frames)
    sweeps = parameters.temporal.sweeps
    return solve_traces(equations, start, denoiser, sweeps, cancel)


def unbinned(traces: np.ndarray, bin_frames: int, n_frames: int) -> np.ndarray:
    """Binned traces repeated to the full rate, the last value held to the end."""
    frames = np.minimum(np.arange(n_frames) // bin_frames, traces.shape[1] - 1)
    return np.take(traces, frames, axis=1)
