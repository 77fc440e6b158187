"""Kernels of the model ``Z = A C + W H F``: products, regressions, reach.

Movies are pixel-major, (pixels, T) with time contiguous; footprints come as the three
arrays of a CSC matrix. ``W H F`` is the background: traces F on a grid of bilinear
hats H (four nodes a pixel) times a weight W per pixel.
"""

from __future__ import annotations

import numpy as np

from napari_cnmf.jit import kernel


@kernel
def project(
    movie: np.ndarray,
    indptr: np.ndarray,
    indices: np.ndarray,
    data: np.ndarray,
    rows: np.ndarray,
    out: np.ndarray,
) -> None:
    """Add ``A' Z`` to the given rows, touching the pixels of each footprint only."""
    n_t = movie.shape[1]
    for k in range(len(rows)):
        row = out[rows[k]]
        for j in range(indptr[k], indptr[k + 1]):
            pixel = indices[j]
            weight = data[j]
            for t in range(n_t):
                row[t] += weight * movie[pixel, t]


@kernel
def project_grid(
    movie: np.ndarray,
    nodes: np.ndarray,
    shares: np.ndarray,
    weights: np.ndarray,
    out: np.ndarray,
) -> None:
    """Add ``(W H)' Z`` to `out` (nodes, T)."""
    n_t = movie.shape[1]
    for pixel in range(len(movie)):
        if weights[pixel] == 0:
            continue
        for i in range(4):
            share = shares[pixel, i] * weights[pixel]
            if share > 0:
                row = out[nodes[pixel, i]]
                for t in range(n_t):
                    row[t] += share * movie[pixel, t]


@kernel
def relax(
    indptr: np.ndarray,
    indices: np.ndarray,
    data: np.ndarray,
    target: np.ndarray,
    rows: np.ndarray,
    solution: np.ndarray,
) -> None:
    """One Gauss-Seidel sweep of ``M X = target`` over the given rows, in place."""
    n_t = target.shape[1]
    change = np.empty(n_t, np.float32)
    for row in rows:
        diagonal = np.float32(0.0)
        for t in range(n_t):
            change[t] = target[row, t]
        for j in range(indptr[row], indptr[row + 1]):
            other = indices[j]
            weight = data[j]
            if other == row:
                diagonal = weight
            for t in range(n_t):
                change[t] -= weight * solution[other, t]
        if diagonal > 0:
            scale = np.float32(1.0) / diagonal
            for t in range(n_t):
                solution[row, t] += scale * change[t]


@kernel
def regress_pixels(
    movie: np.ndarray,
    cell_indptr: np.ndarray,
    cells: np.ndarray,
    traces: np.ndarray,
    gram: np.ndarray,
    penalties: np.ndarray,
    background: np.ndarray,
    nodes: np.ndarray,
    shares: np.ndarray,
    values: np.ndarray,
    weights: np.ndarray,
) -> None:
    """Regress every pixel on its candidate cells and its local background.

    Non-negative least squares, plus each value times the penalty of its cell, by
    coordinate descent from the Gram matrix of the centred traces; `values` (aligned
    with `cells`) and `weights` are start and result.
    """
    n_t = movie.shape[1]
    most = 1
    for pixel in range(len(movie)):
        most = max(most, cell_indptr[pixel + 1] - cell_indptr[pixel] + 1)
    local = np.empty(n_t, np.float32)
    g = np.empty((most, most), np.float32)
    r = np.empty(most, np.float32)
    x = np.empty(most, np.float32)
    for pixel in range(len(movie)):
        first = cell_indptr[pixel]
        n = cell_indptr[pixel + 1] - first
        local[:] = 0
        for i in range(4):
            share = shares[pixel, i]
            if share > 0:
                row = background[nodes[pixel, i]]
                for t in range(n_t):
                    local[t] += share * row[t]
        y = movie[pixel]
        bb = np.float32(0.0)
        by = np.float32(0.0)
        for t in range(n_t):
            bb += local[t] * local[t]
            by += local[t] * y[t]
        g[n, n], r[n], x[n] = bb, by, weights[pixel]
        for i in range(n):
            k = cells[first + i]
            ky = np.float32(0.0)
            kb = np.float32(0.0)
            for t in range(n_t):
                ky += traces[k, t] * y[t]
                kb += traces[k, t] * local[t]
            r[i], x[i] = ky - penalties[k], values[first + i]
            g[i, n] = g[n, i] = kb
            for j in range(n):
                g[i, j] = gram[k, cells[first + j]]
        # Descent stays in here: the sums of a helper that numba links from its cache
        # can be reordered in another way than those of one compiled in this run.
        for _ in range(50 if n else 1):
            largest = np.float32(0.0)
            for i in range(n + 1):
                if g[i, i] <= 0:
                    x[i] = 0
                    continue
                slope = r[i]
                for j in range(n + 1):
                    slope -= g[i, j] * x[j]
                new = max(x[i] + slope / g[i, i], np.float32(0.0))
                largest = max(largest, abs(new - x[i]) * np.sqrt(g[i, i]))
                x[i] = new
            # Coefficients in units of their own noise: a hundredth of it is enough.
            if largest < np.float32(0.01):
                break
        for i in range(n):
            values[first + i] = x[i]
        weights[pixel] = x[n]


@kernel
def dilate(
    indptr: np.ndarray, indices: np.ndarray, n_y: int, n_x: int, radius: int
) -> tuple:
    """Grow each support by a disc; returns indptr and sorted pixel indices."""
    grown = np.zeros(len(indptr), np.int32)
    inside = np.zeros(n_y * n_x, np.uint8)
    pixels = np.empty(len(indices) + 16, np.int32)
    size = 0
    for k in range(len(indptr) - 1):
        low_y, high_y, low_x, high_x = n_y, -1, n_x, -1
        for j in range(indptr[k], indptr[k + 1]):
            y, x = indices[j] // n_x, indices[j] % n_x
            for a in range(max(y - radius, 0), min(y + radius + 1, n_y)):
                for b in range(max(x - radius, 0), min(x + radius + 1, n_x)):
                    if (a - y) ** 2 + (b - x) ** 2 <= radius * radius + radius // 2:
                        inside[a * n_x + b] = 1
                        low_y, high_y = min(low_y, a), max(high_y, a)
                        low_x, high_x = min(low_x, b), max(high_x, b)
        for y in range(low_y, high_y + 1):
            for x in range(low_x, high_x + 1):
                pixel = y * n_x + x
                if inside[pixel]:
                    inside[pixel] = 0
                    if size == len(pixels):
                        larger = np.empty(2 * size, np.int32)
                        for i in range(size):
                            larger[i] = pixels[i]
                        pixels = larger
                    pixels[size] = pixel
                    size += 1
        grown[k + 1] = size
    return grown, pixels[:size]
