"""Outlines to start from: labels, points, or the footprints of an earlier session."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from napari_cnmf.components import Components
from napari_cnmf.errors import InputError


def masks_from(
    source: np.ndarray | sp.csc_array | Components,
    field_shape: tuple[int, int],
    diameter_px: float,
) -> sp.csc_array:
    """Make masks of whatever marks cells.

    Parameters
    ----------
    source : ndarray, csc_array or Components
        A labels image of the field's shape, points (n, 2) as rows and columns, or the
        footprints of an earlier result, by themselves or with it.
    field_shape : tuple of int
        (Y, X) of the movie.
    diameter_px : float
        Of a cell; points become discs of it.

    Returns
    -------
    csc_array
        (Y*X, K) float32, at least one column, none of them empty.

    Raises
    ------
    InputError
        If nothing is marked, or not in this field.
    """
    if isinstance(source, Components):
        return masks_from_footprints(source.footprints, field_shape)
    if sp.issparse(source):
        return masks_from_footprints(source, field_shape)
    array = np.asarray(source)
    if array.shape == field_shape and np.issubdtype(array.dtype, np.integer):
        return masks_from_labels(array, field_shape)
    if array.ndim == 2 and array.shape[1] == 2:
        return masks_from_points(array, field_shape, diameter_px)
    raise InputError(
        f"The seeds are an array of shape {array.shape} and type {array.dtype}; give "
        f"whole-numbered labels of the movie's shape {field_shape}, or points (n, 2)."
    )


def masks_from_labels(labels: np.ndarray, field_shape: tuple[int, int]) -> sp.csc_array:
    """Make a mask of each label above 0, in rising order.

    Parameters
    ----------
    labels : ndarray of int
        (Y, X), 0 where there is no cell.
    field_shape : tuple of int

    Returns
    -------
    csc_array
        (Y*X, K) float32, ones.

    Raises
    ------
    InputError
        If the image has another shape than the movie, or no label.
    """
    if labels.shape != field_shape:
        raise InputError(
            f"The labels have the shape {labels.shape} and the movie {field_shape}; "
            "draw them on an image of this movie."
        )
    pixels = np.flatnonzero(labels > 0)
    if not len(pixels):
        raise InputError("The labels mark no cell; paint at least one label above 0.")
    names, columns = np.unique(labels.ravel()[pixels], return_inverse=True)
    ones = np.ones(len(pixels), np.float32)
    return sp.csc_array((ones, (pixels, columns)), shape=(labels.size, len(names)))


def masks_from_points(
    points: np.ndarray, field_shape: tuple[int, int], diameter_px: float
) -> sp.csc_array:
    """Make a disc of a cell's diameter around each point, cut at the border.

    Parameters
    ----------
    points : ndarray
        (n, 2), rows and columns; whole numbers are the middles of pixels.
    field_shape : tuple of int
    diameter_px : float

    Returns
    -------
    csc_array
        (Y*X, n) float32, ones.

    Raises
    ------
    InputError
        If there is no point, or one outside of the field.
    """
    if not len(points):
        raise InputError("There are no points to start from; give at least one.")
    inside = np.all((points >= -0.5) & (points < np.array(field_shape) - 0.5), axis=1)
    if not inside.all():
        k = int(np.argmin(inside))
        y, x = points[k]
        raise InputError(
            f"Point {k} at ({y:g}, {x:g}) lies outside of the field of "
            f"{field_shape[0]} x {field_shape[1]} px; give rows and columns in pixels."
        )
    discs = [_disc(point, field_shape, diameter_px / 2) for point in points]
    return sp.hstack(discs, format="csc")


def _disc(
    centre: np.ndarray, field_shape: tuple[int, int], radius_px: float
) -> sp.csc_array:
    """Column (pixels, 1) of the pixels whose middle lies within the radius."""
    low = np.maximum(np.ceil(centre - radius_px), 0).astype(int)
    high = np.minimum(np.floor(centre + radius_px) + 1, field_shape).astype(int)
    rows, cols = np.mgrid[low[0] : high[0], low[1] : high[1]]
    inside = np.hypot(rows - centre[0], cols - centre[1]) <= radius_px
    pixels = (rows * field_shape[1] + cols)[inside]
    ones, column = np.ones(len(pixels), np.float32), np.zeros(len(pixels), np.int64)
    shape = (field_shape[0] * field_shape[1], 1)
    return sp.csc_array((ones, (pixels, column)), shape=shape)


def masks_from_footprints(
    footprints: sp.csc_array, field_shape: tuple[int, int]
) -> sp.csc_array:
    """Make masks of footprints: their weights, at most one each; empty ones go.

    Parameters
    ----------
    footprints : csc_array
        (pixels, K), not negative.
    field_shape : tuple of int

    Returns
    -------
    csc_array
        (Y*X, K) float32.

    Raises
    ------
    InputError
        If they are of another field, or all empty.
    """
    n_pixels = field_shape[0] * field_shape[1]
    if footprints.shape[0] != n_pixels:
        raise InputError(
            f"The footprints are of a field of {footprints.shape[0]} pixels and the "
            f"movie has {field_shape[0]} x {field_shape[1]}; give those of a recording "
            "of the same field."
        )
    masks = sp.csc_array(footprints, dtype=np.float32, copy=True)
    masks.eliminate_zeros()
    masks = masks[:, np.flatnonzero(np.diff(masks.indptr))]
    if not masks.shape[1]:
        raise InputError("The footprints are all empty; give at least one with pixels.")
    peaks = masks.max(axis=0).toarray().ravel()
    masks.data /= np.repeat(peaks, np.diff(masks.indptr))
    return masks
