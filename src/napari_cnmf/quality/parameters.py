"""Parameters of the evaluation: the rules and their limits."""

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
        "CaImAn's rule: SNR or r value high enough, neither too low; 'fitness' that of "
        "its step-by-step notebook: r value high or a fitness low enough.",
        choices=("default", "caiman", "fitness"),
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
        0.3,
        "Least area, relative to the median of the clearest components.",
        low=0,
        high=10,
    )
    max_relative_area: float = param(
        3.0,
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
    fitness_min_r_value: float = param(
        0.6,
        "Rule 'fitness': accept at or above this correlation (CaImAn's r value).",
        low=-1,
        high=1,
        caiman="r_values",
        advanced=True,
    )
    fitness_max_raw: float = param(
        -60.0,
        "Rule 'fitness': accept below this log probability that noise makes such a "
        "transient. Lower keeps fewer cells.",
        low=-100000,
        high=0,
        caiman="fitness_raw",
        advanced=True,
    )
    fitness_max_delta: float = param(
        -20.0,
        "Rule 'fitness': accept below this log probability that noise makes such a "
        "rise from frame to frame. Lower keeps fewer cells.",
        low=-100000,
        high=0,
        caiman="fitness_delta",
        advanced=True,
    )
    transient_s: float | None = param(
        None,
        "Length of a transient, over which CaImAn's SNR and fitness count; auto: the "
        "median decay time. Longer asks for longer transients.",
        unit="s",
        low=0.001,
        high=1000,
        caiman="evaluate_components(N)",
        advanced=True,
    )
    min_size_px: float = param(
        0.0,
        "Least pixels of a footprint, by any rule; 0 for no limit.",
        unit="px",
        low=0,
        high=10000,
        caiman="remove_small_large_neurons(min_size_neuro)",
        advanced=True,
    )
    max_size_px: float = param(
        10000.0,
        "Most pixels of a footprint, by any rule; 10000 for no limit.",
        unit="px",
        low=0,
        high=10000,
        caiman="remove_small_large_neurons(max_size_neuro)",
        advanced=True,
    )
    max_eccentricity: float = param(
        20.0,
        "Most that a footprint may be longer than wide, by any rule; 20 for no limit. "
        "CaImAn's limit is 3 if it is asked for one.",
        low=1,
        high=20,
        caiman="quality.max_ecc, if quality.use_ecc",
        advanced=True,
    )
    use_classifier: bool = param(
        True,
        "Whether a classifier says how probable it is that a footprint is a neuron, "
        "and the rules 'default' and 'caiman' listen to it.",
        caiman="quality.use_cnn",
        advanced=True,
    )
    classifier_model: str = param(
        "",
        "Path of an ONNX model that judges footprints cut out as CaImAn's network "
        "wants them; empty for the classifier that comes with the package.",
        advanced=True,
    )
    min_neuron_probability: float = param(
        0.2,
        "Least probability of being a neuron by shape, if a classifier is used; 0 for "
        "no limit. Higher keeps fewer pieces of neuropil and cells out of focus.",
        low=0,
        high=1,
    )
    caiman_min_neuron_probability: float = param(
        0.9,
        "CaImAn's rule: accept at or above this probability by shape, if a classifier "
        "is used.",
        low=0,
        high=1,
        caiman="quality.min_cnn_thr",
        advanced=True,
    )
    caiman_neuron_probability_floor: float = param(
        0.1,
        "CaImAn's rule: reject at or below this probability by shape, if a classifier "
        "is used.",
        low=0,
        high=1,
        caiman="quality.cnn_lowest",
        advanced=True,
    )
