"""The spatial update: what every pixel owes to the cells around it.

Each pixel is regressed on the traces of the cells that are searched for there and on
its background, non-negative and, if wanted, sparse; supports are then smoothed, cut at
a level and at their own noise, and reduced to the pieces that hang together. The steps
of Pnevmatikakis et al. 2016 (doi:10.1016/j.neuron.2015.11.037), in units of noise.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from napari_cnmf.cnmf import kernels, kernels_outline
from napari_cnmf.cnmf.background.grid import smoothed
from napari_cnmf.cnmf.model import Model
from napari_cnmf.cnmf.parameters import CnmfParameters, SpatialParameters


def update_footprints(
    movie: np.ndarray, model: Model, parameters: CnmfParameters
) -> Model:
    """Update footprints and maps of the background, given the traces.

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
    by_pixel = candidates(model, parameters)
    everything = np.arange(len(movie))
    sparsity_sd = parameters.spatial.sparsity_sd
    values, weights = regress(movie, by_pixel, model, everything, sparsity_sd)
    by_pixel.data[:] = values
    return outlined(model, by_pixel, weights, parameters)


def candidates(model: Model, parameters: CnmfParameters) -> sp.csr_array:
    """Cells and background modes that each pixel may show.

    Parameters
    ----------
    model : Model
        With n background modes that reach over the whole field.
    parameters : CnmfParameters

    Returns
    -------
    csr_array
        (pixels, K + n): explicit zeros where a cell is searched for, then the modes as
        they are at every pixel with data.
    """
    if parameters.spatial.search == "ellipse":
        near = _ellipses(model, parameters.spatial, parameters.init.diameter_px)
    else:
        near = model.grown(parameters.spatial.search_px)
    near.data[:] = 0
    if model.modes.shape[1]:
        near = sp.hstack([near, _everywhere(model)], format="csc")
    return near.tocsr()


def regress(
    movie: np.ndarray,
    by_pixel: sp.csr_array,
    model: Model,
    pixels: np.ndarray,
    sparsity_sd: float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    r"""Regress pixels on their candidates and their local background.

    Minimises, over non-negative x,

    .. math:: \frac{1}{2} \|y - \sum_k x_k c_k\|^2 + \sum_k \lambda_k x_k

    with :math:`\lambda_k = s \|c_k\|` for cells, where s is `sparsity_sd` and the
    traces c are centred, and no penalty for the background. As y has a noise of one, a
    cell alone in a pixel loses s standard deviations of its value's noise.

    Parameters
    ----------
    movie : ndarray
        (n, T) float32, the pixels' traces.
    by_pixel : csr_array
        (n, K + modes), the candidates of these pixels; its values are the start.
    model : Model
        Of the field, with its traces.
    pixels : ndarray
        (n,) numbers of the pixels in the field.
    sparsity_sd : float
        Weight of the sparsity term. CaImAn's `alpha` of half the noise over T is
        0.5 / sqrt(T) here, once its coefficients, which belong to traces of unit
        variance, are divided by the traces' standard deviations.

    Returns
    -------
    values : ndarray
        One per candidate, in the order of `by_pixel`. Cells with identical traces
        leave a pixel to the first of them.
    weights : ndarray
        (n,) float32, of the local background.
    """
    n_nodes = model.grid.n_nodes
    chosen, columns = np.unique(by_pixel.indices, return_inverse=True)
    background = centred(model.background)
    n_cells = np.searchsorted(chosen, len(model))
    courses = centred(model.traces[chosen[:n_cells]])
    if n_cells < len(chosen):
        modes = background[n_nodes + chosen[n_cells:] - len(model)]
        courses = np.concatenate([courses, modes])
    gram = courses @ courses.T
    penalties = sparsity_sd * np.sqrt(gram.diagonal())
    penalties[n_cells:] = 0
    values = by_pixel.data.copy()
    weights = model.weights[pixels]
    kernels.regress_pixels(
        movie,
        by_pixel.indptr,
        columns.astype(np.int32),
        courses,
        gram,
        penalties.astype(np.float32),
        background,
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
    """Cut regressed footprints to their supports; smooth the background's maps.

    The noise of a footprint's value, in units of the pixel noise, is one over the root
    of the energy of its trace. The background is not cut.

    Parameters
    ----------
    model : Model
        As it was regressed.
    by_pixel : csr_array
        (pixels, K + modes), what `regress` found for the `candidates` of the field.
    weights : ndarray
        (pixels,) float32, the weights that it found.
    parameters : CnmfParameters
    """
    columns = by_pixel.tocsc()
    footprints, modes = columns[:, : len(model)], columns[:, len(model) :]
    energy = np.einsum("kt,kt->k", *[centred(model.traces)] * 2)
    _cut(footprints, energy, model.field_shape, parameters.spatial)
    sigma_px = parameters.background.weight_smoothing_px
    smooth = smoothed(weights.reshape(model.field_shape), model.valid, sigma_px)
    modes = _smoothed_modes(modes, model.valid, sigma_px)
    return replace(model, footprints=footprints, weights=smooth.ravel(), modes=modes)


def gaussian_taps(sigma_px: float, radius_px: int | None = None) -> np.ndarray:
    """Separable Gaussian filter, of 2.5 sigma by default; float32, sum one."""
    radius = int(np.ceil(2.5 * sigma_px)) if radius_px is None else radius_px
    taps = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma_px) ** 2)
    return (taps / taps.sum()).astype(np.float32)


