"""Kernels of the greedy search: local mean, blur, event energy, rank-one fits.

Movies are pixel-major here, (Y, X, T) with time contiguous, so that every inner loop
runs along time and vectorises.
"""

from __future__ import annotations

import numpy as np

from napari_cnmf.jit import kernel

# Frames that are filtered together: a cache line of each pixel's trace. As a constant
# it turns the inner loops into single vector instructions.
LANES = 16


@kernel
def subtract_local_mean(
    movie: np.ndarray, shares: np.ndarray, half: int, first: int, out: np.ndarray
) -> None:
    """Write `LANES` frames, from `first` on, minus their mean in a box.

    The box of ``2 * half + 1`` px is cut at the border; its sums run along both axes.
    `shares` (Y, X) holds one over the number of its pixels.
    """
    n_y, n_x = movie.shape[:2]
    columns = np.zeros((n_x, LANES), np.float32)
    total = np.empty(LANES, np.float32)
    for y in range(-half, n_y):
        if y + half < n_y:
            for x in range(n_x):
                for t in range(LANES):
                    columns[x, t] += movie[y + half, x, first + t]
        if y - half - 1 >= 0:
            for x in range(n_x):
                for t in range(LANES):
                    columns[x, t] -= movie[y - half - 1, x, first + t]
        if y < 0:
            continue
        total[:] = 0
        for x in range(-half, n_x):
            if x + half < n_x:
                for t in range(LANES):
                    total[t] += columns[x + half, t]
            if x - half - 1 >= 0:
                for t in range(LANES):
                    total[t] -= columns[x - half - 1, t]
            if x >= 0:
                share = shares[y, x]
                for t in range(LANES):
                    out[y, x, first + t] = movie[y, x, first + t] - share * total[t]


@kernel
def blur(
    movie: np.ndarray, taps: np.ndarray, step: int, first: int, out: np.ndarray
) -> None:
    """Filter `LANES` frames, from `first` on, at every `step`-th pixel.

    The filter is separable, its border zero; `out` is (Y / step, X / step, T).
    """
    n_y, n_x = movie.shape[:2]
    radius = len(taps) // 2
    row = np.empty((n_x, LANES), np.float32)
    total = np.empty(LANES, np.float32)
    for y in range(out.shape[0]):
        low = max(0, radius - y * step)
        high = min(2 * radius, n_y - 1 - y * step + radius) + 1
        for x in range(n_x):
            total[:] = 0
            for i in range(low, high):
                for t in range(LANES):
                    total[t] += taps[i] * movie[y * step + i - radius, x, first + t]
            for t in range(LANES):
                row[x, t] = total[t]
        for x in range(out.shape[1]):
            low_x = max(0, radius - x * step)
            high_x = min(2 * radius, n_x - 1 - x * step + radius) + 1
            total[:] = 0
            for i in range(low_x, high_x):
                for t in range(LANES):
                    total[t] += taps[i] * row[x * step + i - radius, t]
            for t in range(LANES):
                out[y, x, first + t] = total[t]


