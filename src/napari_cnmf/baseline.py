"""dF/F: each trace over its own slow baseline and the background behind it.

With F the raw trace and B the background seen through the same footprint, both in the
movie's units, dF/F = (F - F0) / (F0 + B0), where F0 and B0 are running percentiles
(Giovannucci et al. 2019, eLife 8:e38173). The percentile is given, or taken for each
trace at the mode of its density, where the noise of the baseline lies symmetrically.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from threading import Event
from typing import ClassVar

import numpy as np
from scipy.ndimage import gaussian_filter1d, percentile_filter

from napari_cnmf.components import Components
from napari_cnmf.compute import Backend, Progress, SerialBackend, Stopwatch, silent
from napari_cnmf.compute.scratch import row_blocks
from napari_cnmf.parameters import Parameters, param

BLOCK_CELLS = 64

# The density's grid: 4 spreads to both sides of the median, 32 bins a spread.
_BINS = 256
_BINS_PER_SPREAD = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class DffParameters(Parameters):
    """How traces are put in relation to their baseline."""

    group: ClassVar[str] = "dff"

    # The defaults gave the least error of the baseline on simulated bleaching cells at
    # 30 Hz: 3 % rms (4 % with 8 s or 120 s; 14 % with CaImAn's 8th percentile).
    method: str = param(
        "dff",
        "'dff' divides by the baseline of cell and background, 'detrend' only takes "
        "the trace's own baseline away.",
        choices=("dff", "detrend"),
        caiman="detrend_df_f(detrend_only)",
    )
    percentile: float | None = param(
        None,
        "Percentile of a trace that counts as its baseline. Auto takes, trace by "
        "trace, that of the most frequent value; higher raises the baseline.",
        unit="%",
        low=0,
        high=100,
        caiman="detrend_df_f(quantileMin, flag_auto)",
    )
    window_s: float | None = param(
        30.0,
        "Length of the running window of the baseline: much longer than a transient, "
        "shorter than bleaching. Auto takes the whole recording at once.",
        unit="s",
        low=0.5,
        high=36_000,
        caiman="detrend_df_f(frames_window)",
    )


def dff(
    components: Components,
    parameters: DffParameters,
    *,
    backend: Backend | None = None,
    progress: Progress = silent,
    cancel: Event | None = None,
) -> Components:
    """Compute dF/F of all components, rejected ones too.

    Parameters
    ----------
    components : Components
        From `fit` or `refit`.
    parameters : DffParameters
    backend : Backend, optional
        Where blocks of cells are worked on; here by default.
    progress : callable
        Told after each block of cells.
    cancel : threading.Event, optional
        Stops the stage once set.

    Returns
    -------
    Components
        With `dff`. A trace whose baseline does not exceed its noise everywhere has no
        meaningful dF/F: it is NaN, and a warning says so.

    Raises
    ------
    CancelledError
        If it was cancelled.
    """
    backend = backend or SerialBackend()
    found = backend.empty((len(components), components.n_frames))
    dark = np.zeros(len(components), bool)
    watch = Stopwatch(progress, "dff", len(components), "cells")

    def collect(part: tuple[slice, np.ndarray]) -> None:
        cells, values = part
        found[cells] = values
        dark[cells] = np.isnan(values).any(axis=1)
        watch.advance(len(values))

    work = _Detrender(components, parameters)
    backend.here.run(work, row_blocks(found.shape, BLOCK_CELLS), collect, cancel)
    _warn_of_dark(components.ids[dark])
    return replace(components, dff=found)


def background_traces(components: Components, cells: slice) -> np.ndarray:
    """Background seen through the footprints of some components.

    Only the small product of footprints and maps meets the traces, never the pixels.

    Returns
    -------
    ndarray
        (k, T) float32, in the unit of the raw traces.
    """
    background = components.background
    seen = components.footprints[:, cells].T
    level = seen @ background.constant.ravel()
    return (seen @ background.maps) @ background.traces + level[:, None]


def running_percentile(
    trace: np.ndarray, percentile: float, window: int | None
) -> np.ndarray:
    """Percentile of a trace around each frame, exactly; mirrored at both ends.

    Parameters
    ----------
    trace : ndarray
        (T,) float32.
    percentile : float
        0 to 100.
    window : int or None
        Frames; None, or more than there are, takes the whole trace at once.

    Returns
    -------
    ndarray
        (T,) float32, or (1,) for the whole trace.
    """
    if window is None or window >= len(trace):
        return np.percentile(trace, percentile, keepdims=True).astype(np.float32)
    # scipy keeps the window in two heaps: 65 ns a frame, whatever the window.
    return percentile_filter(trace, percentile, size=window)


def mode_percentiles(traces: np.ndarray, window: int | None) -> np.ndarray:
    """Percentile at which the most frequent value of each trace lies.

    The median over consecutive windows, so that slow drift does not matter. In each,
    the mode is that of a kernel density with Silverman's bandwidth; a constant window
    counts as 50.

    Parameters
    ----------
    traces : ndarray
        (K, T) float32.
    window : int or None
        Frames; None, or more than there are, takes whole traces.

    Returns
    -------
    ndarray
        (K,) float64, 0 to 100.
    """
    n_cells, n_frames = traces.shape
    window = min(window or n_frames, n_frames)
    whole = traces[:, : n_frames // window * window]
    values = np.sort(whole.reshape(-1, window), axis=1)
    median, spread = _robust_spread(values)
    values = (values - median) / np.where(spread > 0, spread, 1)
    below = (values <= _modes(values)[:, None]).mean(axis=1)
    below[spread[:, 0] == 0] = 0.5
    return 100 * np.median(below.reshape(n_cells, -1), axis=1)


@dataclass(frozen=True, eq=False)
class _Detrender:
    """The task of one block of cells; sent to the workers."""

    components: Components
    parameters: DffParameters

    def __call__(self, cells: slice) -> tuple[slice, np.ndarray]:
        """Return the cells and their dF/F (k, T)."""
        raw = self.components.raw_of(cells)
        behind = background_traces(self.components, cells)
        noise = self.components.trace_fit.noise[cells]
        window = self._window()
        found = np.empty_like(raw)
        for k, percentile in enumerate(self._percentiles(raw, window)):
            own = running_percentile(raw[k], percentile, window)
            found[k] = raw[k] - own
            if self.parameters.method == "dff":
                total = own + running_percentile(behind[k], percentile, window)
                found[k] /= total if total.min() > noise[k] else np.nan
        return cells, found

    def _percentiles(self, raw: np.ndarray, window: int | None) -> np.ndarray:
        """Percentile of each trace that is its baseline."""
        if self.parameters.percentile is None:
            return mode_percentiles(raw, window)
        return np.full(len(raw), self.parameters.percentile)

    def _window(self) -> int | None:
        """Length of the window in frames, odd: it is centred."""
        if self.parameters.window_s is None:
            return None
        frames = self.parameters.window_s * self.components.frame_rate_hz
        return 2 * round(frames / 2) + 1


def _robust_spread(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Median and spread of sorted rows, (n, 1) each; events hardly count."""
    n = values.shape[1]
    low, median, high = (values[:, [int(q * (n - 1))]] for q in (0.25, 0.5, 0.75))
    deviation = values.std(axis=1, keepdims=True)
    return median, np.minimum(deviation, (high - low) / 1.349)


