"""Where traces are drawn: a row per cell, in it a lane for each scale of values.

Fluorescence (raw and denoised), deconvolved activity and dF/F differ in unit, so each
has a lane of its own with a scale of its own. The rows lie below each other, a height
of 1 apart, from 0 downwards; the dock and the exported figure draw the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from napari_cnmf.colours import cell_colour
from napari_cnmf.components import Components

#: What can be drawn of a cell; the names are also those of the exported columns.
KINDS = ("raw", "denoised", "deconvolved", "dff")

#: Heights of a row's lanes relative to each other, and parts of it that stay empty.
_HEIGHTS = {"F": 1.0, "events": 0.3, "\u0394F/F": 1.0}
_ROW_GAP, _LANE_GAP = 0.12, 0.05


@dataclass(frozen=True, eq=False)
class Lane:
    """A strip with a scale of its own.

    Attributes
    ----------
    title : str
        What its values are.
    bottom, height : float
        Where it lies.
    low, high : float
        Values at its lower and upper border.
    curves : dict
        Kind -> values (T,); empty if the cell has no such trace.
    """

    title: str
    bottom: float
    height: float
    low: float
    high: float
    curves: dict[str, np.ndarray]

    def place(self, values: np.ndarray | float) -> np.ndarray:
        """Heights at which values are drawn."""
        share = (np.asarray(values) - self.low) / (self.high - self.low)
        return np.asarray(self.bottom + self.height * share)

    def ticks(self, most: int) -> np.ndarray:
        """Round values within the lane, in at most so many steps."""
        step = _round_step((self.high - self.low) / max(most, 1))
        first, last = np.ceil(self.low / step), np.floor(self.high / step)
        # Adding zero makes the zero among them positive.
        return np.asarray(step * np.arange(first, last + 1) + 0.0)


@dataclass(frozen=True, eq=False)
class Row:
    """One cell's lanes.

    Attributes
    ----------
    cell_id : int
    colour : str
    lanes : tuple of Lane
        From top to bottom.
    """

    cell_id: int
    colour: str
    lanes: tuple[Lane, ...]

    @property
    def middle(self) -> float:
        """Height of the row's label."""
        return (self.lanes[0].bottom + self.lanes[0].height + self.lanes[-1].bottom) / 2


def rows(
    components: Components, positions: Sequence[int] | np.ndarray, kinds: Sequence[str]
) -> list[Row]:
    """Arrange the traces of some cells.

    Parameters
    ----------
    components : Components
    positions : sequence of int
        The cells, from top to bottom.
    kinds : sequence of str
        Which of `KINDS` to show; dF/F is left out while it is not computed.

    Returns
    -------
    list of Row
        Empty if no kind is left.
    """
    arranged = []
    for row, k in enumerate(positions):
        found = traces(components, int(k), kinds)
        lanes = tuple(_lanes(found, -row - _ROW_GAP / 2))
        if lanes:
            cell_id = int(components.ids[k])
            arranged.append(Row(cell_id, cell_colour(cell_id), lanes))
    return arranged


def traces(
    components: Components, k: int, kinds: Sequence[str]
) -> dict[str, np.ndarray]:
    """Traces of component `k` by kind; without dF/F while it is not computed."""
    found = {}
    if "raw" in kinds:
        found["raw"] = components.denoised[k] + components.residual_traces[k]
    if "denoised" in kinds:
        found["denoised"] = components.denoised[k]
    if "deconvolved" in kinds:
        found["deconvolved"] = components.spikes[k]
    if "dff" in kinds and components.dff is not None:
        found["dff"] = components.dff[k]
    return found


def _lanes(found: dict[str, np.ndarray], top: float) -> Iterator[Lane]:
    """Lanes of one cell, from top to bottom."""
    owners = {"F": ("raw", "denoised"), "events": ("deconvolved",)}
    owners["\u0394F/F"] = ("dff",)
    groups = {
        title: {kind: found[kind] for kind in kinds if kind in found}
        for title, kinds in owners.items()
    }
    groups = {title: curves for title, curves in groups.items() if curves}
    free = 1 - _ROW_GAP - _LANE_GAP * (len(groups) - 1)
    total = sum(_HEIGHTS[title] for title in groups)
    for title, curves in groups.items():
        height = free * _HEIGHTS[title] / total
        top -= height
        yield _lane(title, top, height, curves)
        top -= _LANE_GAP


def _lane(
    title: str, bottom: float, height: float, curves: dict[str, np.ndarray]
) -> Lane:
    """Scale one lane to what it shows; a trace that is NaN is not drawn."""
    drawn = {kind: v for kind, v in curves.items() if np.isfinite(v).all() and len(v)}
    low = min([0.0, *(float(v.min()) for v in drawn.values())])
    high = max([0.0, *(float(v.max()) for v in drawn.values())])
    return Lane(title, bottom, height, low, high if high > low else low + 1, drawn)


def _round_step(least: float) -> float:
    """Smallest of 1, 2 and 5 times a power of ten that is not below `least`."""
    power = 10.0 ** np.floor(np.log10(least))
    return next(float(m * power) for m in (1, 2, 5, 10) if m * power >= least * 0.999)
