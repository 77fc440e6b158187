"""In which order cells are stepped through, and which of them; knows no Qt.

Besides the scores of the rule in force there is the distance to its limits: in that
order the doubtful cells come first, which are those worth a look.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from napari_cnmf.components import Components, Quality
from napari_cnmf.quality.criteria import in_force
from napari_cnmf.quality.doubt import distance_to_limits

#: Which cells are stepped through.
CHOICES: dict[str, Callable[[Quality], np.ndarray]] = {
    "all cells": lambda quality: np.ones(len(quality.manual), bool),
    "accepted": lambda quality: quality.accepted,
    "rejected": lambda quality: ~quality.accepted,
    "undecided by hand": lambda quality: quality.manual == 0,
}


def columns(components: Components, quality: Quality) -> dict[str, np.ndarray]:
    """Values (K,) by which cells can be put in order, by their names."""
    scores = {c.score: c.name for c in reversed(in_force(quality))}
    by_name = {scores[s]: getattr(quality, s) for s in reversed(scores)}
    return {
        "nearest to a limit": distance_to_limits(quality),
        **by_name,
        "size": components.sizes_px,
        "row": components.centres[:, 0],
        "column": components.centres[:, 1],
        "id": components.ids,
    }


@dataclass(frozen=True, eq=False)
class Walk:
    """Cells in the order in which they are stepped through.

    Attributes
    ----------
    ids : ndarray
        (K,) of all cells, in order.
    wanted : ndarray of bool
        (K,) which of them, in the same order, are stepped to.
    """

    ids: np.ndarray
    wanted: np.ndarray

    @classmethod
    def along(
        cls,
        components: Components,
        quality: Quality,
        *,
        column: str,
        falling: bool,
        choice: str,
    ) -> Walk:
        """Put cells in the order of a column of `columns`."""
        values = columns(components, quality)[column].astype(np.float64)
        order = np.argsort(-values if falling else values, kind="stable")
        return cls(components.ids[order], CHOICES[choice](quality)[order])

    def step(self, current: int | None, way: int) -> int | None:
        """Find the next wanted cell after (way 1) or before (-1) the current one.

        The current one need not be wanted: one that was just rejected still has its
        place among the accepted ones. None if there is none that way.
        """
        if current is None:
            places = np.flatnonzero(self.wanted)
            return int(self.ids[places[0]]) if len(places) else None
        here = int(np.flatnonzero(self.ids == current)[0])
        ahead = slice(here + 1, None) if way > 0 else slice(None, here)
        places = np.arange(len(self.ids))[ahead][self.wanted[ahead]]
        if not len(places):
            return None
        return int(self.ids[places[0] if way > 0 else places[-1]])

    def place(self, current: int | None) -> tuple[int, int]:
        """Count the wanted cells up to the current one, and all of them."""
        if current is None:
            return 0, int(self.wanted.sum())
        here = int(np.flatnonzero(self.ids == current)[0])
        return int(self.wanted[: here + 1].sum()), int(self.wanted.sum())
