"""Traces at the full frame rate: one pass over the movie.

Each block of frames is projected on the footprints and on the background's maps; the
movie is not needed again for any number of sweeps. Nothing larger than the traces is
kept.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from threading import Event
from typing import ClassVar, NamedTuple

import numpy as np
import scipy.sparse as sp

from napari_cnmf.cnmf import kernels
from napari_cnmf.cnmf.denoising import Denoiser
from napari_cnmf.cnmf.kinetics import decay_time
from napari_cnmf.cnmf.model import Model
from napari_cnmf.cnmf.parameters import CnmfParameters
from napari_cnmf.cnmf.temporal import Demixed, NormalEquations, solve_traces
from napari_cnmf.compute import Backend, Stopwatch
from napari_cnmf.compute.kept import Keep, run_kept
from napari_cnmf.compute.scratch import Empty, in_memory, row_blocks
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


class Products(NamedTuple):
    """Products (K + background, n) of the frames from a first one on."""

    first: int
    products: np.ndarray


@dataclass(frozen=True, eq=False)
class Projector:
    """Projects blocks of frames on cells and background; sent to the workers."""

    movie: Movie
    summary: SummaryImages
    tiles: list[ModelTile]
    n_cells: int
    n_rows: int
    block: int

    kind: ClassVar = Products

    def frames(self, first: int) -> slice:
        """Return the frames of the block that begins with one."""
        return slice(first, min(first + self.block, self.movie.n_frames))

    def place(self, first: int) -> str:
        """Say which frames are those of a block."""
        return f"frames {first} to {self.frames(first).stop - 1}"

    def __call__(self, first: int) -> Products:
        """Project a block, tile by tile: what was unpacked is still in the cache."""
        frames = self.frames(first)
        out = np.zeros((self.n_rows, frames.stop - frames.start), np.float32)
        for tile in self.tiles:
            pixels = normalised_frames(
                self.movie, self.summary, frames, tile.rows, tile.cols
            )
            tile.add_products(pixels, self.n_cells, out)
        return Products(first, out)


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
    keep: Keep | None = None,
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
    backend, watch, cancel, keep
        As for `with_traces`; traces go straight over frames that cannot be read.

    Returns
    -------
    NormalEquations
        For the movie with its mean removed, in units of the pixels' noise; without the
        frames that are left out.
    """
    target = backend.empty((model.n_rows, movie.n_frames))

    left_out = set(movie.left_out)
    block = block_frames(movie.field_shape, 1)
    parts = model_tiles(model, TILE_PX)
    projector = Projector(movie, summary, parts, len(model), model.n_rows, block)

    def collect(part: Products) -> None:
        frames = projector.frames(part.first)
        target[:, frames] = part.products
        watch.advance(frames.stop - frames.start)

    def lost(first: int) -> None:
        frames = projector.frames(first)
        target[:, frames] = 0
        left_out.update(range(frames.start, frames.stop))
        watch.advance(frames.stop - frames.start)

    firsts = range(0, movie.n_frames, block)
    run_kept(backend, projector, firsts, collect, cancel, keep, lost)
    bridge(target, np.array(sorted(left_out), np.int64))
    return NormalEquations(gram(model), target, len(model))


def demix(
    movie: Movie,
    equations: NormalEquations,
    model: Model,
    bin_frames: int,
    parameters: CnmfParameters,
    cancel: Event | None,
    *,
    backend: Backend | None = None,
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
    backend : Backend, optional
        As for `solve_traces`.

    Returns
    -------
    Demixed
    """
    empty = in_memory if backend is None else backend.empty
    rate_hz = movie.frame_rate_hz or 1.0
    binned = np.concatenate([model.traces, model.background])
    decay_s = parameters.decay_s
    if decay_s is None:
        denoiser = Denoiser.at(rate_hz, parameters, DEFAULT_DECAY_S)
        start = unbinned(binned, bin_frames, movie.n_frames, empty)
        raw = solve_traces(equations, start, denoiser, 1, cancel, backend).raw
        decay_s = decay_time(raw, rate_hz, parameters.rise_s, DEFAULT_DECAY_S)
        del start, raw
        logger.info("decay time, estimated on the cells found: %.3g s", decay_s)
    denoiser = Denoiser.at(rate_hz, parameters, decay_s)
    start = unbinned(binned, bin_frames, movie.n_frames, empty)
    sweeps = parameters.temporal.sweeps
    return solve_traces(equations, start, denoiser, sweeps, cancel, backend)


def unbinned(
    traces: np.ndarray, bin_frames: int, n_frames: int, empty: Empty = in_memory
) -> np.ndarray:
    """Binned traces repeated to the full rate, the last value held to the end."""
    frames = np.minimum(np.arange(n_frames) // bin_frames, traces.shape[1] - 1)
    repeated = empty((len(traces), n_frames))
    for rows in row_blocks(repeated.shape):
        repeated[rows] = np.take(traces[rows], frames, axis=1)
    return repeated
