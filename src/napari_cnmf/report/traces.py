"""The clearest traces: raw in grey, denoised in colour, events as ticks below."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from napari_cnmf.colours import cell_colour
from napari_cnmf.components import Components
from napari_cnmf.report.style import (
    LABEL_PT,
    RAW,
    SMALL_PT,
    SOFT,
    label,
    say_empty,
)

MAX_TRACES = 15
#: More points than this along the time axis cannot be told apart in print.
MAX_POINTS = 2400
#: Heights of the events and of the trace within a row of height 1.
EVENTS_HIGH, TRACE_LOW, TRACE_HIGH = 0.2, 0.25, 1.05


def draw_traces(axes: Axes, components: Components, shown: np.ndarray) -> None:
    """Stack the traces of the shown components, each scaled to its own range."""
    if not len(shown):
        say_empty(axes, "No component was accepted.")
        return
    duration_s = components.n_frames / components.frame_rate_hz
    for row, k in enumerate(shown):
        _draw_row(axes, components, k, -float(row))
        _label_row(axes, components, k, row)
    axes.set_xlim(0, duration_s)
    axes.set_ylim(-len(shown) + 0.9, 1.15)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    label(axes, x="time (s)")


def _draw_row(axes: Axes, components: Components, k: int, base: float) -> None:
    """Draw one component's traces and events on a base line."""
    colour, rate = cell_colour(int(components.ids[k])), components.frame_rate_hz
    denoised = components.denoised[k]
    raw = denoised + components.residual_traces[k]
    low = float(np.percentile(raw, 1))
    high = max(float(raw.max()), float(denoised.max()), low + 1e-12)
    scale = (TRACE_HIGH - TRACE_LOW) / (high - low)
    for trace, line_colour, width in ((raw, RAW, 0.6), (denoised, colour, 1.0)):
        frames, values = thinned(trace)
        height = np.maximum(TRACE_LOW + scale * (values - low), TRACE_LOW - 0.1)
        axes.plot(frames / rate, base + height, color=line_colour, linewidth=width)
    axes.add_collection(_events(components.spikes[k], rate, base, colour))


def _events(
    spikes: np.ndarray, rate: float, base: float, colour: str
) -> LineCollection:
    """Ticks at the deconvolved events, higher for larger ones."""
    frames = np.flatnonzero(spikes > 0)
    # The root keeps small events visible beside bursts.
    heights = np.sqrt(spikes[frames] / max(float(spikes.max(initial=0)), 1e-12))
    visible = heights > 0.1
    heights *= EVENTS_HIGH
    ticks = [
        [(t, base), (t, base + height)]
        for t, height in zip(frames[visible] / rate, heights[visible], strict=True)
    ]
    return LineCollection(ticks, colors=colour, linewidths=0.8)


def _label_row(axes: Axes, components: Components, k: int, row: int) -> None:
    """Write the number at the left of a row, and SNR and dF/F at its right."""
    place = axes.get_yaxis_transform()
    colour = cell_colour(int(components.ids[k]))
    axes.text(
        -0.008, TRACE_LOW - row + 0.1, str(row + 1), transform=place, ha="right",
        va="center", fontsize=LABEL_PT, color=colour, weight="bold",
    )  # fmt: skip
    notes = []
    if components.quality is not None:
        notes.append(f"SNR {components.quality.snr[k]:.0f}")
    if components.dff is not None:
        peak = components.dff[k, components.denoised[k].argmax()]
        notes.append(f"\u0394F/F {100 * peak:.0f} %")
    axes.text(
        1.008, TRACE_LOW - row + 0.1, "\n".join(notes), transform=place, ha="left",
        va="center", fontsize=SMALL_PT, color=SOFT, linespacing=1.05,
    )  # fmt: skip


def thinned(trace: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Frames and values of a trace, long ones as the extremes of short spans.

    Parameters
    ----------
    trace : ndarray
        (T,)

    Returns
    -------
    frames, values : ndarray
        At most `MAX_POINTS` of them; every peak of the trace is among them.
    """
    span = -(-2 * len(trace) // MAX_POINTS)
    if span <= 2:
        return np.arange(len(trace)), trace
    n_spans = len(trace) // span
    spans = trace[: n_spans * span].reshape(n_spans, span)
    extremes = np.stack([spans.argmin(axis=1), spans.argmax(axis=1)], axis=1)
    frames = np.sort(extremes, axis=1) + span * np.arange(n_spans)[:, None]
    return frames.ravel(), trace[frames.ravel()]
