"""Fixed-point values: what a stored whole number stands for.

A registered movie is kept as 16-bit codes: value = base + step x code, with a base for
each pixel. With a step of a sixteenth of the noise, rounding adds 0.03 % to the noise
variance. The base puts each pixel's mean on the same code, the middle of one high
byte: these bytes are then nearly constant and compress to nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_cnmf.errors import InputError, MissingFileError
from napari_cnmf.movie.kernels import MAX_CODE, quantise

if TYPE_CHECKING:
    from napari_cnmf.movie.movie import Movie

#: Code of a pixel's mean: a quarter of the codes lies below, the rest above.
CENTRE_CODE = 64 * 256 + 128
RUN = 3
HEADROOM = 2.0
NOISE_RUNS = 20
NOISE_PIXELS = 16384


@dataclass(frozen=True, eq=False)
class Scale:
    """What a code stands for: value = base + step * code.

    Attributes
    ----------
    base : ndarray (Y, X)
        float32, the value of code 0.
    step : float
        In the movie's units, positive.
    """

    base: np.ndarray
    step: float

    def values(self, codes: np.ndarray) -> np.ndarray:
        """Return the float32 values of codes (..., Y, X)."""
        values = codes.astype(np.float32)
        values *= np.float32(self.step)
        values += self.base
        return values

    def encode(self, frames: np.ndarray, codes: np.ndarray) -> int:
        """Write the nearest codes (n, Y, X) of float32 frames.

        Returns
        -------
        int
            How many values lay outside the codes and got the first or last one.
        """
        return quantise(frames, self.base, self.step, codes)


def sample_numbers(n_frames: int, count: int) -> np.ndarray:
    """Numbers of frames in runs of three, spread evenly over a movie.

    Parameters
    ----------
    n_frames : int
        Of the movie.
    count : int
        About how many to take; all of a shorter movie.
    """
    if n_frames <= max(count, RUN):
        return np.arange(n_frames)
    firsts = np.linspace(0, n_frames - RUN, max(1, count // RUN)).astype(int)
    numbers: np.ndarray = (firsts[:, None] + np.arange(RUN)).ravel()
    return numbers


def read_numbers(movie: Movie, numbers: np.ndarray) -> np.ndarray:
    """Read the frames (n, Y, X) of some numbers in rising order, float32."""
    frames = np.empty((len(numbers), *movie.field_shape), np.float32)
    for at in np.split(np.arange(len(numbers)), _breaks(numbers)):
        first, last = int(numbers[at[0]]), int(numbers[at[-1]])
        frames[at[0] : at[-1] + 1] = movie.read(slice(first, last + 1))
    return frames


def read_what_can_be(
    movie: Movie, numbers: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Read sample frames, but for runs of three that cannot be read.

    Returns
    -------
    numbers : ndarray (n,)
        Of the frames that were read.
    frames : ndarray (n, Y, X)
        float32.

    Raises
    ------
    InputError
        If none can be read, or the file is missing.
    """
    try:
        return numbers, read_numbers(movie, numbers)
    except MissingFileError:
        raise
    except InputError as error:
        first_error = error
    runs = [numbers[i : i + RUN] for i in range(0, len(numbers), RUN)]
    found = [(run, frames) for run in runs if len(frames := _read_if_whole(movie, run))]
    if not found:
        raise first_error
    read, frames = zip(*found, strict=True)
    return np.concatenate(read), np.concatenate(frames)


def _read_if_whole(movie: Movie, numbers: np.ndarray) -> np.ndarray:
    """Read frames of some numbers; none of them if one cannot be read."""
    try:
        return read_numbers(movie, numbers)
    except InputError:
        return np.empty((0, *movie.field_shape), np.float32)


def _breaks(numbers: np.ndarray) -> np.ndarray:
    """Where a number does not follow the one before."""
    breaks: np.ndarray = np.flatnonzero(np.diff(numbers) != 1) + 1
    return breaks


def sample_frames(movie: Movie, count: int) -> np.ndarray:
    """Read frames (n, Y, X) in runs of three, spread evenly over the movie, float32."""
    return read_numbers(movie, sample_numbers(movie.n_frames, count))


def noise_runs(n_sampled: int) -> np.ndarray:
    """Places of some whole runs in a sample of frames, enough to tell the noise."""
    runs = np.arange(n_sampled // RUN * RUN).reshape(-1, RUN)
    places: np.ndarray = runs[:: max(1, len(runs) // NOISE_RUNS)].ravel()
    return places


def choose_scale(
    sample: np.ndarray, centre: np.ndarray, still: np.ndarray, noise_steps: float
) -> Scale:
    """Choose base and step for a movie.

    The step is the median noise over `noise_steps`, or larger where the range of the
    sample, taken `HEADROOM` times, needs it.

    Parameters
    ----------
    sample : ndarray (n, Y, X)
        Frames spread over the movie.
    centre : ndarray (Y, X)
        About the mean of the movie.
    still : ndarray (n, Y, X)
        Runs of three frames without motion, which would pass for noise.
    noise_steps : float
        Steps per standard deviation of the noise.
    """
    above = float((sample.max(axis=0) - centre).max())
    below = float((centre - sample.min(axis=0)).max())
    needed = max(above / (MAX_CODE - CENTRE_CODE), below / CENTRE_CODE)
    step = max(_median_noise(still) / noise_steps, HEADROOM * needed) or 1.0
    base = centre - np.float32(step) * np.float32(CENTRE_CODE)
    return Scale(base.astype(np.float32), step)


def _median_noise(still: np.ndarray) -> float:
    """Return the median over pixels of the noise, from second differences in runs."""
    # Some rows are enough for a median and save three passes over all of them.
    _, height, width = still.shape
    some = still[:, :: 1 + height * width // NOISE_PIXELS]
    runs = some.reshape(len(still) // RUN, RUN, *some.shape[1:])
    if not len(runs):
        return 0.0
    bends = runs[:, 0] - 2 * runs[:, 1] + runs[:, 2]
    # The median of normal values is 0.6745 deviations; a few saturated frames do not
    # move it, whereas one in a mean would make the step hundreds of times too large.
    return float(np.median(np.median(np.abs(bends), axis=0)) / (0.6745 * np.sqrt(6)))
