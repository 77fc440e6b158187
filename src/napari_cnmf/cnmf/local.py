"""The factorisation of one patch: search, then rounds of refinement.

Works on the binned movie of a patch, mean removed and in units of each pixel's noise.
A round outlines footprints, updates traces and background and merges; a second search
in the residual picks up what brighter neighbours had hidden.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp
from scipy.ndimage import gaussian_filter1d

from napari_cnmf.cnmf import kernels
from napari_cnmf.cnmf.background import hat_grid
from napari_cnmf.cnmf.deconvolution import kinetics
from napari_cnmf.cnmf.denoising import denoise
from napari_cnmf.cnmf.initialise.greedy import greedy
from napari_cnmf.cnmf.merging import merge
from napari_cnmf.cnmf.model import Model
from napari_cnmf.cnmf.parameters import (
    BackgroundParameters,
    InitParameters,
    MergeParameters,
    PatchParameters,
    SpatialParameters,
    TemporalParameters,
)
from napari_cnmf.cnmf.spatial import update_footprints
from napari_cnmf.cnmf.temporal import NormalEquations, normal_gram, solve_traces

_SWEEPS = 2
_PEAK_BINS = 5
_MIN_PEAK_SD = 4.0
_MIN_AREA_SOMAS = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class CnmfParameters:
    """All groups of parameters that the factorisation needs.

    `decay_s` and `rise_s` are the indicator's, `rate_hz` the movie's frame rate.
    """

    patches: PatchParameters
    init: InitParameters
    spatial: SpatialParameters
    background: BackgroundParameters
    merge: MergeParameters
    temporal: TemporalParameters
    decay_s: float
    rise_s: float


def fit_local(
    movie: np.ndarray,
    field_shape: tuple[int, int],
    parameters: CnmfParameters,
    rate_hz: float,
) -> Model:
    """Find and outline the components of a patch.

    Parameters
    ----------
    movie : ndarray
        (pixels, T) float32, mean removed, in units of each pixel's noise.
    field_shape : tuple of int
        (Y, X) of the patch.
    parameters : CnmfParameters
    rate_hz : float
        Of the (binned) movie.

    Returns
    -------
    Model
    """
    diameter = parameters.init.diameter_px
    grid = hat_grid(field_shape, parameters.background.pitch_diameters * diameter)
    footprints, traces = greedy(
        movie, field_shape, parameters.init, parameters.patches.max_components
    )
    model = Model(
        field_shape=field_shape,
        grid=grid,
        footprints=footprints,
        traces=traces,
        weights=np.ones(len(movie), np.float32),
        background=np.zeros((grid.n_nodes, movie.shape[1]), np.float32),
    )
    model = update_traces(movie, model, parameters, rate_hz, _SWEEPS)
    for number in range(parameters.spatial.rounds):
        model = _round(movie, model, parameters, rate_hz)
        if number == 0 and parameters.init.second_search:
            model = _search_again(movie, model, parameters)
    return model


def update_traces(
    movie: np.ndarray,
    model: Model,
    parameters: CnmfParameters,
    rate_hz: float,
    sweeps: int,
) -> Model:
    """Update the traces of cells and background, given the footprints."""
    n_cells, n_t = len(model), movie.shape[1]
    maps = model.grid.maps(model.weights)
    target = np.empty((n_cells + model.grid.n_nodes, n_t), np.float32)
    a = model.footprints
    kernels.project(movie, a.indptr, a.indices, a.data, target[:n_cells])
    kernels.project_grid(
        movie, model.grid.nodes, model.grid.shares, model.weights, target[n_cells:]
    )
    equations = NormalEquations(normal_gram(a, maps), target, n_cells)
    ar = kinetics(parameters.decay_s, parameters.rise_s, rate_hz)
    sigma = parameters.background.smoothing_s * rate_hz

    def split(_cells: np.ndarray, raw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        parts = denoise(raw, parameters.temporal, rate_hz, ar)
        return parts.calcium, parts.baseline

    start = np.concatenate([model.traces, model.background])
    traces, _, background = solve_traces(
        equations, start, split, lambda f: gaussian_filter1d(f, sigma, axis=1), sweeps
    )
    return replace(model, traces=traces, background=background).without_empty()


def _round(
    movie: np.ndarray, model: Model, parameters: CnmfParameters, rate_hz: float
) -> Model:
    """Outline, demix, merge."""
    smoothing = parameters.background.weight_smoothing_px
    model = update_footprints(movie, model, parameters.spatial, smoothing)
    model = update_traces(movie, model, parameters, rate_hz, _SWEEPS)
    model = _prune(model, parameters.init.diameter_px)
    return merge(model, parameters.merge, parameters.init.diameter_px)


def _prune(model: Model, diameter_px: float) -> Model:
    """Drop what is no cell by any rule: specks, and traces lost in the noise.

    Left in, they would go on to take light from the cells they overlap.
    """
    noise = 1 / np.sqrt(model.footprints.power(2).sum(axis=0))
    n_top = min(_PEAK_BINS, model.traces.shape[1])
    peaks = np.partition(model.traces, -n_top, axis=1)[:, -n_top:].mean(axis=1)
    area = np.diff(model.footprints.indptr)
    soma = np.pi / 4 * diameter_px**2
    kept = (peaks > _MIN_PEAK_SD * noise) & (area > _MIN_AREA_SOMAS * soma)
    return model.select(np.flatnonzero(kept))


def _search_again(
    movie: np.ndarray, model: Model, parameters: CnmfParameters
) -> Model:
    """Add what the search finds in the residual of the model."""
    residual = movie - model.footprints.tocsr() @ model.traces
    residual -= model.grid.maps(model.weights).tocsr() @ model.background
    room = parameters.patches.max_components - len(model)
    found, traces = greedy(residual, model.field_shape, parameters.init, room)
    return replace(
        model,
        footprints=sp.hstack([model.footprints, found], format="csc"),
        traces=np.concatenate([model.traces, traces]),
    )
