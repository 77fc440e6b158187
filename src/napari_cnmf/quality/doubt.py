"""How far each verdict is from turning, so that doubtful cells are looked at first."""

from __future__ import annotations

import numpy as np

from napari_cnmf.components import Quality
from napari_cnmf.quality.criteria import CRITERIA, Criterion

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
    criteria = (c for c in CRITERIA[quality.rule] if c.limit in quality.limits)
    kept = np.stack([_distance(quality, c) for c in criteria])
    if quality.rule == "caiman":  # one of the first two is enough; floors hold for all
        kept = np.concatenate([kept[:2].max(axis=0, keepdims=True), kept[2:]])
    return np.abs(kept.min(axis=0))


def _distance(quality: Quality, criterion: Criterion) -> np.ndarray:
    """How far the scores (K,) keep one limit; negative if they break it."""
    score = getattr(quality, criterion.score).astype(np.float64)
    if not len(score):
        return score
    low, high = np.percentile(score, _QUARTILES)
    sign = -1.0 if criterion.direction == "at most" else 1.0
    room = sign * (score - quality.limits[criterion.limit])
    return room / max(float(high - low), 1e-12)
