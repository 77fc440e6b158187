"""The rules: scores against limits, nothing recomputed.

A limit can be moved at any time: flags are set anew from the scores that `Quality`
holds, and decisions by hand stay.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from napari_cnmf.components import REASONS, Quality
from napari_cnmf.quality.parameters import QualityParameters

#: Limits of CaImAn's rule that are no reason by themselves.
SNR_FLOOR, R_VALUE_FLOOR = "CaImAn SNR floor", "CaImAn r value floor"


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
    if parameters.rule == "caiman":
        return _caiman_rule(quality, parameters)
    broken = {
        "low SNR": quality.snr < parameters.min_snr,
        "low r value": quality.r_value < parameters.min_r_value,
        "small": quality.relative_area < parameters.min_relative_area,
        "large": quality.relative_area > parameters.max_relative_area,
        "speck": quality.soma_area < parameters.min_soma_area,
        "ring": quality.ring > parameters.max_ring,
        "soft edge": quality.edge < parameters.min_edge,
    }
    limits = {
        "low SNR": parameters.min_snr,
        "low r value": parameters.min_r_value,
        "small": parameters.min_relative_area,
        "large": parameters.max_relative_area,
        "speck": parameters.min_soma_area,
        "ring": parameters.max_ring,
        "soft edge": parameters.min_edge,
    }
    return replace(quality, flags=_flags(broken), limits=limits, rule="default")


def _caiman_rule(quality: Quality, parameters: QualityParameters) -> Quality:
    """Accept if SNR or r value is high enough and neither too low.

    A component that is high in neither is flagged for both; one below a floor is
    flagged for that score.
    """
    snr, r = quality.caiman_snr, quality.caiman_r_value
    low_snr = snr <= parameters.caiman_snr_floor
    low_r = r <= parameters.caiman_r_value_floor
    high = (snr > parameters.caiman_min_snr) | (r >= parameters.caiman_min_r_value)
    broken = {"low CaImAn SNR": low_snr | ~high, "low CaImAn r value": low_r | ~high}
    limits = {
        "low CaImAn SNR": parameters.caiman_min_snr,
        "low CaImAn r value": parameters.caiman_min_r_value,
        SNR_FLOOR: parameters.caiman_snr_floor,
        R_VALUE_FLOOR: parameters.caiman_r_value_floor,
    }
    return replace(quality, flags=_flags(broken), limits=limits, rule="caiman")


def _flags(broken: dict[str, np.ndarray]) -> np.ndarray:
    """Pack what is broken into the bits of `REASONS`."""
    bits = {reason.name: reason.bit for reason in REASONS}
    flags = sum(mask.astype(np.int32) << bits[name] for name, mask in broken.items())
    return np.asarray(flags, np.int32)
