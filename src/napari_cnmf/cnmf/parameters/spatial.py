"""Parameters of the footprints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from napari_cnmf.parameters import Parameters, param


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
