"""The background: a coarse grid of bilinear hats times a weight per pixel.

Neuropil varies smoothly across the field, so its time courses live on a grid whose
pitch exceeds a soma, where they cannot follow a single cell; vessels and texture are
in the weight of each pixel. Replaces the rank-one background of a patch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp


@dataclass(frozen=True, eq=False)
class HatGrid:
    """Bilinear interpolation from a grid of nodes to the pixels of a field.

    Attributes
    ----------
    nodes : ndarray
        (pixels, 4) int32, the nodes around each pixel.
    shares : ndarray
        (pixels, 4) float32, their shares, which add up to one.
    n_nodes : int
        Size of the grid.
    """

    nodes: np.ndarray
    shares: np.ndarray
    n_nodes: int

    def maps(self, weights: np.ndarray) -> sp.csc_array:
        """Hats times the weights of the pixels, (pixels, nodes) float32."""
        n_pixels = len(self.nodes)
        indptr = np.arange(0, 4 * n_pixels + 1, 4, dtype=np.int32)
        values = (self.shares * weights[:, None]).ravel()
        shape = (n_pixels, self.n_nodes)
        # tocsc copies, so that tidying up cannot reach the nodes themselves.
        maps = sp.csr_array((values, self.nodes.ravel(), indptr), shape=shape).tocsc()
        maps.eliminate_zeros()
        return maps


def hat_grid(field_shape: tuple[int, int], pitch_px: float) -> HatGrid:
    """Spread nodes evenly over a field, at most `pitch_px` apart."""
    (y_low, y_high, y_part, n_y), (x_low, x_high, x_part, n_x) = (
        _hats_along(n, pitch_px) for n in field_shape
    )
    nodes, shares = [], []
    for y, y_share in ((y_low, 1 - y_part), (y_high, y_part)):
        for x, x_share in ((x_low, 1 - x_part), (x_high, x_part)):
            nodes.append((y[:, None] * n_x + x[None, :]).ravel())
            shares.append((y_share[:, None] * x_share[None, :]).ravel())
    return HatGrid(
        np.ascontiguousarray(np.stack(nodes, axis=1), dtype=np.int32),
        np.ascontiguousarray(np.stack(shares, axis=1), dtype=np.float32),
        n_y * n_x,
    )


def _hats_along(
    n: int, pitch_px: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Lower node, upper node and the upper one's share for each pixel of an axis."""
    n_nodes = max(int(np.ceil((n - 1) / pitch_px)) + 1, 2)
    position = np.arange(n) * ((n_nodes - 1) / max(n - 1, 1))
    low = np.minimum(position.astype(int), n_nodes - 2)
    return low, low + 1, position - low, n_nodes
