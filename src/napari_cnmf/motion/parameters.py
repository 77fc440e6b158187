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
        "auto",
        "'rigid' moves each frame as a whole, 'piecewise' bends it too, 'auto' does so "
        "if sample frames are bent, 'none' leaves the frames as they are.",
        choices=("auto", "none", "rigid", "piecewise"),
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
    grid_step_px: int | None = param(
        None,
        "Piecewise: distance between the patches whose displacements are found. Auto "
        "takes a tenth of the shorter side, at least 24.",
        unit="px",
        low=8,
        high=2000,
        caiman="motion.strides",
    )
    grid_overlap_px: int | None = param(
        None,
        "Piecewise: how far neighbouring patches overlap; a patch is a step and an "
        "overlap wide. Auto takes the step.",
        unit="px",
        low=0,
        high=2000,
        caiman="motion.overlaps",
    )
    max_deviation_px: float = param(
        3.0,
        "Piecewise: how far a patch may move from the frame's own shift.",
        unit="px",
        low=0.5,
        high=20,
        caiman="motion.max_deviation_rigid",
    )
    line_offset_px: float | None = param(
        None,
        "How far odd rows lie to the right of even ones, as bidirectional scanning "
        "makes them. Auto measures it.",
        unit="px",
        low=-50,
        high=50,
    )
    high_pass_px: float = param(
        4.0,
        "Structures of the template wider than this (a Gaussian's sigma) are not "
        "looked at; about the size of a blood vessel for one-photon movies.",
        unit="px",
        low=0.5,
        high=200,
        caiman="motion.gSig_filt",
        advanced=True,
    )
    min_seen: float = param(
        0.8,
        "A pixel is used if it was in view in this share of the frames; more loses "
        "cells at the border, less may find false ones there.",
        low=0.5,
        high=1.0,
        advanced=True,
    )
    leave_out_bad: bool = param(
        True,
        "Whether frames that remain bad after registration (shift at the limit, unlike "
        "the template, no signal) are left out when cells are searched for; their "
        "traces are interpolated.",
        advanced=True,
    )
    local_template_s: float | None = param(
        None,
        "Make a template for each stretch of this length, for recordings that change "
        "slowly. Auto uses one template.",
        unit="s",
        low=1,
        high=100_000,
        advanced=True,
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
