"""What is left of a movie while a search takes components out of it.

It is held twice: sharp, where footprints are fitted, and blurred with a Gaussian of
about a cell, where the next seed is picked. A component is subtracted from both, and
from the blurred one only where it reaches, so a search costs little per component.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from napari_cnmf.cnmf.initialise import kernels


def blocks(n_bins: int) -> Iterator[int]:
    """First bin of each `kernels.LANES` that are worked on together."""
    for start in range(0, n_bins, kernels.LANES):
        # The last bins are done together with some that were done before.
        yield min(start, n_bins - kernels.LANES)


class Residual:
    """A movie, sharp and blurred, from which components are taken.

    Parameters
    ----------
    sharp : ndarray
        (Y, X, T) float32; will be changed.
    taps : ndarray
        Separable filter, float32.
    step : int
        The blurred movie is kept at every so many pixels.
    """

    def __init__(self, sharp: np.ndarray, taps: np.ndarray, step: int) -> None:
        n_y, n_x, n_t = sharp.shape
        self.sharp = sharp
        self.taps = taps
        self.step = step
        self.blurred = np.empty((-(-n_y // step), -(-n_x // step), n_t), np.float32)

    def blur(self, first: int) -> None:
        """Blur `kernels.LANES` bins, from `first` on."""
        kernels.blur(self.sharp, self.taps, self.step, first, self.blurred)

    def box(self, y: int, x: int, half: int) -> tuple[slice, slice]:
        """Rows and columns around a pixel, cut at the border."""
        n_y, n_x = self.sharp.shape[:2]
        rows = slice(max(y - half, 0), min(y + half + 1, n_y))
        return rows, slice(max(x - half, 0), min(x + half + 1, n_x))

    def subtract(
        self, corner: tuple[int, int], image: np.ndarray, trace: np.ndarray
    ) -> tuple[tuple[int, int], tuple[int, int]]:
        """Subtract a component; tell which blurred rows and columns have changed."""
        kernels.subtract(self.sharp, *corner, image, trace)
        rows = self._reach(corner[0], image.shape[0], self.blurred.shape[0])
        cols = self._reach(corner[1], image.shape[1], self.blurred.shape[1])
        kernels.subtract_blurred(
            self.blurred, *corner, image, trace, self.taps, self.step, rows, cols
        )
        return rows, cols

    def _reach(self, start: int, n: int, n_coarse: int) -> tuple[int, int]:
        """Coarse pixels that pixels from `start` to ``start + n`` reach."""
        radius = len(self.taps) // 2
        low = max(-(-(start - radius) // self.step), 0)
        return low, min((start + n - 1 + radius) // self.step + 1, n_coarse)
