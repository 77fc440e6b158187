"""How far each frame's content had moved."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Shifts:
    """Rigid shifts of a recording against its template.

    Attributes
    ----------
    values : ndarray
        (T, 2) float32, pixels (dy, dx): how far the content of the frame moved,
        positive down and right. The corrected frame was moved back by this much.
    template : ndarray
        (Y, X) float32, the image that the frames were registered to.
    max_shift_px : float
        The limit of the search.
    """

    values: np.ndarray
    template: np.ndarray
    max_shift_px: float

    @property
    def n_at_limit(self) -> int:
        """Number of frames whose shift lies at the limit of the search."""
        return int((np.abs(self.values) >= self.max_shift_px - 0.5).any(axis=1).sum())
