"""The limits of each rule: the one table of what a component is judged by.

The rule, its explanation, the sliders and the order of doubt all follow from it.
"""

from __future__ import annotations

import operator
from typing import Any, NamedTuple

from napari_cnmf.components import Quality
from napari_cnmf.quality.parameters import QualityParameters


class Criterion(NamedTuple):
    """One limit of a rule.

    Attributes
    ----------
    parameter : str
        Field of `QualityParameters` that sets it.
    limit : str
        Its key in `Quality.limits`, and the name of its reason.
    score : str
        Name of the array in `Quality` that is held against it.
    name : str
        Of the score, in plain words.
    direction : str
        What the score must be of the limit: "at least", "at most", "above" or "below".
    unit : str
        What one stands for; empty for correlations and probabilities.
    role : str
        "required": nothing that breaks it is accepted. "optional": the same, but there
        is no limit at the end of the parameter's range. "enough": of all these limits
        of a rule, one must be kept.
    needs : str
        Field of `QualityParameters` that must be true for it to count.
    """

    parameter: str
    limit: str
    score: str
    name: str
    direction: str
    unit: str = ""
    role: str = "required"
    needs: str = ""

    @property
    def keeps_above(self) -> bool:
        """Whether the accepted side is above the limit."""
        return self.direction in {"at least", "above"}

    def is_asked_for(self, parameters: QualityParameters) -> bool:
        """Whether the parameters let it count at all."""
        return not self.needs or bool(getattr(parameters, self.needs))

    def broken(self, score: Any, limit: float) -> Any:
        """Whether a score, or each of an array of them, breaks the limit."""
        return _BROKEN[self.direction](score, limit)


_BROKEN = {
    "at least": operator.lt,
    "at most": operator.gt,
    "above": operator.le,
    "below": operator.ge,
}
_NOISE = "times three sd of the noise"
_CLEAR = "times the area of the clearest cells"
_LOG_P = "natural logarithm of a probability"
#: Limits that any rule can have besides its own.
_ANY_RULE = (
    Criterion(
        "min_size_px", "few pixels", "size_px", "size", "at least", "px", "optional"
    ),
    Criterion(
        "max_size_px", "many pixels", "size_px", "size", "at most", "px", "optional"
    ),
    Criterion(
        "max_eccentricity",
        "elongated",
        "eccentricity",
        "eccentricity",
        "at most",
        "times its width",
        "optional",
    ),
)
#: The limits of each rule, in the order of its table.
CRITERIA = {
    "default": (
        Criterion("min_snr", "low SNR", "snr", "SNR", "at least", "times the noise"),
        Criterion("min_r_value", "low r value", "r_value", "r value", "at least"),
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
        Criterion(
            "min_neuron_probability",
            "unlike a neuron",
            "neuron_probability",
            "neuron probability",
            "at least",
            role="optional",
            needs="use_classifier",
        ),
        *_ANY_RULE,
    ),
    "caiman": (
        Criterion(
            "caiman_min_snr",
            "low CaImAn SNR",
            "caiman_snr",
            "SNR",
            "above",
            _NOISE,
            "enough",
        ),
        Criterion(
            "caiman_min_r_value",
            "low CaImAn r value",
            "caiman_r_value",
            "r value",
            "at least",
            role="enough",
        ),
        Criterion(
            "caiman_min_neuron_probability",
            "unlike a neuron",
            "neuron_probability",
            "neuron probability",
            "at least",
            role="enough",
            needs="use_classifier",
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
        ),
        Criterion(
            "caiman_neuron_probability_floor",
            "neuron floor",
            "neuron_probability",
            "neuron probability floor",
            "above",
            needs="use_classifier",
        ),
        *_ANY_RULE,
    ),
    "fitness": (
        Criterion(
            "fitness_min_r_value",
            "low CaImAn r value",
            "caiman_r_value",
            "r value",
            "at least",
            role="enough",
        ),
        Criterion(
            "fitness_max_raw",
            "raw fitness",
            "fitness_raw",
            "raw fitness",
            "below",
            _LOG_P,
            "enough",
        ),
        Criterion(
            "fitness_max_delta",
            "delta fitness",
            "fitness_delta",
            "delta fitness",
            "below",
            _LOG_P,
            "enough",
        ),
        *_ANY_RULE,
    ),
}


def in_force(quality: Quality) -> list[Criterion]:
    """List the criteria that a verdict rests on: those with a limit and a score."""
    return [c for c in _limited(quality) if getattr(quality, c.score) is not None]


def without_score(quality: Quality) -> list[Criterion]:
    """List the criteria with a limit whose score an older version did not take."""
    return [c for c in _limited(quality) if getattr(quality, c.score) is None]


def looks_at_peaks(rule: str) -> bool:
    """Whether a rule judges by CaImAn's r value, taken from frames around peaks."""
    return any(c.score == "caiman_r_value" for c in CRITERIA[rule])


def _limited(quality: Quality) -> list[Criterion]:
    """Criteria of the rule that have a limit."""
    return [c for c in CRITERIA[quality.rule] if c.limit in quality.limits]
