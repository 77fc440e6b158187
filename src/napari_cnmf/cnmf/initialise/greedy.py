"""Greedy search by event energy, the default initialiser.

The local mean is subtracted, the movie is blurred with a Gaussian of about a cell, and
the pixel with the most energy above a noise threshold is the next seed; a rank-one fit
in its box is subtracted before the next is picked. An absolute stop in units of the
noise variance makes the number of components a result, not a parameter.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from scipy.ndimage import correlate1d

from napari_cnmf.cnmf.initialise import kernels
from napari_cnmf.cnmf.parameters import InitParameters
from napari_cnmf.cnmf.spatial import gaussian_taps

# In diameters; from an ablation on independent simulated movies.
_LOCAL_MEAN_HALF = 1.3
_BLUR_SIGMA = 0.32
_BOX_HALF = 0.75
# The stop grows with the recording, as what structured noise adds up to; in fewer bins
# than these it is white noise that must not be found.
FEWEST_BINS = 300


def greedy(
    movie: np.ndarray,
    valid: np.ndarray,
    parameters: InitParameters,
    n_max: int,
) -> tuple[sp.csc_array, np.ndarray]:
    """Find components in a movie.

    Parameters
    ----------
    movie : ndarray
        (pixels, T) float32, mean removed, in units of each pixel's noise; at least
        `kernels.LANES` bins. Zero where there is no data.
    valid : ndarray of bool
        (Y, X), pixels that hold data.
    parameters : InitParameters
    n_max : int
        Most components to return.

    Returns
    -------
    footprints : csc_array
        (pixels, K) float32, in order of falling event energy.
    traces : ndarray
        (K, T) float32.
    """
    search = _Search(movie.reshape(*valid.shape, -1), valid, parameters)
    stop = parameters.min_event_energy * max(movie.shape[1], FEWEST_BINS)
    columns: list[sp.coo_array] = []
    traces: list[np.ndarray] = []
    while len(columns) < n_max and search.best_energy >= stop:
        image, trace = search.take()
        if image.any():
            columns.append(sp.coo_array(image.reshape(-1, 1)))
            traces.append(trace)
    if not columns:
        empty = sp.csc_array((len(movie), 0), dtype=np.float32)
        return empty, np.zeros((0, movie.shape[1]), np.float32)
    return sp.hstack(columns, format="csc"), np.stack(traces)


class _Search:
    """The residual of a movie, sharp and blurred, from which components are taken."""

    def __init__(
        self, movie: np.ndarray, valid: np.ndarray, parameters: InitParameters
    ) -> None:
        diameter = parameters.diameter_px
        sigma = _BLUR_SIGMA * diameter
        self.threshold = parameters.event_threshold_sd
        self.half = round(_BOX_HALF * diameter)
        self.taps = gaussian_taps(sigma)
        self.step = max(1, int(0.6 * sigma))
        n_y, n_x, n_t = movie.shape
        coarse = -(-n_y // self.step), -(-n_x // self.step)
        self.residual = np.empty_like(movie)
        self.blurred = np.empty((*coarse, n_t), np.float32)
        around = round(_LOCAL_MEAN_HALF * diameter)
        shares = _shares(valid, around)
        for start in range(0, n_t, kernels.LANES):
            # The last frames are done together with some that were done before.
            first = min(start, n_t - kernels.LANES)
            kernels.subtract_local_mean(movie, shares, around, first, self.residual)
            kernels.blur(self.residual, self.taps, self.step, first, self.blurred)
        kernels.centre_by_median(self.blurred)
        self.noise = np.empty(coarse, np.float32)
        self.energy = np.empty(coarse, np.float32)
        kernels.noise_image(self.blurred, self.noise)
        self.noise[~valid[:: self.step, :: self.step]] = 0  # no seed without data
        self._weigh((0, coarse[0]), (0, coarse[1]))

    @property
    def best_energy(self) -> float:
        """Event energy of the best seed."""
        return float(self.energy.max())

    def take(self) -> tuple[np.ndarray, np.ndarray]:
        """Fit the component at the best seed, subtract it, and return it.

        Returns
        -------
        image : ndarray
            (Y, X) float32; zero if nothing could be fitted.
        trace : ndarray
            (T,) float32.
        """
        seed = np.unravel_index(np.argmax(self.energy), self.energy.shape)
        before = self.energy[seed]
        n_y, n_x, n_t = self.residual.shape
        y0, x0 = (max(int(s) * self.step - self.half, 0) for s in seed)
        y1, x1 = (int(s) * self.step + self.half + 1 for s in seed)
        box = np.zeros((min(y1, n_y) - y0, min(x1, n_x) - x0), np.float32)
        trace = np.empty(n_t, np.float32)
        kernels.rank_one(self.residual, self.blurred[seed], y0, x0, box, trace)
        kernels.subtract(self.residual, y0, x0, box, trace)
        rows = self._reach(y0, box.shape[0], self.energy.shape[0])
        cols = self._reach(x0, box.shape[1], self.energy.shape[1])
        kernels.subtract_blurred(
            self.blurred, y0, x0, box, trace, self.taps, self.step, rows, cols
        )
        self._weigh(rows, cols)
        if self.energy[seed] > 0.5 * before:
            # It explains little of its own seed, which must not be picked for ever.
            self.noise[seed] = self.energy[seed] = 0
        image = np.zeros((n_y, n_x), np.float32)
        image[y0 : y0 + box.shape[0], x0 : x0 + box.shape[1]] = box
        return image, trace

    def _weigh(self, rows: tuple[int, int], cols: tuple[int, int]) -> None:
        """Work out the event energy of a region anew."""
        kernels.event_energy(
            self.blurred, self.noise, self.threshold, rows, cols, self.energy
        )

    def _reach(self, start: int, n: int, n_coarse: int) -> tuple[int, int]:
        """Coarse pixels that pixels from `start` to ``start + n`` reach."""
        radius = len(self.taps) // 2
        low = max(-(-(start - radius) // self.step), 0)
        return low, min((start + n - 1 + radius) // self.step + 1, n_coarse)


def _shares(valid: np.ndarray, half: int) -> np.ndarray:
    """One over the number of valid pixels in the box around each; 0 without data."""
    counts = valid.astype(np.float64)
    for axis in (0, 1):
        counts = correlate1d(counts, np.ones(2 * half + 1), axis, mode="constant")
    return np.divide(1, counts, out=np.zeros_like(counts), where=valid).astype(
        np.float32
    )
