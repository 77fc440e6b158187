"""The small panels: scores, reasons of rejection, stage times."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullLocator, ScalarFormatter

from napari_cnmf.colours import ACCEPTED, CELL_COLOURS, REJECTED
from napari_cnmf.components import REASONS, Components, Quality, Reason
from napari_cnmf.provenance import StageRecord
from napari_cnmf.quality.criteria import looks_at_peaks
from napari_cnmf.report.style import (
    SMALL_PT,
    SOFT,
    TEXT,
    bare,
    label,
    say_empty,
)


def draw_scores(axes: Axes, components: Components) -> None:
    """Draw SNR against r value with the limits of the rule."""
    quality = components.quality
    if quality is None or not len(components):
        say_empty(axes, "No component was evaluated.")
        return
    reasons = _drawn_reasons(quality)
    x, y = (getattr(quality, reason.score) for reason in reasons)
    x = np.maximum(x, 0.1)
    accepted = components.accepted
    size = 11 if len(components) < 300 else 6
    axes.scatter(
        x[~accepted], y[~accepted], size, "none", edgecolors=REJECTED, linewidths=0.7
    )
    axes.scatter(x[accepted], y[accepted], size, ACCEPTED, alpha=0.8, linewidths=0)
    for reason, line in zip(reasons, (axes.axvline, axes.axhline), strict=True):
        limit = quality.limits.get(reason.name)
        if limit is not None:
            line(limit, color=SOFT, linewidth=0.8, linestyle="--", zorder=0)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=8))
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_locator(NullLocator())
    label(axes, "SNR", "r value")


def _drawn_reasons(quality: Quality) -> list[Reason]:
    """Reasons for a low SNR and a low r value, those of the rule in use."""
    whose = "CaImAn " if looks_at_peaks(quality.rule) else ""
    names = [f"low {whose}SNR", f"low {whose}r value"]
    return [reason for name in names for reason in REASONS if reason.name == name]


def draw_reasons(axes: Axes, components: Components) -> None:
    """Draw how many components each reason rejects; one may have several."""
    quality = components.quality
    flags = np.zeros(0, np.int32) if quality is None else quality.flags
    per_reason = {r.name: int((flags >> r.bit & 1).sum()) for r in REASONS}
    found = {name: count for name, count in per_reason.items() if count}
    if not found:
        say_empty(axes, "No component was rejected.")
        return
    counts = list(found.values())
    _bars(axes, list(found), counts, [str(count) for count in counts], REJECTED)


def draw_times(axes: Axes, records: Sequence[StageRecord]) -> None:
    """Draw how long each stage took."""
    if not records:
        say_empty(axes, "No times were recorded.")
        return
    names, seconds = [r.stage for r in records], [r.seconds for r in records]
    axes.set_title(
        f"{sum(seconds):.1f} s in all", loc="right", fontsize=SMALL_PT, color=SOFT
    )
    _bars(axes, names, seconds, [f"{s:.2f} s" for s in seconds], CELL_COLOURS[1])


def _bars(
    axes: Axes,
    names: list[str],
    values: Sequence[float],
    figures: list[str],
    colour: str,
) -> None:
    """Draw lying bars with a name at the left and a figure at the right of each."""
    bare(axes)
    rows = np.arange(len(names))
    largest = max(max(values), 1e-9)
    axes.barh(rows, values, color=colour, height=0.6, alpha=0.85)
    for row, (value, figure) in enumerate(zip(values, figures, strict=True)):
        axes.text(
            value + 0.03 * largest, row, figure, va="center", fontsize=SMALL_PT,
            color=TEXT,
        )  # fmt: skip
    axes.set_yticks(rows, names)
    axes.tick_params(length=0)
    axes.set_ylim(max(len(names), 5) - 0.4, -0.6)
    axes.set_xlim(0, 1.3 * largest)
