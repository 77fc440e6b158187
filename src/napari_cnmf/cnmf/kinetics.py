"""Decay and rise time of the indicator, estimated once per movie.

The autocovariance of an AR(2) process is a difference of exponentials with the decay
and rise time as constants; noise adds to lag 0 only. Fitting its shape on the traces
with the clearest transients, and taking the median over cells, is far steadier than
fitting each trace by itself.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import curve_fit

_N_BRIGHTEST = 40
_LONGEST_LAG_S = 2.0


def time_constants(
    raw: np.ndarray, rate_hz: float, start_s: tuple[float, float]
) -> tuple[float, float]:
    """Estimate decay and rise time.

    Parameters
    ----------
    raw : ndarray
        (K, T) float32, demixed traces.
    rate_hz : float
        Their frame rate.
    start_s : tuple of float
        Decay and rise time to begin with, returned where nothing can be fitted.

    Returns
    -------
    decay_s, rise_s : float
        Medians over the brightest cells.
    """
    n_lags = min(round(_LONGEST_LAG_S * rate_hz), raw.shape[1] // 4)
    if n_lags < 4 or len(raw) == 0:
        return start_s
    centred = raw - raw.mean(axis=1, keepdims=True)
    lags = np.arange(1, n_lags + 1)
    covariance = (
        np.stack(
            [
                np.einsum("kt,kt->k", centred[:, lag:], centred[:, :-lag])
                for lag in lags
            ],
            1,
        )
        / raw.shape[1]
    )
    noise = np.einsum("kt,kt->k", centred, centred) / raw.shape[1] - covariance[:, 0]
    clear = covariance[:, 0] / np.maximum(noise, 1e-12)
    brightest = np.argsort(-clear)[:_N_BRIGHTEST]
    fits = [_fit(lags / rate_hz, covariance[k], start_s) for k in brightest]
    found = np.array([f for f in fits if f is not None])
    if len(found) == 0:
        return start_s
    decay_s, rise_s = np.median(found, axis=0)
    return float(decay_s), float(rise_s)


def _fit(
    lag_s: np.ndarray, covariance: np.ndarray, start_s: tuple[float, float]
) -> tuple[float, float] | None:
    """Fit the shape of one autocovariance; None if it has none."""
    if covariance[0] <= 0:
        return None
    try:
        found, _ = curve_fit(
            _autocovariance,
            lag_s,
            covariance / covariance[0],
            p0=(1.0, *start_s, 0.0),
            bounds=([0, 0.02, 0.001, -1], [10, 10, 1, 1]),
        )
    except RuntimeError:
        return None
    return float(found[1]), float(found[2])


def _autocovariance(
    lag_s: np.ndarray, scale: float, decay_s: float, rise_s: float, offset: float
) -> np.ndarray:
    """Autocovariance of a sparse train of decay-minus-rise transients."""
    slow = decay_s * np.exp(-lag_s / decay_s)
    fast = rise_s * np.exp(-lag_s / rise_s)
    return scale * (slow - fast) / (decay_s - rise_s + 1e-9) + offset
