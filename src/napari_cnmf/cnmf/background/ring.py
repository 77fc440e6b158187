"""The ring model of the background in one-photon movies, as in CNMF-E.

Light from out of focus varies so smoothly that what is seen on a ring around a pixel,
wider than a cell, tells the pixel's own background. Each pixel of a coarser grid is
regressed on those of its ring, in the residual that is left without the cells; every
pixel of the field interpolates between the predictions with a gain of its own, which
carries vessels and texture. Zhou et al. 2018, eLife 7:e28728.

For 512 x 512 px, a radius of 26 px and bins of 2 px there are 65,536 x 92 weights,
48 MB, and 12 MB to pool pixels and to interpolate between bins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.linalg import cho_factor, cho_solve

from napari_cnmf.cnmf.background.bins import BinGrid, pooling_of, rows_to_one
from napari_cnmf.cnmf.patches import Patch

_RIDGE = 1e-5
# Frames, evenly spread, that the weights are fitted to: on simulated movies of 3000
# frames, all of them left 1.5 % less of the background behind, for twice the time.
_MOST_FRAMES = 1000
_BLOCK_PIXELS = 4096


@dataclass(frozen=True, eq=False)
class Ring:
    """A ring model: ``B = b0 + S W P (R - b0)`` for the residual R without cells.

    Attributes
    ----------
    bins : BinGrid
    constant : ndarray
        b0 (pixels,) float32, the mean of the residual.
    pooling : csr_array
        P (bins, pixels) float32, mean of the pixels of a bin that hold data.
    weights : csr_array
        W (bins, bins) float32, of the bins on the ring around each.
    spread : csr_array
        S (pixels, bins) float32, interpolation between bins times the pixels' gains.
    """

    bins: BinGrid
    constant: np.ndarray
    pooling: sp.csr_array
    weights: sp.csr_array
    spread: sp.csr_array

    def background(self, residual: np.ndarray) -> np.ndarray:
        """Background (pixels, T) float32 of a residual (pixels, T) without the cells.

        Notes
        -----
        The residual is ``Y - A C``, in the units of the one that was fitted.
        """
        pooled = self.pooling @ residual
        pooled -= (self.pooling @ self.constant)[:, None]
        background: np.ndarray = self.spread @ (self.weights @ pooled)
        background += self.constant[:, None]
        return background

    def filtered(self, footprints: sp.csc_array) -> sp.csc_array:
        """Footprints minus what of them the rings take for background: (I - S W P)' A.

        With these, ``A~' (Y - b0) = (A~' A) C`` are the equations of the traces with
        the background already put in: no background trace is left to be solved for.

        Parameters
        ----------
        footprints : csc_array
            A (pixels, K) float32.

        Returns
        -------
        csc_array
            A~ (pixels, K) float32 with sorted int32 indices.
        """
        seen = self.weights.T @ (self.spread.T @ footprints)
        filtered = sp.csc_array(footprints - self.pooling.T @ seen)
        filtered.sort_indices()
        return filtered

    def restricted(self, rows: slice, cols: slice) -> Ring:
        """Ring model of a part of the field.

        It holds for the pixels whose whole ring lies within the part: take a margin of
        the ring's radius and two bins.
        """
        height, width = self.bins.field_shape
        (top, bottom, _), (left, right, _) = rows.indices(height), cols.indices(width)
        corner = self.bins.corner[0] + top, self.bins.corner[1] + left
        bins = BinGrid((bottom - top, right - left), corner, self.bins.bin_px)
        pixels, inside = bins.pixels_in(self.bins), bins.numbers_in(self.bins)
        return Ring(
            bins,
            self.constant[pixels],
            self.pooling[inside][:, pixels],
            self.weights[inside][:, inside],
            self.spread[pixels][:, inside],
        )

    @classmethod
    def joined(cls, parts: Sequence[tuple[Ring, Patch]], valid: np.ndarray) -> Ring:
        """Ring model of a field: each patch tells of its core.

        Parameters
        ----------
        parts : sequence of (Ring, Patch)
            Fitted to the pixels that each patch reads, with its first pixel as corner.
        valid : ndarray of bool
            (Y, X) of the field, pixels that hold data.
        """
        height, width = valid.shape
        whole = BinGrid((height, width), bin_px=parts[0][0].bins.bin_px)
        n_bins, n_pixels = whole.shape[0] * whole.shape[1], valid.size
        constant = np.zeros(n_pixels, np.float32)
        weights, spreads = [], []
        for ring, patch in parts:
            pixels, bins = ring.bins.pixels_in(whole), ring.bins.numbers_in(whole)
            own_pixels = patch.owns(np.stack(np.divmod(pixels, width), axis=1))
            first = np.stack(np.divmod(bins, whole.shape[1]), axis=1) * whole.bin_px
            constant[pixels[own_pixels]] = ring.constant[own_pixels]
            weights.append(_placed(ring.weights, bins, bins, patch.owns(first)))
            spreads.append(_placed(ring.spread, pixels, bins, own_pixels))
        return cls(
            whole,
            constant,
            pooling_of(whole, valid),
            _gathered(weights, (n_bins, n_bins)),
            _gathered(spreads, (n_pixels, n_bins)),
        )


def fit_ring(
    residual: np.ndarray,
    valid: np.ndarray,
    radius_px: float,
    bin_px: int = 2,
    corner: tuple[int, int] = (0, 0),
) -> Ring:
    """Fit a ring model to what is left of a movie without its cells.

    Parameters
    ----------
    residual : ndarray
        ``Y - A C`` (pixels, T) float32; zero where there is no data.
    valid : ndarray of bool
        (Y, X), pixels that hold data; the others lie on no ring.
    radius_px : float
        Inner radius of the ring, which is one bin wide: larger than a cell.
    bin_px : int
        Side of the bins that the weights are fitted to.
    corner : tuple of int
        First pixel (y, x) of the patch in its field, so that the bins of all patches
        lie on one grid.

    Returns
    -------
    Ring
        Without weights where a ring holds no data.
    """
    height, width = valid.shape
    bins = BinGrid((height, width), corner, bin_px)
    constant = residual.mean(axis=1, dtype=np.float64).astype(np.float32)
    frames = slice(None, None, max(1, -(-residual.shape[1] // _MOST_FRAMES)))
    pooling = pooling_of(bins, valid)
    pooled = pooling @ residual[:, frames]
    pooled -= pooled.mean(axis=1, keepdims=True)
    has_data = np.diff(pooling.indptr) > 0
    weights = _regressed(
        pooled, has_data.reshape(bins.shape), max(round(radius_px / bin_px), 1)
    )
    spread = sp.csr_array(bins.interpolation() @ sp.diags_array(has_data * 1.0))
    spread = rows_to_one(spread)
    gains = _gains(residual, frames, spread, weights @ pooled)
    spread = sp.csr_array(sp.diags_array(gains) @ spread, dtype=np.float32)
    return Ring(bins, constant, pooling, weights, spread)


def _regressed(pooled: np.ndarray, has_data: np.ndarray, radius: int) -> sp.csr_array:
    """Ridge regression of each bin on its ring, (bins, bins) float32."""
    offsets = _ring_offsets(radius)
    indices, values, counts = [], [], np.zeros(has_data.size, np.int64)
    for number in np.flatnonzero(has_data):
        around = offsets + np.divmod(number, has_data.shape[1])
        within = np.all((around >= 0) & (around < has_data.shape), axis=1)
        ring = np.ravel_multi_index(tuple(around[within].T), has_data.shape)
        ring = ring[has_data.ravel()[ring]]
        indices.append(ring)
        values.append(_ridge(pooled[ring], pooled[number]))
        counts[number] = len(ring)
    indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    columns = np.concatenate([np.zeros(0, np.int64), *indices]).astype(np.int32)
    data = np.concatenate([np.zeros(0, np.float32), *values]).astype(np.float32)
    return sp.csr_array((data, columns, indptr), shape=(has_data.size,) * 2)


def _ring_offsets(radius: int) -> np.ndarray:
    """Places (n, 2) at a distance of `radius` up to a bin more, row by row."""
    reach = np.arange(-radius - 1, radius + 2)
    distance = np.hypot(reach[:, None], reach)
    return np.argwhere((distance >= radius) & (distance < radius + 1)) - (radius + 1)


def _ridge(ring: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Weights (n,) of the traces (n, T) on a ring that predict the target (T,)."""
    gram = (ring @ ring.T).astype(np.float64)
    ridge = _RIDGE * gram.trace()
    if ridge <= 0:
        return np.zeros(len(ring), np.float32)
    gram.ravel()[:: len(gram) + 1] += ridge
    factor = cho_factor(gram, overwrite_a=True, check_finite=False)
    return cho_solve(factor, ring @ target, check_finite=False).astype(np.float32)


