"""The factorisation of one patch: search, then rounds of refinement.

Works on the binned movie of a patch, mean removed and in units of each pixel's noise.
A round outlines footprints, updates traces and background and merges; a second search
in the residual picks up what brighter neighbours had hidden.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from napari_cnmf.cnmf.background.grid import chosen_grid, even_weights
from napari_cnmf.cnmf.background.low_rank import find_modes
from napari_cnmf.cnmf.background.ring import fit_ring
from napari_cnmf.cnmf.denoising import Denoiser
from napari_cnmf.cnmf.initialise.found import Found, Seeds
from napari_cnmf.cnmf.initialise.methods import initialise
from napari_cnmf.cnmf.merging import merge
from napari_cnmf.cnmf.model import Model
from napari_cnmf.cnmf.parameters import CnmfParameters
from napari_cnmf.cnmf.spatial import update_footprints
from napari_cnmf.cnmf.temporal import NormalEquations, solve_traces
from napari_cnmf.cnmf.traces import gram, products
from napari_cnmf.origin import Origin

_SWEEPS = 2
_PEAK_BINS = 5
_MIN_PEAK_SD = 4.0
_MIN_AREA_SOMAS = 0.2
_NO_DATA = "its mask lies where the movie has no data"


def search(
    movie: np.ndarray,
    valid: np.ndarray,
    parameters: CnmfParameters,
    masks: sp.csc_array | None = None,
) -> Found:
    """Find the first components of a patch.

    Parameters
    ----------
    movie, valid, parameters, masks
        As for `fit_local`; of the parameters, `init` and `patches.max_components`
        decide.
    """
    n_max = parameters.patches.max_components
    return initialise(movie, valid, parameters.init, n_max, masks)


def fit_local(
    movie: np.ndarray,
    valid: np.ndarray,
    found: Found,
    parameters: CnmfParameters,
    denoiser: Denoiser,
    masks: sp.csc_array | None = None,
    corner: tuple[int, int] = (0, 0),
) -> Model:
    """Outline the components that were found in a patch, and find what they hid.

    Parameters
    ----------
    movie : ndarray
        (pixels, T) float32, mean removed, in units of each pixel's noise; zero where
        there is no data.
    valid : ndarray of bool
        (Y, X) of the patch, pixels that hold data.
    found : Found
        From `search`.
    parameters : CnmfParameters
    denoiser : Denoiser
        For traces at the rate of the (binned) movie.
    masks : csc_array, optional
        (pixels, K), where to begin, for a seeded search.
    corner : tuple of int
        First pixel (y, x) of the patch in the field.

    Returns
    -------
    Model
    """
    model = started(movie, valid, found, parameters)
    if parameters.background.model != "ring":
        model = update_traces(movie, model, denoiser)
    for number in range(1, parameters.spatial.rounds + 1):
        model = _with_ring(movie, model, parameters, corner)
        above = _without_ring(movie, model)
        step = f"round {number}"
        if masks is None:
            model = _round(above, model, parameters, denoiser, step)
        else:
            model = _marked_round(above, model, parameters, denoiser, masks, step)
        if number == 1 and masks is None and parameters.init.second_search:
            model = _search_again(above, model, parameters)
    model = _with_ring(movie, model, parameters, corner)
    if not model.grid.n_nodes:
        return model
    weights = even_weights(model.weights, valid, parameters.pitch_px)
    return replace(model, weights=weights)


def started(
    movie: np.ndarray, valid: np.ndarray, found: Found, parameters: CnmfParameters
) -> Model:
    """Begin a model with what a search has found and a first background."""
    grid = chosen_grid(valid, parameters)
    modes = np.zeros((valid.size, 0), np.float32)
    background = np.zeros((grid.n_nodes, movie.shape[1]), np.float32)
    if parameters.background.model == "low_rank":
        residual = movie - found.footprints.tocsr() @ found.traces
        modes, background = find_modes(residual, parameters.background.patch_rank)
    return Model(
        valid=valid,
        footprints=found.footprints,
        traces=found.traces,
        origin=_origin(found.seeds, 0),
        grid=grid,
        weights=valid.ravel().astype(np.float32) * (grid.n_nodes > 0),
        modes=sp.csc_array(modes),
        background=background,
    )


def update_traces(movie: np.ndarray, model: Model, denoiser: Denoiser) -> Model:
    """Update the traces of cells and background, given the footprints."""
    demixed = solve_traces(
        NormalEquations(gram(model), products(movie, model), len(model)),
        np.concatenate([model.traces, model.background]),
        denoiser,
        _SWEEPS,
    )
    return replace(model, traces=demixed.parts.calcium, background=demixed.background)


def _round(
    movie: np.ndarray,
    model: Model,
    parameters: CnmfParameters,
    denoiser: Denoiser,
    step: str,
) -> Model:
    """Outline, demix, merge."""
    diameter_px = parameters.init.diameter_px
    model = _pruned(update_footprints(movie, model, parameters), diameter_px, step)
    model = _pruned(update_traces(movie, model, denoiser), diameter_px, step)
    return merge(model, parameters.merge, diameter_px, step)


def _marked_round(
    movie: np.ndarray,
    model: Model,
    parameters: CnmfParameters,
    denoiser: Denoiser,
    masks: sp.csc_array,
    step: str,
) -> Model:
    """Outline and demix cells that were marked, near their masks."""
    own = sp.csc_array(masks[:, model.origin.rank], dtype=np.float32)
    index = own.indices.astype(np.int32), own.indptr.astype(np.int32)
    marked = replace(model, footprints=sp.csc_array((own.data, *index), own.shape))
    reach = marked.grown(parameters.spatial.search_px)
    outlined = update_footprints(movie, model, parameters)
    return update_traces(movie, all_kept(model, outlined, reach, step), denoiser)


def all_kept(before: Model, outlined: Model, reach: sp.csc_array, step: str) -> Model:
    """Keep every cell that was marked, where it was marked.

    Whoever marks a cell wants its trace, silent or not, and two neighbours as two; what
    speaks against it is left to the evaluation. One that has vanished has its former
    footprint again, and none goes over to a brighter neighbour.

    Parameters
    ----------
    before, outlined : Model
        The same cells before and after a spatial update.
    reach : csc_array
        (pixels, K) of ones, where each may lie.
    step : str
        When, for the record.

    Returns
    -------
    Model
        Without those that never had a pixel.
    """
    near = sp.csc_array(outlined.footprints.multiply(reach))
    near.eliminate_zeros()
    gone = np.diff(near.indptr) == 0
    former = sp.diags_array(gone.astype(np.float32))
    footprints = sp.csc_array(near + before.footprints @ former)
    footprints.eliminate_zeros()
    model = replace(outlined, footprints=footprints.sorted_indices())
    return model.without_vanished(_NO_DATA, step)


def _pruned(model: Model, diameter_px: float, step: str) -> Model:
    """Drop what is no cell by any rule: specks, and traces lost in the noise.

    Left in, they would go on to take light from the cells they overlap.
    """
    energy = model.footprints.power(2).sum(axis=0)
    n_top = min(_PEAK_BINS, model.traces.shape[1])
    peaks = np.partition(model.traces, -n_top, axis=1)[:, -n_top:].mean(axis=1)
    peaks = peaks * np.sqrt(energy)
    area = np.diff(model.footprints.indptr)
    least = _MIN_AREA_SOMAS * np.pi / 4 * diameter_px**2
    dropped = {
        int(k): f"a speck of {area[k]} px, at least {least:.0f} are wanted"
        for k in np.flatnonzero(area <= least)
    }
    lost = np.flatnonzero((peaks <= _MIN_PEAK_SD) & (area > least))
    for k in lost:
        dropped[int(k)] = (
            f"lost in the noise: its highest bins reach {peaks[k]:.1f} sd, at least "
            f"{_MIN_PEAK_SD:.0f} are wanted"
        )
    return model.without(dropped, step)


def _search_again(movie: np.ndarray, model: Model, parameters: CnmfParameters) -> Model:
    """Add what the search finds in the residual of the model."""
    residual = movie - model.footprints.tocsr() @ model.traces
    residual -= model.maps().tocsr() @ model.background
    room = parameters.patches.max_components - len(model)
    # What is wanted at most per patch, the first search has found.
    search = replace(parameters.init, n_components=None)
    found = initialise(residual, model.valid, search, room)
    ranks = (*model.origin.rank, *(fate.rank for fate in model.fates), -1)
    return replace(
        model,
        footprints=sp.hstack([model.footprints, found.footprints], format="csc"),
        traces=np.concatenate([model.traces, found.traces]),
        origin=Origin.joined([model.origin, _origin(found.seeds, max(ranks) + 1)]),
    )


def _with_ring(
    movie: np.ndarray,
    model: Model,
    parameters: CnmfParameters,
    corner: tuple[int, int],
) -> Model:
    """Fit the ring background to what the cells leave over, if that is wanted."""
    if parameters.background.model != "ring":
        return model
    residual = movie - model.footprints.tocsr() @ model.traces
    radius = parameters.background.ring_radius_diameters * parameters.init.diameter_px
    return replace(model, ring=fit_ring(residual, model.valid, radius, corner=corner))


def _without_ring(movie: np.ndarray, model: Model) -> np.ndarray:
    """Movie without its ring background."""
    if model.ring is None:
        return movie
    residual = movie - model.footprints.tocsr() @ model.traces
    return movie - model.ring.background(residual)


def _origin(seeds: Seeds, first_rank: int) -> Origin:
    """Record of candidates in their order, in pixels of the patch."""
    return Origin(
        patch=np.zeros(len(seeds), np.int64),
        rank=first_rank + np.arange(len(seeds)),
        score=seeds.score,
        seed_yx=seeds.yx,
        box=seeds.boxes,
        iterations=seeds.iterations,
        members=np.ones(len(seeds), np.int64),
    )
