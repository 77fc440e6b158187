"""Components from outlines that are known: drawn by hand, or from an earlier session.

The background around each mask is the mean of the pixels near it that lie in no mask.
On top of it traces are regressed on the masks, all together, so that masks may overlap;
then every pixel is regressed, non-negative, on the traces of the masks that hold it.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from napari_cnmf.cnmf.initialise.found import Found, Seeds
from napari_cnmf.cnmf.parameters import InitParameters
from napari_cnmf.errors import InputError

# How far around a mask its background is taken, in diameters of a cell.
_AROUND = 0.8
# Of the trace of the normal equations per mask; it shares light evenly among twins.
_RIDGE = 1e-5
_STEPS = 6


def seeded(
    movie: np.ndarray,
    valid: np.ndarray,
    parameters: InitParameters,
    masks: sp.csc_array,
) -> Found:
    """Fit one component to each mask.

    Parameters
    ----------
    movie : ndarray
        (pixels, T) float32, mean removed, in units of each pixel's noise; zero where
        there is no data.
    valid : ndarray of bool
        (Y, X), pixels that hold data.
    parameters : InitParameters
    masks : csc_array
        (pixels, K), weights of at least 0; a component stays within its own.

    Returns
    -------
    Found
        One component per mask, in their order; a seed is the middle of its mask, its
        score the mask's pixels. A mask that holds no light keeps its weights; one
        without any data has an empty footprint.

    Raises
    ------
    InputError
        If the masks are of another field.
    """
    if masks.shape[0] != valid.size:
        raise InputError(
            f"The masks are of a field of {masks.shape[0]} pixels and the movie has "
            f"{valid.shape[0]} x {valid.shape[1]}; give masks of this field."
        )
    weights = _within(masks, valid)
    around = surround(weights, valid, round(_AROUND * parameters.diameter_px))
    background = around @ movie
    traces = regress_traces(movie, weights, background)
    for _ in range(parameters.iterations):
        weights = regress_weights(movie, weights, traces, background)
        traces = regress_traces(movie, weights, background)
    seeds = _seeds(masks, valid.shape, parameters.iterations)
    weights.eliminate_zeros()
    return Found(weights, traces, seeds)


def surround(masks: sp.csc_array, valid: np.ndarray, reach_px: int) -> sp.csr_array:
    """Means (K, pixels) over the pixels near each mask that lie in none.

    Where there is no such pixel the row is empty, and the background zero.
    """
    n_y, n_x = valid.shape
    free = valid.copy()
    free.ravel()[masks.indices] = False
    means = []
    for k in range(masks.shape[1]):
        near = np.zeros((n_y, n_x), np.float32)
        y, x = np.divmod(_pixels(masks, k), n_x)
        if len(y):
            low, left = max(y.min() - reach_px, 0), max(x.min() - reach_px, 0)
            box = (
                slice(low, y.max() + reach_px + 1),
                slice(left, x.max() + reach_px + 1),
            )
            near[box] = free[box]
        means.append(sp.csr_array(near.reshape(1, -1) / max(near.sum(), 1)))
    return sp.vstack(means, format="csr")


def regress_traces(
    movie: np.ndarray, weights: sp.csc_array, background: np.ndarray
) -> np.ndarray:
    """Traces (K, T) of all masks together, on top of each one's background."""
    overlap = (weights.T @ weights).toarray().astype(np.float64)
    diagonal = np.diag_indices(len(overlap))
    overlap[diagonal] += _RIDGE * overlap[diagonal] + np.finfo(np.float32).tiny
    light = weights.T @ movie - weights.sum(axis=0)[:, None] * background
    return np.linalg.solve(overlap, light).astype(np.float32)


def regress_weights(
    movie: np.ndarray, weights: sp.csc_array, traces: np.ndarray, background: np.ndarray
) -> sp.csc_array:
    """Lower the error by a few steps of all weights within the masks at once.

    A step is as long as is safe where masks overlap, and exact where they do not; twins
    stay alike. A mask whose weights would all vanish keeps those that it has.
    """
    centred = traces - traces.mean(axis=1, keepdims=True)
    shared = [
        (movie[_pixels(weights, k)] - background[k]) @ trace
        for k, trace in enumerate(centred)
    ]
    light = np.concatenate([*shared, np.zeros(0, np.float32)])
    meet = (weights.T @ weights).astype(bool)
    products = sp.csc_array(meet * (centred @ centred.T))
    length = np.repeat(abs(products).sum(axis=0), np.diff(weights.indptr))
    length = np.maximum(length, np.finfo(np.float32).tiny)
    column = np.repeat(np.arange(len(traces)), np.diff(weights.indptr))
    new = weights.copy()
    for _ in range(_STEPS):
        explained = (new.tocsr() @ products)[new.indices, column]
        new.data = np.maximum(new.data + (light - explained) / length, 0)
    vanished = np.repeat(new.sum(axis=0) == 0, np.diff(new.indptr))
    new.data = np.where(vanished, weights.data, new.data).astype(np.float32)
    return new


def _within(masks: sp.csc_array, valid: np.ndarray) -> sp.csc_array:
    """Weights of masks where there is data, sorted."""
    inside = sp.diags_array(valid.ravel().astype(np.float32))
    weights = sp.csc_array(inside @ masks, dtype=np.float32)
    weights.eliminate_zeros()
    weights.sort_indices()
    index = weights.indices.astype(np.int32), weights.indptr.astype(np.int32)
    return sp.csc_array((weights.data, *index), shape=masks.shape)


def _pixels(masks: sp.csc_array, k: int) -> np.ndarray:
    """Pixels of one mask."""
    pixels: np.ndarray = masks.indices[masks.indptr[k] : masks.indptr[k + 1]]
    return pixels


def _seeds(masks: sp.csc_array, field_shape: tuple[int, ...], rounds: int) -> Seeds:
    """Middle, pixels and bounding box of each mask."""
    n = masks.shape[1]
    yx, boxes = np.zeros((n, 2), np.int64), np.zeros((n, 4), np.int64)
    for k in range(n):
        y, x = np.divmod(_pixels(masks, k), field_shape[1])
        if len(y):
            yx[k] = np.rint([y.mean(), x.mean()])
            boxes[k] = y.min(), x.min(), y.max() + 1, x.max() + 1
    score = np.diff(masks.indptr).astype(np.float32)
    return Seeds(yx, score, boxes, np.full(n, rounds, np.int64))
