"""Turning values into stored codes, and codes into the sums of time bins."""

from __future__ import annotations

import numpy as np

from napari_cnmf.jit import kernel

MAX_CODE = 65535
#: Added to a bin's sum for each frame but the first, see `sum_bins`.
BIN_SHIFT = 128


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

    The mean of a pixel has a code in the middle of a high byte (see `Scale`); the
    shift puts the sums there too, or they would compress to half again the size.

    Parameters
    ----------
    codes : ndarray (n, Y, X)
        uint16; frames after the last whole bin are left out.
    length : int
        Frames of a bin.
    bins : ndarray (n // length, Y, X)
        uint32, written to: sum of the codes + BIN_SHIFT * (length - 1).
    """
    n_bins, height, width = bins.shape
    for i in range(n_bins):
        for y in range(height):
            out = bins[i, y]
            out[:] = BIN_SHIFT * (length - 1)
            for t in range(i * length, (i + 1) * length):
                row = codes[t, y]
                for x in range(width):
                    out[x] += np.uint32(row[x])


@kernel
def unpack(
    tile: np.ndarray,
    inside: tuple[int, int, int],
    scale: np.ndarray,
    shift: np.ndarray,
    out: np.ndarray,
    place: tuple[int, int, int],
    shape: tuple[int, int, int],
) -> None:
    """Write ``scale * tile + shift`` pixel-major into part of `out`.

    Parameters
    ----------
    tile : ndarray (n, y, x)
        Codes or values.
    inside : tuple of int
        First frame, row and column of the tile that is wanted.
    scale, shift : ndarray (Y, X)
        float32.
    out : ndarray (Y, X, T)
        float32, written to.
    place : tuple of int
        First frame, row and column of `out` to write.
    shape : tuple of int
        Frames, rows and columns to write. Squares of 16 keep to whole cache lines on
        both sides: 3 ns a value, 9 in numpy.
    """
    n_t, n_y, n_x = shape
    for y in range(n_y):
        row = place[1] + y
        for first in range(0, n_t, 16):
            last = min(first + 16, n_t)
            for left in range(0, n_x, 16):
                for x in range(left, min(left + 16, n_x)):
                    a, b = scale[row, place[2] + x], shift[row, place[2] + x]
                    trace = out[row, place[2] + x]
                    for t in range(first, last):
                        code = tile[inside[0] + t, inside[1] + y, inside[2] + x]
                        trace[place[0] + t] = np.float32(code) * a + b
