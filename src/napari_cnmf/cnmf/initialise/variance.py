"""Greedy search by energy in a window of time: CaImAn's `greedy_roi`.

The movie, less each pixel's median, is blurred with a Gaussian of half a cell; the
pixel whose squares add up to most within a sliding window is the next seed, and a
rank-one fit in a box of a cell is subtracted before the next is picked. Unlike the
search by event energy it takes background and noise for cells as well.

References
----------
Pnevmatikakis et al. (2016), Neuron 89:285; Giovannucci et al. (2019), eLife 8:e38173.
"""

from __future__ import annotations

import numpy as np

from napari_cnmf.cnmf.initialise import kernels
from napari_cnmf.cnmf.initialise.found import Candidate, Found, gathered
from napari_cnmf.cnmf.initialise.residual import Residual, blocks
from napari_cnmf.cnmf.initialise.stopping import Stop
from napari_cnmf.cnmf.parameters import InitParameters
from napari_cnmf.cnmf.spatial import gaussian_taps

_TINY = np.finfo(np.float32).eps


def variance(
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
        In the order of the search, footprints of unit norm; a seed's score is its mean
        square in the best window.
    """
    search = _Search(movie.reshape(*valid.shape, -1), valid, parameters)
    stop = Stop.of(parameters, n_max, movie.shape[1])
    taken: list[Candidate] = []
    while search.energy.any() and stop.goes_on(len(taken), search.event_energy()):
        taken.append(search.take())
    return gathered(taken, search.field_shape, movie.shape[1])


class _Search:
    """The residual of a movie and the energy of its blurred pixels."""

    def __init__(
        self, movie: np.ndarray, valid: np.ndarray, parameters: InitParameters
    ) -> None:
        self.field_shape = movie.shape[0], movie.shape[1]
        self.valid = valid
        self.threshold = parameters.event_threshold_sd
        self.rounds = parameters.iterations
        self.window = parameters.rolling_bins
        taps = short_taps(parameters.half_size_px)
        self.half = len(taps) // 2
        self.left = Residual(movie.copy(), taps, 1)
        kernels.centre_by_median(self.left.sharp)
        for first in blocks(movie.shape[2]):
            self.left.blur(first)
        self.energy = np.zeros(valid.shape, np.float32)
        self._weigh((0, valid.shape[0]), (0, valid.shape[1]))

    def event_energy(self) -> float:
        """Event energy of the next seed, by which the search may stop."""
        trace = self.left.blurred[self._seed()]
        noise = np.sqrt(np.mean(np.diff(trace, 2) ** 2) / 6)
        if noise == 0:
            return 0.0
        return float((np.maximum(trace / noise - self.threshold, 0) ** 2).sum())

    def take(self) -> Candidate:
        """Fit the component at the next seed, subtract it, and return it."""
        y, x = self._seed()
        score = float(self.energy[y, x])
        rows, cols = self.left.box(y, x, self.half)
        box, trace = self.left.sharp[rows, cols], self.left.blurred[y, x]
        image, trace = rank_one(box, trace, self.rounds)
        corner = rows.start, cols.start
        self._weigh(*self.left.subtract(corner, image, trace))
        return Candidate(image, corner, trace, (y, x), score, self.rounds)

    def _seed(self) -> tuple[int, int]:
        """Pixel of most energy."""
        y, x = np.unravel_index(np.argmax(self.energy), self.energy.shape)
        return int(y), int(x)

    def _weigh(self, rows: tuple[int, int], cols: tuple[int, int]) -> None:
        """Work out the energy of a region anew; there is none without data."""
        kernels.window_energy(self.left.blurred, self.window, rows, cols, self.energy)
        self.energy[~self.valid] = 0


def short_taps(sigma_px: float) -> np.ndarray:
    """Gaussian filter that ends at one sigma, as CaImAn's does; float32, sum one."""
    return gaussian_taps(sigma_px, int(sigma_px + 0.5))


def rank_one(
    box: np.ndarray, trace: np.ndarray, rounds: int
) -> tuple[np.ndarray, np.ndarray]:
    """Fit ``image * trace`` to a box, non-negative and of unit norm in space.

    Parameters
    ----------
    box : ndarray
        (rows, columns, T) float32.
    trace : ndarray
        (T,) float32 to start from.
    rounds : int

    Returns
    -------
    image : ndarray
        (rows, columns) float32.
    trace : ndarray
        (T,) float32; may be negative at times.
    """
    pixels = np.ascontiguousarray(box.reshape(-1, box.shape[2]))
    for _ in range(rounds):
        image = np.maximum(pixels @ trace, 0)
        image /= np.sqrt(image @ image + _TINY)
        trace = image @ pixels
    return image.reshape(box.shape[:2]), trace
