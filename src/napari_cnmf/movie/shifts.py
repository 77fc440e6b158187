"""How far each frame's content had moved, as a whole and in patches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


def grid_centres(places: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Points (P, 2) float32 of a grid of rows (ny,) and columns (nx,), row by row."""
    grid = np.meshgrid(*places, indexing="ij")
    return np.stack(grid, axis=-1).reshape(-1, 2).astype(np.float32)


@dataclass(frozen=True, eq=False)
class PatchShifts:
    """Displacement of each frame at the centres of a grid of patches.

    Attributes
    ----------
    values : ndarray
        (T, P, 2) float32, pixels (dy, dx), positive down and right; what the frame
        moved as a whole is part of it.
    centres : ndarray
        (P, 2) float32, pixels (y, x), row by row. Between the centres the displacement
        is interpolated linearly, outside of them it is that of the nearest point.
    """

    values: np.ndarray
    centres: np.ndarray

    @property
    def places(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows (ny,) and columns (nx,) of the grid of centres."""
        rows, cols = (np.unique(places) for places in self.centres.T.astype(float))
        return rows, cols

    @property
    def grid_shape(self) -> tuple[int, int]:
        """Rows and columns of the grid."""
        rows, cols = self.places
        return len(rows), len(cols)


@dataclass(frozen=True, eq=False)
class Shifts:
    """Shifts of a recording against its template.

    Attributes
    ----------
    values : ndarray
        (T, 2) float32, pixels (dy, dx): how far the content of the frame moved as a
        whole, positive down and right. The corrected frame was moved back by this much.
    template : ndarray
        (Y, X) float32, the image that the frames were registered to.
    max_shift_px : float
        The limit of the search.
    patches : PatchShifts, optional
        Of a piecewise-rigid registration; frames were moved back by these instead.
    line_offset_px : float
        How far odd rows lay to the right of even ones in the frames as recorded.
    drift : ndarray, optional
        (T, 2) float32, the part of `values` by which the local template of the frame
        had moved; None if one template served all.
    """

    values: np.ndarray
    template: np.ndarray
    max_shift_px: float
    patches: PatchShifts | None = None
    line_offset_px: float = 0.0
    drift: np.ndarray | None = None

    @property
    def at_limit(self) -> np.ndarray:
        """Frames whose shift lies at the limit of the search, (T,) bool."""
        found = self.values if self.drift is None else self.values - self.drift
        # In a tiny field nothing is searched for: no shift is not at that limit.
        limit = max(self.max_shift_px - 0.5, 0.5)
        reached: np.ndarray = (np.abs(found) >= limit).any(axis=1)
        return reached

    @property
    def n_at_limit(self) -> int:
        """Number of these frames."""
        return int(self.at_limit.sum())
