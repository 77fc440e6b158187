"""The rules: scores against limits, nothing recomputed.

A component is accepted if it keeps all limits that are required and, where a rule has
limits of which one is enough, one of these. A limit can be moved at any time: flags
are set anew from the scores that `Quality` holds, and decisions by hand stay.
"""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np

from napari_cnmf.components import REASONS, Quality
from napari_cnmf.quality.criteria import CRITERIA, Criterion, in_force
from napari_cnmf.quality.parameters import QualityParameters

#: The parameters that scores depend on; all others are limits, or say which count.
SCORED_BY = ("transient_s", "classifier_model")

_FIELDS = {item.name: item.metadata for item in fields(QualityParameters)}


def apply_rule(quality: Quality, parameters: QualityParameters) -> Quality:
    """Set flags and limits by the chosen rule.

    Parameters
    ----------
    quality : Quality
        With its scores; a limit whose score is None is passed over.
    parameters : QualityParameters

    Returns
    -------
    Quality
    """
    limits = {
        c.limit: getattr(parameters, c.parameter)
        for c in CRITERIA[parameters.rule]
        if _is_on(c, parameters)
    }
    limited = replace(quality, limits=limits, rule=parameters.rule)
    return replace(limited, flags=_flags(limited))


def _is_on(criterion: Criterion, parameters: QualityParameters) -> bool:
    """Whether a criterion counts, as the parameters are."""
    if not criterion.is_asked_for(parameters):
        return False
    if criterion.role != "optional":
        return True
    end = _FIELDS[criterion.parameter]["low" if criterion.keeps_above else "high"]
    return bool(getattr(parameters, criterion.parameter) != end)


def _flags(quality: Quality) -> np.ndarray:
    """Bits (K,) of `REASONS`; what would be enough counts if nothing is."""
    bits = {reason.name: reason.bit for reason in REASONS}
    criteria = in_force(quality)
    broken = [
        c.broken(getattr(quality, c.score), quality.limits[c.limit]) for c in criteria
    ]
    nothing_enough = np.logical_and.reduce(
        [b for c, b in zip(criteria, broken, strict=True) if c.role == "enough"]
    )
    flags = np.zeros(len(quality.manual), np.int32)
    for c, b in zip(criteria, broken, strict=True):
        found = nothing_enough if c.role == "enough" else b
        flags |= found.astype(np.int32) << bits[c.limit]
    return flags
