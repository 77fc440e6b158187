"""Which cells of one result are which of another, by their footprints alone.

The likeness of two cells is the cosine of their footprints (the spatial correlation of
Sheintuch et al. 2017, without a mean), which does not depend on what unit or norm a
program gives its footprints; its square is the share of one that the other explains.
Cells are paired by the Hungarian algorithm (Kuhn 1955); where several of one result
together explain one of the other better than pairs do, they are put together, and the
rest is paired anew. Only footprints that overlap are ever looked at.

References
----------
Sheintuch et al. (2017), Cell Reports 21, 1102; Kuhn (1955), Naval Research Logistics
Quarterly 2, 83.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from napari_cnmf.components import Components
from napari_cnmf.errors import InputError
from napari_cnmf.matching.groups import (
    STATES,
    Link,
    State,
    better_groups,
    groups_of,
)
from napari_cnmf.matching.pairs import Pair, assigned, distance_px, possible_pairs

#: The centre of a cell that stayed moves less, in pixels.
STAYED_PX = 0.5


@dataclass(frozen=True, eq=False)
class Matching:
    """What became of each cell; one row for each pair, or cell without a partner.

    Attributes
    ----------
    states : tuple of str
        (R,) one of `STATES` each. A cell that is split has a row for each of its
        parts, and so has one that several were merged into.
    first, second : ndarray
        (R,) int64, positions among the cells of either result; -1 is none.
    overlap : ndarray
        (R,) float32, likeness of both footprints from 0 to 1; NaN without a partner.
    distance_px : ndarray
        (R,) float32, between their centres; NaN without a partner.
    """

    states: tuple[State, ...]
    first: np.ndarray
    second: np.ndarray
    overlap: np.ndarray
    distance_px: np.ndarray

    def counts(self, counted: np.ndarray | None = None) -> dict[State, int]:
        """How many cells there are of each state; a split or merged one counts once.

        Parameters
        ----------
        counted : ndarray, optional
            (R,) bool, the rows that count; all by default.
        """
        owners = {"split": self.first, "merged": self.second}
        found = {}
        for state in STATES:
            rows = self.rows(state)
            if counted is not None:
                rows = rows[counted[rows]]
            of = owners.get(state)
            found[state] = len(rows if of is None else np.unique(of[rows]))
        return found

    @property
    def is_pair(self) -> np.ndarray:
        """(R,) bool: whether there is a cell on either side."""
        return np.asarray((self.first >= 0) & (self.second >= 0))

    def rows(self, state: State) -> np.ndarray:
        """Rows of a state."""
        return np.flatnonzero([found == state for found in self.states])

    def case(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        """Positions in either result of all cells that belong together with a row."""
        owners = {"split": self.first, "merged": self.second}
        of, rows = owners.get(self.states[row]), np.array([row])
        if of is not None:
            same = self.rows(self.states[row])
            rows = same[of[same] == of[row]]
        first, second = (
            np.unique(side[rows][side[rows] >= 0]) for side in (self.first, self.second)
        )
        return first, second


def match(first: Components, second: Components) -> Matching:
    """Find the cells of one result among those of another.

    Parameters
    ----------
    first, second : Components
        Of the same field. Their frames need not be the same.

    Returns
    -------
    Matching
        Sorted by state, then by the ids of the cells.

    Raises
    ------
    InputError
        If the fields differ in size.
    """
    if first.fov_shape != second.fov_shape:
        sizes = [f"{y} x {x} px" for y, x in (first.fov_shape, second.fov_shape)]
        raise InputError(
            f"The first result is of a field of {sizes[0]}, the second of "
            f"{sizes[1]}; only results of the same field can be compared."
        )
    a, b = unit_norm(first.footprints), unit_norm(second.footprints)
    likeness = sp.csr_array(a.T @ b)
    possible = possible_pairs(first, second, likeness)
    candidates = groups_of(a, b, likeness)
    groups = better_groups(candidates, assigned(possible), likeness)
    links = [link for group in groups for link in group.links]
    rest = possible.without(_members(links, 1), _members(links, 2))
    links += [_judged(first, second, pair) for pair in assigned(rest)]
    lost = np.setdiff1d(np.arange(len(first)), _members(links, 1)).tolist()
    gained = np.setdiff1d(np.arange(len(second)), _members(links, 2)).tolist()
    links += [("lost", i, -1) for i in lost] + [("gained", -1, j) for j in gained]
    return _arranged(first, second, likeness, links)


def unit_norm(footprints: sp.csc_array) -> sp.csc_array:
    """Footprints of unit norm; empty ones stay empty."""
    norms = np.sqrt(footprints.power(2).sum(axis=0, dtype=np.float64))
    scale = np.repeat(1 / np.where(norms > 0, norms, 1.0), np.diff(footprints.indptr))
    parts = (footprints.data * scale, footprints.indices, footprints.indptr)
    return sp.csc_array(parts, shape=footprints.shape)


def _members(links: list[Link], side: int) -> np.ndarray:
    """Positions of the cells that links hold, in the first (1) or second (2) result."""
    return np.array([link[side] for link in links], np.int64)


def _judged(first: Components, second: Components, pair: Pair) -> Link:
    """Say whether the cell of a pair has moved."""
    stayed = distance_px(first, second, *pair) <= STAYED_PX
    return ("same" if stayed else "moved", *pair)


def _arranged(
    first: Components,
    second: Components,
    likeness: sp.csr_array,
    links: list[Link],
) -> Matching:
    """Sort the links and add the numbers of each pair."""

    def place(link: Link) -> tuple[int, ...]:
        state, i, j = link
        ids = int(first.ids[i]) if i >= 0 else -1, int(second.ids[j]) if j >= 0 else -1
        # All that went into one cell stand below each other.
        return STATES.index(state), *(ids[::-1] if state == "merged" else ids)

    links = sorted(links, key=place)
    i, j = (np.array([link[n] for link in links], np.int64) for n in (1, 2))
    overlap, distance = (np.full(len(links), np.nan, np.float32) for _ in range(2))
    pair = (i >= 0) & (j >= 0)
    if pair.any():
        overlap[pair] = np.minimum(likeness[i[pair], j[pair]], 1.0)
        distance[pair] = distance_px(first, second, i[pair], j[pair])
    return Matching(tuple(link[0] for link in links), i, j, overlap, distance)
