"""Where components came from, and what became of the candidates that are none.

Kept with the result, so that "why is this a cell?" and "why was nothing found here?"
can be answered later. A candidate is known by its patch and its rank in the search
there.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import numpy as np

_PER_COMPONENT = {"axis": 0}


@dataclass(frozen=True, eq=False)
class Origin:
    """Where each component began.

    Attributes
    ----------
    patch : ndarray
        (K,) int64, number of the patch that it was found in.
    rank : ndarray
        (K,) int64, how many seeds of that patch were picked before it.
    score : ndarray
        (K,) float32, what the seed was picked by; event energy in units of the noise
        variance for the default search.
    seed_yx : ndarray
        (K, 2) int64, pixel of the field.
    box : ndarray
        (K, 4) int64, pixels of the field that the first fit looked at: first row, first
        column, last row + 1, last column + 1.
    iterations : ndarray
        (K,) int64, rounds of that fit.
    members : ndarray
        (K,) int64, number of candidates that were merged into it, with its own.
    """

    patch: np.ndarray = field(metadata=_PER_COMPONENT)
    rank: np.ndarray = field(metadata=_PER_COMPONENT)
    score: np.ndarray = field(metadata=_PER_COMPONENT)
    seed_yx: np.ndarray = field(metadata=_PER_COMPONENT)
    box: np.ndarray = field(metadata=_PER_COMPONENT)
    iterations: np.ndarray = field(metadata=_PER_COMPONENT)
    members: np.ndarray = field(metadata=_PER_COMPONENT)

    def __len__(self) -> int:
        return len(self.rank)

    @classmethod
    def unknown(cls, n: int) -> Origin:
        """Of components that no search of ours has found."""
        pixels = np.full((n, 4), -1, np.int64)
        none, one = pixels[:, 0], np.ones(n, np.int64)
        score = np.zeros(n, np.float32)
        return cls(none, np.arange(n), score, pixels[:, :2], pixels, 0 * one, one)

    @classmethod
    def joined(cls, parts: list[Origin]) -> Origin:
        """One after another."""
        return cls(
            *(
                np.concatenate([getattr(part, item.name) for part in parts])
                for item in fields(cls)
            )
        )

    def select(self, which: np.ndarray) -> Origin:
        """Keep the chosen ones."""
        return Origin(*(getattr(self, item.name)[which] for item in fields(self)))


@dataclass(frozen=True, slots=True)
class Fate:
    """How a candidate ended that is no component of its own.

    Attributes
    ----------
    patch, rank : int
        Which candidate.
    y, x : int
        Its seed, a pixel of the field.
    score : float
        What the seed was picked by.
    step : str
        When it ended.
    reason : str
        Why, with the figures.
    into_patch, into_rank : int
        The candidate that it was merged into; -1 if it was dropped.
    """

    patch: int
    rank: int
    y: int
    x: int
    score: float
    step: str
    reason: str
    into_patch: int = -1
    into_rank: int = -1

    @classmethod
    def of(cls, origin: Origin, k: int, step: str, reason: str, into: int = -1) -> Fate:
        """How candidate `k` ended, merged into candidate `into` unless that is -1."""
        y, x = origin.seed_yx[k].tolist()
        place = (int(origin.patch[into]), int(origin.rank[into])) if into >= 0 else ()
        return cls(
            int(origin.patch[k]),
            int(origin.rank[k]),
            y,
            x,
            float(origin.score[k]),
            step,
            reason,
            *place,
        )
