"""Cells one for one: the Hungarian algorithm (Kuhn 1955) on all overlaps at once.

Cells may be a pair if they are alike enough and their centres are near for their size;
of all ways to pair them the one is taken whose pairs are most alike together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike
from scipy.optimize import linear_sum_assignment
from scipy.sparse.csgraph import connected_components

from napari_cnmf.components import Components

#: Least likeness of a pair: that of discs a third of their diameter apart.
LEAST_LIKENESS = 0.6
#: A pair counts by its likeness to this power, so that none that is almost perfect is
#: given up for two that are not. A part of that depends on the distance of the centres:
#: enough to decide between equals.
_POWER, _TIE = 4, 1e-3

#: Positions of a cell of the first and of one of the second result.
Pair = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Possible:
    """Pairs that may be: positions (N,) in either result, and what each counts."""

    rows: np.ndarray
    cols: np.ndarray
    weights: np.ndarray

    def without(self, rows: np.ndarray, cols: np.ndarray) -> Possible:
        """Leave out what holds one of these cells."""
        kept = ~(np.isin(self.rows, rows) | np.isin(self.cols, cols))
        return Possible(self.rows[kept], self.cols[kept], self.weights[kept])


def possible_pairs(
    first: Components, second: Components, likeness: sp.csr_array
) -> Possible:
    """Find the pairs that are alike and whose centres are near for their size."""
    found = likeness.tocoo()
    rows, cols = found.row, found.col
    distance = distance_px(first, second, rows, cols)
    reach = np.maximum(_spread(first)[rows], _spread(second)[cols])
    weights = found.data**_POWER * (1 - _TIE * distance / np.maximum(reach, 1e-6))
    kept = (found.data >= LEAST_LIKENESS) & (distance <= reach)
    return Possible(rows[kept], cols[kept], weights[kept])


def assigned(possible: Possible) -> list[Pair]:
    """Find the pairs whose weights have the greatest sum.

    Cells that are not connected by overlaps do not compete, so each cluster is solved
    by itself: the table of all cells with all would be far larger.
    """
    rows, cols, pairs = possible.rows, possible.cols, []
    if not len(rows):
        return []
    shift = int(rows.max()) + 1
    size = shift + int(cols.max()) + 1
    edges = sp.coo_array((np.ones(len(rows)), (rows, cols + shift)), (size, size))
    _, clusters = connected_components(edges, directed=False)
    order = np.argsort(clusters[rows], kind="stable")
    ends = np.flatnonzero(np.diff(clusters[rows][order])) + 1
    for part in np.split(order, ends):
        i, at_i = np.unique(rows[part], return_inverse=True)
        j, at_j = np.unique(cols[part], return_inverse=True)
        table = np.zeros((len(i), len(j)))
        table[at_i, at_j] = possible.weights[part]
        chosen = zip(*linear_sum_assignment(table, maximize=True), strict=True)
        pairs += [(int(i[m]), int(j[n])) for m, n in chosen if table[m, n] > 0]
    return pairs


def distance_px(
    first: Components, second: Components, i: ArrayLike, j: ArrayLike
) -> np.ndarray:
    """Pixels between the centres of cells."""
    apart = first.centres[np.asarray(i)] - second.centres[np.asarray(j)]
    return np.asarray(np.hypot(apart[..., 0], apart[..., 1]))


def _spread(cells: Components) -> np.ndarray:
    """(K,) root mean square distance of each footprint's light from its centre, px."""
    y, x = np.divmod(np.arange(cells.footprints.shape[0]), cells.fov_shape[1])
    mass = np.maximum(cells.footprints.sum(axis=0), 1e-30)
    squares = cells.footprints.T @ (y**2 + x**2).astype(np.float64) / mass
    return np.sqrt(np.maximum(squares - (cells.centres.astype(float) ** 2).sum(1), 0))
