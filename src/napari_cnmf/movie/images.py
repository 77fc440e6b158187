"""The images that summarise a movie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np


class PixelScale(Protocol):
    """What turns a movie into units of each pixel's noise; images (Y, X)."""

    @property
    def mean(self) -> np.ndarray:
        """Mean over time."""

    @property
    def noise(self) -> np.ndarray:
        """Standard deviation of the noise; 0 where a pixel never changes."""

    @property
    def valid(self) -> np.ndarray:
        """Pixels that hold data."""


@dataclass(frozen=True, eq=False)
class SummaryImages:
    """Projections of a movie over time, each (Y, X) float32 in the movie's units.

    Attributes
    ----------
    mean, maximum, std : ndarray
        Over all frames; the standard deviation is the population's.
    correlation : ndarray
        Mean Pearson correlation of a pixel with its neighbours.
    noise : ndarray
        Standard deviation of the noise, from the second differences in time; 0 where
        a pixel never changes.
    valid : ndarray of bool
        Pixels that hold data; False at the border that motion moved out of view.
    """

    mean: np.ndarray
    maximum: np.ndarray
    std: np.ndarray
    correlation: np.ndarray
    noise: np.ndarray
    valid: np.ndarray

    @property
    def borders(self) -> tuple[int, int, int, int]:
        """Rows and columns without data at the top, bottom, left and right."""
        rows, cols = (np.flatnonzero(self.valid.any(axis=axis)) for axis in (1, 0))
        height, width = self.valid.shape
        if not len(rows):
            return height, 0, width, 0
        return (
            int(rows[0]),
            int(height - 1 - rows[-1]),
            int(cols[0]),
            int(width - 1 - cols[-1]),
        )

    @property
    def inside(self) -> tuple[slice, slice]:
        """Rows and columns within the borders."""
        top, bottom, left, right = self.borders
        height, width = self.valid.shape
        return slice(top, height - bottom), slice(left, width - right)


def crispness(image: np.ndarray) -> float:
    """Norm of an image's gradient, which grows as motion no longer blurs it.

    As in NoRMCorre (Pnevmatikakis and Giovannucci 2017,
    doi:10.1016/j.jneumeth.2017.07.031).
    """
    return float(np.sqrt(sum(np.sum(slope**2) for slope in np.gradient(image))))
