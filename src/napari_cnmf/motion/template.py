"""The template: an average of aligned sample frames.

Groups of neighbouring frames are averaged and the median is taken over the groups, so
that flashes or dark frames do not show. The frames are registered to this image and
averaged again; their median displacement is kept at zero, everywhere, so that nothing
moves needlessly.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from napari_cnmf.motion.rigid import (
    HIGH_PASS_SIGMA_PX,
    apply_shifts,
    estimate_shifts,
    prepare_reference,
)

_MOST_GROUPS = 20


def build_template(
    frames: np.ndarray,
    max_shift_px: float,
    iterations: int = 2,
    high_pass_px: float = HIGH_PASS_SIGMA_PX,
) -> np.ndarray:
    """Average of frames after they are registered to each other.

    Parameters
    ----------
    frames : ndarray
        (n, Y, X) float32, frames spread over the recording, in order.
    max_shift_px : float
        Largest shift searched for in each direction.
    iterations : int
        How often the frames are registered to the image and averaged again.
    high_pass_px : float
        Sigma; wider structures are not looked at.

    Returns
    -------
    ndarray
        (Y, X) float32.
    """
    template = average(len(frames), lambda group: frames[group])
    for _ in range(iterations):
        reference = prepare_reference(template, max_shift_px, high_pass_px)
        shifts = estimate_shifts(frames, reference)
        shifts -= np.median(shifts, axis=0)
        template = average(len(frames), _shifted(frames, shifts, template))
    return template


def average(n_frames: int, still: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Image that frames have in common: the median over groups of their means.

    Parameters
    ----------
    n_frames : int
        How many there are.
    still : callable
        Gives those of some numbers (m,), registered; asked for few at a time.

    Returns
    -------
    ndarray
        (Y, X) float32.
    """
    means = [still(group).mean(axis=0) for group in _groups(n_frames)]
    return _median(np.array(means))


def average_and_variance(
    n_frames: int, still: Callable[[np.ndarray], np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the `average` of frames, and likewise their variance about it."""
    moments = [(f.mean(axis=0), f.var(axis=0)) for f in map(still, _groups(n_frames))]
    means, within = (np.array(part) for part in zip(*moments, strict=True))
    image = _median(means)
    return image, _median(within + (means - image) ** 2)


def _median(images: np.ndarray) -> np.ndarray:
    """Median (Y, X) of images (n, Y, X); sorting takes half as long as `np.median`."""
    ordered, middle = np.sort(images, axis=0), (len(images) - 1) // 2
    return 0.5 * (ordered[middle] + ordered[len(images) // 2])


def _groups(n_frames: int) -> list[np.ndarray]:
    """Divide the numbers of frames into groups of neighbours."""
    return np.array_split(np.arange(n_frames), min(_MOST_GROUPS, n_frames))


def _shifted(
    frames: np.ndarray, shifts: np.ndarray, fill: np.ndarray
) -> Callable[[np.ndarray], np.ndarray]:
    """Give what moves some of the frames back."""
    return lambda group: apply_shifts(frames[group], shifts[group], fill)
