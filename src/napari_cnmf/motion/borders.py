"""The border that motion moved out of view, and the area that is left."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.ndimage import minimum_filter

from napari_cnmf.movie.images import SummaryImages
from napari_cnmf.movie.shifts import Shifts


def seen_borders(
    shifts: Shifts, min_seen: float, left_out: tuple[int, ...] = ()
) -> tuple[int, int, int, int]:
    """Pixels at the top, bottom, left and right that were not in view often enough.

    Parameters
    ----------
    shifts : Shifts
        How far the content of each frame had moved.
    min_seen : float
        Share of the frames in which a pixel has to be in view.
    left_out : tuple of int
        Numbers of frames that do not count.

    Returns
    -------
    tuple of int
        Each is less than half of the side.
    """
    patches = shifts.patches
    values = shifts.values[:, None, None]
    if patches is not None:
        values = patches.values.reshape(-1, *patches.grid_shape, 2)
    good = np.delete(values, left_out, axis=0)
    if not len(good):
        return 0, 0, 0, 0
    reaches = (
        -good[:, 0, :, 0].min(axis=1),
        good[:, -1, :, 0].max(axis=1),
        -good[:, :, 0, 1].min(axis=1),
        good[:, :, -1, 1].max(axis=1),
    )
    height, width = shifts.template.shape
    sides = (height, height, width, width)
    wanted = [np.quantile(r, min_seen, method="higher") for r in reaches]
    top, bottom, left, right = (
        int(min(max(np.ceil(w), 0), (side - 1) // 2))
        for w, side in zip(wanted, sides, strict=True)
    )
    return top, bottom, left, right


def with_data(recorded: SummaryImages) -> np.ndarray:
    """Pixels (Y, X) bool that hold data in the frames as recorded.

    Rows and columns at the border in which no pixel ever changes were masked before,
    by an earlier registration for one. Moved by parts of a pixel, their edge would
    flicker like a cell.
    """
    held = np.zeros_like(recorded.valid)
    held[replace(recorded, valid=recorded.noise > 0).inside] = True
    inside: np.ndarray = held & recorded.valid
    return inside


def valid_area(valid: np.ndarray, borders: tuple[int, int, int, int]) -> np.ndarray:
    """Pixels that hold data after registration.

    Parameters
    ----------
    valid : ndarray
        (Y, X) bool, pixels that hold data in the frames as recorded.
    borders : tuple of int
        From `seen_borders`.

    Returns
    -------
    ndarray
        (Y, X) bool: whatever the motion, a pixel that holds data was seen there.
    """
    top, bottom, left, right = borders
    # corrected[y] came from rows y - top ... y + bottom of the frames
    size = top + bottom + 1, left + right + 1
    origin = top - size[0] // 2, left - size[1] // 2
    seen: np.ndarray = minimum_filter(
        valid, size, mode="constant", cval=0, origin=origin
    )
    return seen
