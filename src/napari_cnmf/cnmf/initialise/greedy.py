"""Greedy search by event energy, the default initialiser.

The local mean is subtracted, the movie is blurred with a Gaussian of about a cell, and
the pixel with the most energy above a noise threshold is the next seed; a rank-one fit
in its box is subtracted before the next is picked. An absolute stop in units of the
noise variance makes the number of components a result, unless it is asked for.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import correlate1d

from napari_cnmf.cnmf.initialise import kernels
from napari_cnmf.cnmf.initialise.found import Candidate, Found, gathered
from napari_cnmf.cnmf.initialise.residual import Residual, blocks
from napari_cnmf.cnmf.initialise.stopping import Stop
from napari_cnmf.cnmf.parameters import InitParameters
from napari_cnmf.cnmf.spatial import gaussian_taps

# In diameters; from an ablation on independent simulated movies.
_LOCAL_MEAN_HALF = 1.3
_BLUR_SIGMA = 0.32
_BOX_HALF = 0.75


def greedy(
    movie: np.ndarray,
    valid: np.ndarray,
    parameters: InitParameters,
    n_max: int,
) -> Found:
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
    Found
        In the order of the search; a seed's score is its event energy, the sum of
        squares above the threshold in units of the noise variance.
    """
    search = _Search(movie.reshape(*valid.shape, -1), valid, parameters)
    stop = Stop.of(parameters, n_max, movie.shape[1])
    taken: list[Candidate] = []
    while search.energy.any() and stop.goes_on(len(taken), search.best_energy):
        candidate = search.take()
        if candidate.image.any():
            taken.append(candidate)
    return gathered(taken, search.field_shape, movie.shape[1])


class _Search:
    """The residual of a movie and the event energy of its blurred pixels."""

    def __init__(
        self, movie: np.ndarray, valid: np.ndarray, parameters: InitParameters
    ) -> None:
        diameter = parameters.diameter_px
        sigma = _BLUR_SIGMA * diameter
        self.field_shape = movie.shape[0], movie.shape[1]
        self.threshold = parameters.event_threshold_sd
        self.rounds = parameters.iterations
        self.half = round(_BOX_HALF * diameter)
        self.left = Residual(
            np.empty_like(movie), gaussian_taps(sigma), max(1, int(0.6 * sigma))
        )
        around = round(_LOCAL_MEAN_HALF * diameter)
        shares = _shares(valid, around)
        for first in blocks(movie.shape[2]):
            kernels.subtract_local_mean(movie, shares, around, first, self.left.sharp)
            self.left.blur(first)
        blurred, step = self.left.blurred, self.left.step
        kernels.centre_by_median(blurred)
        self.noise = np.empty(blurred.shape[:2], np.float32)
        self.energy = np.empty(blurred.shape[:2], np.float32)
        kernels.noise_image(blurred, self.noise)
        self.noise[~valid[::step, ::step]] = 0  # no seed without data
        self._weigh((0, blurred.shape[0]), (0, blurred.shape[1]))

    @property
    def best_energy(self) -> float:
        """Event energy of the best seed."""
        return float(self.energy.max())

    def take(self) -> Candidate:
        """Fit the component at the best seed, subtract it, and return it.

        Its image is zero if nothing could be fitted.
        """
        seed = np.unravel_index(np.argmax(self.energy), self.energy.shape)
        before = self.energy[seed]
        y, x = (int(s) * self.left.step for s in seed)
        rows, cols = self.left.box(y, x, self.half)
        corner = rows.start, cols.start
        image = np.zeros((rows.stop - rows.start, cols.stop - cols.start), np.float32)
        trace = np.empty(self.left.sharp.shape[2], np.float32)
        kernels.rank_one(
            self.left.sharp, self.left.blurred[seed], corner, self.rounds, image, trace
        )
        self._weigh(*self.left.subtract(corner, image, trace))
        if self.energy[seed] > 0.5 * before:
            # It explains little of its own seed, which must not be picked for ever.
            self.noise[seed] = self.energy[seed] = 0
        return Candidate(image, corner, trace, (y, x), float(before), self.rounds)

    def _weigh(self, rows: tuple[int, int], cols: tuple[int, int]) -> None:
        """Work out the event energy of a region anew."""
        kernels.event_energy(
            self.left.blurred, self.noise, self.threshold, rows, cols, self.energy
        )


def _shares(valid: np.ndarray, half: int) -> np.ndarray:
    """One over the number of valid pixels in the box around each; 0 without data."""
    counts = valid.astype(np.float64)
    for axis in (0, 1):
        counts = correlate1d(counts, np.ones(2 * half + 1), axis, mode="constant")
    return np.divide(1, counts, out=np.zeros_like(counts), where=valid).astype(
        np.float32
    )
