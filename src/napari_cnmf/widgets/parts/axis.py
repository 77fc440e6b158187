"""The axis below a histogram: where values stand, and which to write down.

It spans all but the outermost hundredths of the scores, so that a few extreme ones do
not press the others together; amounts over several magnitudes stand logarithmically.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

_BEYOND_PERCENT = 1
#: Highest over lowest value from which on an axis is logarithmic.
_LOG_SPAN = 20


@dataclass(frozen=True)
class Axis:
    """Values along the width of a histogram.

    Attributes
    ----------
    low, high : float
        Values at its two ends.
    log : bool
        Whether equal factors, not equal differences, are equally far apart.
    """

    low: float
    high: float
    log: bool = False

    @classmethod
    def around(
        cls, scores: np.ndarray, limit: float, bounds: tuple[float, float]
    ) -> Axis:
        """Choose an axis that shows the limit and nearly all scores.

        Parameters
        ----------
        scores : ndarray
            (K,), NaN is left out.
        limit : float
        bounds : (float, float)
            Lowest and highest allowed limit; an axis is only logarithmic for an
            amount, which is never below zero.
        """
        values = scores[np.isfinite(scores)]
        shares = (_BEYOND_PERCENT, 100 - _BEYOND_PERCENT)
        low, high = np.percentile(values, shares) if len(values) else (limit, limit)
        low, high = min(float(low), limit), max(float(high), limit)
        if bounds[0] >= 0 and low > 0 and high > _LOG_SPAN * low:
            return cls(low / 1.2, min(high * 1.2, bounds[1]), log=True)
        room = 0.05 * (high - low) or max(0.1 * abs(limit), 0.1)
        return cls(max(low - room, bounds[0]), min(high + room, bounds[1]))

    def share(self, values: np.ndarray | float) -> np.ndarray:
        """Where values stand, 0 at the low end and 1 at the high end."""
        low, high = self.low, self.high
        inside = np.clip(values, low, high)
        if self.log:
            return np.log(inside / low) / math.log(high / low)
        return (inside - low) / (high - low)

    def value(self, share: float) -> float:
        """Value at a place, with no more digits than a mouse can aim at."""
        share = min(max(share, 0.0), 1.0)
        if self.log:
            return float(f"{self.low * (self.high / self.low) ** share:.3g}")
        step = 10.0 ** math.floor(math.log10((self.high - self.low) / 200))
        exact = self.low + share * (self.high - self.low)
        return round(round(exact / step) * step, 9)

    def ticks(self) -> list[float]:
        """Round values to write below, three to seven of them."""
        if self.log:
            powers = range(math.floor(math.log10(self.low)), 9)
            values = [digit * 10.0**power for power in powers for digit in (1, 2, 5)]
            return [v for v in values if self.low <= v <= self.high][:9]
        rough = (self.high - self.low) / 4
        power = 10.0 ** math.floor(math.log10(rough))
        step = power * next(d for d in (1, 2, 5, 10) if d * power >= rough * 0.7)
        first, last = math.ceil(self.low / step), math.floor(self.high / step)
        return [round(k * step, 9) for k in range(first, last + 1)]
