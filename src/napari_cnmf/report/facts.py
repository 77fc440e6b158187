"""What the registration did for a movie, in words and numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_cnmf.formats.results import Result
from napari_cnmf.movie.images import SummaryImages, crispness
from napari_cnmf.movie.registration import Registration
from napari_cnmf.movie.shifts import Shifts

_MOST_RUNS = 10


@dataclass(frozen=True)
class Comparison:
    """A measure of the movie as recorded and as registered."""

    name: str
    before: str
    after: str


def comparisons(result: Result) -> list[Comparison]:
    """Say how sharp the movie was and is.

    Parameters
    ----------
    result : Result

    Returns
    -------
    list of Comparison
        Empty if nothing was registered.
    """
    found, summary = result.registration, result.summary
    if found is None or summary is None:
        return []
    rows = [
        Comparison(
            "correlation with the template",
            f"{np.median(found.correlation_before):.3f}",
            f"{np.median(found.correlation_after):.3f}",
        ),
        _crispness(found.before.mean, summary),
    ]
    if len(found.residual_before):
        before, after = (
            f"{np.median(residual):.2f} px"
            for residual in (found.residual_before, found.residual_after)
        )
        rows.append(Comparison("displacement that is left", before, after))
    return rows


def motion_facts(result: Result) -> list[tuple[str, str]]:
    """Say how the movie was registered, and what is wrong with it still.

    Parameters
    ----------
    result : Result

    Returns
    -------
    list of (str, str)
        Names and values; empty if nothing was registered.
    """
    shifts = result.shifts
    if shifts is None:
        return []
    rows = [("registered", _kind(shifts)), ("shifts", _extent(shifts))]
    if shifts.line_offset_px:
        offset = f"odd rows lay {shifts.line_offset_px:+.2f} px to the right"
        rows.append(("line offset", offset))
    if result.summary is not None and any(result.summary.borders):
        rows.append(("borders", borders_in_words(result.summary.borders)))
    if result.registration is not None:
        rows.append(("bad frames", bad_frames_in_words(result.registration)))
    return rows


def motion_rows(result: Result) -> list[tuple[str, str]]:
    """Say all of it, each line with its name: facts, then measures."""
    measures = comparisons(result)
    return [
        *motion_facts(result),
        *((m.name, f"{m.before} before, {m.after} after") for m in measures),
    ]


def bad_frames_in_words(found: Registration) -> str:
    """Count the frames that remain bad, and name them for each reason."""
    if not len(found.bad_frames):
        return "none"
    named = [
        f"{reason}: {frames_in_words(frames)}"
        for reason, frames in found.by_reason.items()
    ]
    return f"{len(found.bad_frames):,} ({'; '.join(named)})"


def frames_in_words(frames: np.ndarray) -> str:
    """Name frames, runs of them in short: ``3, 7 to 12``; the first ten runs."""
    runs = np.split(frames, np.flatnonzero(np.diff(frames) > 1) + 1)
    words = [
        f"{run[0]}" if len(run) == 1 else f"{run[0]} to {run[-1]}"
        for run in runs[:_MOST_RUNS]
    ]
    return ", ".join(words + ["..."] * (len(runs) > _MOST_RUNS))


def borders_in_words(borders: tuple[int, int, int, int]) -> str:
    """Say how wide each border is."""
    top, bottom, left, right = borders
    return f"top {top}, bottom {bottom}, left {left}, right {right} px"


def _kind(shifts: Shifts) -> str:
    """Say whether frames were moved as a whole or bent."""
    if shifts.patches is None:
        return "as whole frames"
    rows, cols = shifts.patches.grid_shape
    return f"piecewise, {rows} x {cols} patches"


def _extent(shifts: Shifts) -> str:
    """Say how far the frames had moved."""
    distance, largest = np.hypot(*shifts.values.T), np.abs(shifts.values).max()
    return (
        f"{np.median(distance):.1f} px in the median, largest {largest:.1f} of "
        f"{shifts.max_shift_px:g} px searched"
    )


def _crispness(before: np.ndarray, after: SummaryImages) -> Comparison:
    """Compare the crispness of the mean images, where both hold data."""
    seen = after.inside
    old, new = (
        crispness(image[seen]) if min(image[seen].shape) > 1 else 0.0
        for image in (before, after.mean)
    )
    gain = f" ({100 * (new / old - 1):+.0f} %)" if old else ""
    return Comparison("crispness of the mean image", f"{old:,.4g}", f"{new:,.4g}{gain}")
