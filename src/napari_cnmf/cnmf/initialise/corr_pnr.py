"""The search for one-photon movies, by correlation and peak-to-noise ratio (CNMF-E).

A ring model takes the background away, and a filter what is left of it; a seed is where
a pixel's events are tall (PNR) and shared by its neighbours (correlation). The trace is
read from the filtered movie, where pixels follow the seed; the footprint is regressed
from the plain one, and both are taken off before the next seed. Zhou et al. 2018, eLife
7:e28728.

CNMF-E searches first and models the background later, so it must set its thresholds
above what shines through vessels: on simulated movies, 5 of 6 seeds were such places.
With the ring first none was, so one search does, and finds dimmer cells.
"""

from __future__ import annotations

import numpy as np
import scipy.ndimage as ndi

from napari_cnmf.cnmf.background.ring import fit_ring
from napari_cnmf.cnmf.initialise.found import Candidate, Found, gathered
from napari_cnmf.cnmf.initialise.kernels import noise_image
from napari_cnmf.cnmf.initialise.kernels_pnr import weigh
from napari_cnmf.cnmf.parameters import InitParameters
from napari_cnmf.movie.centre_surround import CentreSurround

# CNMF-E's ring lies at 1.5 widths of the box around a cell, 4 half-sizes and a pixel.
_RING_RADIUS_BOXES = 1.5
_FLOOR_SD = 2.0
_MIN_STEP_SD = 3.0
_ALIKE = 0.9
_MIN_AREA_PX = 3
_TINY = 1e-12
_BATCH_FRAMES = 64
_BATCH_ROWS = 16


def corr_pnr(
    movie: np.ndarray, valid: np.ndarray, parameters: InitParameters, n_max: int
) -> Found:
    """Find components in a one-photon movie.

    Parameters
    ----------
    movie : ndarray
        (pixels, T) float32, mean removed, in units of each pixel's noise; zero where
        there is no data.
    valid : ndarray of bool
        (Y, X), pixels that hold data.
    parameters : InitParameters
    n_max : int
        Most components to return.

    Returns
    -------
    Found
        The score of a seed is its correlation times its PNR.
    """
    search = _Search(_without_background(movie, valid, parameters), valid, parameters)
    found: list[Candidate] = []
    while len(found) < n_max and search.score.max(initial=0) > 0:
        candidate = search.take()
        if candidate is not None:
            found.append(candidate)
    return gathered(found, valid.shape, movie.shape[1])


def seed_images(
    movie: np.ndarray, valid: np.ndarray, parameters: InitParameters
) -> tuple[np.ndarray, np.ndarray]:
    """Correlation and PNR as the search sees them, to choose its thresholds on.

    Parameters
    ----------
    movie, valid, parameters
        As for `corr_pnr`.

    Returns
    -------
    correlation, pnr : ndarray
        (Y, X) float32, zero where there is no data.
    """
    search = _Search(_without_background(movie, valid, parameters), valid, parameters)
    return search.correlation, search.pnr


def _without_background(
    movie: np.ndarray, valid: np.ndarray, parameters: InitParameters
) -> np.ndarray:
    """Subtract a ring model of all that moves; (Y, X, T) float32."""
    radius_px = _RING_RADIUS_BOXES * (4 * parameters.half_size_px + 1)
    residual = fit_ring(movie, valid, radius_px).background(movie)
    np.subtract(movie, residual, out=residual)
    return residual.reshape(*valid.shape, -1)


