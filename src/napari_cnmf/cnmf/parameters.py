"""Parameters of the factorisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from napari_cnmf.parameters import Parameters, param


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchParameters(Parameters):
    """How the field is cut into patches that are worked on side by side."""

    group: ClassVar[str] = "patches"

    patch_size_px: int = param(
        128,
        "Largest side of a patch. Larger patches need more memory and repeat less.",
        unit="px",
        low=16,
        high=4096,
        caiman="patch.rf (half of it)",
    )
    patch_overlap_px: int = param(
        24,
        "How far neighbouring patches overlap: about two cells.",
        unit="px",
        low=0,
        high=1024,
        caiman="patch.stride",
    )
    max_components: int = param(
        1000,
        "Most components of one patch; the search usually stops long before.",
        low=1,
        high=100_000,
        caiman="init.K",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class InitParameters(Parameters):
    """How cells are searched for."""

    group: ClassVar[str] = "init"

    neuron_half_size_px: float = param(
        4.0,
        "Half the width of a typical cell body. All other lengths follow from it.",
        unit="px",
        low=1,
        high=100,
        caiman="init.gSig",
    )
    event_threshold_sd: float = param(
        2.5,
        "Activity counts only above this many standard deviations of the noise.",
        unit="sd",
        low=0,
        high=20,
        advanced=True,
    )
    min_event_energy: float = param(
        0.08,
        "The search stops at candidates with less event energy (mean square above the "
        "threshold, in units of the noise variance). Lower finds dimmer cells.",
        low=0,
        high=1e4,
    )
    second_search: bool = param(
        False,
        "Search the residual once more after the first cells were outlined: a few "
        "more dim cells for half as much time again.",
        advanced=True,
    )

    @property
    def diameter_px(self) -> float:
        """Diameter of a cell body: its half-size is told as a Gaussian's width."""
        return 2.75 * self.neuron_half_size_px


@dataclass(frozen=True, slots=True, kw_only=True)
class SpatialParameters(Parameters):
    """How footprints are outlined."""

    group: ClassVar[str] = "spatial"

    rounds: int = param(
        3,
        "Rounds of spatial and temporal update in each patch.",
        low=1,
        high=20,
        caiman="init.maxIter",
        advanced=True,
    )
    search_px: int = param(
        3,
        "How far around a footprint the next update looks for more of it.",
        unit="px",
        low=1,
        high=50,
        caiman="spatial.expandCore",
    )
    support_smoothing_px: float = param(
        0.8,
        "Width of the Gaussian that smooths a footprint before it is cut.",
        unit="px",
        low=0.1,
        high=10,
        caiman="spatial.medw",
        advanced=True,
    )
    support_threshold: float = param(
        0.2,
        "A footprint is cut below this share of its maximum. Higher is smaller.",
        low=0.0,
        high=0.95,
        caiman="spatial.maxthr",
    )
    support_noise_sd: float = param(
        2.0,
        "A footprint is cut below this many standard deviations of its own noise.",
        unit="sd",
        low=0,
        high=20,
        advanced=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class BackgroundParameters(Parameters):
    """How neuropil is modelled."""

    group: ClassVar[str] = "background"

    pitch_diameters: float = param(
        2.0,
        "Pitch of the grid of background time courses, in cell diameters. A finer "
        "grid follows neuropil closer but begins to take light from cells.",
        low=0.8,
        high=50,
        caiman="patch.nb_patch",
    )
    smoothing_s: float = param(
        0.15,
        "Width of the Gaussian that smooths the background's time courses.",
        unit="s",
        low=0.0,
        high=10,
        advanced=True,
    )
    weight_smoothing_px: float = param(
        1.5,
        "Width of the Gaussian that smooths the background's weight per pixel.",
        unit="px",
        low=0.0,
        high=50,
        advanced=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeParameters(Parameters):
    """When two components are one cell."""

    group: ClassVar[str] = "merge"

    min_overlap: float = param(
        0.5,
        "Components merge if the cosine of their footprints exceeds this ...",
        low=0.0,
        high=1.0,
    )
    min_correlation: float = param(
        0.8,
        "... and the correlation of their traces this.",
        low=0.0,
        high=1.0,
        caiman="merging.merge_thr",
    )
    touching_share: float = param(
        0.3,
        "Fragments merge if one, grown by a pixel, covers this share of the other ...",
        low=0.0,
        high=1.0,
        advanced=True,
    )
    touching_correlation: float = param(
        0.75,
        "... and their smoothed traces correlate more than this ...",
        low=0.0,
        high=1.0,
        advanced=True,
    )
    max_area_somas: float = param(
        2.2,
        "... and both together are smaller than this many cell bodies.",
        low=0.1,
        high=100,
        caiman="merging.max_merge_area",
        advanced=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TemporalParameters(Parameters):
    """How traces are demixed and deconvolved."""

    group: ClassVar[str] = "temporal"

    method: str = param(
        "kinetics",
        "'kinetics' deconvolves with the indicator's decay and rise time; "
        "'constrained' fits an AR(1) model to each trace, held to its noise.",
        choices=("kinetics", "constrained"),
        caiman="temporal.p",
    )
    penalty_sd: float = param(
        1.0,
        "Weight of the sparsity term in standard deviations of the trace's noise "
        "('kinetics' only). Higher suppresses small events.",
        unit="sd",
        low=0.0,
        high=20,
        caiman="temporal.s_min",
    )
    sweeps: int = param(
        6,
        "Block-coordinate sweeps over all cells and the background.",
        low=1,
        high=50,
        caiman="temporal.ITER",
        advanced=True,
    )
    baseline_window_s: float = param(
        20.0,
        "Length of the windows in which a trace's slow baseline is taken.",
        unit="s",
        low=0.5,
        high=3600,
        advanced=True,
    )
    baseline_percentile: float = param(
        20.0,
        "Percentile of the trace that counts as its baseline.",
        unit="%",
        low=1,
        high=90,
        advanced=True,
    )
    fudge_factor: float = param(
        0.96,
        "Factor on the fitted AR root against its known bias ('constrained' only).",
        low=0.5,
        high=1.0,
        caiman="temporal.fudge_factor",
        advanced=True,
    )
    nonnegative_baseline: bool = param(
        False,
        "Hold the fitted baseline at zero or above ('constrained' only).",
        caiman="temporal.bas_nonneg",
        advanced=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CnmfParameters:
    """All groups of parameters that the factorisation needs.

    Attributes
    ----------
    decay_s : float or None
        The indicator's decay time; None estimates it on the clearest cells.
    rise_s : float
        Its rise time.
    """

    patches: PatchParameters = PatchParameters()
    init: InitParameters = InitParameters()
    spatial: SpatialParameters = SpatialParameters()
    background: BackgroundParameters = BackgroundParameters()
    merge: MergeParameters = MergeParameters()
    temporal: TemporalParameters = TemporalParameters()
    decay_s: float | None = 0.5
    rise_s: float = 0.08