def _modes(values: np.ndarray) -> np.ndarray:
    """Mode of each row, in spreads from its median; see `mode_percentiles`."""
    n_rows, n_values = values.shape
    bins = np.floor(values * _BINS_PER_SPREAD) + (_BINS // 2 + 1)
    bins = np.clip(bins, 0, _BINS + 1).astype(np.int64)
    bins += (_BINS + 2) * np.arange(n_rows)[:, None]
    counts = np.bincount(bins.ravel(), minlength=n_rows * (_BINS + 2))
    inside = counts.reshape(n_rows, -1)[:, 1:-1].astype(np.float64)
    bandwidth = 0.9 * n_values**-0.2 * _BINS_PER_SPREAD
    density = gaussian_filter1d(inside, bandwidth, axis=1, mode="constant")
    return (density.argmax(axis=1) + 0.5 - _BINS // 2) / _BINS_PER_SPREAD


def _warn_of_dark(ids: np.ndarray) -> None:
    """Tell which components have no dF/F."""
    if len(ids):
        listed = ", ".join(map(str, ids[:10])) + (", ..." if len(ids) > 10 else "")
        warnings.warn(
            f"{len(ids)} components have no dF/F (ids {listed}): their baseline does "
            "not exceed their noise, so the movie's zero is not that of light. Add "
            "the camera's offset back, or set dff.method=detrend.",
            stacklevel=3,
        )
