"""Parameters of the search for cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from napari_cnmf.parameters import Parameters, param

_USUAL_HALF_SIZE_PX = 4.0


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
        0.04,
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
        advanced=True,
    )
    space_bin_px: int = param(
        1,
        "The search runs on means of squares of so many pixels a side. More is "
        "quicker and coarser; for cells that are large in pixels.",
        unit="px",
        low=1,
        high=16,
        caiman="init.ssub",
        advanced=True,
    )
    time_bins: int = param(
        1,
        "The search runs on means of so many time bins. More is quicker, and blurs "
        "short events.",
        low=1,
        high=100,
        caiman="init.tsub (of frames)",
        advanced=True,
    )
    min_correlation: float = param(
        0.7,
        "A seed's events must correlate so well with those of the pixels next to it "
        "('corr_pnr' only). Lower finds dimmer cells, and noise. The background is "
        "taken off first, so it can be lower than CaImAn's 0.85.",
        low=0,
        high=1,
        caiman="init.min_corr",
        advanced=True,
    )
    min_pnr: float = param(
        6.0,
        "A seed's tallest event must be so many times its noise ('corr_pnr' only). "
        "Lower finds dimmer cells, and noise. CaImAn's 20 stands for a movie with its "
        "background.",
        low=0,
        high=1e4,
        caiman="init.min_pnr",
        advanced=True,
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
