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
