"""What finds the motion of frames: against a template, or because it is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from math import sqrt
from typing import NamedTuple, Protocol

import numpy as np
from scipy.stats import trim_mean

from napari_cnmf.motion.parameters import MotionParameters
from napari_cnmf.motion.piecewise import (
    ACTIVITY,
    FieldModel,
    PatchGrid,
    apply_fields,
    estimate_fields,
    prepare_field,
)
from napari_cnmf.motion.rigid import (
    Reference,
    apply_shifts,
    estimate_shifts,
    prepare_reference,
)
from napari_cnmf.motion.template import average_and_variance, build_template
from napari_cnmf.movie.shifts import Shifts

#: Part of the displacements left out at either end when they are averaged.
TRIMMED = 0.1
#: Frames are bent if it is by this (rms); and how many frames tell so.
BENT_PX, BEND_FRAMES = 0.06, 66
#: How much farther than a frame a local template may lie from the one before.
FARTHER = 3

Places = tuple[np.ndarray, np.ndarray]


class Motion(NamedTuple):
    """Shifts (n, 2) of frames, and their fields (n, P, 2) if these are bent."""

    shifts: np.ndarray
    fields: np.ndarray | None = None


class Finder(Protocol):
    """Something that knows how far frames have moved."""

    @property
    def places(self) -> Places:
        """Rows (ny,) and columns (nx,) at which fields are given."""

    def find(self, frames: np.ndarray, numbers: np.ndarray) -> Motion:
        """Return the motion of frames (n, Y, X) that have these numbers (n,)."""


@dataclass(frozen=True, eq=False)
class Target:
    """A template, ready to register frames to.

    Attributes
    ----------
    template, variance : ndarray
        (Y, X) float32, and how frames vary about it.
    reference : Reference
        For the shift of frames as a whole.
    model : FieldModel
        For how they are bent.
    """

    template: np.ndarray
    variance: np.ndarray
    reference: Reference
    model: FieldModel

    @classmethod
    def of(
        cls, template: np.ndarray, variance: np.ndarray, p: MotionParameters
    ) -> Target:
        """Make a template ready, about which frames vary by so much (Y, X)."""
        grid = _grid(template.shape, p)
        return cls(
            template,
            variance,
            prepare_reference(template, p.max_shift_px, p.high_pass_px, variance),
            prepare_field(template, variance, grid, p.max_deviation_px, p.high_pass_px),
        )

    def fields(self, frames: np.ndarray) -> np.ndarray:
        """Displacements (n, P, 2) of frames (n, Y, X) at the centres of the patches."""
        shifts = estimate_shifts(frames, self.reference)
        return estimate_fields(frames, shifts, self.model)


@dataclass(frozen=True, eq=False)
class Registrar:
    """Finds the motion of frames against a template.

    Attributes
    ----------
    target : Target
    is_piecewise : bool
        Whether frames are bent.
    """

    target: Target
    is_piecewise: bool

    @property
    def places(self) -> Places:
        """Rows (ny,) and columns (nx,) of the patches' centres."""
        return self.target.model.grid.places

    def find(self, frames: np.ndarray, numbers: np.ndarray) -> Motion:  # noqa: ARG002
        """Return the motion of frames (n, Y, X)."""
        if not self.is_piecewise:
            return Motion(estimate_shifts(frames, self.target.reference))
        fields = self.target.fields(frames)
        return Motion(self.target.model.grid.mean(fields, frames.shape[1:]), fields)


