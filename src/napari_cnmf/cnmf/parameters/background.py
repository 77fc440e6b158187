"""Parameters of the background."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from napari_cnmf.parameters import Parameters, param


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
