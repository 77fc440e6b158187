"""Splits demixed traces into denoised calcium, spikes and slow baseline.

The baseline is a low percentile in windows of many seconds. What is above it is
deconvolved either with the indicator's known kinetics (AR(2), the default: fitting the
decay of each trace costs accuracy), or by a noise-constrained AR model of each trace.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.special import ndtri

from napari_cnmf.cnmf.deconvolution import deconvolve, deconvolve_traces
from napari_cnmf.cnmf.kinetics import kinetics
from napari_cnmf.cnmf.parameters import CnmfParameters, TemporalParameters
from napari_cnmf.compute.scratch import Empty, in_memory


@dataclass(frozen=True, eq=False)
class Denoised:
    """Parts of a block of traces, (K, T) float32 each, and how they were found."""

    calcium: np.ndarray
    spikes: np.ndarray
    baseline: np.ndarray
    ar: np.ndarray
    noise: np.ndarray
    penalty: np.ndarray

    @classmethod
    def empty(cls, n_cells: int, n_frames: int, empty: Empty = in_memory) -> Denoised:
        """Room for a block of traces, to be filled."""
        return cls(
            calcium=empty((n_cells, n_frames)),
            spikes=empty((n_cells, n_frames)),
            baseline=empty((n_cells, n_frames)),
            ar=np.empty((n_cells, 2), np.float32),
            noise=np.empty(n_cells, np.float32),
            penalty=np.empty(n_cells, np.float32),
        )

    def fill(self, cells: np.ndarray, found: Denoised) -> None:
        """Write what was found for some of the traces into their places."""
        for item in fields(self):
            getattr(self, item.name)[cells] = getattr(found, item.name)


@dataclass(frozen=True, slots=True)
class Denoiser:
    """How traces at one rate are denoised, and the background's smoothed.

    Attributes
    ----------
    parameters : TemporalParameters
    smoothing_s : float
        Width of the Gaussian for the background's traces.
    rate_hz : float
        Frame rate of the traces.
    ar : tuple of float
        AR(2) coefficients of the indicator at that rate.
    """

    parameters: TemporalParameters
    smoothing_s: float
    rate_hz: float
    ar: tuple[float, float]

    @classmethod
    def at(cls, rate_hz: float, parameters: CnmfParameters, decay_s: float) -> Denoiser:
        """Denoiser for traces of the given rate."""
        ar = kinetics(decay_s, parameters.rise_s, rate_hz)
        smoothing_s = parameters.background.smoothing_s
        return cls(parameters.temporal, smoothing_s, rate_hz, ar)

    def denoise(self, raw: np.ndarray) -> Denoised:
        """Denoise demixed traces (K, T) float32."""
        noise = bend_noise(raw)
        baseline = slow_baseline(raw, noise, self.parameters, self.rate_hz)
        if self.parameters.method == "constrained":
            return self._constrained(raw, baseline)
        penalty = self.parameters.penalty_sd * noise
        calcium, spikes = deconvolve(raw - baseline, self.ar, penalty)
        ar = np.tile(np.asarray(self.ar, np.float32), (len(raw), 1))
        return Denoised(calcium, spikes, baseline, ar, noise, penalty)

    def smooth(self, background: np.ndarray) -> np.ndarray:
        """Smooth the background's traces (nodes, T) in time."""
        sigma = self.smoothing_s * self.rate_hz
        return gaussian_filter1d(background, sigma, axis=1) if sigma else background

    def _constrained(self, raw: np.ndarray, baseline: np.ndarray) -> Denoised:
        """Fit noise, coefficients, offset and sparsity of each trace."""
        parameters = self.parameters
        fit = deconvolve_traces(
            raw - baseline,
            order=parameters.ar_order,
            s_min=parameters.s_min,
            optimize_g=parameters.optimize_g,
            nonnegative_baseline=parameters.nonnegative_baseline,
            noise_method=parameters.noise_method,
            noise_band=(parameters.noise_band_low, parameters.noise_band_high),
            lags=parameters.lags,
            fudge=parameters.fudge_factor,
        )
        baseline = baseline + fit.baseline[:, None].astype(np.float32)
        return Denoised(
            fit.denoised, fit.spikes, baseline, fit.g, fit.noise, fit.penalty
        )


def bend_noise(traces: np.ndarray) -> np.ndarray:
    """Noise sd (K,) of each trace from its second differences."""
    if traces.shape[1] < 3:
        return np.zeros(len(traces), np.float32)
    bends = np.diff(traces, 2, axis=1)
    return np.sqrt(np.einsum("kt,kt->k", bends, bends) / (6 * bends.shape[1]))


def slow_baseline(
    traces: np.ndarray,
    noise: np.ndarray,
    parameters: TemporalParameters,
    frame_rate_hz: float,
) -> np.ndarray:
    """Percentile of each trace in long windows, linearly interpolated.

    The trace is first averaged over half a second; the percentile of what noise that
    leaves is added back, so that a silent trace has a baseline of its mean.

    Returns
    -------
    ndarray
        (K, T) float32.
    """
    n_t = traces.shape[1]
    short = int(np.clip(round(0.5 * frame_rate_hz), 1, n_t))
    n_bins = n_t // short
    bins = traces[:, : n_bins * short].reshape(len(traces), n_bins, short).mean(axis=2)
    wanted = round(parameters.baseline_window_s * frame_rate_hz / short)
    length = int(np.clip(wanted, 1, n_bins))
    n_windows = max(1, round(2 * n_bins / length) - 1)
    starts = np.linspace(0, n_bins - length, n_windows).round().astype(int)
    windows = bins[:, starts[:, None] + np.arange(length)]
    knots = np.percentile(windows, parameters.baseline_percentile, axis=2)
    lift = -ndtri(parameters.baseline_percentile / 100) / np.sqrt(short)
    knots += (lift * noise)[:, None]
    return _interpolate(knots, (starts + length / 2) * short, n_t)


def _interpolate(knots: np.ndarray, frames: np.ndarray, n_t: int) -> np.ndarray:
    """Linear between knots (K, n) at the given frames, constant outside."""
    t = np.arange(n_t)
    high = np.clip(np.searchsorted(frames, t), 1, max(len(frames) - 1, 1))
    high = np.minimum(high, len(frames) - 1)
    low = np.maximum(high - 1, 0)
    span = np.maximum(frames[high] - frames[low], 1)
    part = np.clip((t - frames[low]) / span, 0, 1).astype(np.float32)
    knots = knots.astype(np.float32)
    # `take` keeps rows contiguous, which plain indexing of columns does not.
    before, after = np.take(knots, low, axis=1), np.take(knots, high, axis=1)
    return before + part * (after - before)