@dataclass(frozen=True, eq=False)
class LocalRegistrar:
    """Finds the motion of frames against the template of their stretch.

    Attributes
    ----------
    templates, variances : ndarray
        (stretches, Y, X) float32, in order, and how frames vary about them.
    drift : ndarray
        (stretches, 2) float32, px, how far the templates have moved.
    stretch_frames : int
        Frames of a stretch.
    parameters : MotionParameters
        With a mode that is settled.
    """

    templates: np.ndarray
    variances: np.ndarray
    drift: np.ndarray
    stretch_frames: int
    parameters: MotionParameters

    @property
    def places(self) -> Places:
        """Rows (ny,) and columns (nx,) of the patches' centres."""
        return _grid(self.templates.shape[1:], self.parameters).places

    def stretch(self, numbers: np.ndarray) -> np.ndarray:
        """Return in which stretch frames of some numbers (n,) lie."""
        return np.minimum(numbers // self.stretch_frames, len(self.templates) - 1)

    def find(self, frames: np.ndarray, numbers: np.ndarray) -> Motion:
        """Return the motion of frames (n, Y, X) of rising numbers (n,)."""
        stretches = self.stretch(numbers)
        parts = []
        for k in np.unique(stretches).tolist():
            chosen = stretches == k
            motion = self._registrar(k).find(frames[chosen], numbers[chosen])
            fields = None if motion.fields is None else motion.fields + self.drift[k]
            parts.append(Motion(motion.shifts + self.drift[k], fields))
        return joined(parts)

    # All of them ready at once would fill the memory in recordings of hours.
    @lru_cache(maxsize=4)  # noqa: B019 - it goes when the stage is done
    def _registrar(self, k: int) -> Registrar:
        """Make the template of a stretch ready."""
        target = Target.of(self.templates[k], self.variances[k], self.parameters)
        return Registrar(target, self.parameters.mode == "piecewise")


@dataclass(frozen=True, eq=False)
class KnownMotion:
    """The motion that was found before, for the same frames in another channel."""

    shifts: Shifts

    @property
    def places(self) -> Places:
        """Rows (ny,) and columns (nx,) of the patches' centres."""
        patches = self.shifts.patches
        return (np.zeros(1), np.zeros(1)) if patches is None else patches.places

    def find(self, frames: np.ndarray, numbers: np.ndarray) -> Motion:  # noqa: ARG002
        """Return the motion of frames that have these numbers (n,)."""
        patches = self.shifts.patches
        fields = None if patches is None else patches.values[numbers]
        return Motion(self.shifts.values[numbers], fields)


def joined(parts: list[Motion]) -> Motion:
    """Return the motion of several runs of frames, one after the other."""
    fields = [part.fields for part in parts if part.fields is not None]
    return Motion(
        np.concatenate([part.shifts for part in parts]),
        np.concatenate(fields) if fields else None,
    )


def move_back(
    frames: np.ndarray, motion: Motion, places: Places, fill: np.ndarray
) -> np.ndarray:
    """Undo the motion of frames.

    Parameters
    ----------
    frames : ndarray
        (n, Y, X) float32.
    motion : Motion
        Of these frames.
    places : ndarray, ndarray
        Rows and columns at which its fields are given.
    fill : ndarray
        (Y, X), for pixels that lay out of view.

    Returns
    -------
    ndarray
        (n, Y, X) float32.
    """
    if motion.fields is None:
        return apply_shifts(frames, motion.shifts, fill)
    return apply_fields(frames, motion.fields, places, fill)


def build_registrar(
    sample: np.ndarray, p: MotionParameters, template: np.ndarray | None = None
) -> Registrar:
    """Make a template of sample frames, ready to register to.

    Parameters
    ----------
    sample : ndarray
        (n, Y, X) float32, frames spread over the recording, in order.
    p : MotionParameters
    template : ndarray (Y, X), optional
        One that was made before, to be used instead.
    """
    image = template
    if image is None:
        image = build_template(
            sample, p.max_shift_px, p.template_iterations, p.high_pass_px
        )
    reference = prepare_reference(image, p.max_shift_px, p.high_pass_px)
    motion = Motion(estimate_shifts(sample, reference))
    fill = image if template is None else sample.mean(axis=0)
    still, variance = still_image(sample, motion, _NOWHERE, fill)
    if template is not None:  # perhaps of another brightness
        image = _in_units_of(still, image)
    target = Target.of(image, variance, p)
    is_bent = p.mode == "auto" and bend(sample, target) > BENT_PX
    is_piecewise = p.mode == "piecewise" or is_bent
    if template is None and is_piecewise:
        for _ in range(p.template_iterations):
            target = _sharpened(target, sample, p)
    return Registrar(target, is_piecewise)


def _grid(field_shape: tuple[int, ...], p: MotionParameters) -> PatchGrid:
    """Return the patches of a field."""
    return PatchGrid.covering(field_shape, p.grid_step_px, p.grid_overlap_px)


def _in_units_of(image: np.ndarray, template: np.ndarray) -> np.ndarray:
    """Return a template (Y, X), scaled and shifted to be most like an image."""
    centred = template - template.mean()
    scale = (centred * image).sum() / ((centred * centred).sum() or 1.0)
    scaled: np.ndarray = image.mean() + max(float(scale), 0.0) * centred
    return scaled.astype(np.float32)


def bend(sample: np.ndarray, target: Target) -> float:
    """Measure how much frames are bent, in px.

    That is the rms over frames and patches of the deviations from the shift of a
    frame, beyond what noise and activity make of them.

    Parameters
    ----------
    sample : ndarray
        (n, Y, X) float32, frames spread over the recording.
    target : Target
    """
    fields = target.fields(sample[:: max(1, len(sample) // BEND_FRAMES)])
    deviations = fields - fields.mean(axis=1, keepdims=True)
    spread = float(deviations.var(axis=0).mean())
    return sqrt(max(spread - ACTIVITY * target.model.noise_px**2, 0.0))


def target_of(
    sample: np.ndarray, numbers: np.ndarray, finder: Finder, p: MotionParameters
) -> Target:
    """Make a template of sample frames (n, Y, X) whose motion someone knows."""
    motion, fill = finder.find(sample, numbers), sample.mean(axis=0)
    return Target.of(*still_image(sample, motion, finder.places, fill), p)


def build_local(
    read: Callable[[int, int], np.ndarray],
    n_frames: int,
    stretch_frames: int,
    p: MotionParameters,
) -> LocalRegistrar:
    """Make a template of each stretch of a recording.

    Each is registered to the one before, which it is most like, so that drift of any
    length is followed, and then all to their average, so that errors do not add up.

    Parameters
    ----------
    read : callable
        Gives sample frames (n, Y, X) of the frames from a first to before a last one.
    n_frames, stretch_frames : int
        Of the recording, and of a stretch; the last one may be up to twice as long.
    p : MotionParameters
    """
    firsts = range(0, max(n_frames - stretch_frames + 1, 1), stretch_frames)
    lasts = [*firsts[1:], n_frames]
    images, is_bent = [], False
    for first, last in zip(firsts, lasts, strict=True):
        # Only images are kept: what is made of them takes ten times the memory.
        registrar = build_registrar(read(first, last), p)
        images.append((registrar.target.template, registrar.target.variance))
        is_bent |= registrar.is_piecewise
    templates, variances = (np.array(part) for part in zip(*images, strict=True))
    settled = replace(p, mode="piecewise" if is_bent else "rigid")
    return LocalRegistrar(
        templates, variances, _drift(templates, p), stretch_frames, settled
    )


def _drift(images: np.ndarray, p: MotionParameters) -> np.ndarray:
    """Return how far (n, 2) the templates of stretches lie from where most are."""
    steps = [np.zeros((1, 2), np.float32)]
    for before, image in pairwise(images):
        wide = prepare_reference(before, FARTHER * p.max_shift_px, p.high_pass_px)
        steps.append(estimate_shifts(image[None], wide))
    drift: np.ndarray = np.cumsum(np.concatenate(steps), axis=0)
    drift -= np.median(drift, axis=0)
    for _ in range(p.template_iterations):
        common = _mean_in_view(images, drift)
        reference = prepare_reference(common, p.max_shift_px, p.high_pass_px)
        drift += estimate_shifts(apply_shifts(images, drift, common), reference)
    return drift


def _mean_in_view(images: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    """Return the mean (Y, X) of images moved back, of each where it is in view."""
    nowhere = np.full(images.shape[1:], np.nan, np.float32)
    still = apply_shifts(images, shifts, nowhere)
    seen = ~np.isnan(still)
    total, count = np.where(seen, still, 0).sum(axis=0), seen.sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), images.mean(axis=0))


def still_image(
    sample: np.ndarray, motion: Motion, places: Places, fill: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the average of frames once they are moved back, and the variance."""

    def still(group: np.ndarray) -> np.ndarray:
        fields = None if motion.fields is None else motion.fields[group]
        return move_back(
            sample[group], Motion(motion.shifts[group], fields), places, fill
        )

    return average_and_variance(len(sample), still)


def _sharpened(target: Target, sample: np.ndarray, p: MotionParameters) -> Target:
    """Bend sample frames to the template, average them and make that ready."""
    fields, places = target.fields(sample), target.model.grid.places
    motion = Motion(fields.mean(axis=1), fields - trim_mean(fields, TRIMMED, axis=0))
    return Target.of(*still_image(sample, motion, places, target.template), p)


_NOWHERE = np.zeros(1), np.zeros(1)
