"""Parameters of the summary images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from napari_cnmf.parameters import Parameters, param


@dataclass(frozen=True, slots=True, kw_only=True)
class SummaryParameters(Parameters):
    """How the summary images are computed."""

    group: ClassVar[str] = "summary"

    neighbours: int = param(
        8,
        "Neighbours of a pixel in the correlation image.",
        choices=(8, 4),
        caiman="local_correlations(eight_neighbours)",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrelationMovieParameters(Parameters):
    """How the correlation image is followed through time."""

    group: ClassVar[str] = "correlation_movie"

    window_frames: int = param(
        100,
        "Frames of a window. Longer is less noisy; shorter tells events apart.",
        unit="frames",
        low=2,
        high=1_000_000,
        caiman="local_correlations_movie(window)",
    )
    step_frames: int = param(
        100,
        "Frames from one window to the next.",
        unit="frames",
        low=1,
        high=1_000_000,
        caiman="local_correlations_movie(stride)",
    )
    baseline_frames: int | None = param(
        None,
        "Length of the pieces of time in which a pixel's slow baseline is taken, and "
        "then subtracted. Auto subtracts none.",
        unit="frames",
        low=2,
        high=1_000_000,
        caiman="local_correlations_movie(remove_baseline), 50",
    )
    baseline_percentile: float = param(
        8.0,
        "Percentile of a piece that counts as its baseline.",
        unit="%",
        low=0,
        high=100,
        caiman="removeBL(quantilMin)",
        advanced=True,
    )
    neighbours: int = param(
        8,
        "Neighbours of a pixel in the correlation image.",
        choices=(8, 4),
        caiman="local_correlations(eight_neighbours)",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrelationPnrParameters(Parameters):
    """How the images are computed that one-photon thresholds are chosen on."""

    group: ClassVar[str] = "correlation_pnr"

    half_size_px: float = param(
        4.0,
        "Half the width of a typical cell body: the width of the filter's Gaussian.",
        unit="px",
        low=1,
        high=100,
        caiman="correlation_pnr(gSig)",
    )
    floor_sd: float = param(
        3.0,
        "Values below this many standard deviations of a pixel's noise count as zero "
        "in the correlation. CaImAn's search uses 2.",
        unit="sd",
        low=0,
        high=100,
        caiman="3 in correlation_pnr, 2 in init",
        advanced=True,
    )
    neighbours: int = param(
        8,
        "Neighbours of a pixel in the correlation image.",
        choices=(8, 4),
        caiman="local_correlations(eight_neighbours)",
    )