def centred(traces: np.ndarray) -> np.ndarray:
    """Traces without their mean over time."""
    return traces - traces.mean(axis=1, keepdims=True)


def _ellipses(
    model: Model, parameters: SpatialParameters, diameter_px: float
) -> sp.csc_array:
    """Pixels with data (pixels, K) in an ellipse of each footprint's own shape; ones.

    Its axes are the standard deviations of the footprint, held to limits.
    """
    a = model.footprints
    narrow = parameters.ellipse_min_diameters * diameter_px
    wide = parameters.ellipse_max_diameters * diameter_px
    supports = []
    for first, last in zip(a.indptr[:-1], a.indptr[1:], strict=True):
        inside = np.zeros(model.field_shape, bool)
        if a.data[first:last].any():
            place = np.stack(np.divmod(a.indices[first:last], inside.shape[1]))
            centre, spread = _moments(place, a.data[first:last])
            variances, axes = np.linalg.eigh(spread)
            lengths = np.sqrt(np.clip(variances, narrow**2, wide**2))
            reach = parameters.ellipse_distance * lengths
            inside = _ellipse(centre, axes, reach, model.field_shape)
        supports.append(np.flatnonzero(inside & model.valid).astype(np.int32))
    indptr = np.cumsum([0, *map(len, supports)], dtype=np.int32)
    pixels = np.concatenate([np.empty(0, np.int32), *supports])
    ones = np.ones(len(pixels), np.float32)
    return sp.csc_array((ones, pixels, indptr), shape=a.shape)


def _moments(place: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centre (2, 1) and covariance (2, 2) of weighted places (2, n)."""
    shares = weights / weights.sum()
    centre = (place @ shares)[:, None]
    offset = place - centre
    return centre, (offset * shares) @ offset.T


def _ellipse(
    centre: np.ndarray,
    axes: np.ndarray,
    reach: np.ndarray,
    field_shape: tuple[int, int],
) -> np.ndarray:
    """Mask of the pixels within `reach` (2,) along axes (2, 2), in columns."""
    inside = np.zeros(field_shape, bool)
    low = np.maximum(np.floor(centre[:, 0] - reach.max()), 0).astype(int)
    high = np.ceil(centre[:, 0] + reach.max()).astype(int) + 1
    box = inside[low[0] : high[0], low[1] : high[1]]
    place = np.indices(box.shape).reshape(2, -1) + low[:, None]
    distance = np.sum((axes.T @ (place - centre) / reach[:, None]) ** 2, axis=0)
    box[:] = (distance <= 1).reshape(box.shape)
    return inside


def _everywhere(model: Model) -> sp.csc_array:
    """Modes of the background with a value, if zero, for every pixel with data."""
    pixels = np.flatnonzero(model.valid).astype(np.int32)
    n_modes = model.modes.shape[1]
    values = model.modes.toarray()[pixels].T.ravel()
    indptr = len(pixels) * np.arange(n_modes + 1, dtype=np.int32)
    parts = values, np.tile(pixels, n_modes), indptr
    return sp.csc_array(parts, shape=model.modes.shape)


def _smoothed_modes(
    modes: sp.csc_array, valid: np.ndarray, sigma_px: float
) -> sp.csc_array:
    """Smooth each mode as the weights of a local background are smoothed."""
    images = modes.toarray().T.reshape(-1, *valid.shape)
    smooth = [smoothed(image, valid, sigma_px) for image in images]
    return sp.csc_array(np.reshape(smooth, (-1, valid.size)).T.astype(np.float32))


def _cut(
    footprints: sp.csc_array,
    energy: np.ndarray,
    field_shape: tuple[int, int],
    parameters: SpatialParameters,
) -> None:
    """Outline footprints in place."""
    taps = gaussian_taps(parameters.support_smoothing_px)
    noise = np.sum(taps**2) / np.sqrt(np.maximum(energy, 1e-12))
    by_energy = parameters.threshold_by == "energy"
    no_piece = footprints.shape[0] + 1
    kernels_outline.outline(
        footprints.indptr,
        footprints.indices,
        footprints.data,
        (parameters.support_noise_sd * noise).astype(np.float32),
        field_shape[1],
        taps,
        parameters.energy_share if by_energy else parameters.support_threshold,
        by_energy,
        parameters.closing_px,
        parameters.min_piece_px if parameters.pieces == "all" else no_piece,
    )
    footprints.eliminate_zeros()
