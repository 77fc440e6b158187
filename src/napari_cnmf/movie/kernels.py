"""Turning values into stored codes, and codes into the sums of time bins."""

from __future__ import annotations

import numpy as np

from napari_cnmf.jit import kernel

MAX_CODE = 65535


@kernel
def quantise(
    frames: np.ndarray, base: np.ndarray, step: float, codes: np.ndarray
) -> int:
    """Round values to the nearest code; return how many lay outside the codes.

    Parameters
    ----------
    frames : ndarray (n, Y, X)
        float32.
    base : ndarray (Y, X)
        float32, the value of code 0.
    step : float
        value = base + step * code.
    codes : ndarray (n, Y, X)
        uint16, written to. Values outside get the nearest code, NaN gets 0.
    """
    scale = np.float32(1.0 / step)
    least, most = np.float32(0), np.float32(MAX_CODE)
    n_outside = 0
    for t in range(frames.shape[0]):
        for y in range(frames.shape[1]):
            row, zero = frames[t, y], base[y]
            out = codes[t, y]
            for x in range(len(row)):
                code = (row[x] - zero[x]) * scale + np.float32(0.5)
                n_outside += not ((code >= least) & (code < most + np.float32(1)))
                code = code if code > least else least
                out[x] = np.uint16(np.int32(code if code < most else most))
    return n_outside


@kernel
def sum_bins(codes: np.ndarray, length: int, bins: np.ndarray) -> None:
    """Sum consecutive frames of codes.

    Parameters
    ----------
    codes : ndarray (n, Y, X)
        uint16; frames after the last whole bin are left out.
    length : int
        Frames of a bin.
    bins : ndarray (n // length, Y, X)
        uint32, written to.
    """
    n_bins, height, width = bins.shape
    for i in range(n_bins):
        for y in range(height):
            out = bins[i, y]
            out[:] = 0
            for t in range(i * length, (i + 1) * length):
                row = codes[t, y]
                for x in range(width):
                    out[x] += np.uint32(row[x])
