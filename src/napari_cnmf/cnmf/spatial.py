"""The spatial update: what every pixel owes to the cells around it.

Each pixel is regressed on the traces of the cells whose dilated support holds it and
on its local background, non-negative; supports are then smoothed, cut at a share of
their maximum and at their own noise, and reduced to their largest piece.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from napari_cnmf.cnmf import kernels
from napari_cnmf.cnmf.background import smoothed
from napari_cnmf.cnmf.model import Model
from napari_cnmf.cnmf.parameters import CnmfParameters, SpatialParameters


def update_footprints(
    movie: np.ndarray, model: Model, parameters: CnmfParameters
) -> Model:
    """Update footprints and background weights, given the traces.

    Parameters
    ----------
    movie : ndarray
        (pixels, T) float32, mean removed, in units of each pixel's noise.
    model : Model
        Traces at the movie's rate.
    parameters : CnmfParameters

    Returns
    -------
    Model
        A cell whose support vanished has an empty footprint.
    """
    by_pixel = candidates(model, parameters.spatial.search_px)
    everything = np.arange(len(movie))
    values, weights = regress(movie, by_pixel, model, everything)
    by_pixel.data[:] = values
    return outlined(model, by_pixel, weights, parameters)


def candidates(model: Model, search_px: int) -> sp.csr_array:
    """Cells that each pixel may belong to: (pixels, K), explicit zeros."""
    near = model.grown(search_px)
    near.data[:] = 0
    return near.tocsr()


def regress(
    movie: np.ndarray, by_pixel: sp.csr_array, model: Model, pixels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Regress pixels on their candidate cells and their local background.

    Parameters
    ----------
    movie : ndarray
        (n, T) float32, the pixels' traces.
    by_pixel : csr_array
        (n, K), the candidates of these pixels.
    model : Model
        Of the field, with its traces.
    pixels : ndarray
        (n,) numbers of the pixels in the field.

    Returns
    -------
    values : ndarray
        One per candidate, in the order of `by_pixel`.
    weights : ndarray
        (n,) float32, of the background.
    """
    cells, columns = np.unique(by_pixel.indices, return_inverse=True)
    traces = centred(model.traces[cells])
    values = np.zeros(by_pixel.nnz, np.float32)
    weights = model.weights[pixels]
    kernels.regress_pixels(
        movie,
        by_pixel.indptr,
        columns.astype(np.int32),
        traces,
        traces @ traces.T,
        centred(model.background),
        model.grid.nodes[pixels],
        model.grid.shares[pixels],
        values,
        weights,
    )
    return values, weights


def outlined(
    model: Model,
    by_pixel: sp.csr_array,
    weights: np.ndarray,
    parameters: CnmfParameters,
) -> Model:
    """Cut regressed footprints to their smoothed supports and smooth the weights.

    The noise of a footprint's value, in units of the pixel noise, is one over the root
    of the energy of its trace.
    """
    footprints = by_pixel.tocsc()
    energy = np.einsum("kt,kt->k", *[centred(model.traces)] * 2)
    _cut(footprints, energy, model.field_shape, parameters.spatial)
    sigma_px = parameters.background.weight_smoothing_px
    smooth = smoothed(weights.reshape(model.field_shape), model.valid, sigma_px)
    return replace(model, footprints=footprints, weights=smooth.ravel())


def gaussian_taps(sigma_px: float) -> np.ndarray:
    """Separable Gaussian filter of 2.5 sigma, float32, with a sum of one."""
    radius = int(np.ceil(2.5 * sigma_px))
    taps = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma_px) ** 2)
    return (taps / taps.sum()).astype(np.float32)


def centred(traces: np.ndarray) -> np.ndarray:
    """Traces without their mean over time."""
    return traces - traces.mean(axis=1, keepdims=True)


def _cut(
    footprints: sp.csc_array,
    energy: np.ndarray,
    field_shape: tuple[int, int],
    parameters: SpatialParameters,
) -> None:
    """Outline footprints in place."""
    taps = gaussian_taps(parameters.support_smoothing_px)
    noise = np.sum(taps**2) / np.sqrt(np.maximum(energy, 1e-12))
    kernels.outline(
        footprints.indptr,
        footprints.indices,
        footprints.data,
        (parameters.support_noise_sd * noise).astype(np.float32),
        field_shape[1],
        taps,
        parameters.support_threshold,
    )
    footprints.eliminate_zeros()
