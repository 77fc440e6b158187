"""Parameters of the evaluation: the limits of both rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from napari_cnmf.parameters import Parameters, param


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityParameters(Parameters):
    """What a component must be to count as a cell."""

    group: ClassVar[str] = "quality"

    rule: str = param(
        "default",
        "'default' holds each component to all limits of shape and SNR; 'caiman' is "
        "CaImAn's rule: SNR or r value high enough, neither too low.",
        choices=("default", "caiman"),
    )
    min_snr: float = param(
        8.0,
        "Least peak SNR: mean of the highest hundredth of the averaged raw trace, over "
        "its noise. Higher keeps fewer, clearer cells.",
        low=0,
        high=1000,
    )
    min_r_value: float = param(
        0.85,
        "Least correlation between the footprint and its mean image while active.",
        low=-1,
        high=1,
    )
    min_relative_area: float = param(
        0.45,
        "Least area, relative to the median of the clearest components.",
        low=0,
        high=10,
    )
    max_relative_area: float = param(
        2.0,
        "Most area, relative to the median of the clearest components. Light from out "
        "of focus and patches of neuropil are larger than cells.",
        low=0,
        high=100,
    )
    min_soma_area: float = param(
        0.3,
        "Least area, relative to a disc of the neuron's size.",
        low=0,
        high=10,
        advanced=True,
    )
    max_ring: float = param(
        0.12,
        "Most light around the footprint, relative to that inside, while active. "
        "Cells out of focus have halos.",
        low=-1,
        high=10,
    )
    min_edge: float = param(
        0.7,
        "Least sharpness of the border of the mean image while active, relative to "
        "that of a cell in focus.",
        low=0,
        high=100,
    )
    caiman_min_snr: float = param(
        2.5,
        "CaImAn's rule: accept above this SNR. Its scale differs by a factor of 3: "
        "2.5 means 7.5 standard deviations over a transient's length.",
        low=0,
        high=100,
        caiman="quality.min_SNR",
        advanced=True,
    )
    caiman_snr_floor: float = param(
        0.5,
        "CaImAn's rule: reject at or below this SNR.",
        low=-10,
        high=100,
        caiman="quality.SNR_lowest",
        advanced=True,
    )
    caiman_min_r_value: float = param(
        0.8,
        "CaImAn's rule: accept at or above this correlation.",
        low=-1,
        high=1,
        caiman="quality.rval_thr",
        advanced=True,
    )
    caiman_r_value_floor: float = param(
        -1.0,
        "CaImAn's rule: reject at or below this correlation.",
        low=-1,
        high=1,
        caiman="quality.rval_lowest",
        advanced=True,
    )
