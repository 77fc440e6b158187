"""The working model of a field or a patch: ``Z = A C + W H F + noise``.

Z is the movie with its mean removed, in units of each pixel's noise, so every pixel
counts alike. Values are replaced, never changed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp

from napari_cnmf.cnmf import kernels
from napari_cnmf.cnmf.background import HatGrid


@dataclass(frozen=True, eq=False)
class Model:
    """Footprints and traces of cells, weights and traces of the background.

    Attributes
    ----------
    valid : ndarray of bool
        (Y, X), pixels of the field or patch that hold data; all others are zero in the
        movie, in the footprints and in the weights.
    grid : HatGrid
        Where the background's time courses live.
    footprints : csc_array
        (pixels, K) float32, in units of the pixels' noise.
    traces : ndarray
        (K, T) float32, denoised.
    weights : ndarray
        (pixels,) float32, how much of the local background a pixel shows.
    background : ndarray
        (nodes, T) float32.
    """

    valid: np.ndarray
    grid: HatGrid
    footprints: sp.csc_array
    traces: np.ndarray
    weights: np.ndarray
    background: np.ndarray

    def __len__(self) -> int:
        return len(self.traces)

    @property
    def field_shape(self) -> tuple[int, int]:
        """Rows and columns (Y, X)."""
        height, width = self.valid.shape
        return height, width

    def grown(self, radius_px: int) -> sp.csc_array:
        """Supports (pixels, K) grown by a disc, where there is data; ones."""
        indptr, pixels = kernels.dilate(
            self.footprints.indptr,
            self.footprints.indices,
            *self.field_shape,
            radius_px,
        )
        inside = self.valid.ravel()[pixels].astype(np.float32)
        grown = sp.csc_array((inside, pixels, indptr), shape=self.footprints.shape)
        grown.eliminate_zeros()
        return grown

    def select(self, which: np.ndarray) -> Model:
        """Keep the chosen cells."""
        footprints = self.footprints[:, which]
        return replace(self, footprints=footprints, traces=self.traces[which])
