"""Noise of pixels and traces, from the power at high frequencies.

White noise has the same power at all frequencies, calcium little at the high ones, so
the mean power in a high band is the variance of the noise. The median and the mean of
logarithms withstand outliers better; power averaged over m independent spectra is
gamma distributed with shape m, so their known bias is divided out (what a few dozen
frequencies leave of it is a few percent). Pixels use one periodogram, traces Welch's
method.

References
----------
Pnevmatikakis et al. (2016). Simultaneous denoising, deconvolution, and demixing of
calcium imaging data. Neuron 89(2): 285-299.
Welch (1967). The use of fast Fourier transform for the estimation of power spectra.
IEEE Trans Audio Electroacoust 15(2): 70-73.
"""

from __future__ import annotations

import numpy as np
from scipy.special import digamma, gammaincinv

from napari_cnmf.errors import ParameterError

METHODS = ("mean", "median", "logmexp")

_SEGMENT_FRAMES = 256
_BLOCK_TRACES = 32
_BLOCK_VALUES = 2**21
# Squared correlation of the power of Hann windows that overlap by half.
_HANN_OVERLAP = 1 / 36


def trace_noise(
    traces: np.ndarray,
    band: tuple[float, float] = (0.25, 0.5),
    method: str = "mean",
) -> np.ndarray:
    """Estimate the standard deviation of the white noise in each trace.

    Averages Welch's power spectrum (Hann window of 256 frames, half overlapping) over
    a band of high frequencies, where calcium has little power.

    Parameters
    ----------
    traces : np.ndarray, shape (K, T)
        Traces.
    band : tuple of float
        Frequencies in cycles per frame, both excluded. If no frequency of a short
        trace falls inside, its highest one is used.
    method : {"mean", "median", "logmexp"}
        Mean, median or exponential of the mean logarithm of the power, each divided
        by its bias.

    Returns
    -------
    np.ndarray, shape (K,), float64
        Noise sd in trace units; 0 for a single frame.

    Raises
    ------
    ParameterError
        If `method` is none of these.
    """
    _check(method)
    length = min(_SEGMENT_FRAMES, traces.shape[1])
    if length < 2:
        return np.zeros(len(traces))
    hop = length - length // 2
    bins = _bins(length, band, "left")
    window = np.sin(np.pi * np.arange(length) / length) ** 2
    scaled_window = (window / np.sqrt(np.sum(window**2))).astype(np.float32)
    n_segments = 1 + (traces.shape[1] - length) // hop
    n_spectra = n_segments / (1 + 2 * _HANN_OVERLAP * (1 - 1 / n_segments))
    variance = np.empty(len(traces))
    # Blocks of traces whose spectra fit into the cache: 2x faster than all at once.
    for start in range(0, len(traces), _BLOCK_TRACES):
        block = np.asarray(traces[start : start + _BLOCK_TRACES], np.float32)
        block = block - block.mean(axis=1, keepdims=True)
        segments = np.lib.stride_tricks.sliding_window_view(block, length, axis=1)
        spectrum = np.fft.rfft(segments[:, ::hop] * scaled_window)[..., bins]
        power = (spectrum.real**2 + spectrum.imag**2).mean(axis=1)
        variance[start : start + _BLOCK_TRACES] = _average(power, method, n_spectra)
    return np.sqrt(variance)


def pixel_noise(
    movie: np.ndarray,
    method: str = "mean",
    band: tuple[float, float] = (0.25, 0.5),
    max_frames: int = 3072,
) -> np.ndarray:
    """Estimate the standard deviation of the white noise in each pixel.

    Averages the periodogram over a band of high frequencies. Works through the rows
    of the movie, so that little of it is in memory at a time.

    Parameters
    ----------
    movie : np.ndarray, shape (T, Y, X)
        Movie, in memory or mapped from a file.
    method : {"mean", "median", "logmexp"}
        Mean, median or exponential of the mean logarithm of the power, each divided
        by its bias.
    band : tuple of float
        Frequencies in cycles per frame, the lower excluded. If no frequency of a short
        movie falls inside, its highest one is used.
    max_frames : int
        Of a longer movie, three stretches of a third of this many frames are used:
        from its start, its middle and its end.

    Returns
    -------
    np.ndarray, shape (Y, X), float64
        Noise sd in the movie's units; 0 where nothing changes.

    Raises
    ------
    ParameterError
        If `method` is none of these.

    See Also
    --------
    pixel_spectra : the periodograms themselves.
    """
    _check(method)
    stretches = _stretches(len(movie), max_frames)
    n_frames = sum(part.stop - part.start for part in stretches)
    bins = _bins(n_frames, band, "right")
    noise = np.empty(movie.shape[1:])
    for rows in _row_blocks(movie, n_frames):
        power = _periodograms(movie, rows, stretches)[..., bins]
        noise[rows] = np.sqrt(_average(power, method, 1.0))
    return noise


