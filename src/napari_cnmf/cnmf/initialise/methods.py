"""The one search that the parameters name, on a coarser movie if they ask for it."""

from __future__ import annotations

from functools import partial

import numpy as np
import scipy.sparse as sp

from napari_cnmf.cnmf.initialise.corr_pnr import corr_pnr
from napari_cnmf.cnmf.initialise.found import Found, Initialiser
from napari_cnmf.cnmf.initialise.greedy import greedy
from napari_cnmf.cnmf.initialise.kernels import LANES
from napari_cnmf.cnmf.initialise.seeded import seeded
from napari_cnmf.cnmf.initialise.sparse_nmf import sparse_nmf
from napari_cnmf.cnmf.initialise.subsample import Subsampling
from napari_cnmf.cnmf.initialise.variance import variance
from napari_cnmf.cnmf.parameters import InitParameters
from napari_cnmf.errors import InputError, ParameterError

_SEARCHES: dict[str, Initialiser] = {
    "event_energy": greedy,
    "variance": variance,
    "sparse_nmf": sparse_nmf,
    "corr_pnr": corr_pnr,
}


def initialise(
    movie: np.ndarray,
    valid: np.ndarray,
    parameters: InitParameters,
    n_max: int,
    masks: sp.csc_array | None = None,
) -> Found:
    """Find the first footprints and traces of a movie.

    Parameters
    ----------
    movie : ndarray
        (pixels, T) float32, mean removed, in units of each pixel's noise; at least 16
        time bins. Zero where there is no data.
    valid : ndarray of bool
        (Y, X), pixels that hold data.
    parameters : InitParameters
        Its `method` says how.
    n_max : int
        Most components to return; `parameters.n_components` may ask for fewer, and
        'seeded' returns one per mask.
    masks : csc_array, optional
        (pixels, K), what 'seeded' starts from; see `masks_from`.

    Returns
    -------
    Found

    Raises
    ------
    InputError
        If the movie is too short, or the masks are of another field.
    ParameterError
        If the method is 'seeded' and there are no masks, or the size of cells is not
        resolved yet.
    """
    if parameters.neuron_half_size_px is None:
        raise ParameterError(
            "The 'init.neuron_half_size_px' parameter is still on auto; a run measures "
            "it, in a script `propose` does and `Recipe.cnmf` takes what it proposes."
        )
    if movie.shape[1] < LANES:
        raise InputError(
            f"The movie has {movie.shape[1]} time bins; a search for cells needs at "
            f"least {LANES}. Record longer, or make the bins shorter with store.bin_s."
        )
    n_max = min(n_max, parameters.n_components or n_max)
    if n_max < 1 or not valid.any():
        return Found.none(*movie.shape)
    if parameters.space_bin_px == parameters.time_bins == 1:
        return _search(parameters, masks)(movie, valid, parameters, n_max)
    coarse = Subsampling(valid, movie.shape[1], parameters)
    search = _search(parameters, masks if masks is None else coarse.masks(masks))
    found = search(coarse.movie(movie), coarse.valid, coarse.parameters, n_max)
    return coarse.restored(found)


def _search(parameters: InitParameters, masks: sp.csc_array | None) -> Initialiser:
    """Return the search of the parameters' method."""
    if parameters.method != "seeded":
        return _SEARCHES[parameters.method]
    if masks is None:
        raise ParameterError(
            "The 'init.method' parameter is 'seeded' and there are no masks; give a "
            "labels image, points or footprints to start from, or choose another "
            "method."
        )
    return partial(_from_masks, masks)


def _from_masks(
    masks: sp.csc_array,
    movie: np.ndarray,
    valid: np.ndarray,
    parameters: InitParameters,
    _n_max: int,
) -> Found:
    """Fit the masks: as many components as there are."""
    if not masks.shape[1]:
        return Found.none(*movie.shape)
    return seeded(movie, valid, parameters, masks)
