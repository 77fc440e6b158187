"""How far each verdict is from turning, so that doubtful cells are looked at first."""

from __future__ import annotations

import numpy as np

from napari_cnmf.components import Quality
from napari_cnmf.quality.criteria import Criterion, in_force

_QUARTILES = (25, 75)


def distance_to_limits(quality: Quality) -> np.ndarray:
    """Measure how far the scores are from turning the rule's verdict.

    Parameters
    ----------
    quality : Quality
        With the limits of its rule; decisions by hand have no say.

    Returns
    -------
    ndarray
        (K,) float64, of the limit that decides, in interquartile ranges of its score:
        0 lies on it, 1 is as far away as the middle half of the components is wide.
    """
    criteria = in_force(quality)
    kept = [_distance(quality, c) for c in criteria if c.role != "enough"]
    enough = [_distance(quality, c) for c in criteria if c.role == "enough"]
    if enough:
        kept.append(np.max(enough, axis=0))
    return np.abs(np.min(kept, axis=0))


def _distance(quality: Quality, criterion: Criterion) -> np.ndarray:
    """How far the scores (K,) keep one limit; negative if they break it."""
    score = getattr(quality, criterion.score).astype(np.float64)
    if not len(score):
        return score
    low, high = np.percentile(score, _QUARTILES)
    sign = 1.0 if criterion.keeps_above else -1.0
    room = sign * (score - quality.limits[criterion.limit])
    return room / max(float(high - low), 1e-12)
