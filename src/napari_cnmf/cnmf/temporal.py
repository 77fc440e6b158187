"""The temporal update: traces of cells and background that overlap in space.

With footprints fixed, the movie enters only through the products A'Z and H'W Z, and
the overlaps through small Gram matrices. Block-coordinate sweeps (Gauss-Seidel) give
each cell the raw trace that its denoised neighbours and the background leave over;
cells of one colour do not overlap and are denoised together.
"""

from __future__ import annotations

from dataclasses import dataclass
from threading import Event

import numpy as np
import scipy.sparse as sp

from napari_cnmf.cnmf import kernels
from napari_cnmf.cnmf.denoising import Denoised, Denoiser
from napari_cnmf.compute.backend import check_cancel


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

    Returns
    -------
    Demixed
    """
    gram, n_cells = equations.gram, equations.n_cells
    solution = start
    raw = np.empty_like(solution[:n_cells])
    parts = Denoised.empty(*raw.shape)
    colours = colour(gram[:n_cells, :n_cells])
    nodes = np.arange(n_cells, gram.shape[0])
    for sweep in range(sweeps):
        # The background starts from nothing, and the cells need it to be right.
        for _ in range(2 if sweep else 10):
            _relax(equations, nodes, solution)
        solution[n_cells:] = denoiser.smooth(solution[n_cells:])
        for cells in colours:
            check_cancel(cancel)
            _relax(equations, cells, solution)
            mixed = solution[cells]
            found = denoiser.denoise(mixed)
            solution[cells] = found.calcium + found.baseline
            if sweep == sweeps - 1:
                raw[cells] = mixed
                parts.fill(cells, found)
    return Demixed(raw, parts, solution[n_cells:].copy())


def colour(overlaps: sp.csr_array) -> list[np.ndarray]:
    """Greedy colouring: groups of cells of which no two overlap."""
    colours = np.full(overlaps.shape[0], -1)
    for k in range(overlaps.shape[0]):
        near = overlaps.indices[overlaps.indptr[k] : overlaps.indptr[k + 1]]
        taken = set(colours[near].tolist())
        colours[k] = next(c for c in range(len(near) + 1) if c not in taken)
    return [np.flatnonzero(colours == c) for c in range(colours.max(initial=-1) + 1)]


def _relax(equations: NormalEquations, rows: np.ndarray, solution: np.ndarray) -> None:
    gram = equations.gram
    kernels.relax(
        gram.indptr, gram.indices, gram.data, equations.target, rows, solution
    )
