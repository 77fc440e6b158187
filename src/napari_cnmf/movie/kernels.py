"""Turning values into stored codes, and codes into the sums of time bins."""

from __future__ import annotations

import numpy as np

from napari_cnmf.jit import kernel

MAX_CODE = 65535


@kernel
def quantise(frames: np.ndarray, offset: float, step: float, codes: np.ndarray) -> int:
    """Round values to the nearest code; return how many lay outside the codes.

    Parameters
    ----------
    frames : ndarray (n, Y, X)
        float32.
    offset, step : float
        value = offset + step * code.
    codes : ndarray (n, Y, X)
        uint16, written to. Values outside get the nearest code, NaN gets 0.
    """
    scale = np.float32(1.0 / step)
    shift = np.float32(0.5 - offset / step)
    least, most = np.float32(0), np.float32(MAX_CODE)
    n_outside = 0
    for t in range(frames.shape[0]):
        for y in range(frames.shape[1]):
            row = frames[t, y]
            out = codes[t, y]
            for x in range(len(row)):
                code = row[x] * scale + shift
                n_outside += not ((code >= least) & (code < most + np.float32(1)))
                code = code if code > least else least
                out[x] = np.uint16(np.int32(code if code < most else most))
    return n_outside


@kernel
def sum_bins(codes: np.ndarray, bins: np.ndarray) -> None:
    """Sum consecutive frames of codes.

    Parameters
    ----------
    codes : ndarray (n, Y, X)
        uint16; frames after the last whole bin are left out.
    bins : ndarray (n // b, Y, X)
        uint32, written to; b is the quotient of the lengths.
    """
    n_bins, height, width = bins.shape
    length = codes.shape[0] // n_bins
    for i in range(n_bins):
        for y in range(height):
            out = bins[i, y]
            out[:] = 0
            for t in range(i * length, (i + 1) * length):
                row = codes[t, y]
                for x in range(width):
                    out[x] += np.uint32(row[x])
