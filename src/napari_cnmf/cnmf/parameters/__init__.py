"""Parameters of the factorisation, a group for each of its steps."""

from __future__ import annotations

from dataclasses import dataclass, field

from napari_cnmf.cnmf.parameters.background import BackgroundParameters
from napari_cnmf.cnmf.parameters.init import InitParameters
from napari_cnmf.cnmf.parameters.merge import MergeParameters
from napari_cnmf.cnmf.parameters.patches import PatchParameters
from napari_cnmf.cnmf.parameters.spatial import SpatialParameters
from napari_cnmf.cnmf.parameters.temporal import TemporalParameters

__all__ = [
    "BackgroundParameters",
    "CnmfParameters",
    "InitParameters",
    "MergeParameters",
    "PatchParameters",
    "SpatialParameters",
    "TemporalParameters",
]


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

    patches: PatchParameters = field(default_factory=PatchParameters)
    init: InitParameters = field(default_factory=InitParameters)
    spatial: SpatialParameters = field(default_factory=SpatialParameters)
    background: BackgroundParameters = field(default_factory=BackgroundParameters)
    merge: MergeParameters = field(default_factory=MergeParameters)
    temporal: TemporalParameters = field(default_factory=TemporalParameters)
    decay_s: float | None = 0.5
    rise_s: float = 0.08

    @property
    def pitch_px(self) -> float:
        """Distance of the nodes of the background's grid."""
        return self.background.pitch_diameters * self.init.diameter_px
