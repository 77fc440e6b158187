"""How like the template each frame is, and which frames remain bad.

A frame's correlation with the template falls when motion was not undone, but also when
many cells are active. The two are told apart by the contrast: the factor with which
the template appears in the frame (its regression slope). Activity adds to the template,
so the slope stays or rises; a torn, blurred or dark frame lacks it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import median_filter

from napari_cnmf.motion import kernels_metrics as kernels
from napari_cnmf.motion.rigid import read_only
from napari_cnmf.movie.registration import FRAME_REASONS
from napari_cnmf.movie.shifts import Shifts

_CLEAR = 5.0  # standard deviations below the usual correlation
_LOW = 0.9  # parts of the usual correlation
_STRETCH_FRAMES, _LITTLE = 200, 0.5  # parts of the usual contrast: ...
_NEAR_FRAMES, _LESS = 15, 0.75  # ... a sudden fall need not be so deep
_LOWEST = 0.25  # parts of the medians of all frames
_NO_SIGNAL = 0.1
_CHANCE = 10.0  # times the correlation by chance: less tells nothing of single frames


@dataclass(frozen=True, eq=False)
class Pattern:
    """A template made ready to compare frames with; see `prepare_pattern`.

    Attributes
    ----------
    weights : ndarray
        (Y - 2 margin, X - 2 margin) float32, without mean and of unit norm; zero for
        a constant template.
    margin_px : int
        What is left out at each side.
    norm : float
        Of the template without its mean, within the margin.
    """

    weights: np.ndarray
    margin_px: int
    norm: float


def prepare_pattern(template: np.ndarray, margin_px: int) -> Pattern:
    """Normalise a template, once for all frames.

    Parameters
    ----------
    template : ndarray
        (Y, X)
    margin_px : int
        What is left out at each side, as motion may have moved it out of view; at
        most a quarter of the shorter side.

    Returns
    -------
    Pattern
    """
    height, width = template.shape
    margin = min(margin_px, min(height, width) // 4)
    image = template[margin : height - margin, margin : width - margin]
    image = image.astype(np.float64) - image.mean(dtype=np.float64)
    norm = float(np.linalg.norm(image))
    return Pattern(read_only(image / (norm or 1.0)), margin, norm or 1.0)


def match_frames(frames: np.ndarray, pattern: Pattern) -> np.ndarray:
    """Correlation and contrast of each frame, within the margin.

    Parameters
    ----------
    frames : ndarray
        (n, Y, X) float32.
    pattern : Pattern

    Returns
    -------
    ndarray
        (n, 2) float32: Pearson correlation with the template, and its regression
        slope (1 where the frame is the template plus noise). Both are 0 for a frame
        that is constant or has pixels that are no number.
    """
    matches = np.empty((len(frames), 2), np.float32)
    kernels.compare(read_only(frames), pattern.weights, pattern.margin_px, matches)
    matches[:, 1] /= pattern.norm
    return matches


def flag_frames(shifts: Shifts, matches: np.ndarray) -> np.ndarray:
    """Find the frames that remain bad.

    Parameters
    ----------
    shifts : Shifts
    matches : ndarray
        (T, 2), correlation and contrast of the registered frames.

    Returns
    -------
    ndarray
        (T,) int32, bit i set for the i-th of `FRAME_REASONS`.

    Notes
    -----
    A frame has no signal if correlation and contrast are below a tenth of their
    medians. It is unlike the template if its correlation is below a quarter of the
    median; or if it is five robust standard deviations and a tenth below what is usual
    in the 200 frames around, with less than half of the contrast; or so against the
    15 frames around, with less than three quarters of it. Where most frames are like
    that the template is no guide, and none is flagged.
    """
    correlation, contrast = matches.T
    median, median_contrast = np.median(matches, axis=0)
    by_chance = 1 / np.sqrt(shifts.template.size)
    telling = median > _CHANCE * by_chance
    empty = telling & (correlation < _NO_SIGNAL * median)
    empty &= np.abs(contrast) < _NO_SIGNAL * median_contrast
    empty |= (correlation == 0) & (median > 0)
    unlike = telling & (correlation < _LOWEST * median)
    unlike |= _fallen(matches, _of_stretches(matches), by_chance, _LITTLE)
    unlike |= _fallen(matches, _of_neighbours(matches), by_chance, _LESS)
    found = {
        "shift at the limit": shifts.at_limit,
        "unlike the template": unlike & ~empty,
        "no signal": empty,
    }
    flags = np.zeros(len(matches), np.int32)
    for bit, reason in enumerate(FRAME_REASONS):
        flags |= found[reason].astype(np.int32) << bit
    return flags


def _fallen(
    matches: np.ndarray, usual: np.ndarray, by_chance: float, part: float
) -> np.ndarray:
    """Frames clearly below the usual correlation and below a part of the contrast."""
    correlation, usual_correlation = matches[:, 0], usual[:, 0]
    noise = 1.4826 * np.median(np.abs(correlation - usual_correlation))
    clearly_low = usual_correlation - _CLEAR * max(noise, by_chance)
    fallen = correlation < np.minimum(_LOW * usual_correlation, clearly_low)
    return fallen & (matches[:, 1] < part * usual[:, 1])


def _of_stretches(matches: np.ndarray) -> np.ndarray:
    """Medians of stretches of frames, interpolated between their middles; (T, 2)."""
    n_stretches = max(len(matches) // _STRETCH_FRAMES, 1)
    stretches = np.array_split(np.arange(len(matches)), n_stretches)
    middles = [stretch.mean() for stretch in stretches]
    medians = np.array([np.median(matches[stretch], axis=0) for stretch in stretches])
    frames = np.arange(len(matches))
    return np.stack([np.interp(frames, middles, m) for m in medians.T], axis=1)


def _of_neighbours(matches: np.ndarray) -> np.ndarray:
    """Medians of the frames around, which follow the activity; (T, 2)."""
    return median_filter(matches, size=(_NEAR_FRAMES, 1), mode="nearest")
