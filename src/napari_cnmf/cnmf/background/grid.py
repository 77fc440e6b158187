"""The background: a coarse grid of bilinear hats times a weight per pixel.

Neuropil varies smoothly across the field, so its time courses live on a grid whose
pitch exceeds a soma, where they cannot follow a single cell; vessels and texture are
in the weight of each pixel. Replaces the rank-one background of a patch.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp
from scipy.ndimage import gaussian_filter
from scipy.sparse.linalg import splu

from napari_cnmf.cnmf.parameters import CnmfParameters

_RIDGE = 1e-6
_FRAMES_AT_ONCE = 4096


@dataclass(frozen=True, eq=False)
class Hats:
    """Linear interpolation from nodes to the pixels of one axis.

    Attributes
    ----------
    low : ndarray
        (n,) int32, the node at or before each pixel.
    part : ndarray
        (n,) float32, the share of the next node; the rest is the share of `low`.
    n_nodes : int
    """

    low: np.ndarray
    part: np.ndarray
    n_nodes: int


@dataclass(frozen=True, eq=False)
class HatGrid:
    """Bilinear interpolation from a grid of nodes to the pixels of a field."""

    rows: Hats
    cols: Hats

    @classmethod
    def none(cls, field_shape: tuple[int, int]) -> HatGrid:
        """Return a grid without nodes, for a background that has no local courses."""
        return cls(
            *(
                Hats(np.zeros(n, np.int32), np.zeros(n, np.float32), 0)
                for n in field_shape
            )
        )

    @property
    def n_nodes(self) -> int:
        """Number of nodes, row by row."""
        return self.rows.n_nodes * self.cols.n_nodes

    @cached_property
    def nodes(self) -> np.ndarray:
        """(pixels, 4) int32: the nodes around each pixel."""
        corners = [
            (self.rows.low[:, None] + i) * self.cols.n_nodes + self.cols.low[None] + j
            for i in (0, 1)
            for j in (0, 1)
        ]
        return np.stack([c.ravel() for c in corners], axis=1).astype(np.int32)

    @cached_property
    def shares(self) -> np.ndarray:
        """(pixels, 4) float32: their shares, which add up to one."""
        if self.n_nodes == 0:
            return np.zeros((len(self.rows.low) * len(self.cols.low), 4), np.float32)
        y, x = self.rows.part[:, None], self.cols.part[None]
        corners = [(1 - y) * (1 - x), (1 - y) * x, y * (1 - x), y * x]
        return np.stack([c.ravel() for c in corners], axis=1)

    def maps(self, weights: np.ndarray) -> sp.csc_array:
        """Hats times the weights of the pixels, (pixels, nodes) float32."""
        n_pixels = len(self.nodes)
        if self.n_nodes == 0:
            return sp.csc_array((n_pixels, 0), dtype=np.float32)
        indptr = np.arange(0, 4 * n_pixels + 1, 4, dtype=np.int32)
        values = (self.shares * weights[:, None]).ravel()
        shape = (n_pixels, self.n_nodes)
        # tocsc copies, so that tidying up cannot reach the nodes themselves.
        maps = sp.csr_array((values, self.nodes.ravel(), indptr), shape=shape).tocsc()
        maps.eliminate_zeros()
        return maps


def hat_grid(valid: np.ndarray, pitch_px: float) -> HatGrid:
    """Spread nodes evenly over the pixels (Y, X) with data, at most `pitch_px` apart.

    A node in the border without data would hang on little but the noise.
    """
    rows, cols = (np.flatnonzero(valid.any(axis=axis)) for axis in (1, 0))
    height, width = valid.shape
    return HatGrid(_hats(rows, height, pitch_px), _hats(cols, width, pitch_px))


def chosen_grid(valid: np.ndarray, parameters: CnmfParameters) -> HatGrid:
    """Grid of the background's time courses, without nodes for another background."""
    if parameters.background.model != "grid":
        return HatGrid.none((valid.shape[0], valid.shape[1]))
    return hat_grid(valid, parameters.pitch_px)


def closest_courses(hats: sp.csc_array, products: np.ndarray) -> np.ndarray:
    """Time courses (nodes, T) on a grid's maps, from the maps' products with a movie.

    Least squares, with a ridge for nodes that little hangs on. They are written over
    the products, as both are large at the full frame rate.
    """
    overlaps = sp.csc_array(hats.T @ hats + _RIDGE * sp.eye_array(hats.shape[1]))
    factors = splu(overlaps)
    for first in range(0, products.shape[1], _FRAMES_AT_ONCE):
        frames = slice(first, first + _FRAMES_AT_ONCE)
        products[:, frames] = factors.solve(products[:, frames].astype(np.float64))
    return products


def smoothed(image: np.ndarray, valid: np.ndarray, sigma_px: float) -> np.ndarray:
    """Gaussian mean of the valid pixels around each; zero where there is no data.

    Parameters
    ----------
    image : ndarray
        (Y, X) float32, zero where there is no data.
    valid : ndarray of bool
        (Y, X).
    sigma_px : float
        Width of the Gaussian.
    """
    smooth = gaussian_filter(image, sigma_px)
    if valid.all():
        return smooth
    share = gaussian_filter(valid.astype(np.float32), sigma_px)
    return np.divide(smooth, share, out=np.zeros_like(smooth), where=valid)


def even_weights(weights: np.ndarray, valid: np.ndarray, pitch_px: float) -> np.ndarray:
    """Divide weights by their local mean, which the time courses can carry as well.

    This makes the weights of neighbouring patches agree where they meet.
    """
    image = weights.reshape(valid.shape)
    local = smoothed(image, valid, pitch_px)
    return (image / np.maximum(local, 1e-3 * max(image.mean(), 1e-6))).ravel()


def _hats(seen: np.ndarray, n: int, pitch_px: float) -> Hats:
    """Nodes along an axis of `n` pixels, from the first to the last that is seen."""
    first, last = seen[[0, -1]] if len(seen) else (0, n - 1)
    n_nodes = max(int(np.ceil((last - first) / pitch_px)) + 1, 2)
    place = np.clip(np.arange(n), first, last) - first
    position = place * ((n_nodes - 1) / max(last - first, 1))
    low = np.minimum(position.astype(np.int32), n_nodes - 2)
    return Hats(low.astype(np.int32), (position - low).astype(np.float32), n_nodes)
