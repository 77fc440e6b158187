"""A coarser movie to search in, and the way back.

Pixels are averaged in squares and time bins in runs. Sums are divided by the root of
how many values they hold, so the noise stays one; what is found is drawn out linearly
again to every pixel and bin.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import numpy as np
import scipy.sparse as sp

from napari_cnmf.cnmf.initialise.found import Found, Seeds
from napari_cnmf.cnmf.initialise.kernels import LANES
from napari_cnmf.cnmf.parameters import InitParameters


class Subsampling:
    """How a patch is made coarser.

    Parameters
    ----------
    valid : ndarray of bool
        (Y, X), pixels that hold data.
    n_bins : int
        Time bins of the movie, at least `LANES`, which is also the least of the
        coarser one.
    parameters : InitParameters
    """

    def __init__(
        self, valid: np.ndarray, n_bins: int, parameters: InitParameters
    ) -> None:
        self._valid = valid
        self._n_bins = n_bins
        self._parameters = parameters
        self._side = parameters.space_bin_px
        self._run = min(parameters.time_bins, n_bins // LANES)

    @cached_property
    def counts(self) -> np.ndarray:
        """(Y, X) of the coarser field: valid pixels of each square."""
        sums = [_sums(n, self._side) for n in self._valid.shape]
        counts: np.ndarray = sums[0] @ self._valid.astype(np.float32) @ sums[1].T
        return counts

    @property
    def valid(self) -> np.ndarray:
        """Squares (Y, X) that hold data."""
        return self.counts > 0

    @property
    def parameters(self) -> InitParameters:
        """What to search with: cells are smaller in coarser pixels."""
        half = max(self._parameters.half_size_px / self._side, 1.0)
        return replace(self._parameters, neuron_half_size_px=half)

    def movie(self, movie: np.ndarray) -> np.ndarray:
        """Make a movie (pixels, T) coarser; its noise stays one."""
        starts = np.arange(0, self._n_bins, self._run)
        lengths = np.diff(starts, append=self._n_bins)
        runs = np.add.reduceat(self._means @ movie, starts, axis=1)
        coarse: np.ndarray = runs / np.sqrt(lengths, dtype=np.float32)
        return coarse

    def masks(self, masks: sp.csc_array) -> sp.csc_array:
        """Make masks (pixels, K) coarser."""
        return sp.csc_array(self._means @ masks)

    def restored(self, found: Found) -> Found:
        """Draw what was found out to all pixels and bins."""
        # A coarse weight is the root of the square's pixels times their mean.
        spread = _kron(*[_hats(n, self._side) for n in self._valid.shape])
        columns = sp.csc_array(self._inside @ spread @ self._shares @ found.footprints)
        columns.eliminate_zeros()
        return Found(columns, self._drawn_out(found.traces), self._placed(found.seeds))

    @cached_property
    def _means(self) -> sp.csr_array:
        """(coarse pixels, pixels): sums over valid pixels by the root of how many."""
        sums = _kron(*[_sums(n, self._side) for n in self._valid.shape])
        return sp.csr_array(self._shares @ sums @ self._inside)

    @property
    def _shares(self) -> sp.dia_array:
        """One over the root of how many pixels each square holds."""
        roots = np.sqrt(np.maximum(self.counts, 1), dtype=np.float32)
        return sp.diags_array(1 / roots.ravel())

    @property
    def _inside(self) -> sp.dia_array:
        """One where there is data."""
        return sp.diags_array(self._valid.ravel().astype(np.float32))

    def _drawn_out(self, traces: np.ndarray) -> np.ndarray:
        """Traces (K, n) at every time bin."""
        starts = np.arange(0, self._n_bins, self._run)
        lengths = np.diff(starts, append=self._n_bins)
        centres = starts + (lengths - 1) / 2
        every = np.arange(self._n_bins)
        rows = [np.interp(every, centres, row / np.sqrt(lengths)) for row in traces]
        return np.array(rows, np.float32).reshape(len(traces), self._n_bins)

    def _placed(self, seeds: Seeds) -> Seeds:
        """Seeds in pixels of the field: the middles of their squares."""
        last = np.array(self._valid.shape, np.int64)
        boxes = np.minimum(seeds.boxes * self._side, np.tile(last, 2))
        yx = np.minimum(seeds.yx * self._side + self._side // 2, last - 1)
        return replace(seeds, yx=yx, boxes=boxes)


def _sums(n: int, side: int) -> sp.csr_array:
    """(ceil(n / side), n): sums of each `side` values in turn."""
    index = np.arange(n)
    ones = np.ones(n, np.float32)
    return sp.csr_array((ones, (index // side, index)), shape=(-(-n // side), n))


def _hats(n: int, side: int) -> sp.csr_array:
    """(n, ceil(n / side)): linear interpolation between the middles of squares."""
    last = -(-n // side) - 1
    place = np.clip((np.arange(n) + 0.5) / side - 0.5, 0, last)
    low = np.minimum(place.astype(np.int64), max(last - 1, 0))
    high = np.minimum(low + 1, last)
    share = (place - low).astype(np.float32)
    data = np.concatenate([1 - share, share])
    index = np.tile(np.arange(n), 2), np.concatenate([low, high])
    return sp.csr_array((data, index), shape=(n, last + 1))


def _kron(rows: sp.csr_array, cols: sp.csr_array) -> sp.csr_array:
    """Apply to pixels what works on rows and on columns."""
    both: sp.csr_array = sp.kron(rows, cols, format="csr")
    return both
