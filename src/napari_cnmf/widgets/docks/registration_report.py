"""What a registration has given, in words: figures, and the frames that remain bad."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from napari_cnmf.colours import ACCEPTED
from napari_cnmf.formats.results import Result
from napari_cnmf.movie.images import SummaryImages, crispness
from napari_cnmf.movie.registration import Registration
from napari_cnmf.movie.shifts import Shifts
from napari_cnmf.widgets.parts.strip import runs

#: Runs of bad frames that are listed for each reason.
MOST_LISTED = 20
_ARROW = "\N{RIGHTWARDS ARROW}"
#: Line offsets below this are not worth a word.
_LEAST_OFFSET_PX = 0.01


def report(result: Result | None) -> str:
    """Write what the registration has given, as rich text; "" if it is not done.

    Links lead to frames: the number of a frame is the address.
    """
    if result is None or result.summary is None:
        return ""
    if result.shifts is None:
        return "The frames were taken as they are."
    rows = [*_movement(result.shifts), ("Not seen", _borders(result.summary))]
    if result.registration is not None:
        rows += _improvement(result.registration, result.summary)
    cells = "".join(
        f"<tr><td>{name}&nbsp;&nbsp;</td><td>{value}</td></tr>" for name, value in rows
    )
    return f"<table>{cells}</table>{bad_frames(result.registration)}"


def bad_frames(registration: Registration | None) -> str:
    """List the frames that remain bad, by what is wrong with them."""
    if registration is None:
        return ""
    n_bad = len(registration.bad_frames)
    if not n_bad:
        return "No frame remains bad."
    lines = [f"{n_bad} {'frame remains' if n_bad == 1 else 'frames remain'} bad:"]
    for reason, frames in registration.by_reason.items():
        lines.append(f"{reason}: {_links(frames)}")
    return "<br>".join(lines)


def _movement(shifts: Shifts) -> Iterator[tuple[str, str]]:
    """Say how far frames, patches and rows had moved."""
    yield "Shifts", _median_and_most(shifts.values)
    if shifts.patches is not None:
        deviation = shifts.patches.values - shifts.values[:, None]
        yield "Deviations", _median_and_most(deviation)
    if shifts.n_at_limit:
        limit = f"{shifts.max_shift_px:g} px"
        yield "At the limit", f"{shifts.n_at_limit} frames (of {limit})"
    if abs(shifts.line_offset_px) >= _LEAST_OFFSET_PX:
        yield "Line offset", f"{shifts.line_offset_px:.2f} px"


def _improvement(
    found: Registration, summary: SummaryImages
) -> Iterator[tuple[str, str]]:
    """Say how much better the frames fit to each other."""
    window = summary.inside
    before, after = (crispness(i.mean[window]) for i in (found.before, summary))
    gain = f" ({100 * (after / before - 1):+.0f} %)" if before else ""
    yield "Crispness", f"{before:.4g} {_ARROW} {after:.4g}{gain}"
    for name, values, unit in (
        ("Correlation", (found.correlation_before, found.correlation_after), ""),
        ("Residual", (found.residual_before, found.residual_after), " px"),
    ):
        before, after = (float(np.nanmean(each)) for each in values)
        yield name, f"{before:.3f} {_ARROW} {after:.3f}{unit}"


def _median_and_most(vectors: np.ndarray) -> str:
    """Median and greatest length of vectors (..., 2)."""
    lengths = np.hypot(vectors[..., 0], vectors[..., 1])
    return f"median {np.median(lengths):.2f}, at most {lengths.max():.1f} px"


def _borders(summary: SummaryImages) -> str:
    """Say how much of the field is not used, as it was not always seen."""
    names = ("top", "bottom", "left", "right")
    sides = zip(names, summary.borders, strict=True)
    unseen = ", ".join(f"{name} {px}" for name, px in sides if px)
    return f"{unseen} px" if unseen else "nothing"


def _links(frames: np.ndarray) -> str:
    """Numbers of frames (n,), ascending, as links; runs in one."""
    found = runs(frames)
    listed = ", ".join(
        f'<a style="color: {ACCEPTED}" href="{first}">{_numbers(first, stop)}</a>'
        for first, stop in found[:MOST_LISTED]
    )
    last_listed = found[:MOST_LISTED][-1][1]
    n_more = int((frames >= last_listed).sum())
    return listed + (f" and {n_more} more" if n_more else "")


def _numbers(first: int, stop: int) -> str:
    """Write a run of frames."""
    last = stop - 1
    return f"{first}" if last == first else f"{first}\N{EN DASH}{last}"
