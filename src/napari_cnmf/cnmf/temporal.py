"""The temporal update: traces of cells and background that overlap in space.

With footprints fixed, the movie enters only through the products A'Z and H'W Z, and
the overlaps through small Gram matrices. Block-coordinate sweeps (Gauss-Seidel) give
each cell the raw trace that its denoised neighbours and the background leave over;
cells of one colour do not overlap and are denoised together.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from threading import Event

import numpy as np
import scipy.sparse as sp

from napari_cnmf.cnmf import kernels
from napari_cnmf.cnmf.denoising import Denoised, Denoiser
from napari_cnmf.compute import Backend, SerialBackend
from napari_cnmf.compute.scratch import row_blocks

# Few enough that two threads share the cells of a colour evenly.
_CELLS_AT_ONCE = 48


@dataclass(frozen=True, eq=False)
class NormalEquations:
    """``gram @ [C; F] = target``: all that the temporal update needs of the movie.

    Attributes
    ----------
    gram : csr_array
        (K + background, K + background) float32, overlaps of footprints and maps.
    target : ndarray
        (K + background, T) float32, their products with the movie.
    n_cells : int
    """

    gram: sp.csr_array
    target: np.ndarray
    n_cells: int


@dataclass(frozen=True, eq=False)
class Demixed:
    """Traces of a field or patch.

    Attributes
    ----------
    raw : ndarray
        (K, T) float32, demixed traces before denoising.
    parts : Denoised
        What they were split into.
    background : ndarray
        (nodes, T) float32.
    """

    raw: np.ndarray
    parts: Denoised
    background: np.ndarray


def solve_traces(
    equations: NormalEquations,
    start: np.ndarray,
    denoiser: Denoiser,
    sweeps: int,
    cancel: Event | None = None,
    backend: Backend | None = None,
) -> Demixed:
    """Demix and denoise all traces.

    Parameters
    ----------
    equations : NormalEquations
    start : ndarray
        (K + background, T) float32, first guess of traces and background; used up.
    denoiser : Denoiser
        For traces at this rate.
    sweeps : int
    cancel : threading.Event, optional
        Stops before the next group of cells once set.
    backend : Backend, optional
        Makes the arrays for the outcome, and has threads here for cells that do not
        overlap; by default there is one.

    Returns
    -------
    Demixed
    """
    backend = backend or SerialBackend()
    gram, n_cells = equations.gram, equations.n_cells
    solution = start
    n_frames = solution.shape[1]
    raw = backend.empty((n_cells, n_frames))
    parts = Denoised.empty(n_cells, n_frames, backend.empty)
    update = _Update(equations, solution, denoiser)
    overlaps = gram[:n_cells, :n_cells]
    colours = colour(sp.csr_array(overlaps + overlaps.T))
    nodes = np.arange(n_cells, gram.shape[0])
    background = solution[n_cells:]
    for sweep in range(sweeps):
        # The background starts from nothing, and the cells need it to be right.
        for _ in range(2 if sweep else 10):
            _relax(equations, nodes, solution)
        for rows in row_blocks(background.shape):
            background[rows] = denoiser.smooth(background[rows])
        keep = (raw, parts) if sweep == sweeps - 1 else None
        for cells in colours:
            rows_of = row_blocks((len(cells), n_frames), _CELLS_AT_ONCE)
            blocks = [cells[rows] for rows in rows_of]
            place = backend.here if len(blocks) > 1 else SerialBackend()
            place.run(update, blocks, partial(_keep, keep), cancel)
    kept = backend.empty(background.shape)  # a view would keep the cells' rows too
    kept[:] = background
    return Demixed(raw, parts, kept)


def colour(overlaps: sp.csr_array) -> list[np.ndarray]:
    """Greedy colouring: groups of cells of which no two overlap."""
    colours = np.full(overlaps.shape[0], -1)
    for k in range(overlaps.shape[0]):
        near = overlaps.indices[overlaps.indptr[k] : overlaps.indptr[k + 1]]
        taken = set(colours[near].tolist())
        colours[k] = next(c for c in range(len(near) + 1) if c not in taken)
    return [np.flatnonzero(colours == c) for c in range(colours.max(initial=-1) + 1)]


@dataclass(frozen=True, eq=False)
class _Update:
    """The task of some cells that do not overlap: demix and denoise them."""

    equations: NormalEquations
    solution: np.ndarray
    denoiser: Denoiser

    def __call__(self, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray, Denoised]:
        """Update the cells' rows of the solution; return them, and what they were."""
        _relax(self.equations, cells, self.solution)
        mixed = self.solution[cells]
        found = self.denoiser.denoise(mixed)
        self.solution[cells] = found.calcium + found.baseline
        return cells, mixed, found


def _keep(
    place: tuple[np.ndarray, Denoised] | None,
    update: tuple[np.ndarray, np.ndarray, Denoised],
) -> None:
    """Keep what the last update has found."""
    if place is not None:
        (raw, parts), (cells, mixed, found) = place, update
        raw[cells] = mixed
        parts.fill(cells, found)


def _relax(equations: NormalEquations, rows: np.ndarray, solution: np.ndarray) -> None:
    gram = equations.gram
    kernels.relax(
        gram.indptr, gram.indices, gram.data, equations.target, rows, solution
    )
