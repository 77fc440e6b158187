"""The template: an average of aligned sample frames.

Groups of neighbouring frames are averaged and the median is taken over the groups, so
that flashes or dark frames do not show. The frames are registered to this image and
averaged again; their median shift is kept at zero, so that nothing moves needlessly.
"""

from __future__ import annotations

import numpy as np

from napari_cnmf.motion.rigid import apply_shifts, estimate_shifts, prepare_reference

_MOST_GROUPS = 20


def build_template(
    frames: np.ndarray, max_shift_px: float, iterations: int = 2
) -> np.ndarray:
    """Average of frames after they are registered to each other.

    Parameters
    ----------
    frames : ndarray
        (n, Y, X) float32, frames spread over the recording, in order.
    max_shift_px : float
        Largest shift searched for in each direction.
    iterations : int
        How often the frames are registered to the image and averaged again.

    Returns
    -------
    ndarray
        (Y, X) float32.
    """
    shifts = np.zeros((len(frames), 2), np.float32)
    template = _robust_mean(frames, shifts)
    for _ in range(iterations):
        shifts = estimate_shifts(frames, prepare_reference(template, max_shift_px))
        shifts -= np.median(shifts, axis=0)
        template = _robust_mean(frames, shifts)
    return template


def _robust_mean(frames: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    """Median over groups of the mean of the frames moved back by their shifts."""
    groups = np.array_split(np.arange(len(frames)), min(_MOST_GROUPS, len(frames)))
    means = [apply_shifts(frames[g], shifts[g]).mean(axis=0) for g in groups]
    return np.median(means, axis=0).astype(np.float32)
