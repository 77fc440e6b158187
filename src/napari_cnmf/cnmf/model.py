"""The working model of a field or a patch: ``Z = A C + W H F + noise``.

Z is the movie with its mean removed, in units of each pixel's noise, so every pixel
counts alike. Values are replaced, never changed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp

from napari_cnmf.cnmf.background import HatGrid


@dataclass(frozen=True, eq=False)
class Model:
    """Footprints and traces of cells, weights and traces of the background.

    Attributes
    ----------
    field_shape : tuple of int
        (Y, X) of the field or patch.
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

    field_shape: tuple[int, int]
    grid: HatGrid
    footprints: sp.csc_array
    traces: np.ndarray
    weights: np.ndarray
    background: np.ndarray

    def __len__(self) -> int:
        return len(self.traces)

    def select(self, which: np.ndarray) -> Model:
        """Keep the chosen cells."""
        footprints = self.footprints[:, which]
        return replace(self, footprints=footprints, traces=self.traces[which])
