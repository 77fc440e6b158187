"""The decay time of a trace, refined on its largest isolated events.

The autocovariance of a noisy trace tells its decay time with a bias. A large event
that stands alone shows it directly: the response to its spike is fitted with every
decay of a list, the rise being kept, each event having its own amplitude and all one
offset; the decay that explains most wins (after Friedrich, Zhou, Paninski 2017, PLoS
Comput Biol 13(3): e1005423, who minimise over the decay with fixed pools).
"""

from __future__ import annotations

import numpy as np

from napari_cnmf.cnmf.kinetics import roots

# Decay times that are tried, relative to the present one.
_DECAY_FACTORS = np.geomspace(1 / 3, 3, 111)
# An event is looked at for this many decay times ...
_EVENT_DECAYS = 4
_MOST_FRAMES = 600
# ... or until a spike follows that is larger than this part of its own.
_SMALL_SPIKE = 0.25
# Roots closer than this have no decay of their own.
_ROOT_GAP = 1e-3


def refine_decay(
    residual: np.ndarray, spikes: np.ndarray, g: np.ndarray, n_events: int
) -> np.ndarray:
    """Coefficients with the decay that fits the largest isolated events best.

    Parameters
    ----------
    residual : np.ndarray, shape (K, T)
        Traces without baseline and calcium.
    spikes : np.ndarray, shape (K, T)
        Their spikes.
    g : np.ndarray, shape (K, 2)
        Coefficients that the spikes were found with; the second is 0 for AR(1).
    n_events : int
        Number of events of each trace to look at.

    Returns
    -------
    np.ndarray, shape (K, 2), float64
        Coefficients with another slow and the same fast root.
    """
    slow, fast = roots(g)
    for k in range(len(spikes)):
        if fast[k] + _ROOT_GAP < slow[k] < 1 and spikes[k].any():
            events = _events(residual[k], spikes[k], (slow[k], fast[k]), n_events)
            candidates = slow[k] ** (1 / _DECAY_FACTORS)
            candidates = candidates[candidates > fast[k] + _ROOT_GAP]
            slow[k] = candidates[np.argmax(_explained(*events, candidates, fast[k]))]
    return np.stack([slow + fast, -slow * fast], axis=1)


def _events(
    residual: np.ndarray, spikes: np.ndarray, root: tuple[float, float], n_events: int
) -> tuple[np.ndarray, np.ndarray]:
    """Cut the largest isolated events out of one trace.

    An event is the residual plus the response to its spike and to the much smaller
    ones that follow, up to the next spike of some size.

    Returns
    -------
    events, inside : np.ndarray, shape (n, frames)
        Trace of each event, 0 beyond its end, and which frames are before that.
    """
    decay_frames = int(np.ceil(-_EVENT_DECAYS / np.log(root[0])))
    length = min(decay_frames, _MOST_FRAMES, len(spikes))
    lag = np.arange(length)
    response = _responses(np.array([root[0]]), root[1], lag)[0]
    padded = np.pad(spikes, (0, length))
    following = np.lib.stride_tricks.sliding_window_view(padded, length + 1)
    starts = np.flatnonzero(spikes)
    ahead = following[starts, :-1]
    interrupted = ahead[:, 1:] > _SMALL_SPIKE * ahead[:, :1]
    inside = np.ones(ahead.shape, bool)
    inside[:, 1:] = ~np.logical_or.accumulate(interrupted, axis=1)
    inside &= starts[:, None] + lag < len(spikes)
    energy = spikes[starts] ** 2 * (inside @ response**2)
    largest = np.argsort(-energy, kind="stable")[:n_events]
    inside = inside[largest]
    driven = ahead[largest] @ np.tril(response[lag[:, None] - lag]).T
    rest = np.pad(residual, (0, length))[starts[largest, None] + lag]
    return (rest + driven) * inside, inside


def _explained(
    events: np.ndarray, inside: np.ndarray, slow: np.ndarray, fast: float
) -> np.ndarray:
    """Sum of squares of events that each slow root explains.

    With a free amplitude of each event and an offset that all share: the baseline is
    as uncertain as the decay.
    """
    shapes = _responses(slow, fast, np.arange(events.shape[1]))
    energy, area = inside @ (shapes**2).T, inside @ shapes.T
    amplitude = (events @ shapes.T) / energy
    offset = (events.sum(axis=1, keepdims=True) - amplitude * area).sum(axis=0)
    free = (inside.sum(axis=1, keepdims=True) - area**2 / energy).sum(axis=0)
    return (amplitude**2 * energy).sum(axis=0) + offset**2 / np.maximum(free, 1e-9)


def _responses(slow: np.ndarray, fast: float, lag: np.ndarray) -> np.ndarray:
    """Impulse responses (roots, lags) of processes with given roots."""
    rises = slow[:, None] ** (lag + 1) - fast ** (lag + 1)
    return rises / (slow - fast)[:, None]
