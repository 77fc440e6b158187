"""Slow twins of `napari_cnmf.quality.caiman`: one component, one frame at a time."""

from __future__ import annotations

import math
from statistics import median

import numpy as np
import scipy.sparse as sp
from scipy.ndimage import zoom
from scipy.signal import lfilter
from scipy.stats import norm


def simulate_traces(
    n_traces: int, n_frames: int, rate: float = 0.02, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Raw and denoised traces (K, T) float32 with a slow baseline in the raw ones."""
    rng = np.random.default_rng(seed)
    spikes = rng.exponential(3, (n_traces, n_frames))
    spikes *= rng.random(spikes.shape) < rate
    denoised = lfilter([1.0], [1.0, -0.9], spikes, axis=1)
    noise = rng.standard_normal(denoised.shape)
    raw = denoised + noise + 2 * np.sin(np.arange(n_frames) / 300)
    return raw.astype(np.float32), denoised.astype(np.float32)


def simulate_footprints(
    field_shape: tuple[int, int], n: int, side: int = 5, seed: int = 0
) -> sp.csc_array:
    """Random squares (pixels, n) float32, many of which overlap."""
    rng = np.random.default_rng(seed)
    images = np.zeros((n, *field_shape), np.float32)
    for image in images:
        y, x = (rng.integers(0, size - side + 1) for size in field_shape)
        image[y : y + side, x : x + side] = rng.uniform(0.5, 1, (side, side))
    return sp.csc_array(images.reshape(n, -1).T)


def baseline(trace: np.ndarray) -> np.ndarray:
    """Percentiles of blocks of frames, enlarged to the length of the trace."""
    n_frames = len(trace)
    length = min(n_frames // 5, 800)
    n_blocks = math.ceil(n_frames / length)
    padded = np.pad(trace, (0, n_blocks * length - n_frames), mode="reflect")
    low = [np.percentile(block, 8) for block in np.split(padded, n_blocks)]
    return zoom(np.array(low), length, order=3)[:n_frames]


def half_sample_mode(values: list[float]) -> float:
    """Mode of one set of values, by recursion."""
    values = sorted(values)
    n = len(values)
    if n == 3:
        a, b, c = values
        return (a + b) / 2 if b - a < c - b else b
    if n < 3:
        return sum(values) / n
    half = n // 2 + n % 2
    widths = [values[i + half - 1] - values[i] for i in range(half)]
    first = widths.index(min(widths))
    return half_sample_mode(values[first : first + half])


def log_probabilities(
    trace: np.ndarray, window: int, robust_sd: bool = False
) -> np.ndarray:
    """Log probability (T,) of the last frames of one trace, for each frame."""
    trace = trace.astype(np.float64)
    mode = half_sample_mode(trace.tolist())
    below = trace[trace < mode] - mode
    sd = np.sqrt((below**2).mean())
    if robust_sd:
        # Half the interquartile range of both sides is the median of one.
        sd = median(-below) / norm.ppf(0.75)
    log_p = norm.logsf((trace - mode) / (3 * sd))
    ends = range(1, len(trace) + 1)
    return np.array([log_p[max(0, end - window) : end].sum() for end in ends])


def snr(trace: np.ndarray, window: int) -> float:
    """SNR of one trace; infinite where a probability underflows."""
    trace = trace.astype(np.float64)
    fitness = log_probabilities(trace - baseline(trace), window).min()
    return float(norm.isf(np.exp(fitness / window)))


def peak_frames(
    trace: np.ndarray, before: int, after: int, level: float, n_peaks: int
) -> set[int]:
    """Frames around the highest peaks of one trace."""
    level = trace.min() + level * (np.ptp(trace))
    peaks = []
    start = 0
    for stop in range(1, len(trace) + 1):
        if stop < len(trace) and trace[stop] == trace[start]:
            continue
        inside = start > 0 and stop < len(trace)
        if inside and trace[start - 1] < trace[start] > max(level, trace[stop]):
            peaks.append((start + stop - 1) // 2)
        start = stop
    highest = sorted(peaks, key=lambda peak: -trace[peak])[:n_peaks]
    frames = {t for peak in highest for t in range(peak - before, peak + after)}
    return frames & set(range(len(trace)))


def event_frames(
    denoised: np.ndarray,
    footprints: np.ndarray,
    before: int,
    after: int,
    level: float = 0.3,
    n_peaks: int = 10,
    overlap: float = 0.1,
) -> np.ndarray:
    """Frames (K, T) bool used for each component; `footprints` is dense."""
    used = np.zeros(denoised.shape, bool)
    own = [peak_frames(trace, before, after, level, n_peaks) for trace in denoised]
    for k, mine in enumerate(own):
        a = footprints[:, k]
        taken: set[int] = set()
        for other, theirs in enumerate(own):
            b = footprints[:, other]
            if other != k and a @ b > overlap * np.linalg.norm(a) * np.linalg.norm(b):
                taken |= theirs
        used[k, sorted(mine - taken or mine)] = True
    return used


def r_values(
    movie: np.ndarray, footprints: np.ndarray, frames: np.ndarray
) -> np.ndarray:
    """Correlations (K,) from the definition; arrays are dense."""
    scores = np.zeros(len(frames))
    for k, used in enumerate(frames):
        a = footprints[:, k]
        if used.any() and (a > 0).sum() >= 3:
            image = movie[used].astype(np.float64).mean(axis=0).ravel()
            scores[k] = np.corrcoef(image[a > 0], a[a > 0])[0, 1]
    return scores
