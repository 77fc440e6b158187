"""Parameters of the factorisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from napari_cnmf.parameters import Parameters, param

_USUAL_HALF_SIZE_PX = 4.0


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

    neuron_half_size_px: float | None = param(
        _USUAL_HALF_SIZE_PX,
        "Half the width of a typical cell body. All other lengths follow from it. Auto "
        "measures it in the movie.",
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
        "The search stops at candidates with less event energy: the mean square above "
        "the threshold, in units of the noise variance, for a recording of 500 time "
        "bins; it falls with the root of the length. Lower finds dimmer cells.",
        low=0,
        high=1e4,
    )
    method: str = param(
        "event_energy",
        "'event_energy' picks the pixels with the strongest transients; 'variance' is "
        "CaImAn's greedy search; 'sparse_nmf' finds dendrites and axons of any shape; "
        "'corr_pnr' is for one-photon movies; 'seeded' starts from given outlines.",
        choices=("event_energy", "variance", "sparse_nmf", "corr_pnr", "seeded"),
        caiman="init.method_init (other words)",
    )
    seeds: str = param(
        "",
        "File with the cells that a 'seeded' search begins with: a labels image (tif, "
        "npy, npz), points (csv with columns y and x) or an earlier results.h5. Each "
        "stays one component: none is merged, added or dropped for being dim.",
    )
    n_components: int | None = param(
        None,
        "Exactly so many components are sought in each patch, noise among them if "
        "there are fewer cells. Auto takes as many as stand out of the noise.",
        low=1,
        high=100_000,
        caiman="init.K (exactly)",
    )
    iterations: int = param(
        4,
        "Rounds in which footprint and trace of a new component are fitted in turn.",
        low=1,
        high=100,
        caiman="init.nIter",
        advanced=True,
    )
    rolling_bins: int = param(
        100,
        "Time bins in which a pixel's energy is summed; its best moment counts. More "
        "than the movie has is its whole energy ('variance' only).",
        low=1,
        high=1_000_000,
        caiman="init.rolling_length (in frames)",
        advanced=True,
    )
    sparsity_sd: float = param(
        2.0,
        "Footprints lose this many standard deviations of their own noise at every "
        "pixel. Higher is thinner ('sparse_nmf' only).",
        unit="sd",
        low=0,
        high=1000,
        caiman="init.alpha_snmf (another unit)",
    )
    space_bin_px: int = param(
        1,
        "The search runs on means of squares of so many pixels a side. More is "
        "quicker and coarser; for cells that are large in pixels.",
        unit="px",
        low=1,
        high=16,
        caiman="init.ssub",
    )
    time_bins: int = param(
        1,
        "The search runs on means of so many time bins. More is quicker, and blurs "
        "short events.",
        low=1,
        high=100,
        caiman="init.tsub (of frames)",
    )
    min_correlation: float = param(
        0.7,
        "A seed's events must correlate so well with those of the pixels next to it "
        "('corr_pnr' only). Lower finds dimmer cells, and noise. The background is "
        "taken off first, so it can be lower than CaImAn's 0.85.",
        low=0,
        high=1,
        caiman="init.min_corr",
    )
    min_pnr: float = param(
        6.0,
        "A seed's tallest event must be so many times its noise ('corr_pnr' only). "
        "Lower finds dimmer cells, and noise. CaImAn's 20 stands for a movie with its "
        "background.",
        low=0,
        high=1e4,
        caiman="init.min_pnr",
    )
    second_search: bool = param(
        False,
        "Search the residual once more after the first cells were outlined: a few "
        "more dim cells for half as much time again (not 'seeded').",
        advanced=True,
    )

    @property
    def half_size_px(self) -> float:
        """Half-size of a cell body; a usual one as long as it is not measured."""
        return self.neuron_half_size_px or _USUAL_HALF_SIZE_PX

    @property
    def diameter_px(self) -> float:
        """Diameter of a cell body: its half-size is told as a Gaussian's width."""
        return 2.75 * self.half_size_px


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
    search: str = param(
        "dilate",
        "Where the next update looks for more of a cell: 'dilate' around its "
        "footprint, 'ellipse' in an ellipse of its centre, spread and direction.",
        choices=("dilate", "ellipse"),
        caiman="spatial.method_exp",
        advanced=True,
    )
    search_px: int = param(
        3,
        "How far around a footprint the next update looks for more of it ('dilate' "
        "only).",
        unit="px",
        low=1,
        high=50,
        caiman="spatial.expandCore",
    )
    ellipse_distance: float = param(
        3.0,
        "How far the ellipse reaches, in standard deviations of the footprint "
        "('ellipse' only).",
        low=0.5,
        high=20,
        caiman="spatial.dist",
        advanced=True,
    )
    ellipse_min_diameters: float = param(
        0.27,
        "A footprint's standard deviation counts as no less than this many cell "
        "diameters ('ellipse' only).",
        low=0.01,
        high=10,
        advanced=True,
    )
    ellipse_max_diameters: float = param(
        0.73,
        "A footprint's standard deviation counts as no more than this many cell "
        "diameters ('ellipse' only).",
        low=0.01,
        high=100,
        advanced=True,
    )
    sparsity_sd: float = param(
        0.0,
        "Every pixel of a footprint loses this many standard deviations of its own "
        "noise. Higher gives fewer pixels and dimmer rims; 0 is plain least squares.",
        unit="sd",
        low=0,
        high=20,
        advanced=True,
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
    threshold_by: str = param(
        "maximum",
        "What a footprint is cut by: 'maximum' keeps what exceeds a share of its "
        "largest value, 'energy' its largest values up to a share of their squares.",
        choices=("maximum", "energy"),
        caiman="spatial.thr_method",
        advanced=True,
    )
    support_threshold: float = param(
        0.2,
        "A footprint is cut below this share of its maximum ('maximum' only). Higher "
        "is smaller.",
        low=0.0,
        high=0.95,
        caiman="spatial.maxthr",
    )
    energy_share: float = param(
        0.9999,
        "The share of its squares that a footprint keeps ('energy' only). Lower is "
        "smaller.",
        low=0.01,
        high=1.0,
        caiman="spatial.nrgthr",
        advanced=True,
    )
    support_noise_sd: float = param(
        2.0,
        "A footprint is cut below this many standard deviations of its own noise.",
        unit="sd",
        low=0,
        high=20,
        advanced=True,
    )
    closing_px: int = param(
        0,
        "Gaps and notches narrower than about twice this are filled where a footprint "
        "is cut.",
        unit="px",
        low=0,
        high=20,
        caiman="spatial.se",
        advanced=True,
    )
    pieces: str = param(
        "largest",
        "Which pieces of a cut footprint are kept: the 'largest', for cell bodies, or "
        "'all' of some size, for dendrites and axons that leave the focal plane.",
        choices=("largest", "all"),
        caiman="spatial.extract_cc",
        advanced=True,
    )
    min_piece_px: int = param(
        10,
        "Pieces of fewer pixels are dropped, but for the largest ('all' only).",
        unit="px",
        low=1,
        high=100_000,
        advanced=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class BackgroundParameters(Parameters):
    """How neuropil is modelled."""

    group: ClassVar[str] = "background"

    model: str = param(
        "grid",
        "'grid' follows neuropil by time courses on a grid; 'low_rank' is a few maps "
        "over the whole field, as in the paper; 'ring' predicts each pixel from a ring "
        "around it, for one-photon movies.",
        choices=("grid", "low_rank", "ring"),
    )
    rank: int = param(
        2,
        "Maps of a low-rank background in the whole field.",
        low=1,
        high=50,
        caiman="init.nb",
        advanced=True,
    )
    patch_rank: int = param(
        1,
        "Maps of a low-rank background in each patch.",
        low=1,
        high=50,
        caiman="patch.nb_patch",
        advanced=True,
    )
    ring_radius_diameters: float = param(
        2.2,
        "Radius of the ring that predicts a pixel's background, in cell diameters.",
        low=1,
        high=10,
        caiman="init.ring_size_factor (1.5 of gSiz)",
        advanced=True,
    )
    pitch_diameters: float = param(
        2.0,
        "Pitch of the grid of background time courses, in cell diameters. A finer "
        "grid follows neuropil closer but begins to take light from cells.",
        low=0.8,
        high=50,
    )
    smoothing_s: float = param(
        0.08,
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
        "Components merge if they share more than this of the smaller one's pixels ... "
        "(What 'seeded' began with never merges.)",
        low=0.0,
        high=1.0,
    )
    min_correlation: float = param(
        0.8,
        "... and their traces correlate more than this.",
        low=0.0,
        high=1.0,
        caiman="merging.merge_thr",
    )
    max_overlap: float = param(
        0.75,
        "Components merge whatever their traces if the cosine of their footprints "
        "exceeds this: two cells do not lie in the same place.",
        low=0.0,
        high=1.0,
        advanced=True,
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
        "'constrained' fits an AR model to each trace, held to its noise.",
        choices=("kinetics", "constrained"),
    )
    ar_order: int = param(
        1,
        "Order of the AR model ('constrained' only): 1 for decay, 2 for rise and "
        "decay, 0 for no deconvolution.",
        choices=(0, 1, 2),
        caiman="temporal.p",
    )
    penalty_sd: float = param(
        1.0,
        "Weight of the sparsity term in standard deviations of the trace's noise "
        "('kinetics' only). Higher suppresses small events.",
        unit="sd",
        low=0.0,
        high=20,
    )
    s_min: float | None = param(
        None,
        "Least size of a spike ('constrained' only), in place of the sparsity that the "
        "noise sets: above 0 in the trace's unit, below 0 in the sd of its noise times "
        "the root of 1 - decay per frame, 0 for the largest that the noise allows.",
        low=-1e6,
        high=1e6,
        caiman="temporal.s_min",
        advanced=True,
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
    lags: int = param(
        5,
        "Lags of the autocovariance, beyond the order, that the AR model is fitted to "
        "('constrained' only).",
        low=1,
        high=1000,
        caiman="temporal.lags",
        advanced=True,
    )
    optimize_g: int = param(
        0,
        "Number of large isolated events that refine each trace's decay time "
        "('constrained' only); 0 leaves it as estimated.",
        low=0,
        high=1000,
        caiman="temporal.optimize_g",
        advanced=True,
    )
    noise_method: str = param(
        "mean",
        "How the power spectrum is averaged for a trace's noise ('constrained' only); "
        "the last two withstand outliers.",
        choices=("mean", "median", "logmexp"),
        caiman="temporal.noise_method",
        advanced=True,
    )
    noise_band_low: float = param(
        0.25,
        "A trace's noise is read above this frequency, in cycles per frame "
        "('constrained' only) ...",
        low=0.0,
        high=0.49,
        caiman="temporal.noise_range (its lower end)",
        advanced=True,
    )
    noise_band_high: float = param(
        0.5,
        "... and below this one.",
        low=0.01,
        high=0.5,
        caiman="temporal.noise_range (its upper end)",
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
