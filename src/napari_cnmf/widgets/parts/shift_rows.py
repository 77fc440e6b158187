"""What is plotted of a registration: shifts, correlation and residual over time."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from napari_cnmf.colours import CELL_COLOURS
from napari_cnmf.formats.results import Result
from napari_cnmf.movie.registration import Registration
from napari_cnmf.movie.shifts import Shifts
from napari_cnmf.report.lanes import Lane
from napari_cnmf.widgets.parts.lane_axis import PlotRow

#: What can be shown.
KINDS = ("shifts", "correlation", "residual")
#: Share of a row that stays empty.
_GAP = 0.12


@dataclass(frozen=True, eq=False)
class _Track:
    """Curves on one scale."""

    label: str
    unit: str
    colour: str
    curves: dict[str, np.ndarray]
    limits: tuple[float, float]


def shift_rows(
    result: Result, kinds: Collection[str], patch: int | None = None
) -> list[PlotRow]:
    """Arrange what is known of a registration.

    Parameters
    ----------
    result : Result
    kinds : collection of str
        Which of `KINDS` to show.
    patch : int, optional
        Show the shift of this patch behind that of the whole frame; of all patches
        the least and the greatest by default.

    Returns
    -------
    list of PlotRow
        Empty if nothing was registered.
    """
    shifts, registration = result.shifts, result.registration
    tracks: list[_Track] = []
    if shifts is not None and "shifts" in kinds:
        tracks += _shift_tracks(shifts, patch)
    if registration is not None and "correlation" in kinds:
        tracks.append(_correlation_track(registration))
    if registration is not None and "residual" in kinds:
        tracks.append(_residual_track(registration))
    return [_row(place, track) for place, track in enumerate(tracks)]


def _shift_tracks(shifts: Shifts, patch: int | None) -> list[_Track]:
    """Shifts of the frame, and behind them those of its patches, on one scale."""
    both = []
    for axis in (0, 1):
        curves = {"frame": shifts.values[:, axis]}
        if shifts.patches is not None:
            of_patches = shifts.patches.values[..., axis]
            curves = {"patches": _spread(of_patches, patch), **curves}
        both.append(curves)
    limits = np.array([_limits(list(curves.values())) for curves in both])
    middles, half = limits.mean(axis=1), np.ptp(limits, axis=1).max() / 2
    return [
        _Track(label, "px", colour, curves, (middle - half, middle + half))
        for label, colour, curves, middle in zip(
            ("dy", "dx"), CELL_COLOURS[:2], both, middles, strict=True
        )
    ]


def _spread(of_patches: np.ndarray, patch: int | None) -> np.ndarray:
    """Shift of one patch (T,), or the least and greatest of all (T, 2)."""
    if patch is not None:
        return of_patches[:, patch]
    return np.stack([of_patches.min(axis=1), of_patches.max(axis=1)], axis=1)


def _correlation_track(registration: Registration) -> _Track:
    """Correlation of each frame with the template."""
    curves = {
        "before": registration.correlation_before,
        "after": registration.correlation_after,
    }
    return _Track("corr", "r", CELL_COLOURS[2], curves, _limits(list(curves.values())))


def _residual_track(registration: Registration) -> _Track:
    """Displacement that is left in runs of frames."""
    n_frames = len(registration.flags)
    curves = {
        name: np.repeat(values, registration.bin_frames)[:n_frames]
        for name, values in (
            ("before", registration.residual_before),
            ("after", registration.residual_after),
        )
    }
    _, high = _limits(list(curves.values()))
    return _Track("resid", "px", CELL_COLOURS[3], curves, (0.0, high))


def _limits(curves: list[np.ndarray]) -> tuple[float, float]:
    """Least and greatest of all finite values, never the same."""
    finite = [curve[np.isfinite(curve)] for curve in curves]
    low = min((float(v.min()) for v in finite if v.size), default=0.0)
    high = max((float(v.max()) for v in finite if v.size), default=0.0)
    return low, high if high > low else low + 1.0


def _row(place: int, track: _Track) -> PlotRow:
    """Put a track into its place from above; what is missing lies at its foot."""
    low, high = track.limits
    curves = {
        kind: np.nan_to_num(values, nan=low) for kind, values in track.curves.items()
    }
    bottom = -place - 1 + _GAP / 2
    lane = Lane(track.unit, bottom, 1 - _GAP, low, high, curves)
    return PlotRow(track.label, track.colour, (lane,))
