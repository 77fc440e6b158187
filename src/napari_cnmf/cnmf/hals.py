"""Hierarchical alternating least squares: footprints and traces in turn, as they are.

Traces are updated row by row (Gauss-Seidel) and are free, as the movie's mean is
removed; footprints are non-negative on supports that do not change, pixel by pixel.
Nothing is denoised, cut or smoothed. Kimura et al. 2015,
https://proceedings.mlr.press/v39/kimura14.html.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from napari_cnmf.cnmf import kernels
from napari_cnmf.cnmf.model import Model
from napari_cnmf.cnmf.parameters import CnmfParameters
from napari_cnmf.cnmf.spatial import candidates, regress
from napari_cnmf.cnmf.traces import gram, products

_SWEEPS = 2


def alternate(
    movie: np.ndarray, model: Model, parameters: CnmfParameters, iterations: int
) -> Model:
    """Alternate between traces and footprints, and end with traces.

    Parameters
    ----------
    movie : ndarray
        (pixels, T) float32, mean removed, in units of each pixel's noise.
    model : Model
        Its footprints, grown by a pixel, are the supports.
    parameters : CnmfParameters
    iterations : int

    Returns
    -------
    Model
        With raw traces; a cell whose support vanished has an empty footprint.
    """
    by_pixel = candidates(model, _grown_by_a_pixel(parameters))
    everything = np.arange(len(movie))
    n_cells = len(model)
    for _ in range(iterations):
        model = _updated_traces(movie, model)
        by_pixel.data, weights = regress(movie, by_pixel, model, everything)
        columns = by_pixel.tocsc()
        footprints, modes = columns[:, :n_cells], columns[:, n_cells:]
        footprints.eliminate_zeros()
        model = replace(model, footprints=footprints, modes=modes, weights=weights)
    return _updated_traces(movie, model)


def _grown_by_a_pixel(parameters: CnmfParameters) -> CnmfParameters:
    """Parameters whose search reaches a pixel beyond a footprint."""
    spatial = replace(parameters.spatial, search="dilate", search_px=1)
    return replace(parameters, spatial=spatial)


def _updated_traces(movie: np.ndarray, model: Model) -> Model:
    """Sweep over the traces of cells and background."""
    overlaps, target = gram(model), products(movie, model)
    solution = np.concatenate([model.traces, model.background])
    rows = np.arange(len(solution))
    for _ in range(_SWEEPS):
        kernels.relax(
            overlaps.indptr, overlaps.indices, overlaps.data, target, rows, solution
        )
    n_cells = len(model)
    return replace(model, traces=solution[:n_cells], background=solution[n_cells:])
