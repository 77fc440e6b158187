"""Panels about the registration: shifts, correlations, residuals, images."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize, PowerNorm
from matplotlib.patches import Rectangle

from napari_cnmf.colours import ACCEPTED, CELL_COLOURS, REJECTED
from napari_cnmf.movie.images import SummaryImages
from napari_cnmf.movie.registration import Registration
from napari_cnmf.movie.shifts import Shifts
from napari_cnmf.report.style import RAW, SMALL_PT, SOFT, TEXT, bare, label, say_empty
from napari_cnmf.report.traces import MAX_POINTS, thinned

_DIRECTIONS = (("down", CELL_COLOURS[0]), ("right", CELL_COLOURS[4]))
_BEFORE, _AFTER = RAW, ACCEPTED


def draw_shifts(
    axes: Axes, shifts: Shifts | None, found: Registration | None, frame_rate_hz: float
) -> None:
    """Draw how far each frame had moved, its patches around it, and the bad frames."""
    if shifts is None:
        say_empty(axes, "The frames were not registered.")
        return
    reach = max(1.0, 1.15 * float(np.abs(shifts.values).max(initial=0)))
    for axis, (name, colour) in enumerate(_DIRECTIONS):
        frames, thin = thinned(shifts.values[:, axis])
        axes.plot(frames / frame_rate_hz, thin, color=colour, linewidth=0.8, label=name)
        if shifts.patches is not None:
            frames, low, high = _range(shifts.patches.values[:, :, axis])
            reach = max(reach, 1.15 * float(np.abs([low, high]).max(initial=0)))
            axes.fill_between(
                frames / frame_rate_hz, low, high, color=colour, alpha=0.3,
                linewidth=0, label="" if axis else "patches",
            )  # fmt: skip
    for side in (-shifts.max_shift_px, shifts.max_shift_px):
        axes.axhline(side, color=REJECTED, linewidth=0.8, linestyle="--")
    if found is not None:
        _mark_bad(axes, found, frame_rate_hz)
    limit_is_near = shifts.max_shift_px <= 1.3 * reach
    top = shifts.max_shift_px if limit_is_near else reach  # room for the key above it
    axes.set_xlim(0, max(len(shifts.values), 1) / frame_rate_hz)
    axes.set_ylim(-1.1 * max(reach, top), 1.6 * top)
    _draw_key(axes)
    _remark(
        axes,
        f"limit \u00b1{shifts.max_shift_px:g} px, reached in "
        f"{shifts.n_at_limit:,} of {len(shifts.values):,} frames",
    )
    label(axes, "time (s)", "shift (px)")


def draw_correlations(axes: Axes, found: Registration, frame_rate_hz: float) -> None:
    """Draw how like the template each frame was and is; bad ones have a mark."""
    curves = (found.correlation_before, "before", _BEFORE), (
        found.correlation_after, "after", _AFTER,
    )  # fmt: skip
    for values, name, colour in curves:
        frames, thin = thinned(values)
        axes.plot(frames / frame_rate_hz, thin, color=colour, linewidth=0.8, label=name)
    _mark_bad(axes, found, frame_rate_hz)
    low = min(float(values.min(initial=1)) for values, _, _ in curves)
    high = max(float(values.max(initial=low)) for values, _, _ in curves)
    room = max(high - low, 0.05)
    axes.set_ylim(low - 0.12 * room, high + 0.3 * room)
    axes.set_xlim(0, max(len(found.flags), 1) / frame_rate_hz)
    _draw_key(axes)
    _remark(axes, f"{len(found.bad_frames):,} of {len(found.flags):,} frames are bad")
    label(axes, "time (s)", "correlation")


def draw_residuals(axes: Axes, found: Registration, frame_rate_hz: float) -> None:
    """Draw the displacement that was and is left, over time."""
    if not len(found.residual_before):
        say_empty(axes, "The movie is too short to measure it.")
        return
    step_s = found.bin_frames / frame_rate_hz
    top = 0.5
    for values, name, colour in (
        (found.residual_before, "before", _BEFORE),
        (found.residual_after, "after", _AFTER),
    ):
        runs, thin = thinned(values)
        axes.plot((runs + 0.5) * step_s, thin, color=colour, linewidth=1.2, label=name)
        top = max(top, float(np.nanmax(thin, initial=0)))
    axes.set_ylim(0, 1.3 * top)
    axes.set_xlim(0, max(len(found.flags), 1) / frame_rate_hz)
    _draw_key(axes)
    _remark(axes, f"of the mean of {found.bin_frames} frames, rms over patches")
    label(axes, "time (s)", "displacement (px)")


def draw_pair(
    axes: tuple[Axes, Axes], name: str, before: SummaryImages, after: SummaryImages
) -> None:
    """Draw an image of the movie as recorded and as registered, in one grey scale."""
    images = getattr(before, name), getattr(after, name)
    norm = _grey(np.stack(images)[:, after.valid], name)
    for place, image in zip(axes, images, strict=True):
        bare(place)
        place.imshow(image, cmap="gray", norm=norm)
    top, bottom, left, right = after.borders
    if any(after.borders):
        height, width = after.valid.shape
        axes[1].add_patch(
            Rectangle(
                (left - 0.5, top - 0.5), width - left - right, height - top - bottom,
                fill=False, edgecolor=REJECTED, linewidth=0.9, linestyle="--",
            )
        )  # fmt: skip


def _grey(values: np.ndarray, name: str) -> Normalize:
    """Grey scale of both images; the root lifts dim cells in correlations."""
    low, high = np.percentile(values, (1, 99.7)) if values.size else (0.0, 1.0)
    gamma = 0.6 if name == "correlation" else 0.8
    return PowerNorm(gamma, low, max(high, low + 1e-6), clip=True)


def _mark_bad(axes: Axes, found: Registration, frame_rate_hz: float) -> None:
    """Mark the bad frames at the lower edge."""
    if len(found.bad_frames):
        axes.vlines(
            found.bad_frames / frame_rate_hz, 0, 0.07, color=REJECTED, linewidth=1.0,
            transform=axes.get_xaxis_transform(), label="bad frame",
        )  # fmt: skip


def _range(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Frames (n,), lowest and highest of the patches (T, P); spans for long movies."""
    span = max(-(-len(values) // MAX_POINTS), 1)
    starts = np.arange(0, len(values), span)
    low = np.minimum.reduceat(values.min(axis=1), starts)
    high = np.maximum.reduceat(values.max(axis=1), starts)
    return starts, low, high


def _draw_key(axes: Axes) -> None:
    """Say at the top left which line is which."""
    axes.legend(
        loc="upper left", ncols=4, frameon=False, fontsize=SMALL_PT, borderaxespad=0,
        handlelength=1.2, columnspacing=1.2, labelcolor=TEXT,
    )  # fmt: skip


def _remark(axes: Axes, text: str) -> None:
    """Write a remark above the right end of a panel."""
    axes.set_title(text, loc="right", fontsize=SMALL_PT, color=SOFT)
