"""Several cells for one: those of one result that make up a cell of the other.

The parts lie within the whole and explain it together, each a share that no other
explains (least squares on the footprints). Such a group counts only if it explains
more of all its cells than the pairs do that it would break.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import scipy.sparse as sp

from napari_cnmf.matching.pairs import Pair

State = Literal["lost", "gained", "split", "merged", "moved", "same"]
#: From what needs a look most to what needs none.
STATES: tuple[State, ...] = get_args(State)
#: State, and positions in either result; -1 is none.
Link = tuple[State, int, int]

#: Where a footprint ends, as a share of its maximum, and how much of a part's energy
#: must lie within the whole.
EDGE, LEAST_INSIDE = 0.2, 0.6
#: Share of the whole that all its parts must explain, and that each must add.
LEAST_WHOLE, LEAST_PART = 0.5, 0.1


@dataclass(frozen=True)
class Group:
    """One cell, and those of the other result that make it up.

    Attributes
    ----------
    state : "split" or "merged"
    whole : int
    parts : tuple of int
    explained : float
        Share of the whole that the parts explain.
    worth : float
        That, and the shares of the parts that lie within the whole.
    """

    state: State
    whole: int
    parts: tuple[int, ...]
    explained: float
    worth: float

    @property
    def sides(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Positions in the first and in the second result."""
        one = (self.whole,)
        return (one, self.parts) if self.state == "split" else (self.parts, one)

    @property
    def links(self) -> list[Link]:
        """The whole with each of its parts."""
        first, second = self.sides
        return [(self.state, i, j) for i in first for j in second]


def groups_of(
    a: sp.csc_array, b: sp.csc_array, likeness: sp.csr_array
) -> Iterator[Group]:
    """Yield cells of either result that may have become several of the other."""
    directions: tuple[tuple[State, sp.csc_array, sp.csc_array, sp.csr_array], ...] = (
        ("split", a, b, likeness),
        ("merged", b, a, likeness.T.tocsr()),
    )
    for state, wholes, parts, alike in directions:
        within = (_support(wholes).T @ parts.power(2)).tocsr()
        within.data[within.data < LEAST_INSIDE] = 0
        within.eliminate_zeros()
        within.sort_indices()
        among = (parts.T @ parts).tocsr()
        for whole in np.flatnonzero(np.diff(within.indptr) > 1).tolist():
            row = slice(within.indptr[whole], within.indptr[whole + 1])
            inside, shares = within.indices[row], within.data[row]
            own = alike[[whole]][:, inside].toarray()[0]
            kept, explained = _needed(own, among[inside][:, inside].toarray())
            if len(kept) > 1 and explained > LEAST_WHOLE:
                worth = explained + float(shares[kept].sum())
                chosen = tuple(inside[kept].tolist())
                yield Group(state, whole, chosen, explained, worth)


def _support(footprints: sp.csc_array) -> sp.csc_array:
    """1 where a footprint is, without its faint rim."""
    highest = footprints.max(axis=0).toarray().ravel()
    inside = footprints.data > EDGE * np.repeat(highest, np.diff(footprints.indptr))
    parts = (inside.astype(np.float64), footprints.indices, footprints.indptr)
    return sp.csc_array(parts, shape=footprints.shape)


def _needed(own: np.ndarray, among: np.ndarray) -> tuple[np.ndarray, float]:
    """Leave out parts that add little, and say what share the others explain.

    Parameters
    ----------
    own : ndarray
        (n,) likeness of each part to the whole.
    among : ndarray
        (n, n) likeness of the parts to each other.

    Returns
    -------
    kept : ndarray
        Positions of the parts that are left.
    explained : float
        Share of the whole's energy that the best sum of them explains.
    """
    kept = np.arange(len(own))
    while len(kept):
        # A ridge, so that two parts that are the same share one weight.
        gram = among[np.ix_(kept, kept)] + 1e-6 * np.eye(len(kept))
        inverse = np.linalg.inv(gram)
        weights = inverse @ own[kept]
        # What would be explained less without each; a part is never subtracted.
        added = np.where(weights > 0, weights**2 / np.diag(inverse), 0.0)
        if added.min() >= LEAST_PART:
            return kept, float(own[kept] @ weights)
        kept = np.delete(kept, int(added.argmin()))
    return kept, 0.0


def better_groups(
    groups: Iterable[Group], pairs: list[Pair], likeness: sp.csr_array
) -> Iterator[Group]:
    """Yield groups that explain more than pairs do, the best first, no cell twice."""
    partners: tuple[dict[int, int], ...] = dict(pairs), {j: i for i, j in pairs}
    taken: tuple[set[int], set[int]] = set(), set()
    for group in sorted(groups, key=lambda group: -group.explained):
        first, second = group.sides
        displaced = {(i, partners[0][i]) for i in first if i in partners[0]}
        displaced |= {(partners[1][j], j) for j in second if j in partners[1]}
        # Each pair explains a share of both its cells.
        if group.worth <= 2 * sum(float(likeness[pair]) ** 2 for pair in displaced):
            continue
        if taken[0].isdisjoint(first) and taken[1].isdisjoint(second):
            taken[0].update(first)
            taken[1].update(second)
            yield group
