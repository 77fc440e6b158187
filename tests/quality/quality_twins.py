"""Slow twins of the evaluation: dense movies, every frame and pixel on its own."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from napari_cnmf.components import Background, Components, TraceFit
from napari_cnmf.movie.images import SummaryImages


def event_boxes(movie, origin, corners, weights, side):
    """Weighted sum of the frames (Y, X, T) in boxes; `weights` is dense (K, T)."""
    boxes = np.zeros((len(corners), side, side))
    for k, corner in enumerate(corners):
        image = movie @ weights[k]
        for i in range(side):
            for j in range(side):
                y, x = corner[0] + i - origin[0], corner[1] + j - origin[1]
                if 0 <= y < image.shape[0] and 0 <= x < image.shape[1]:
                    boxes[k, i, j] = image[y, x]
    return boxes


def event_images(movie, summary, components, half_px, bin_frames):
    """Event images from the whole movie without all that is not the component."""
    n_bins = len(movie) // bin_frames

    def binned(traces):
        whole = traces[: n_bins * bin_frames].astype(np.float64)
        return whole.reshape(n_bins, bin_frames, *traces.shape[1:]).mean(axis=1)

    gain = gains(summary) * np.sqrt(bin_frames)
    frames = (binned(movie) - summary.mean) * gain
    a = components.footprints.toarray()
    background = components.background
    behind = (background.maps @ (background.traces - _mean(background.traces))).T
    behind = binned(behind.reshape(movie.shape)) * gain
    traces = components.raw - _mean(components.raw)
    boxes = []
    for k in range(len(components)):
        others = np.arange(len(components)) != k
        rest = binned((a[:, others] @ traces[others]).T.reshape(movie.shape)) * gain
        course = binned(components.denoised[k])
        weights = np.maximum(course - 0.5 * course.max(), 0)
        weights /= weights.sum()
        image = np.tensordot(weights, frames - rest - behind, 1)
        boxes.append(boxed(image, components.centres[k], half_px))
    return np.array(boxes)


def gains(summary):
    """One over the noise, where there is data."""
    noise = summary.noise.astype(np.float64)
    noise[~summary.valid | (noise == 0)] = np.inf
    return 1 / noise


def boxed(image, centre, half):
    """Box around a centre, zero outside of the image."""
    y, x = np.rint(centre).astype(int) + half
    padded = np.pad(image, 2 * half)
    return padded[y : y + 2 * half + 1, x : x + 2 * half + 1]


def _mean(traces):
    return traces.mean(axis=1, keepdims=True)


def make_scene(field_shape=(140, 133), n_frames=100, seed=0):
    """A noisy movie of overlapping cells with its images and components."""
    rng = np.random.default_rng(seed)
    centres = np.array([(20, 30), (23, 34), (128, 60), (2, 1), (70, 131)])
    y, x = np.indices(field_shape)
    images = [np.exp(-((y - a) ** 2 + (x - b) ** 2) / 18) for a, b in centres]
    footprints = np.array(images).reshape(len(centres), -1).T
    footprints[footprints < 0.1] = 0
    footprints /= np.linalg.norm(footprints, axis=0)
    denoised = np.maximum(rng.normal(0, 60, (len(centres), n_frames)), 0)
    maps = rng.random((y.size, 2)) * (rng.random((y.size, 2)) < 0.5)
    courses = rng.normal(0, 5, (2, n_frames))
    clean = (footprints @ denoised + maps @ courses).T.reshape(-1, *field_shape)
    noise = rng.uniform(1, 3, field_shape)
    movie = 100 + clean + noise * rng.standard_normal(clean.shape)
    components = Components(
        footprints=sp.csc_array(footprints.astype(np.float32)),
        fov_shape=field_shape,
        denoised=denoised.astype(np.float32),
        residual_traces=rng.normal(0, 2, denoised.shape).astype(np.float32),
        spikes=np.zeros(denoised.shape, np.float32),
        trace_fit=make_fit(len(centres)),
        background=Background(
            sp.csc_array(maps.astype(np.float32)),
            courses.astype(np.float32),
            np.full(field_shape, 100, np.float32),
        ),
        pixel_noise=noise.astype(np.float32),
        ids=np.arange(len(centres)),
        frame_rate_hz=30.0,
    )
    return movie.astype(np.float32), make_summary(movie, noise), components


def make_fit(n_components, decay_frames=15.0):
    """Fit of AR(1) traces with a noise of 2."""
    g = np.float32(np.exp(-1 / decay_frames))
    ar = np.tile(np.float32([g, 0]), (n_components, 1))
    ones = np.ones(n_components, np.float32)
    return TraceFit(ar=ar, noise=2 * ones, penalty=2 * ones, baseline=0 * ones)


def make_summary(movie, noise):
    """Images of a movie (T, Y, X) with some pixels that hold no data."""
    valid = np.ones(noise.shape, bool)
    valid[:, -3:] = False
    mean = movie.mean(axis=0).astype(np.float32)
    noise = noise.astype(np.float32)
    noise[60, 60] = 0
    return SummaryImages(mean, mean, noise, noise, noise, valid)