def pixel_spectra(
    movie: np.ndarray, max_frames: int = 3072
) -> tuple[np.ndarray, np.ndarray]:
    """Periodogram of each pixel, in units of the variance of white noise.

    Parameters
    ----------
    movie : np.ndarray, shape (T, Y, X)
        Movie, in memory or mapped from a file.
    max_frames : int
        Of a longer movie, three stretches of a third of this many frames are used.

    Returns
    -------
    frequencies : np.ndarray, shape (F,)
        Cycles per frame, from 0 to 0.5.
    spectra : np.ndarray, shape (F, Y, X), float32
        Squared magnitude of the Fourier transform per frame, without the mean.
    """
    stretches = _stretches(len(movie), max_frames)
    n_frames = sum(part.stop - part.start for part in stretches)
    frequencies = np.fft.rfftfreq(n_frames)
    spectra = np.empty((len(frequencies), *movie.shape[1:]), np.float32)
    for rows in _row_blocks(movie, n_frames):
        power = _periodograms(movie, rows, stretches)
        spectra[:, rows] = np.moveaxis(power, -1, 0)
    return frequencies, spectra


def _check(method: str) -> None:
    """Refuse a method that does not exist."""
    if method not in METHODS:
        raise ParameterError(
            f"The noise method is {method!r} but must be one of {', '.join(METHODS)}; "
            "set one of these."
        )


def _bins(length: int, band: tuple[float, float], side: str) -> slice:
    """Frequencies inside the band; `side` "right" includes its upper end."""
    frequencies = np.fft.rfftfreq(length)
    first = np.searchsorted(frequencies, band[0], "right")
    stop = np.searchsorted(frequencies, band[1], "right" if side == "right" else "left")
    return slice(first, stop) if first < stop else slice(-1, None)


def _average(power: np.ndarray, method: str, n_spectra: float) -> np.ndarray:
    """Unbiased average over the last axis of power averaged over some spectra."""
    if method == "median":
        return np.median(power, axis=-1) * n_spectra / gammaincinv(n_spectra, 0.5)
    mean = power.mean(axis=-1, dtype=np.float64)
    if method == "mean":
        return mean
    floor = 1e-10 * mean[..., None]
    with np.errstate(divide="ignore"):
        logarithm = np.log(power + floor).mean(axis=-1)
    return np.exp(logarithm - digamma(n_spectra)) * n_spectra


def _stretches(n_frames: int, max_frames: int) -> list[slice]:
    """Frames at the start, middle and end of a long movie."""
    if n_frames <= max_frames:
        return [slice(0, n_frames)]
    third = max(max_frames // 3, 1)
    starts = (0, (n_frames - third) // 2, n_frames - third)
    return [slice(start, start + third) for start in starts]


def _row_blocks(movie: np.ndarray, n_frames: int) -> list[slice]:
    """Rows to be worked on at once."""
    n_y, n_x = movie.shape[1:]
    step = max(1, _BLOCK_VALUES // max(n_frames * n_x, 1))
    return [slice(y, min(y + step, n_y)) for y in range(0, n_y, step)]


def _periodograms(movie: np.ndarray, rows: slice, stretches: list[slice]) -> np.ndarray:
    """Power (rows, X, F) of the pixels of some rows."""
    parts = [np.asarray(movie[part, rows], np.float32) for part in stretches]
    traces = np.ascontiguousarray(np.moveaxis(np.concatenate(parts), 0, -1))
    # Without the first frame first: constant pixels must come out as exactly 0.
    traces -= traces[..., :1].copy()
    traces -= traces.mean(axis=-1, keepdims=True)
    spectrum = np.fft.rfft(traces)
    return (spectrum.real**2 + spectrum.imag**2) / traces.shape[-1]
