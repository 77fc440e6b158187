"""Kernels of the evaluation."""

from __future__ import annotations

import numpy as np

from napari_cnmf.jit import kernel


@kernel
def weighted_boxes(
    movie: np.ndarray,
    corners: np.ndarray,
    side: int,
    indptr: np.ndarray,
    frames: np.ndarray,
    weights: np.ndarray,
    out: np.ndarray,
) -> None:
    """Weighted sum of some frames in a box per component, zero outside the movie.

    `movie` is (Y, X, T); component k uses ``frames[indptr[k]:indptr[k + 1]]`` and as
    many weights; `out` is (K, side, side).
    """
    n_y, n_x = movie.shape[:2]
    for k in range(len(corners)):
        for i in range(side):
            for j in range(side):
                y, x = corners[k, 0] + i, corners[k, 1] + j
                total = np.float32(0.0)
                if 0 <= y < n_y and 0 <= x < n_x:
                    for f in range(indptr[k], indptr[k + 1]):
                        total += weights[f] * movie[y, x, frames[f]]
                out[k, i, j] = total
