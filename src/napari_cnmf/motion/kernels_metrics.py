"""Inner loops of the metrics and of the line offset: one read of each frame."""

from __future__ import annotations

import numpy as np

from napari_cnmf.jit import kernel
from napari_cnmf.motion.kernels import _blend, _cubic_weights

_ROUNDING = 1e-5  # part of a constant frame's sum of squares that is left of it


@kernel
def compare(
    frames: np.ndarray, template: np.ndarray, margin: int, matches: np.ndarray
) -> None:
    """Correlation of each frame with a template and scale of the template in it.

    `template` (Y - 2 margin, X - 2 margin) has no mean and unit norm; `matches` is
    (n, 2). Sums of a row are taken in float32, from a level near the frame's mean so
    that a large offset does not eat the digits, and those of the frame in float64.
    """
    height, width = template.shape
    for t in range(frames.shape[0]):
        level = np.float32(0)
        for x in range(width):
            level += frames[t, margin + height // 2, margin + x]
        level /= np.float32(width)
        total = square = product = 0.0
        for y in range(height):
            values = frames[t, margin + y, margin : margin + width]
            weights = template[y]
            row_total = row_square = row_product = np.float32(0)
            for x in range(width):
                value = values[x] - level
                row_total += value
                row_square += value * value
                row_product += value * weights[x]
            total += float(row_total)
            square += float(row_square)
            product += float(row_product)
        energy = square - total * total / (height * width)
        matches[t, 0] = matches[t, 1] = 0
        if energy > _ROUNDING * square and energy < np.inf:
            matches[t, 0] = product / np.sqrt(energy)
            matches[t, 1] = product


@kernel
def shift_odd_rows(frames: np.ndarray, offset_px: float, moved: np.ndarray) -> None:
    """Copy frames, odd rows moved left by an offset, the edge replicated."""
    n, n_y, n_x = frames.shape
    whole = int(np.floor(offset_px))
    weights = _cubic_weights(offset_px - whole)
    row = np.empty(n_x + 3, np.float32)
    for t in range(n):
        for y in range(n_y):
            values, out = frames[t, y], moved[t, y]
            if y % 2 == 0:
                for x in range(n_x):
                    out[x] = values[x]
                continue
            for i in range(n_x + 3):
                row[i] = values[min(max(i + whole - 1, 0), n_x - 1)]
            _blend(out, row[:-3], row[1:-2], row[2:-1], row[3:], weights)
