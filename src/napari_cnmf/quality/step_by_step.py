"""The evaluation of CaImAn's step-by-step notebook, on plain arrays.

Fitness of the traces and of their differences, and r values, from what any programme
has found: `napari_cnmf.quality.stage` evaluates a whole result at once. The notebook
keeps what has an r value of at least 0.6, a fitness below -60 or one of the differences
below -20.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from napari_cnmf.compute import SerialBackend, Stopwatch, silent
from napari_cnmf.errors import InputError
from napari_cnmf.movie import Movie
from napari_cnmf.quality.caiman import PeakChoice, caiman_r_values, event_frames
from napari_cnmf.quality.exceptional import above_baseline, exceptionality


class Evaluation(NamedTuple):
    """Scores of CaImAn's older evaluation.

    Attributes
    ----------
    fitness_raw, fitness_delta : ndarray
        (K,) float32, see `Exceptionality`; lower is better.
    log_probabilities_raw, log_probabilities_delta : ndarray
        (K, T) and (K, T - 1) float32.
    r_values : ndarray
        (K,) float32.
    significant_samples : list of ndarray
        Frames of each component that its r value was taken from.
    """

    fitness_raw: np.ndarray
    fitness_delta: np.ndarray
    log_probabilities_raw: np.ndarray
    log_probabilities_delta: np.ndarray
    r_values: np.ndarray
    significant_samples: list[np.ndarray]


def evaluate_components(  # noqa: PLR0913 - the notebook's call
    movie: np.ndarray,
    traces: np.ndarray,
    footprints: np.ndarray | sp.sparray | sp.spmatrix,
    denoised: np.ndarray,
    frame_rate_hz: float,
    *,
    remove_baseline: bool = True,
    n_samples: int = 5,
    robust_sd: bool = False,
    overlap: float = 0.1,
    n_peaks: int = 10,
    peak_level: float = 0.3,
) -> Evaluation:
    """Score components by their traces and by the movie at their peaks.

    Parameters
    ----------
    movie : ndarray
        (T, Y, X).
    traces : ndarray
        (K, T), raw: C + YrA in CaImAn's words.
    footprints : ndarray or sparse matrix
        (Y*X, K) non-negative, pixel = y * X + x.
    denoised : ndarray
        (K, T), whose peaks are looked for: C.
    frame_rate_hz : float
        Decides how many frames belong to a peak: `final_frate`.
    remove_baseline : bool
        Whether a slow baseline is taken out of the traces first.
    n_samples : int
        Frames of a transient: `N`.
    robust_sd : bool
        Whether the noise is taken from quartiles: `robust_std`.
    overlap : float
        Cosine between footprints above which the peaks of one component are left out
        of another's: `Athresh`.
    n_peaks : int
        Peaks of a component that count: `Npeaks`.
    peak_level : float
        Share of a trace's range that a peak exceeds: `thresh_C`.

    Returns
    -------
    Evaluation

    Raises
    ------
    InputError
        If the sizes of the arrays do not fit.
    """
    columns = sp.csc_array(footprints)
    _check_sizes(movie, traces, columns, denoised)
    choice = PeakChoice(n_peaks, peak_level, overlap)
    frames = event_frames(denoised, columns, frame_rate_hz, choice=choice)
    exact = traces.astype(np.float64)
    above = above_baseline(exact) if remove_baseline else exact
    raw = exceptionality(above, n_samples, robust_sd=robust_sd)
    delta = exceptionality(np.diff(exact), n_samples, robust_sd=robust_sd)
    with SerialBackend() as backend:
        r_values = caiman_r_values(
            Movie.from_array(movie),
            columns,
            frames,
            backend=backend,
            watch=Stopwatch(silent, "evaluate r", len(movie), "frames"),
            cancel=None,
        )
    frames.sort_indices()
    return Evaluation(
        raw.fitness,
        delta.fitness,
        raw.log_probabilities,
        delta.log_probabilities,
        r_values,
        [frames.indices[start:stop] for start, stop in pairwise(frames.indptr)],
    )


def _check_sizes(
    movie: np.ndarray,
    traces: np.ndarray,
    footprints: sp.csc_array,
    denoised: np.ndarray,
) -> None:
    """Refuse arrays that do not belong together."""
    n_frames, n_y, n_x = movie.shape
    n_pixels, n_components = footprints.shape
    if n_pixels != n_y * n_x:
        raise InputError(
            f"The footprints have {n_pixels} pixels; a movie of {n_y} x {n_x} has "
            f"{n_y * n_x}. Give both of the same field."
        )
    for name, array in (("traces", traces), ("denoised", denoised)):
        if array.shape != (n_components, n_frames):
            raise InputError(
                f"'{name}' has the shape {array.shape}; {n_components} footprints and "
                f"{n_frames} frames need {(n_components, n_frames)}. Give one row per "
                "footprint."
            )
