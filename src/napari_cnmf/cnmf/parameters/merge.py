"""Parameters of merging."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from napari_cnmf.parameters import Parameters, param


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