class _Search:
    """The residual of a movie, plain and filtered, from which components are taken."""

    def __init__(
        self, residual: np.ndarray, valid: np.ndarray, parameters: InitParameters
    ) -> None:
        self.parameters = parameters
        self.residual = residual
        self.filter = CentreSurround.of(parameters.half_size_px, valid)
        self.half = round(4 * parameters.half_size_px) + 1
        self.filtered = np.empty_like(residual)
        for first in range(0, residual.shape[2], _BATCH_FRAMES):
            batch = np.s_[:, :, first : first + _BATCH_FRAMES]
            frames = np.moveaxis(residual[batch], 2, 0)
            self.filtered[batch] = np.moveaxis(self.filter(frames), 0, 2)
        self.noise = np.empty(valid.shape, np.float32)
        noise_image(self.filtered, self.noise)
        self.peaks = np.zeros(valid.shape, np.float32)
        self.correlation = np.zeros(valid.shape, np.float32)
        self.open = self.noise > 0
        self._weigh((slice(0, valid.shape[0]), slice(0, valid.shape[1])))

    @property
    def pnr(self) -> np.ndarray:
        """Peak of each pixel over its noise, (Y, X) float32."""
        noise = np.where(self.noise > 0, self.noise, np.inf)
        return (self.peaks / noise).astype(np.float32)

    def take(self) -> Candidate | None:
        """Fit the component at the best seed and take it off; None if there is none."""
        y, x = np.unravel_index(np.argmax(self.score), self.score.shape)
        seed, score = (int(y), int(x)), float(self.score[y, x])
        box = self._around(seed, self.half)
        found = self._fit(seed, box)
        if found is None:
            near = self._around(seed, self.half // 8)
            self.open[near] = False
            self.score[near] = 0
            return None
        image, trace = found
        self._subtract(box, image, trace)
        self.open[box] &= image <= image.max() / 2
        self.open[seed] = False
        reach = self.filter.reach_px
        self._weigh(self._around(seed, self.half + reach))
        corner = box[0].start, box[1].start
        return Candidate(image, corner, trace, seed, score, 1)

    def _fit(
        self, seed: tuple[int, int], box: tuple[slice, slice]
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """Footprint in the box and trace of a seed, if there is a cell."""
        middle = self.filtered[seed]
        steps = np.diff(middle)
        if steps.max(initial=0) < _MIN_STEP_SD * steps.std():
            return None
        filtered = self.filtered[box]
        scale = np.linalg.norm(filtered, axis=2) * np.linalg.norm(middle)
        alike = filtered @ middle > _ALIKE * scale
        trace = _above_baseline(filtered[alike & (scale > 0)].mean(axis=0))
        weights = trace - trace.mean()
        weights /= max(weights @ weights, _TINY)
        place = seed[0] - box[0].start, seed[1] - box[1].start
        image = _piece(np.maximum(self.residual[box] @ weights, 0), place)
        return (image, trace) if np.count_nonzero(image) >= _MIN_AREA_PX else None

    def _subtract(
        self, box: tuple[slice, slice], image: np.ndarray, trace: np.ndarray
    ) -> None:
        """Take a component off the plain and the filtered residual."""
        reach = self.filter.reach_px
        height, width = self.filter.valid.shape
        wide = _grown(box[0], reach, height), _grown(box[1], reach, width)
        whole = np.zeros((1, height, width), np.float32)
        whole[0][box] = image
        self.residual[box] -= image[..., None] * trace
        self.filtered[wide] -= self.filter(whole)[0][wide][..., None] * trace

    def _weigh(self, region: tuple[slice, slice]) -> None:
        """Work out the score of a region anew."""
        rows, cols = region
        floor = np.float32(_FLOOR_SD) * self.noise
        for first in range(rows.start, rows.stop, _BATCH_ROWS):
            part = first, min(first + _BATCH_ROWS, rows.stop)
            span = cols.start, cols.stop
            weigh(self.filtered, floor, part, span, self.peaks, self.correlation)
        good = (self.pnr >= self.parameters.min_pnr) & self.open
        good &= self.correlation >= self.parameters.min_correlation
        fitness = np.where(good, self.correlation * self.pnr, 0)
        self.score = ndi.median_filter(fitness, 3, mode="constant") * self.open

    def _around(self, seed: tuple[int, int], half: int) -> tuple[slice, slice]:
        """Rows and columns up to `half` px from a pixel."""
        height, width = self.filter.valid.shape
        y, x = seed
        rows = _grown(slice(y, y + 1), half, height)
        return rows, _grown(slice(x, x + 1), half, width)


def _above_baseline(trace: np.ndarray) -> np.ndarray:
    """Give a trace above the level that it rests at, without its dips.

    It rests where it rises by less than its noise: an event rises more, and falls.
    """
    steps = np.diff(trace)
    noise = np.sqrt(np.mean(np.diff(trace, 2) ** 2) / 6)
    resting = trace[1:][(steps >= 0) & (steps < noise)]
    level = np.median(resting) if len(resting) else np.median(trace)
    above: np.ndarray = np.maximum(trace - level, 0)
    return above


def _piece(image: np.ndarray, place: tuple[int, int]) -> np.ndarray:
    """Keep what falls off from the seed and hangs together with it."""
    y, x = np.indices(image.shape)
    slopes = np.gradient(image) if min(image.shape) > 1 else np.zeros((2, *image.shape))
    rising = slopes[0] * (y - place[0]) + slopes[1] * (x - place[1]) > 0
    image = np.where(rising & (image < image.max() / 3), 0, image)
    inside = ndi.binary_opening(image > 0.01 * image.max(), np.ones((3, 3), bool))
    labels, _ = ndi.label(inside)
    return np.where((labels == labels[place]) & (labels > 0), image, 0)


def _grown(span: slice, by: int, n: int) -> slice:
    """Grow a span by some pixels at both ends."""
    return slice(max(span.start - by, 0), min(span.stop + by, n))
