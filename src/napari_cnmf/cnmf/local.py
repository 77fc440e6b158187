"""The factorisation of one patch: search, then rounds of refinement.

Works on the binned movie of a patch, mean removed and in units of each pixel's noise.
A round outlines footprints, updates traces and background and merges; a second search
in the residual picks up what brighter neighbours had hidden.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from napari_cnmf.cnmf.background import even_weights, hat_grid
from napari_cnmf.cnmf.denoising import Denoiser
from napari_cnmf.cnmf.initialise.greedy import greedy
from napari_cnmf.cnmf.merging import merge
from napari_cnmf.cnmf.model import Model
from napari_cnmf.cnmf.parameters import CnmfParameters
from napari_cnmf.cnmf.spatial import update_footprints
from napari_cnmf.cnmf.temporal import NormalEquations, solve_traces
from napari_cnmf.cnmf.traces import gram, products

_SWEEPS = 2
_PEAK_BINS = 5
_MIN_PEAK_SD = 4.0
_MIN_AREA_SOMAS = 0.2


def fit_local(
    movie: np.ndarray,
    valid: np.ndarray,
    parameters: CnmfParameters,
    denoiser: Denoiser,
) -> Model:
    """Find and outline the components of a patch.

    Parameters
    ----------
    movie : ndarray
        (pixels, T) float32, mean removed, in units of each pixel's noise; zero where
        there is no data.
    valid : ndarray of bool
        (Y, X) of the patch, pixels that hold data.
    parameters : CnmfParameters
    denoiser : Denoiser
        For traces at the rate of the (binned) movie.

    Returns
    -------
    Model
    """
    pitch = parameters.background.pitch_diameters * parameters.init.diameter_px
    grid = hat_grid(valid, pitch)
    footprints, traces = greedy(
        movie, valid, parameters.init, parameters.patches.max_components
    )
    model = Model(
        valid=valid,
        grid=grid,
        footprints=footprints,
        traces=traces,
        weights=valid.ravel().astype(np.float32),
        background=np.zeros((grid.n_nodes, movie.shape[1]), np.float32),
    )
    model = _update_traces(movie, model, denoiser)
    for number in range(parameters.spatial.rounds):
        model = _round(movie, model, parameters, denoiser)
        if number == 0 and parameters.init.second_search:
            model = _search_again(movie, model, parameters)
    return replace(model, weights=even_weights(model.weights, valid, pitch))


def _round(
    movie: np.ndarray, model: Model, parameters: CnmfParameters, denoiser: Denoiser
) -> Model:
    """Outline, demix, merge."""
    model = _prune(
        update_footprints(movie, model, parameters), parameters.init.diameter_px
    )
    model = _prune(_update_traces(movie, model, denoiser), parameters.init.diameter_px)
    return merge(model, parameters.merge, parameters.init.diameter_px)


def _update_traces(movie: np.ndarray, model: Model, denoiser: Denoiser) -> Model:
    """Update the traces of cells and background, given the footprints."""
    demixed = solve_traces(
        NormalEquations(gram(model), products(movie, model), len(model)),
        np.concatenate([model.traces, model.background]),
        denoiser,
        _SWEEPS,
    )
    return replace(model, traces=demixed.parts.calcium, background=demixed.background)


def _prune(model: Model, diameter_px: float) -> Model:
    """Drop what is no cell by any rule: specks, and traces lost in the noise.

    Left in, they would go on to take light from the cells they overlap.
    """
    energy = model.footprints.power(2).sum(axis=0)
    n_top = min(_PEAK_BINS, model.traces.shape[1])
    peaks = np.partition(model.traces, -n_top, axis=1)[:, -n_top:].mean(axis=1)
    area = np.diff(model.footprints.indptr)
    soma = np.pi / 4 * diameter_px**2
    kept = (peaks * np.sqrt(energy) > _MIN_PEAK_SD) & (area > _MIN_AREA_SOMAS * soma)
    return model.select(np.flatnonzero(kept))


def _search_again(movie: np.ndarray, model: Model, parameters: CnmfParameters) -> Model:
    """Add what the search finds in the residual of the model."""
    residual = movie - model.footprints.tocsr() @ model.traces
    residual -= model.grid.maps(model.weights).tocsr() @ model.background
    room = parameters.patches.max_components - len(model)
    found, traces = greedy(residual, model.valid, parameters.init, room)
    return replace(
        model,
        footprints=sp.hstack([model.footprints, found], format="csc"),
        traces=np.concatenate([model.traces, traces]),
    )
