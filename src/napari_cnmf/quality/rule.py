"""The rules: scores against limits, nothing recomputed.

A limit can be moved at any time: flags are set anew from the scores that `Quality`
holds, and decisions by hand stay.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from napari_cnmf.components import REASONS, Quality
from napari_cnmf.quality.criteria import CRITERIA
from napari_cnmf.quality.parameters import QualityParameters


def apply_rule(quality: Quality, parameters: QualityParameters) -> Quality:
    """Set flags and limits by the chosen rule.

    Parameters
    ----------
    quality : Quality
        With its scores.
    parameters : QualityParameters

    Returns
    -------
    Quality
    """
    criteria = CRITERIA[parameters.rule]
    limits = {c.limit: getattr(parameters, c.parameter) for c in criteria}
    broken = {
        c.limit: c.broken(getattr(quality, c.score), limits[c.limit]) for c in criteria
    }
    if parameters.rule == "caiman":
        broken = _reasons_of_caiman(*broken.values())
    return replace(quality, flags=_flags(broken), limits=limits, rule=parameters.rule)


def _reasons_of_caiman(
    low_snr: np.ndarray,
    low_r: np.ndarray,
    below_snr_floor: np.ndarray,
    below_r_floor: np.ndarray,
) -> dict[str, np.ndarray]:
    """Reject what is high in neither score or too low in one.

    A component that is high in neither is flagged for both; one below a floor is
    flagged for that score.
    """
    low = low_snr & low_r
    return {
        "low CaImAn SNR": below_snr_floor | low,
        "low CaImAn r value": below_r_floor | low,
    }


def _flags(broken: dict[str, np.ndarray]) -> np.ndarray:
    """Pack what is broken into the bits of `REASONS`."""
    bits = {reason.name: reason.bit for reason in REASONS}
    flags = sum(mask.astype(np.int32) << bits[name] for name, mask in broken.items())
    return np.asarray(flags, np.int32)
