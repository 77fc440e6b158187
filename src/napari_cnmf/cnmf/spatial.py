"""The spatial update: what every pixel owes to the cells around it.

Each pixel is regressed on the traces of the cells whose dilated support holds it and
on its local background, non-negative; supports are then smoothed, cut at a share of
their maximum and at their own noise, and reduced to their largest piece.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy.sparse as sp
from scipy.ndimage import gaussian_filter

from napari_cnmf.cnmf import kernels
from napari_cnmf.cnmf.model import Model
from napari_cnmf.cnmf.parameters import SpatialParameters


def update_footprints(
    movie: np.ndarray,
    model: Model,
    parameters: SpatialParameters,
    weight_smoothing_px: float,
) -> Model:
    """Update footprints and background weights, given the traces.

    Parameters
    ----------
    movie : ndarray
        (pixels, T) float32, mean removed, in units of each pixel's noise.
    model : Model
        Traces at the movie's rate.
    parameters : SpatialParameters

    Returns
    -------
    Model
        Without the cells whose support vanished.
    """
    traces = _centred(model.traces)
    indptr, indices = kernels.dilate(
        model.footprints.indptr,
        model.footprints.indices,
        *model.field_shape,
        parameters.search_px,
    )
    values = np.zeros(len(indices), np.float32)
    candidates = sp.csc_array((values, indices, indptr), shape=model.footprints.shape)
    by_pixel = candidates.tocsr()
    weights = model.weights.copy()
    kernels.regress_pixels(
        movie,
        by_pixel.indptr,
        by_pixel.indices,
        traces,
        traces @ traces.T,
        _centred(model.background),
        model.grid.nodes,
        model.grid.shares,
        by_pixel.data,
        weights,
    )
    energy = np.einsum("kt,kt->k", traces, traces)
    footprints = outlined(by_pixel.tocsc(), energy, model.field_shape, parameters)
    smooth = gaussian_filter(
        weights.reshape(model.field_shape), weight_smoothing_px
    )
    return replace(
        model, footprints=footprints, weights=smooth.ravel()
    ).without_empty()


def outlined(
    footprints: sp.csc_array,
    energy: np.ndarray,
    field_shape: tuple[int, int],
    parameters: SpatialParameters,
) -> sp.csc_array:
    """Cut footprints to their smoothed support; see the module.

    `energy` (K,) is the sum of squares of each trace: the noise of a footprint's
    value, in units of the pixel noise, is one over its root.
    """
    taps = gaussian_taps(parameters.support_smoothing_px)
    noise = np.sum(taps**2) / np.sqrt(np.maximum(energy, 1e-12))
    floor = (parameters.support_noise_sd * noise).astype(np.float32)
    cut = footprints.copy()
    kernels.outline(
        cut.indptr,
        cut.indices,
        cut.data,
        floor,
        field_shape[1],
        taps,
        parameters.support_threshold,
    )
    cut.eliminate_zeros()
    return cut


def gaussian_taps(sigma_px: float) -> np.ndarray:
    """Separable Gaussian filter of 2.5 sigma, float32, with a sum of one."""
    radius = int(np.ceil(2.5 * sigma_px))
    taps = np.exp(-0.5 * (np.arange(-radius, radius + 1) / max(sigma_px, 1e-6)) ** 2)
    return (taps / taps.sum()).astype(np.float32)


def _centred(traces: np.ndarray) -> np.ndarray:
    """Traces without their mean over time."""
    return traces - traces.mean(axis=1, keepdims=True)
