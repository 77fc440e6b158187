"""The working model of a field or a patch: ``Z = A C + B F + noise``.

Z is the movie with its mean removed, in units of each pixel's noise, so every pixel
counts alike. The background's maps B are a grid of hats times a weight per pixel, or
modes that reach over the whole field; in one-photon movies a ring model stands in their
place. Values are replaced, never changed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp

from napari_cnmf.cnmf import kernels
from napari_cnmf.cnmf.background.grid import HatGrid
from napari_cnmf.cnmf.background.ring import Ring
from napari_cnmf.origin import Fate, Origin


@dataclass(frozen=True, eq=False)
class Model:
    """Footprints and traces of cells, maps and traces of the background.

    Attributes
    ----------
    valid : ndarray of bool
        (Y, X), pixels of the field or patch that hold data; all others are zero in the
        movie, in the footprints and in the background's maps.
    footprints : csc_array
        (pixels, K) float32, in units of the pixels' noise.
    traces : ndarray
        (K, T) float32, denoised.
    origin : Origin
        Where each of them began.
    grid : HatGrid
        Where the background's local time courses live; without nodes for a low-rank
        background.
    weights : ndarray
        (pixels,) float32, how much of its local background a pixel shows.
    modes : csc_array
        (pixels, n) float32, maps of a low-rank background; none for a local one.
    background : ndarray
        (nodes + n, T) float32.
    ring : Ring or None
        Of a movie whose background is predicted from rings; then there are no nodes
        and no modes.
    fates : tuple of Fate
        Candidates that ended on the way.
    """

    valid: np.ndarray
    footprints: sp.csc_array
    traces: np.ndarray
    origin: Origin
    grid: HatGrid
    weights: np.ndarray
    modes: sp.csc_array
    background: np.ndarray
    ring: Ring | None = None
    fates: tuple[Fate, ...] = ()

    def __len__(self) -> int:
        return len(self.traces)

    @property
    def field_shape(self) -> tuple[int, int]:
        """Rows and columns (Y, X)."""
        height, width = self.valid.shape
        return height, width

    @property
    def n_rows(self) -> int:
        """Number of time courses, of cells and background."""
        return len(self.traces) + len(self.background)

    def maps(self) -> sp.csc_array:
        """Return the maps of the background, (pixels, nodes + n) float32."""
        return sp.hstack([self.grid.maps(self.weights), self.modes], format="csc")

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
        """Keep the chosen cells (positions)."""
        return replace(
            self,
            footprints=self.footprints[:, which],
            traces=self.traces[which],
            origin=self.origin.select(which),
        )

    def without_vanished(self, reason: str, step: str) -> Model:
        """Leave out the cells whose footprints have no pixel."""
        gone = np.flatnonzero(np.diff(self.footprints.indptr) == 0)
        return self.without(dict.fromkeys(gone.tolist(), reason), step)

    def without(self, dropped: dict[int, str], step: str) -> Model:
        """Leave out some cells, and keep on record why.

        Parameters
        ----------
        dropped : dict
            Position -> reason.
        step : str
            When.
        """
        ended = [Fate.of(self.origin, k, step, why) for k, why in dropped.items()]
        kept = np.setdiff1d(np.arange(len(self)), list(dropped))
        return replace(self.select(kept), fates=(*self.fates, *ended))