def _gains(
    residual: np.ndarray, frames: slice, spread: sp.csr_array, predicted: np.ndarray
) -> np.ndarray:
    """Regress each pixel on what is interpolated for it; (pixels,), non-negative."""
    gains = np.zeros(len(residual))
    for first in range(0, len(residual), _BLOCK_PIXELS):
        block = slice(first, first + _BLOCK_PIXELS)
        expected = spread[block] @ predicted
        power = np.einsum("pt,pt->p", expected, expected)
        product = np.einsum("pt,pt->p", expected, residual[block, frames])
        np.divide(product, power, out=gains[block], where=power > 0)
    return np.maximum(gains, 0)


def _placed(
    matrix: sp.csr_array, rows: np.ndarray, cols: np.ndarray, chosen: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values of the chosen rows, with the rows and columns they have in the field."""
    entries = matrix[chosen].tocoo()
    return entries.data, rows[chosen][entries.row], cols[entries.col]


def _gathered(
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]], shape: tuple[int, int]
) -> sp.csr_array:
    """One matrix from the values of several patches."""
    data, rows, cols = (np.concatenate(values) for values in zip(*parts, strict=True))
    index = rows.astype(np.int32), cols.astype(np.int32)
    return sp.coo_array((data, index), shape=shape).tocsr()
