"""Kernels of the model ``Z = A C + W H F``: products, regressions, supports.

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
    background: np.ndarray,
    nodes: np.ndarray,
    shares: np.ndarray,
    values: np.ndarray,
    weights: np.ndarray,
) -> None:
    """Regress every pixel on its candidate cells and its local background.

    Non-negative least squares by coordinate descent from the Gram matrix of the
    centred traces; `values` (aligned with `cells`) and `weights` are start and result.
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
            r[i], x[i] = ky, values[first + i]
            g[i, n] = g[n, i] = kb
            for j in range(n):
                g[i, j] = gram[k, cells[first + j]]
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


@kernel
def outline(
    indptr: np.ndarray,
    indices: np.ndarray,
    data: np.ndarray,
    floor: np.ndarray,
    n_x: int,
    taps: np.ndarray,
    share: float,
) -> None:
    """Cut each footprint to its smoothed support, in place (zeros outside).

    Kept is the largest 4-connected piece where the smoothed footprint exceeds `share`
    of its maximum and `floor[k]`; the kept values are the smoothed ones.
    """
    for k in range(len(indptr) - 1):
        first, last = indptr[k], indptr[k + 1]
        if first == last:
            continue
        low_y, high_y = indices[first] // n_x, indices[last - 1] // n_x
        low_x, high_x = n_x, 0
        for j in range(first, last):
            low_x = min(low_x, indices[j] % n_x)
            high_x = max(high_x, indices[j] % n_x)
        image = np.zeros((high_y - low_y + 1, high_x - low_x + 1), np.float32)
        for j in range(first, last):
            image[indices[j] // n_x - low_y, indices[j] % n_x - low_x] = data[j]
        image = _smooth(image, taps)
        level = np.float32(0.0)
        for j in range(first, last):
            level = max(
                level, image[indices[j] // n_x - low_y, indices[j] % n_x - low_x]
            )
        level = max(np.float32(share) * level, floor[k])
        pieces = _largest_piece(image, level)
        for j in range(first, last):
            y, x = indices[j] // n_x - low_y, indices[j] % n_x - low_x
            data[j] = image[y, x] if pieces[y, x] else 0


@kernel
def _smooth(image: np.ndarray, taps: np.ndarray) -> np.ndarray:
    """Separable filter with zero border."""
    n_y, n_x = image.shape
    radius = len(taps) // 2
    rows = np.zeros((n_y, n_x), np.float32)
    out = np.zeros((n_y, n_x), np.float32)
    for y in range(n_y):
        for x in range(n_x):
            for i in range(max(-radius, -x), min(radius, n_x - 1 - x) + 1):
                rows[y, x] += taps[i + radius] * image[y, x + i]
    for y in range(n_y):
        for x in range(n_x):
            for i in range(max(-radius, -y), min(radius, n_y - 1 - y) + 1):
                out[y, x] += taps[i + radius] * rows[y + i, x]
    return out


@kernel
def _largest_piece(image: np.ndarray, level: np.float32) -> np.ndarray:
    """Mask of the 4-connected piece above `level` with the largest sum."""
    n_y, n_x = image.shape
    labels = np.zeros((n_y, n_x), np.int32)
    stack = np.empty(n_y * n_x, np.int32)
    best, best_sum, label = 0, np.float32(0.0), 0
    for start in range(n_y * n_x):
        if (
            labels[start // n_x, start % n_x]
            or image[start // n_x, start % n_x] <= level
        ):
            continue
        label += 1
        labels[start // n_x, start % n_x] = label
        stack[0] = start
        size = 1
        total = np.float32(0.0)
        while size:
            size -= 1
            y, x = stack[size] // n_x, stack[size] % n_x
            total += image[y, x]
            for a, b in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                inside = 0 <= a < n_y and 0 <= b < n_x
                if inside and labels[a, b] == 0 and image[a, b] > level:
                    labels[a, b] = label
                    stack[size] = a * n_x + b
                    size += 1
        if total > best_sum:
            best, best_sum = label, total
    return labels == best if best else np.zeros((n_y, n_x), np.bool_)
