"""Parameters of the registration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from napari_cnmf.parameters import Parameters, param


@dataclass(frozen=True, slots=True, kw_only=True)
class MotionParameters(Parameters):
    """How the frames are registered."""

    group: ClassVar[str] = "motion"

    mode: str = param(
        "rigid",
        "'rigid' moves each frame as a whole, 'none' leaves the frames as they are.",
        choices=("none", "rigid"),
        caiman="motion.pw_rigid",
    )
    max_shift_px: float = param(
        12.0,
        "Largest shift that is searched for, in each direction.",
        unit="px",
        low=1,
        high=200,
        caiman="motion.max_shifts",
    )
    template_frames: int = param(
        200,
        "Frames, spread over the recording, of which the template is made.",
        unit="frames",
        low=5,
        high=5000,
        caiman="motion.num_frames_split",
        advanced=True,
    )
    template_iterations: int = param(
        2,
        "How often the template is registered to itself and averaged again.",
        low=1,
        high=10,
        caiman="motion.niter_rig",
        advanced=True,
    )
