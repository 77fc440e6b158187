"""Two results on one field, and traces of the cells that differ."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import PowerNorm
from matplotlib.lines import Line2D

from napari_cnmf.colours import COMPARED
from napari_cnmf.comparison import Comparison, Link
from napari_cnmf.components import Components
from napari_cnmf.contours import contours
from napari_cnmf.matching import STATES, State
from napari_cnmf.report.field import OUTLINE
from napari_cnmf.report.style import (
    LABEL_PT,
    SMALL_PT,
    SOFT,
    TEXT,
    bare,
    label,
    say_empty,
)
from napari_cnmf.report.traces import thinned

#: More names than this hide the image.
_MAX_NAMES = 80
#: Examples of each state, height of a trace in its lane, and space between cases.
_EXAMPLES, _HIGH, _GAP = 2, 0.85, 0.5


def draw_compared_field(
    axes: Axes, comparison: Comparison, image: np.ndarray | None = None
) -> None:
    """Draw the contours of both results on an image, and say what became of cells.

    Parameters
    ----------
    axes : Axes
    comparison : Comparison
    image : ndarray, optional
        (Y, X); that of either result by default, black if neither has one.
    """
    bare(axes)
    axes.set_anchor("NW")
    shown = comparison.image if image is None else image
    finite = shown[np.isfinite(shown)]
    low, high = np.percentile(finite, (2, 99.8)) if finite.size else (0.0, 1.0)
    norm = PowerNorm(0.6, low, max(high, low + 1e-6), clip=True)
    axes.imshow(shown, cmap="gray", norm=norm)
    for side, cells in enumerate(comparison.cells):
        lines = [[line[:, ::-1] for line in outline] for outline in contours(cells)]
        pale = _pale(comparison, side, len(cells))
        for mask, width, alpha in ((pale, 0.6, 0.55), (~pale, 1.4, 1.0)):
            drawn = [line for k in np.flatnonzero(mask) for line in lines[k]]
            axes.add_collection(
                LineCollection(
                    drawn, colors=COMPARED[side], linewidths=width, alpha=alpha
                )
            )
    axes.set_xlim(-0.5, shown.shape[1] - 0.5)
    axes.set_ylim(shown.shape[0] - 0.5, -0.5)
    _name(axes, comparison)
    _draw_key(axes, comparison.names)


def _pale(comparison: Comparison, side: int, n: int) -> np.ndarray:
    """Mask (K,) of cells that are the same in both results, or rejected by both."""
    matching, is_cell = comparison.matching, comparison.is_cell
    places = (matching.first, matching.second)[side]
    clear = is_cell & np.array([state != "same" for state in matching.states], bool)
    pale = np.ones(n, bool)
    pale[places[clear & (places >= 0)]] = False
    return pale


def _name(axes: Axes, comparison: Comparison) -> None:
    """Write on each cell that is lost, gained, split or merged what it is."""
    matching = comparison.matching
    named: set[tuple[State, int, int]] = set()
    for row in np.flatnonzero(comparison.is_cell).tolist():
        state = matching.states[row]
        if state in ("lost", "split"):
            named.add((state, 0, int(matching.first[row])))
        elif state in ("gained", "merged"):
            named.add((state, 1, int(matching.second[row])))
    if len(named) > _MAX_NAMES:
        return
    for state, side, k in sorted(named):
        y, x = comparison.cells[side].centres[k]
        axes.text(
            x, y, state, color="white", fontsize=SMALL_PT - 1.5, ha="center",
            va="center", path_effects=OUTLINE, clip_on=True,
        )  # fmt: skip


def _draw_key(axes: Axes, names: tuple[str, str]) -> None:
    """Say below the image which lines are which."""
    keys = [
        Line2D([], [], color=colour, lw=1.6, label=name)
        for colour, name in zip(COMPARED, names, strict=True)
    ]
    keys.append(
        Line2D([], [], color=SOFT, lw=0.6, label="thin: the same, or rejected by both")
    )
    axes.legend(
        handles=keys, loc="upper left", bbox_to_anchor=(0, 0), ncols=3, frameon=False,
        fontsize=LABEL_PT, labelcolor=SOFT, borderaxespad=0.3, borderpad=0,
        handlelength=1.2, columnspacing=1.2,
    )  # fmt: skip


def examples(comparison: Comparison, most: int = _EXAMPLES) -> list[int]:
    """Choose rows to look at: of each state those that are clearest or differ most.

    Parameters
    ----------
    comparison : Comparison
    most : int
        Of each state.

    Returns
    -------
    list of int
        One row of each case; rows that both results reject are left out.
    """
    matching, is_cell = comparison.matching, comparison.is_cell
    found: list[int] = []
    for state in STATES:
        rows = [row for row in matching.rows(state).tolist() if is_cell[row]]
        rows.sort(key=lambda row: -_rank(comparison.links[row]))
        cases = {tuple(map(tuple, matching.case(row))): row for row in reversed(rows)}
        found += [row for row in rows if row in cases.values()][:most]
    return found


def _rank(link: Link) -> float:
    """Rank far centres and unlike traces first, else a high SNR."""
    if link.state == "same":
        return -1.0 if link.correlation is None else -link.correlation
    if link.state == "moved":
        return link.distance_px or 0.0
    return max((snr for snr in link.snr if snr is not None), default=0.0)


def draw_compared_traces(axes: Axes, comparison: Comparison) -> None:
    """Draw raw traces of examples, those of one case below each other."""
    shown = examples(comparison)
    if not shown:
        say_empty(axes, "Neither result accepts a cell.")
        return
    axes.spines["left"].set_visible(False)
    axes.set_yticks([])
    base = 0.0
    for row in shown:
        top = base
        for side, case in enumerate(comparison.matching.case(row)):
            for k in case.tolist():
                base -= 1
                _draw_trace(axes, comparison.cells[side], k, side, base)
        axes.text(
            -0.075, (top + base) / 2, comparison.links[row].state, color=TEXT,
            fontsize=SMALL_PT, transform=axes.get_yaxis_transform(), ha="right",
            va="center",
        )  # fmt: skip
        base -= _GAP
    ends_s = [cells.n_frames / cells.frame_rate_hz for cells in comparison.cells]
    axes.set_xlim(0, max(ends_s))
    axes.set_ylim(base + _GAP - 0.1, 0.1)
    label(axes, x="time (s)")


def _draw_trace(axes: Axes, cells: Components, k: int, side: int, base: float) -> None:
    """Draw the raw trace of a cell over its whole range, and its id beside it."""
    frames, values = thinned(cells.raw_of(slice(k, k + 1))[0])
    low, high = np.percentile(values, 1), max(float(values.max()), 1e-12)
    heights = np.maximum((values - low) / max(high - low, 1e-12), -0.1)
    axes.plot(
        frames / cells.frame_rate_hz, base + _HIGH * heights, color=COMPARED[side],
        linewidth=0.7,
    )  # fmt: skip
    axes.text(
        -0.012, base + 0.25 * _HIGH, str(cells.ids[k]), color=COMPARED[side],
        ha="right", va="center", fontsize=SMALL_PT, weight="bold",
        transform=axes.get_yaxis_transform(),
    )  # fmt: skip
