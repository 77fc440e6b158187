"""CaImAn's two scores of a component, for users who know their thresholds.

The SNR says how improbable the highest transient of the raw trace is, were it noise
about its mode; it follows from the fitness of `napari_cnmf.quality.exceptional`. The r
value is the correlation between the footprint and the mean of the movie over the
component's highest peaks, without the frames in which a component that it overlaps has
its own. Both as in CaImAn (Giovannucci et al., eLife 2019, doi:10.7554/eLife.38173),
but for its overflow and its groups of 50 components.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from threading import Event
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import norm
from scipy.special import ndtri_exp

from napari_cnmf.compute import Backend, Stopwatch
from napari_cnmf.movie import Movie
from napari_cnmf.movie.blocks import block_frames
from napari_cnmf.quality import kernels

_BEFORE_PEAK_S = 5 / 30
_AFTER_PEAK_S = 25 / 30
_LEAST_PIXELS = 3


class PeakChoice(NamedTuple):
    """Which peaks stand for a component's activity.

    Attributes
    ----------
    n_peaks : int
        How many at most, the highest.
    level : float
        Share of the trace's range that a peak must exceed.
    overlap : float
        Cosine between footprints above which two components are neighbours.
    """

    n_peaks: int = 10
    level: float = 0.3
    overlap: float = 0.1


_CAIMANS_CHOICE = PeakChoice()


def caiman_snr(fitness: np.ndarray, n_frames: int) -> np.ndarray:
    """CaImAn's SNR from the fitness of the traces above their baseline.

    Parameters
    ----------
    fitness : ndarray
        (K,) from `trace_fitness`.
    n_frames : int
        Length of a transient that it was taken for.

    Returns
    -------
    ndarray
        (K,) float32. A transient that stays `s` times three standard deviations above
        the mode all the time has an SNR of about `s`; a fitness of 0 gives 0.
    """
    # From the logarithm: the probability itself underflows above an SNR of 38.
    known = fitness < 0
    mean = np.where(known, fitness.astype(np.float64) / n_frames, -1)
    return np.where(known, -ndtri_exp(mean), 0).astype(np.float32)


def event_frames(
    denoised: np.ndarray,
    footprints: sp.csc_array,
    frame_rate_hz: float,
    left_out: tuple[int, ...] = (),
    choice: PeakChoice = _CAIMANS_CHOICE,
) -> sp.csr_array:
    """Frames around each component's highest peaks in which no neighbour has its own.

    Parameters
    ----------
    denoised : ndarray
        (K, T) float32, denoised traces; any offset.
    footprints : csc_array
        (pixels, K).
    frame_rate_hz : float
    left_out : tuple of int
        Frames of no use.
    choice : PeakChoice

    Returns
    -------
    csr_array
        (K, T) bool. A component whose neighbours leave it no frame keeps them all; one
        without peaks has none.
    """
    events = _peak_windows(denoised, frame_rate_hz, left_out, choice)
    norms = np.maximum(norm(footprints, axis=0), 1e-30)
    unit = footprints @ sp.diags_array(1 / norms)
    overlaps = sp.csr_array((unit.T @ unit) > choice.overlap, dtype=np.int32)
    others = (overlaps @ events) - events
    alone = events - events.multiply(others > 0)
    none_left = (alone.sum(axis=1) == 0)[:, None]
    return sp.csr_array(alone + events.multiply(none_left), dtype=bool)


def caiman_r_values(
    movie: Movie,
    footprints: sp.csc_array,
    frames: sp.csr_array,
    *,
    backend: Backend,
    watch: Stopwatch,
    cancel: Event | None,
) -> np.ndarray:
    """CaImAn's r value: correlation of footprints with the movie during events.

    Parameters
    ----------
    movie : Movie
        Registered; read once, in blocks of whole frames.
    footprints : csc_array
        (Y*X, K) non-negative.
    frames : csr_array
        (K, T) from `event_frames`.
    backend, watch, cancel
        Runs the blocks; told the frames done; set to stop.

    Returns
    -------
    ndarray
        (K,) float32. 0 for a component without events or with less than 3 pixels, -1
        if the correlation is undefined.

    Raises
    ------
    CancelledError
        If it was cancelled.
    """
    a = footprints.copy()
    a.eliminate_zeros()
    reader = EventReader(
        movie,
        block_frames(movie.field_shape, 1),
        a.indptr.astype(np.int32),
        a.indices.astype(np.int32),
        frames.indptr.astype(np.int32),
        frames.indices.astype(np.int32),
    )
    image = np.zeros(a.nnz)

    def collect(part: EventSum) -> None:
        np.add(image, part.values, out=image)
        watch.advance(part.n_frames)

    blocks = range(0, movie.n_frames, reader.block)
    backend.run(reader, blocks, collect, cancel)
    r = _column_correlations(image, a.data, a.indptr)
    r[np.isnan(r)] = -1
    r[(np.diff(a.indptr) < _LEAST_PIXELS) | (np.diff(frames.indptr) == 0)] = 0
    return r.astype(np.float32)


@dataclass(frozen=True, eq=False)
class EventSum:
    """Sum over the event frames of one block, at each entry of the footprints."""

    values: np.ndarray
    n_frames: int


@dataclass(frozen=True, eq=False)
class EventReader:
    """Sums the movie over the events in one block of frames; sent to the workers.

    `pixels` are the footprints' pixels and `frames` the components' event frames,
    both with their first entries per component.
    """

    movie: Movie
    block: int
    pixel_indptr: np.ndarray
    pixels: np.ndarray
    frame_indptr: np.ndarray
    frames: np.ndarray

    def __call__(self, first: int) -> EventSum:
        """Read and sum the block that begins at frame `first`."""
        block = self.movie.read(slice(first, first + self.block))
        # Writable, so that the kernel is compiled for one kind of array.
        movie = np.require(block, np.float32, ("C", "W")).reshape(len(block), -1)
        values = np.zeros(len(self.pixels))
        kernels.sum_events(
            movie,
            first,
            self.pixel_indptr,
            self.pixels,
            self.frame_indptr,
            self.frames,
            values,
        )
        return EventSum(values, len(block))


def _peak_windows(
    denoised: np.ndarray,
    frame_rate_hz: float,
    left_out: tuple[int, ...],
    choice: PeakChoice,
) -> sp.csr_array:
    """Frames (K, T) int32 around the highest peaks of each trace."""
    before = min(-2, math.floor(-_BEFORE_PEAK_S * frame_rate_hz))
    after = max(5, math.ceil(_AFTER_PEAK_S * frame_rate_hz))
    n_frames = denoised.shape[1]
    usable = np.ones(n_frames, bool)
    usable[list(left_out)] = False
    windows = []
    for trace in denoised:
        peaks = _highest_peaks(trace, choice)
        frames = np.unique(peaks[:, None] + np.arange(before, after))
        frames = frames[(frames >= 0) & (frames < n_frames)]
        windows.append(frames[usable[frames]])
    indptr = np.cumsum([0, *map(len, windows)])
    indices = np.concatenate([np.zeros(0, np.int64), *windows])
    ones = np.ones(len(indices), np.int32)
    return sp.csr_array((ones, indices, indptr), shape=denoised.shape)


def _highest_peaks(trace: np.ndarray, choice: PeakChoice) -> np.ndarray:
    """Positions of the highest local maxima that are high enough."""
    low, high = trace.min(), trace.max()
    peaks = _local_maxima(trace)
    peaks = peaks[trace[peaks] > low + choice.level * (high - low)]
    falling = np.argsort(-trace[peaks], kind="stable")
    return peaks[falling[: choice.n_peaks]]


def _local_maxima(trace: np.ndarray) -> np.ndarray:
    """Positions of strict local maxima, the middle of a plateau; not at the ends.

    As scipy.signal's `find_peaks`, whose import takes longer than a small run.
    """
    first = np.flatnonzero(np.diff(trace, prepend=np.nan) != 0)
    last = np.append(first[1:], len(trace)) - 1
    step = np.diff(trace[first])
    top = np.flatnonzero((step[:-1] > 0) & (step[1:] < 0)) + 1
    return (first[top] + last[top]) // 2


def _column_correlations(
    x: np.ndarray, y: np.ndarray, indptr: np.ndarray
) -> np.ndarray:
    """Pearson correlation (K,) of the entries of each column; NaN if undefined."""
    n = np.diff(indptr)
    column = np.repeat(np.arange(len(n)), n)

    def column_sums(values: np.ndarray) -> np.ndarray:
        return np.bincount(column, values, minlength=len(n))

    x, y = (v - (column_sums(v) / np.maximum(n, 1))[column] for v in (x, y))
    with np.errstate(invalid="ignore"):
        norms = np.sqrt(column_sums(x * x) * column_sums(y * y))
        return column_sums(x * y) / norms
