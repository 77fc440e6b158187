"""Square bins of pixels on one grid over the whole field, whatever patch they are in.

What is smooth over a few pixels is worked out once a bin: pixels are pooled to the mean
of their bin, and bins are spread over pixels by bilinear interpolation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp


@dataclass(frozen=True, slots=True)
class BinGrid:
    """Square bins of pixels, at the same places whatever patch of a field they cover.

    Attributes
    ----------
    field_shape : tuple of int
        (Y, X) of the patch or field.
    corner : tuple of int
        Its first pixel in the whole field.
    bin_px : int
        Side of a bin; those at the edge of a patch may be cut.
    """

    field_shape: tuple[int, int]
    corner: tuple[int, int] = (0, 0)
    bin_px: int = 2

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of bins."""
        rows, cols = (
            (start + n - 1) // self.bin_px - start // self.bin_px + 1
            for n, start in zip(self.field_shape, self.corner, strict=True)
        )
        return rows, cols

    def members(self) -> sp.csr_array:
        """One for each pixel in its bin: (pixels, bins) float32."""
        return _product([np.floor(at + 0.5) for at in self._places()], self.shape)

    def interpolation(self) -> sp.csr_array:
        """Bilinear shares of the bins in each pixel, (pixels, bins) float32."""
        return _product(self._places(), self.shape)

    def numbers_in(self, whole: BinGrid) -> np.ndarray:
        """Numbers (bins,) of these bins in the grid of a field that holds them."""
        rows, cols = (
            start // self.bin_px - origin // self.bin_px + np.arange(n)
            for start, origin, n in zip(
                self.corner, whole.corner, self.shape, strict=True
            )
        )
        return np.add.outer(rows * whole.shape[1], cols).ravel()

    def pixels_in(self, whole: BinGrid) -> np.ndarray:
        """Numbers (pixels,) of these pixels in a field that holds them."""
        rows, cols = (
            start - origin + np.arange(n)
            for start, origin, n in zip(
                self.corner, whole.corner, self.field_shape, strict=True
            )
        )
        return np.add.outer(rows * whole.field_shape[1], cols).ravel()

    def _places(self) -> list[np.ndarray]:
        """Place of each row, and each column, of pixels among the centres of bins."""
        return [
            (start % self.bin_px + np.arange(n) + 0.5) / self.bin_px - 0.5
            for start, n in zip(self.corner, self.field_shape, strict=True)
        ]


def pooling_of(bins: BinGrid, valid: np.ndarray) -> sp.csr_array:
    """Mean of the valid pixels of each bin, (bins, pixels) float32."""
    counted = sp.csr_array(sp.diags_array(valid.ravel() * 1.0) @ bins.members())
    counted.eliminate_zeros()
    return rows_to_one(sp.csr_array(counted.T))


def rows_to_one(matrix: sp.csr_array) -> sp.csr_array:
    """Scale rows of non-negative values to a sum of one; empty ones stay."""
    total = np.asarray(matrix.sum(axis=1)).ravel()
    scale = np.divide(1, total, out=np.zeros(len(total)), where=total > 0)
    return sp.csr_array(sp.diags_array(scale) @ matrix, dtype=np.float32)


def _product(places: list[np.ndarray], shape: tuple[int, int]) -> sp.csr_array:
    """Linear interpolation at places along both axes, (pixels, bins) float32."""
    rows, cols = (
        np.maximum(1 - abs(np.clip(at, 0, n - 1)[:, None] - np.arange(n)), 0)
        for at, n in zip(places, shape, strict=True)
    )
    shares = sp.kron(sp.csr_array(rows), sp.csr_array(cols))
    return sp.csr_array(shares.astype(np.float32))
