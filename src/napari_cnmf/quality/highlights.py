"""What to look at first: the clearest components, and the largest events of a trace.

An event is a peak of the denoised trace that rises by a tenth of the highest above the
valleys beside it, so that the ripples on a burst do not count as events of their own.
One walk along the turning points finds them; scipy's would take 0.9 s to import.
"""

from __future__ import annotations

import numpy as np

from napari_cnmf.components import Components

#: Least rise and fall of an event, relative to the highest value of the trace.
LEAST_SWING = 0.1


def clearest(components: Components, n: int) -> np.ndarray:
    """Find the accepted components that stand out most.

    Parameters
    ----------
    components : Components
    n : int
        How many at most.

    Returns
    -------
    ndarray
        Positions, the highest SNR first; before the evaluation, the highest peak
        over the trace's noise.
    """
    found = np.flatnonzero(components.accepted)
    if components.quality is None:
        noise = np.maximum(components.trace_fit.noise, 1e-12)
        clarity = components.denoised.max(axis=1, initial=0) / noise
    else:
        clarity = components.quality.snr
    return found[np.argsort(-clarity[found], kind="stable")][:n]


def largest_events(denoised: np.ndarray) -> np.ndarray:
    """Find the frames at which a trace's events peak.

    Parameters
    ----------
    denoised : ndarray
        (T,) float32, zero at rest.

    Returns
    -------
    ndarray
        Frames, those of the highest peak first; equally high ones in order of time.
    """
    highest = float(denoised.max(initial=0))
    if highest <= 0:
        return np.empty(0, np.int64)
    peaks = _peaks(denoised, LEAST_SWING * highest)
    return peaks[np.argsort(-denoised[peaks], kind="stable")]


def _peaks(trace: np.ndarray, swing: float) -> np.ndarray:
    """Frames of the peaks between a rise and a fall by `swing`; rest at both ends."""
    going_up = np.diff(trace, prepend=0) > 0
    turning = np.flatnonzero(going_up != np.append(going_up[1:], False))
    peaks: list[int] = []
    valley, peak, top = 0.0, -1, -np.inf
    for frame, value in zip(turning.tolist(), trace[turning].tolist(), strict=True):
        if peak < 0:
            valley = min(valley, value)
            if value - valley >= swing:
                peak, top = frame, value
        elif value > top:
            peak, top = frame, value
        elif top - value >= swing:
            peaks.append(peak)
            valley, peak = value, -1
    return np.array(peaks if peak < 0 else [*peaks, peak], np.int64)
