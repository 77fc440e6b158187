"""What is settled from sample frames before the pass over all frames."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np

from napari_cnmf.motion.lines import correct_lines, estimate_line_offset
from napari_cnmf.motion.metrics import Pattern, prepare_pattern
from napari_cnmf.motion.parameters import MotionParameters
from napari_cnmf.motion.registrar import (
    Finder,
    KnownMotion,
    Target,
    build_local,
    build_registrar,
    move_back,
    target_of,
)
from napari_cnmf.movie.movie import Movie
from napari_cnmf.movie.scale import (
    Scale,
    choose_scale,
    noise_runs,
    read_what_can_be,
    sample_numbers,
)
from napari_cnmf.movie.shifts import Shifts

#: Sample frames of the template of a stretch.
_LOCAL_FRAMES = 60


@dataclass(frozen=True, eq=False)
class Alignment:
    """How frames are registered.

    Attributes
    ----------
    finder : Finder
        Finds their motion.
    target : Target
        The template that they are compared with.
    pattern : Pattern
        The same, for the correlation.
    line_offset_px : float
        How far odd rows lie to the right of even ones.
    """

    finder: Finder
    target: Target
    pattern: Pattern
    line_offset_px: float


@dataclass(frozen=True, eq=False)
class Plan:
    """How frames are stored, and registered; None if they are not."""

    scale: Scale
    alignment: Alignment | None = None


def choose_plan(
    movie: Movie,
    parameters: MotionParameters,
    noise_steps: float,
    *,
    known: Shifts | None = None,
    template: np.ndarray | None = None,
) -> Plan:
    """Read sample frames and settle how to go on.

    Parameters
    ----------
    movie : Movie
    parameters : MotionParameters
    noise_steps : float
        Steps of the stored codes per standard deviation of the noise.
    known : Shifts, optional
        To be applied as they are.
    template : ndarray (Y, X), optional
        To register to, instead of one made of sample frames.
    """
    wanted = sample_numbers(movie.n_frames, parameters.template_frames)
    numbers, sample = read_what_can_be(movie, wanted)
    some = noise_runs(len(sample))
    if known is None and parameters.mode == "none":
        centre = sample.mean(axis=0)
        return Plan(choose_scale(sample, centre, sample[some], noise_steps))
    offset = parameters.line_offset_px if known is None else known.line_offset_px
    if offset is None:
        offset = estimate_line_offset(sample[some])
    sample = correct_lines(sample, offset)
    finder, target = _finder(
        movie, sample, numbers, parameters, known, template, offset
    )
    motion = finder.find(sample[some], numbers[some])
    # Motion must not pass for noise.
    still = move_back(sample[some], motion, finder.places, target.template)
    margin = ceil(parameters.max_shift_px)
    pattern = prepare_pattern(target.template, margin)
    return Plan(
        choose_scale(sample, target.template, still, noise_steps),
        Alignment(finder, target, pattern, offset),
    )


def _finder(
    movie: Movie,
    sample: np.ndarray,
    numbers: np.ndarray,
    parameters: MotionParameters,
    known: Shifts | None,
    template: np.ndarray | None,
    offset_px: float,
) -> tuple[Finder, Target]:
    """Return what finds the motion, and what to compare registered frames with."""
    stretch_s, rate_hz = parameters.local_template_s, movie.frame_rate_hz
    finder: Finder
    if known is not None:
        finder = KnownMotion(known)
    elif template is None and stretch_s is not None and rate_hz is not None:
        finder = _local(movie, parameters, round(stretch_s * rate_hz), offset_px)
    else:
        finder = build_registrar(sample, parameters, template)
        return finder, finder.target
    return finder, target_of(sample, numbers, finder, parameters)


def _local(
    movie: Movie, parameters: MotionParameters, stretch_frames: int, offset_px: float
) -> Finder:
    """Make templates of the stretches of a movie."""

    def read(first: int, last: int) -> np.ndarray:
        numbers = first + sample_numbers(last - first, _LOCAL_FRAMES)
        _, sample = read_what_can_be(movie, numbers)
        return correct_lines(sample, offset_px)

    return build_local(read, movie.n_frames, stretch_frames, parameters)
