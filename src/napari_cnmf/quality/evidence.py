"""What the r value of a component was taken from: frames, event image and footprint.

The default rule looks at the event image, which `Quality` holds; CaImAn's at the plain
mean of the movie over the frames around a component's peaks, which is read when it is
asked for.
"""

from __future__ import annotations

import numpy as np

from napari_cnmf.components import Components, Quality
from napari_cnmf.errors import MissingStageError
from napari_cnmf.movie import Movie
from napari_cnmf.movie.normalised import bin_traces, bins_left_out
from napari_cnmf.quality.caiman import event_frames
from napari_cnmf.quality.criteria import looks_at_peaks
from napari_cnmf.quality.events import event_weights


def event_frames_used(
    components: Components, k: int, left_out: tuple[int, ...] = ()
) -> np.ndarray:
    """Frames that the r value of component `k` was taken from, by the rule in force.

    Parameters
    ----------
    components : Components
        Evaluated.
    k : int
        Position of the component.
    left_out : tuple of int
        Frames that were left out, see `Movie`.

    Returns
    -------
    ndarray
        (n,) int64, ascending. Default rule: the time bins in which the denoised trace
        exceeds half of its peak. CaImAn's: around the ten highest peaks, without the
        peaks of its neighbours.

    Raises
    ------
    MissingStageError
        If the components are not evaluated; so for the other functions here.
    """
    if looks_at_peaks(_quality(components).rule):
        return _peak_frames(components, k, left_out)
    bin_frames = _quality(components).event_bin_frames or 1
    active = bin_traces(components.denoised[[k]], bin_frames)
    active[:, bins_left_out(left_out, bin_frames, components.n_frames)] = 0
    weights = event_weights(active)
    frames = weights.indices.astype(np.int64)[:, None] * bin_frames
    return (frames + np.arange(bin_frames)).ravel()


def footprint_box(components: Components, k: int) -> np.ndarray:
    """Footprint of component `k` in the box of its event image.

    Parameters
    ----------
    components : Components
        Evaluated.
    k : int
        Position of the component.

    Returns
    -------
    ndarray
        (side, side) float32, as the rule in force compares it: CaImAn's as it is, the
        default rule's in units of the pixels' noise. Zero outside the field.
    """
    image = components.footprint(k)
    if not looks_at_peaks(_quality(components).rule):
        noise = components.pixel_noise
        image = np.where(noise > 0, image / np.where(noise > 0, noise, 1), 0)
    return _boxed(image, *_box(components, k), fill=0.0)


def mean_event_image(movie: Movie, components: Components, k: int) -> np.ndarray:
    """Mean of the movie over `event_frames_used` in the box of component `k`.

    Reads the movie, so let a worker thread call it.

    Parameters
    ----------
    movie : Movie
        Registered.
    components : Components
        Evaluated.
    k : int
        Position of the component.

    Returns
    -------
    ndarray
        (side, side) float32, in the movie's units; as dark as the darkest pixel
        outside the field and without frames.
    """
    corner, side = _box(components, k)
    rows, cols = _inside(corner, side, movie.field_shape)
    image = np.zeros(movie.field_shape, np.float32)
    frames = event_frames_used(components, k, movie.left_out)
    runs = np.split(frames, np.flatnonzero(np.diff(frames) > 1) + 1)
    for run in runs if len(frames) else []:
        block = movie.read(slice(int(run[0]), int(run[-1]) + 1), rows, cols)
        image[rows, cols] += block.sum(axis=0, dtype=np.float32)
    image /= max(len(frames), 1)
    return _boxed(
        image, corner, side, fill=float(image[rows, cols].min(initial=np.inf))
    )


def _quality(components: Components) -> Quality:
    """Quality of evaluated components."""
    if components.quality is None:
        raise MissingStageError("The cells are not evaluated yet; run 'evaluate'.")
    return components.quality


def _peak_frames(
    components: Components, k: int, left_out: tuple[int, ...]
) -> np.ndarray:
    """Frames of CaImAn's r value, which only neighbours have a say in."""
    footprints = components.footprints
    near = np.flatnonzero((footprints.T @ footprints[:, [k]]).toarray())
    near = np.append(k, near[near != k])  # also if its footprint is empty
    rate_hz = components.frame_rate_hz
    frames = event_frames(
        components.denoised[near], footprints[:, near], rate_hz, left_out
    )
    return np.sort(frames[[0]].indices).astype(np.int64)


def _box(components: Components, k: int) -> tuple[tuple[int, int], int]:
    """Corner (y, x) and side of the box around a component."""
    quality = _quality(components)
    if quality.event_images is None or quality.event_corners is None:
        raise MissingStageError(
            "The cells were evaluated by an older version, which kept no event images; "
            "run 'evaluate' again."
        )
    y, x = quality.event_corners[k].tolist()
    return (y, x), quality.event_images.shape[1]


def _boxed(
    image: np.ndarray, corner: tuple[int, int], side: int, fill: float
) -> np.ndarray:
    """Cut a box out of an image; what lies outside is filled."""
    box = np.full((side, side), fill, np.float32)
    window = _inside(corner, side, image.shape)
    place = tuple(
        slice(part.start - low, part.stop - low)
        for part, low in zip(window, corner, strict=True)
    )
    box[place] = image[window]
    return box


def _inside(
    corner: tuple[int, int], side: int, shape: tuple[int, ...]
) -> tuple[slice, ...]:
    """Rows and columns of a box that lie inside the field."""
    return tuple(
        slice(max(low, 0), min(low + side, length))
        for low, length in zip(corner, shape, strict=True)
    )
