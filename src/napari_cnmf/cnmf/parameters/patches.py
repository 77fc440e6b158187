"""Parameters of the patches."""

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
