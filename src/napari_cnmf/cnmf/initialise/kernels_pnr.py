"""Kernel of the correlation-PNR search: how much a pixel looks like a cell's middle.

The movie is pixel-major, (Y, X, T) with time contiguous, so that the inner loops run
along time and vectorise.
"""

from __future__ import annotations

import numpy as np

from napari_cnmf.jit import kernel


@kernel
def weigh(
    movie: np.ndarray,
    floor: np.ndarray,
    rows: tuple[int, int],
    cols: tuple[int, int],
    peaks: np.ndarray,
    correlation: np.ndarray,
) -> None:
    """Write a region's peaks and correlations with the neighbours.

    Parameters
    ----------
    movie : ndarray
        (Y, X, T) float32, filtered.
    floor : ndarray
        (Y, X) float32; values below it count as zero in the correlation. Where it is
        zero there is no data: such a pixel is nobody's neighbour.
    rows, cols : tuple of int
        The region, first and last + 1.
    peaks : ndarray
        (Y, X) float32, the largest value of each pixel.
    correlation : ndarray
        (Y, X) float32, mean Pearson correlation with the neighbours that exist.
    """
    n_y, n_x, n_t = movie.shape
    top, left = max(rows[0] - 1, 0), max(cols[0] - 1, 0)
    height, width = min(rows[1] + 1, n_y) - top, min(cols[1] + 1, n_x) - left
    scores = np.zeros((height, width, n_t), np.float32)
    for y in range(height):
        for x in range(width):
            peaks[top + y, left + x] = _standardise(
                movie[top + y, left + x], floor[top + y, left + x], scores[y, x]
            )
    for y in range(rows[0] - top, rows[1] - top):
        for x in range(cols[0] - left, cols[1] - left):
            total, count = np.float32(0.0), 0
            for i in range(max(y - 1, 0), min(y + 2, height)):
                for j in range(max(x - 1, 0), min(x + 2, width)):
                    is_other = i != y or j != x
                    if is_other and floor[top + i, left + j] > 0:
                        count += 1
                        for t in range(n_t):
                            total += scores[y, x, t] * scores[i, j, t]
            correlation[top + y, left + x] = total / max(count, 1)


@kernel
def _standardise(trace: np.ndarray, floor: np.float32, out: np.ndarray) -> np.float32:
    """Write what exceeds a floor, with mean 0 and norm 1; return the largest value."""
    peak = np.float32(0.0)
    total = squares = np.float64(0.0)
    for t in range(len(trace)):
        peak = max(peak, trace[t])
        value = trace[t] if trace[t] >= floor else np.float32(0.0)
        out[t] = value
        total += value
        squares += value * value
    mean = total / len(trace)
    power = squares - len(trace) * mean * mean
    scale = 1 / np.sqrt(power) if floor > 0 and power > 1e-6 * squares else 0.0
    for t in range(len(trace)):
        out[t] = (out[t] - np.float32(mean)) * np.float32(scale)
    return peak
