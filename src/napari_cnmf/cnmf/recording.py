"""A movie made ready for single steps of CNMF: its mean, its noise, its pixels.

What the stages of a run find out and store on the way, for a movie that fits into
memory; see `napari_cnmf.cnmf.steps`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from napari_cnmf.cnmf.noise import pixel_noise
from napari_cnmf.errors import InputError
from napari_cnmf.movie import Movie
from napari_cnmf.movie.movie import WHOLE
from napari_cnmf.movie.normalised import normalised_bins


@dataclass(frozen=True, eq=False)
class Recording:
    """A movie with the mean and the noise of its pixels.

    Attributes
    ----------
    movie : Movie
        (T, Y, X), with its frame rate.
    mean : ndarray
        (Y, X) float32.
    noise : ndarray
        (Y, X) float32, standard deviation of the noise in the movie's units.
    valid : ndarray of bool
        (Y, X), pixels that hold data and change; nothing is found in the others.
    """

    movie: Movie
    mean: np.ndarray
    noise: np.ndarray
    valid: np.ndarray

    @cached_property
    def pixels(self) -> np.ndarray:
        """(Y*X, T) float32: the movie without its mean, in units of the noise.

        Frames that are left out are zero.
        """
        return normalised_bins(self.movie, self, 1, WHOLE, WHOLE)


def prepare(
    movie: np.ndarray | Movie,
    frame_rate_hz: float | None = None,
    *,
    noise_method: str = "mean",
    noise_band: tuple[float, float] = (0.25, 0.5),
    max_frames: int = 3072,
    remove_first_frames: int = 0,
    valid: np.ndarray | None = None,
) -> Recording:
    """Measure the mean and the noise of each pixel of a movie.

    Parameters
    ----------
    movie : ndarray or Movie
        (T, Y, X), registered; read into memory.
    frame_rate_hz : float, optional
        Frames a second; a `Movie` may know it.
    noise_method : {"mean", "median", "logmexp"}
        How the power at high frequencies is averaged. Each is divided by its bias,
        which CaImAn leaves in.
    noise_band : tuple of float
        Frequencies of the noise, in cycles per frame: CaImAn's `noise_range`.
    max_frames : int
        Frames of a longer movie that the noise is read from: `max_num_samples_fft`.
    remove_first_frames : int
        Frames at the start to do without, such as those before a shutter is open:
        `remove_init`.
    valid : ndarray of bool, optional
        (Y, X), pixels that hold data; all by default.

    Returns
    -------
    Recording

    Raises
    ------
    InputError
        If values are missing or the frame rate is unknown.
    ParameterError
        If there is no such method.
    """
    whole = movie if isinstance(movie, Movie) else Movie.from_array(movie)
    known = whole.with_(frame_rate_hz=frame_rate_hz or whole.frame_rate_hz)
    _require_rate(known)
    used = known.subset(slice(remove_first_frames, None))
    frames = np.delete(used.read(), np.array(used.left_out, np.int64), axis=0)
    _require_finite(frames)
    noise = pixel_noise(frames, noise_method, noise_band, max_frames)
    return Recording(
        movie=used,
        mean=frames.mean(axis=0, dtype=np.float64).astype(np.float32),
        noise=noise.astype(np.float32),
        valid=(noise > 0) if valid is None else valid & (noise > 0),
    )


def _require_rate(movie: Movie) -> None:
    """Refuse a movie of unknown frame rate."""
    if movie.frame_rate_hz is None:
        raise InputError(
            "The movie's frame rate is unknown, and decay times need it; give "
            "`frame_rate_hz`, the frames per second."
        )


def _require_finite(frames: np.ndarray) -> None:
    """Refuse missing values."""
    n_missing = int(np.count_nonzero(~np.isfinite(frames)))
    if n_missing:
        raise InputError(
            f"{n_missing} of the movie's {frames.size} values are NaN or infinite, but "
            "all must be finite; repair it with `napari_cnmf.movie.repair`, or crop it."
        )
