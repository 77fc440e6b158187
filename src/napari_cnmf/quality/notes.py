"""What is remarkable about a component and yet no reason to reject it.

Cells may be cut by the edge, saturated, silent or twins of another; whoever uses their
traces should know. Each note is a bit of `Quality.notes`.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from scipy.ndimage import uniform_filter1d

from napari_cnmf.components import NOTES, Components
from napari_cnmf.compute.scratch import row_blocks
from napari_cnmf.movie.images import SummaryImages
from napari_cnmf.quality.scores import border_pixels, cores

_CEILING_PX = 5  # with the same maximum: in an open range one or two come so close
_CEILING_SD = 0.1  # of the noise, which the codes of the store change by half as much
_BRIGHTEST = 0.8  # of the footprint's maximum
# Of the noise below the ceiling, as frames are moved by interpolation.
_REACHES_SD = 0.5
_SILENT_SD = 6.0  # masks on noise alone got to 5.8 in 300 frames, to 3.3 in 1,000
_SHARED = 0.5


def notes(
    components: Components,
    summary: SummaryImages,
    recorded: SummaryImages,
    window: int,
) -> np.ndarray:
    """Find what is to be noted of each component.

    Parameters
    ----------
    components : Components
        Those with a quality count as accepted by it, all others as accepted.
    summary : SummaryImages
        Of the registered movie.
    recorded : SummaryImages
        Of the movie before its registration, which tell the ceiling; the same if it
        was not registered.
    window : int
        Frames that the SNR was averaged over.

    Returns
    -------
    ndarray
        (K,) int32, bits of `NOTES`.
    """
    with_data = summary.valid & (summary.noise > 0)
    found = {
        "cut by the edge": cut_by_the_edge(components.footprints, with_data),
        "saturated": saturated(components.footprints, summary, recorded),
        "silent": silent(components, window),
        "shared place": shares_place(components.footprints, components.accepted),
    }
    bits = np.zeros(len(components), np.int32)
    for note in NOTES:
        bits |= found[note.name].astype(np.int32) << note.bit
    return bits


def cut_by_the_edge(footprints: sp.csc_array, with_data: np.ndarray) -> np.ndarray:
    """Which footprints (K,) reach the border of the pixels (Y, X) that hold data.

    Their pixels above a fifth of the maximum count. A missing pixel in the midst of
    others is no border.
    """
    at_border = border_pixels(with_data).ravel().astype(np.float32)
    reached: np.ndarray = cores(footprints).T @ at_border > 0
    return reached


def saturated(
    footprints: sp.csc_array, summary: SummaryImages, recorded: SummaryImages
) -> np.ndarray:
    """Which components (K,) reach the ceiling of the recording.

    How many bits a camera or digitiser had is not in the movie. What is known is the
    highest value of each pixel: a detector that saturates gives many pixels the same
    one, down to a tenth of the noise, while in an open range it is the luck of one or
    two. Such a value counts as the ceiling, whatever the type of the pixels. A
    component is saturated if most of its brightest pixels came within half of the noise
    of it, be it for one frame: how often is not known.
    """
    n = footprints.shape[1]
    ceiling, noise = _ceiling(recorded)
    k = np.repeat(np.arange(n), np.diff(footprints.indptr))
    bright = footprints.data >= _BRIGHTEST * footprints.max(axis=0).toarray().ravel()[k]
    reaches = summary.maximum >= ceiling - _REACHES_SD * noise
    share = np.bincount(k[bright], reaches.ravel()[footprints.indices[bright]], n)
    most: np.ndarray = share > 0.5 * np.bincount(k[bright], minlength=n)
    return most


def silent(components: Components, window: int) -> np.ndarray:
    """Which components (K,) have no event that stands out of their noise.

    That is, no deconvolved activity, or a denoised trace whose highest mean over
    `window` frames is below six sd of the noise of such a mean.
    """
    peak = np.empty(len(components), np.float32)
    for cells in row_blocks(components.denoised.shape):
        averaged = uniform_filter1d(components.denoised[cells], window, axis=1)
        peak[cells] = averaged.max(axis=1, initial=0)
    still = components.spikes.max(axis=1, initial=0) <= 0
    noise = components.trace_fit.noise
    quiet: np.ndarray = still | (peak * np.sqrt(window) < _SILENT_SD * noise)
    return quiet


def shares_place(footprints: sp.csc_array, accepted: np.ndarray) -> np.ndarray:
    """Which components (K,) share more than half of their pixels with an accepted one.

    Pixels above a fifth of the maximum count, of both.
    """
    core = cores(footprints)
    size = np.diff(core.indptr)
    shared = (core.T @ core).tocoo()
    others = accepted[shared.row] & (shared.row != shared.col)
    found = np.zeros(len(size), bool)
    found[shared.col[others & (shared.data > _SHARED * size[shared.col])]] = True
    return found


def _ceiling(recorded: SummaryImages) -> tuple[float, float]:
    """Value at which a recording saturates, infinite if it does not; and its noise."""
    usable = recorded.valid & (recorded.noise > 0)
    if not usable.any():
        return np.inf, 0.0
    noise = float(np.median(recorded.noise[usable]))
    highest = float(recorded.maximum[usable].max())
    near = recorded.maximum[usable] >= highest - _CEILING_SD * noise
    return (highest if near.sum() >= _CEILING_PX else np.inf), noise
