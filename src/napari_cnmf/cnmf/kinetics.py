"""The indicator's decay time, estimated once per movie.

The autocovariance of sparse activity has the shape of a transient's own: a difference
of exponentials in decay and rise time; noise adds to lag 0 only. Searching that shape
on the clearest traces, and taking the median over cells, is far steadier than fitting
each trace by itself. The rise time is taken as known: bursts look like a slow rise, so
estimating it costs more than a rough preset.
"""

from __future__ import annotations

import numpy as np

_N_CLEAREST = 40
_LONGEST_LAG_S = 2.0
_DECAYS_S = np.geomspace(0.05, 4.0, 120)


def decay_time(
    raw: np.ndarray, rate_hz: float, rise_s: float, default_s: float
) -> float:
    """Estimate the decay time.

    Parameters
    ----------
    raw : ndarray
        (K, T) float32, demixed traces.
    rate_hz : float
        Their frame rate.
    rise_s : float
        The indicator's rise time.
    default_s : float
        To return where there is nothing to estimate from.

    Returns
    -------
    float
        Median decay time in seconds over the clearest cells.
    """
    n_lags = min(round(_LONGEST_LAG_S * rate_hz), raw.shape[1] // 4)
    if n_lags < 4:
        return default_s
    covariance = _autocovariance(raw, n_lags)
    noise = covariance[:, 0] - covariance[:, 1]
    clear = covariance[:, 1] / np.maximum(noise, 1e-12)
    clearest = np.argsort(-clear, kind="stable")[:_N_CLEAREST]
    clearest = clearest[clear[clearest] > 0]
    if len(clearest) == 0:
        return default_s
    shapes = _shapes(np.arange(1, n_lags) / rate_hz, rise_s)
    best = np.argmax(covariance[clearest, 1:] @ shapes.T, axis=1)
    return float(np.median(_DECAYS_S[best]))


def _autocovariance(raw: np.ndarray, n_lags: int) -> np.ndarray:
    """Autocovariance (K, n_lags) of traces, from lag 0."""
    centred = raw - raw.mean(axis=1, keepdims=True)
    n_t = raw.shape[1]
    products = [
        np.einsum("kt,kt->k", centred[:, lag:], centred[:, : n_t - lag])
        for lag in range(n_lags)
    ]
    return np.stack(products, axis=1) / n_t


def _shapes(lag_s: np.ndarray, rise_s: float) -> np.ndarray:
    """Autocovariance at the given lags for each decay, (decays, lags), unit norm.

    Without their mean: an offset says nothing of the decay.
    """
    decay_s = _DECAYS_S[:, None]
    fast_s = np.minimum(max(rise_s, 1e-4), 0.5 * decay_s)
    shapes = decay_s * np.exp(-lag_s / decay_s) - fast_s * np.exp(-lag_s / fast_s)
    shapes -= shapes.mean(axis=1, keepdims=True)
    return shapes / np.linalg.norm(shapes, axis=1, keepdims=True)
