"""Greedy search by event energy, the default initialiser.

The local mean is subtracted, the movie is blurred with a Gaussian of about a cell, and
the pixel with the most energy above a noise threshold is the next seed; a rank-one fit
in its box is subtracted before the next is picked. An absolute stop in units of the
noise variance makes the number of components a result, not a parameter.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from napari_cnmf.cnmf.initialise import kernels
from napari_cnmf.cnmf.parameters import InitParameters
from napari_cnmf.cnmf.spatial import gaussian_taps

# In diameters; from an ablation on independent simulated movies.
_LOCAL_MEAN_HALF = 1.3
_BLUR_SIGMA = 0.32
_BOX_HALF = 0.75


def greedy(
    movie: np.ndarray,
    field_shape: tuple[int, int],
    parameters: InitParameters,
    n_max: int,
) -> tuple[sp.csc_array, np.ndarray]:
    """Find components in a movie.

    Parameters
    ----------
    movie : ndarray
        (pixels, T) float32, mean removed, in units of each pixel's noise.
    field_shape : tuple of int
        (Y, X).
    parameters : InitParameters
    n_max : int
        Most components to return.

    Returns
    -------
    footprints : csc_array
        (pixels, K) float32, in order of falling event energy.
    traces : ndarray
        (K, T) float32.
    """
    diameter = parameters.diameter_px
    n_t = movie.shape[1]
    missing = max(kernels.LANES - n_t, 0)
    if missing:
        movie = np.pad(movie, ((0, 0), (0, missing)))
    frames = movie.reshape(*field_shape, -1)
    sigma = _BLUR_SIGMA * diameter
    taps = gaussian_taps(sigma)
    step = max(1, int(0.6 * sigma))
    residual = np.empty_like(frames)
    coarse = [-(-n // step) for n in field_shape]
    blurred = np.empty((*coarse, frames.shape[2]), np.float32)
    half = round(_LOCAL_MEAN_HALF * diameter)
    kernels.filter_movie(frames, half, taps, step, residual, blurred)
    kernels.centre_by_median(blurred)
    corners, images, traces, _ = kernels.search(
        residual,
        blurred,
        taps,
        step,
        round(_BOX_HALF * diameter),
        parameters.event_threshold_sd,
        parameters.min_event_energy,
        n_max,
    )
    return _as_footprints(corners, images, field_shape), traces[:, :n_t]


def _as_footprints(
    corners: np.ndarray, images: np.ndarray, field_shape: tuple[int, int]
) -> sp.csc_array:
    """Put the boxed images into columns."""
    k, i, j = np.nonzero(images)
    pixels = (corners[k, 0] + i) * field_shape[1] + corners[k, 1] + j
    indptr = np.searchsorted(k, np.arange(len(images) + 1))
    shape = (field_shape[0] * field_shape[1], len(images))
    return sp.csc_array(
        (images[k, i, j], pixels.astype(np.int32), indptr.astype(np.int32)), shape=shape
    )
