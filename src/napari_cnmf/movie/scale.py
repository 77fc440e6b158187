"""Fixed-point values: what a stored whole number stands for.

A registered movie is kept as 16-bit codes; value = offset + step x code. With a step
of a sixteenth of the noise, rounding adds 0.03 % to the noise variance, while the
movie shrinks to a third. Offset and step are chosen once, from sample frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_cnmf.movie.kernels import MAX_CODE

if TYPE_CHECKING:
    from napari_cnmf.movie.movie import Movie

RUN = 3
HEADROOM = 2.0
SAMPLED_PIXELS = 16384


@dataclass(frozen=True)
class Scale:
    """What a code stands for: value = offset + step * code.

    Attributes
    ----------
    offset, step : float
        In the movie's units; the step is positive.
    """

    offset: float
    step: float

    def values(self, codes: np.ndarray, divisor: int = 1) -> np.ndarray:
        """Return the float32 values of codes, or of sums of `divisor` codes."""
        values = np.multiply(codes, np.float32(self.step / divisor), dtype=np.float32)
        values += np.float32(self.offset)
        return values


def sample_frames(movie: Movie, count: int) -> np.ndarray:
    """Read frames in runs of three, spread evenly over the movie.

    Parameters
    ----------
    movie : Movie
        The movie (T, Y, X).
    count : int
        About how many frames to read; all of a shorter movie.

    Returns
    -------
    ndarray (n, Y, X)
        float32; the number of frames is a multiple of three unless the movie is
        shorter than `count`.
    """
    n_frames = movie.n_frames
    if n_frames <= max(count, RUN):
        return movie.read().astype(np.float32)
    n_runs = max(1, count // RUN)
    first = np.linspace(0, n_frames - RUN, n_runs).astype(int)
    sample = np.empty((n_runs * RUN, *movie.field_shape), np.float32)
    for i, t in enumerate(first.tolist()):
        sample[RUN * i : RUN * (i + 1)] = movie.read(slice(t, t + RUN))
    return sample


def choose_scale(sample: np.ndarray, dtype: np.dtype, noise_steps: float) -> Scale:
    """Choose offset and step for a movie.

    The step is the median noise over `noise_steps`, or larger if the values need it:
    the sample's range must fit `HEADROOM` times above a quarter of all codes, which
    is left below for values smaller than any sampled. If the whole range of an
    integer type fits, it is centred instead and nothing can be clipped.

    Parameters
    ----------
    sample : ndarray (n, Y, X)
        Frames in runs of three, from `sample_frames`.
    dtype : numpy.dtype
        Pixel type of the movie.
    noise_steps : float
        Steps per standard deviation of the noise.
    """
    low, high = float(sample.min()), float(sample.max())
    below = MAX_CODE // 4
    needed = HEADROOM * (high - low) / (MAX_CODE - below)
    step = max(_median_noise(sample) / noise_steps, needed) or 1.0
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        spare = MAX_CODE - (int(limits.max) - int(limits.min)) / step
        if spare >= 0:
            return Scale(limits.min - step * (spare // 2), step)
    return Scale(low - step * below, step)


def _median_noise(sample: np.ndarray) -> float:
    """Return the median over pixels of the noise, from second differences in runs."""
    n_runs = len(sample) // RUN
    # A slice of rows is enough for a median and saves three passes over the sample.
    stride = max(1, sample[0].size // SAMPLED_PIXELS)
    runs = sample[: n_runs * RUN, ::stride].reshape(n_runs, RUN, -1)
    if not runs.size:
        return 0.0
    bends = runs[:, 0] - 2 * runs[:, 1] + runs[:, 2]
    return float(np.median(np.sqrt((bends * bends).mean(axis=0) / 6)))