@kernel
def centre_by_median(movie: np.ndarray) -> None:
    """Subtract from every pixel its median over time, in place."""
    n_y, n_x, n_t = movie.shape
    scratch = np.empty(n_t, np.float32)
    for y in range(n_y):
        for x in range(n_x):
            for t in range(n_t):
                scratch[t] = movie[y, x, t]
            middle = _select(scratch, n_t // 2)
            for t in range(n_t):
                movie[y, x, t] -= middle


@kernel
def _select(values: np.ndarray, rank: int) -> float:
    """Value of the given rank (quickselect; numpy's takes seconds to compile)."""
    low, high = 0, len(values) - 1
    while low < high:
        pivot = values[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while values[i] < pivot:
                i += 1
            while values[j] > pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if rank <= j:
            high = j
        elif rank >= i:
            low = i
        else:
            break
    return values[rank]


@kernel
def noise_image(movie: np.ndarray, out: np.ndarray) -> None:
    """Write the noise of each pixel from its second differences in time."""
    n_y, n_x, n_t = movie.shape
    for y in range(n_y):
        for x in range(n_x):
            total = np.float32(0.0)
            for t in range(1, n_t - 1):
                bend = movie[y, x, t - 1] - 2 * movie[y, x, t] + movie[y, x, t + 1]
                total += bend * bend
            out[y, x] = np.sqrt(total / np.float32(6 * max(n_t - 2, 1)))


@kernel
def event_energy(
    movie: np.ndarray,
    noise: np.ndarray,
    threshold: float,
    rows: tuple[int, int],
    cols: tuple[int, int],
    out: np.ndarray,
) -> None:
    """Write, for a region, each pixel's sum of squares above the noise threshold.

    In units of the noise variance; 0 where the noise is 0.
    """
    for y in range(rows[0], rows[1]):
        for x in range(cols[0], cols[1]):
            out[y, x] = 0
            if noise[y, x] <= 0:
                continue
            level = np.float32(threshold) * noise[y, x]
            total = np.float32(0.0)
            for t in range(movie.shape[2]):
                above = max(movie[y, x, t] - level, np.float32(0.0))
                total += above * above
            out[y, x] = total / (noise[y, x] * noise[y, x])


@kernel
def window_energy(
    movie: np.ndarray,
    window: int,
    rows: tuple[int, int],
    cols: tuple[int, int],
    out: np.ndarray,
) -> None:
    """Write, for a region, each pixel's largest mean square in a sliding window.

    The window ends at each bin in turn, as a causal filter does: what it holds before
    the first bin is zero.
    """
    n_t = movie.shape[2]
    for y in range(rows[0], rows[1]):
        for x in range(cols[0], cols[1]):
            total = 0.0  # float64: sums of what comes in and goes out would drift
            best = 0.0
            for t in range(n_t):
                total += movie[y, x, t] * movie[y, x, t]
                if t >= window:
                    total -= movie[y, x, t - window] * movie[y, x, t - window]
                best = max(best, total)
            out[y, x] = best / min(window, n_t)


@kernel
def keep_piece(image: np.ndarray, level: np.float32, y: int, x: int) -> None:
    """Set to zero all that is below `level` or not connected (4 ways) to (y, x)."""
    n_y, n_x = image.shape
    inside = np.zeros((n_y, n_x), np.uint8)
    stack = np.empty((n_y * n_x, 2), np.int64)
    size = 0
    if image[y, x] > level:
        inside[y, x] = 1
        stack[0, 0], stack[0, 1] = y, x
        size = 1
    while size:
        size -= 1
        i, j = stack[size, 0], stack[size, 1]
        for a, b in ((i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)):
            new = 0 <= a < n_y and 0 <= b < n_x and not inside[a, b]
            if new and image[a, b] > level:
                inside[a, b] = 1
                stack[size, 0], stack[size, 1] = a, b
                size += 1
    for i in range(n_y):
        for j in range(n_x):
            if not inside[i, j]:
                image[i, j] = 0


@kernel
def rank_one(
    movie: np.ndarray,
    seed: np.ndarray,
    corner: tuple[int, int],
    rounds: int,
    image: np.ndarray,
    trace: np.ndarray,
) -> None:
    """Fit ``image * trace`` to the box of `image` at a corner, starting from `seed`.

    The image is regressed on the positive part of the trace, so neither noise nor a
    neighbour's dips shape it; it is cut to the piece around its peak near the seed.
    """
    y0, x0 = corner
    n_y, n_x = image.shape
    n_t = len(trace)
    # Not `trace[:] = seed`: assigning one array to another compiles for two seconds.
    for t in range(n_t):
        trace[t] = seed[t]
    for _ in range(rounds):
        power = np.float32(0.0)
        for t in range(n_t):
            trace[t] = max(trace[t], np.float32(0.0))
            power += trace[t] * trace[t]
        if power <= 0:
            image[:] = 0
            return
        best = np.float32(0.0)
        py, px = 0, 0
        for i in range(n_y):
            for j in range(n_x):
                total = np.float32(0.0)
                for t in range(n_t):
                    total += movie[y0 + i, x0 + j, t] * trace[t]
                image[i, j] = max(total / power, np.float32(0.0))
                if image[i, j] > best:
                    best = image[i, j]
                    py, px = i, j
        keep_piece(image, np.float32(0.2) * best, py, px)
        norm = np.float32(0.0)
        trace[:] = 0
        for i in range(n_y):
            for j in range(n_x):
                weight = image[i, j]
                if weight > 0:
                    norm += weight * weight
                    for t in range(n_t):
                        trace[t] += weight * movie[y0 + i, x0 + j, t]
        if norm <= 0:
            return
        for t in range(n_t):
            trace[t] /= norm


@kernel
def subtract(
    movie: np.ndarray, y0: int, x0: int, image: np.ndarray, trace: np.ndarray
) -> None:
    """Subtract ``image * trace`` from the box of a movie at (y0, x0)."""
    for i in range(image.shape[0]):
        for j in range(image.shape[1]):
            weight = image[i, j]
            if weight > 0:
                for t in range(len(trace)):
                    movie[y0 + i, x0 + j, t] -= weight * trace[t]


@kernel
def subtract_blurred(
    movie: np.ndarray,
    y0: int,
    x0: int,
    image: np.ndarray,
    trace: np.ndarray,
    taps: np.ndarray,
    step: int,
    rows: tuple[int, int],
    cols: tuple[int, int],
) -> None:
    """Subtract from a region of a blurred, coarser movie what `subtract` does to it."""
    radius = len(taps) // 2
    n_y, n_x = image.shape
    for y in range(rows[0], rows[1]):
        for x in range(cols[0], cols[1]):
            top, left = y * step - radius, x * step - radius
            weight = np.float32(0.0)
            for i in range(max(y0, top), min(y0 + n_y, top + 2 * radius + 1)):
                for j in range(max(x0, left), min(x0 + n_x, left + 2 * radius + 1)):
                    weight += taps[i - top] * taps[j - left] * image[i - y0, j - x0]
            for t in range(len(trace)):
                movie[y, x, t] -= weight * trace[t]
