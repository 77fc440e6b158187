"""The limits of each rule: the one table of what a component is judged by.

The rule, its explanation, the sliders and the order of doubt all follow from it.
"""

from __future__ import annotations

import operator
from typing import Any, NamedTuple


class Criterion(NamedTuple):
    """One limit of a rule.

    Attributes
    ----------
    parameter : str
        Field of `QualityParameters` that sets it.
    limit : str
        Its key in `Quality.limits`.
    score : str
        Name of the array in `Quality` that is held against it.
    name : str
        Of the score, in plain words.
    direction : str
        What the score must be of the limit: "at least", "at most" or "above".
    unit : str
        What one stands for; empty for correlations.
    """

    parameter: str
    limit: str
    score: str
    name: str
    direction: str
    unit: str

    def broken(self, score: Any, limit: float) -> Any:
        """Whether a score, or each of an array of them, breaks the limit."""
        return _BROKEN[self.direction](score, limit)


_BROKEN = {"at least": operator.lt, "at most": operator.gt, "above": operator.le}
_NOISE = "times three sd of the noise"
_CLEAR = "times the area of the clearest cells"
#: The limits of each rule, in the order of its table.
CRITERIA = {
    "default": (
        Criterion("min_snr", "low SNR", "snr", "SNR", "at least", "times the noise"),
        Criterion("min_r_value", "low r value", "r_value", "r value", "at least", ""),
        Criterion(
            "min_relative_area",
            "small",
            "relative_area",
            "relative area",
            "at least",
            _CLEAR,
        ),
        Criterion(
            "max_relative_area",
            "large",
            "relative_area",
            "relative area",
            "at most",
            _CLEAR,
        ),
        Criterion(
            "min_soma_area",
            "speck",
            "soma_area",
            "soma area",
            "at least",
            "times a cell body",
        ),
        Criterion(
            "max_ring", "ring", "ring", "ring", "at most", "times the light inside"
        ),
        Criterion(
            "min_edge", "soft edge", "edge", "edge", "at least", "times a sharp edge"
        ),
    ),
    # The first two accept, the floors reject.
    "caiman": (
        Criterion(
            "caiman_min_snr", "low CaImAn SNR", "caiman_snr", "SNR", "above", _NOISE
        ),
        Criterion(
            "caiman_min_r_value",
            "low CaImAn r value",
            "caiman_r_value",
            "r value",
            "at least",
            "",
        ),
        Criterion(
            "caiman_snr_floor",
            "CaImAn SNR floor",
            "caiman_snr",
            "SNR floor",
            "above",
            _NOISE,
        ),
        Criterion(
            "caiman_r_value_floor",
            "CaImAn r value floor",
            "caiman_r_value",
            "r value floor",
            "above",
            "",
        ),
    ),
}
