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
def filter_movie(
    movie: np.ndarray,
    half: int,
    taps: np.ndarray,
    step: int,
    residual: np.ndarray,
    blurred: np.ndarray,
) -> None:
    """Subtract the local mean; blur what is left, keeping every `step`-th pixel.

    The local mean is that of a box of ``2 * half + 1`` px, cut at the border; the
    filter is separable, with a zero border. `movie` and `residual` are (Y, X, T) of at
    least `LANES` frames, `blurred` is (Y / step, X / step, T).
    """
    n_t = movie.shape[2]
    for start in range(0, n_t + LANES - 1, LANES):
        # The last frames are done together with some that were done before.
        first = min(start, n_t - LANES)
        _subtract_local_mean(movie, half, first, residual)
        _blur(residual, taps, step, first, blurred)


@kernel
def _subtract_local_mean(
    movie: np.ndarray, half: int, first: int, out: np.ndarray
) -> None:
    """Write `LANES` frames minus their mean in a box, by running sums."""
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
        n_rows = min(y + half, n_y - 1) - max(y - half, 0) + 1
        total[:] = 0
        for x in range(-half, n_x):
            if x + half < n_x:
                for t in range(LANES):
                    total[t] += columns[x + half, t]
            if x - half - 1 >= 0:
                for t in range(LANES):
                    total[t] -= columns[x - half - 1, t]
            if x >= 0:
                n_cols = min(x + half, n_x - 1) - max(x - half, 0) + 1
                share = np.float32(1.0 / (n_rows * n_cols))
                for t in range(LANES):
                    out[y, x, first + t] = movie[y, x, first + t] - share * total[t]


@kernel
def _blur(
    movie: np.ndarray, taps: np.ndarray, step: int, first: int, out: np.ndarray
) -> None:
    """Filter `LANES` frames at every `step`-th pixel."""
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
            scratch[:] = movie[y, x]
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
def noise_of(trace: np.ndarray) -> float:
    """Noise of a trace from its second differences; unbiased for white noise."""
    total = np.float32(0.0)
    for t in range(1, len(trace) - 1):
        bend = trace[t - 1] - 2 * trace[t] + trace[t + 1]
        total += bend * bend
    return np.sqrt(total / (6.0 * max(len(trace) - 2, 1)))


@kernel
def event_energy(trace: np.ndarray, noise: float, threshold: float) -> float:
    """Sum of squares above `threshold` noise sd, in units of the noise variance."""
    if noise <= 0:
        return 0.0
    level = np.float32(threshold * noise)
    total = np.float32(0.0)
    for t in range(len(trace)):
        above = max(trace[t] - level, np.float32(0.0))
        total += above * above
    return total / (noise * noise)


@kernel
def keep_piece(image: np.ndarray, level: float, y: int, x: int) -> None:
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
            if 0 <= a < n_y and 0 <= b < n_x and not inside[a, b]:
                if image[a, b] > level:
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
    y0: int,
    x0: int,
    image: np.ndarray,
    trace: np.ndarray,
) -> None:
    """Fit ``image * trace`` to the box of `image` at (y0, x0), starting from `seed`.

    The image is regressed on the positive part of the trace, so neither noise nor a
    neighbour's dips shape it; it is cut to the piece around its peak near the seed.
    """
    n_y, n_x = image.shape
    n_t = len(trace)
    trace[:] = seed
    for _ in range(4):
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
def search(
    movie: np.ndarray,
    blurred: np.ndarray,
    taps: np.ndarray,
    step: int,
    half: int,
    threshold: float,
    stop: float,
    n_max: int,
) -> tuple:
    """Pick the pixel of most event energy, fit it, subtract it, and so on.

    `movie` (Y, X, T) and its blurred, coarser copy are used up. Returns corners
    (K, 2), images (K, side, side), traces (K, T) and energies (K,).
    """
    n_y, n_x, n_t = movie.shape
    m_y, m_x = blurred.shape[:2]
    side = 2 * half + 1
    radius = len(taps) // 2
    corners = np.zeros((n_max, 2), np.int64)
    images = np.zeros((n_max, side, side), np.float32)
    traces = np.zeros((n_max, n_t), np.float32)
    energies = np.zeros(n_max, np.float32)
    noise = np.empty((m_y, m_x), np.float32)
    energy = np.empty((m_y, m_x), np.float32)
    for y in range(m_y):
        for x in range(m_x):
            noise[y, x] = noise_of(blurred[y, x])
            energy[y, x] = event_energy(blurred[y, x], noise[y, x], threshold)
    found = 0
    while found < n_max:
        best = 0.0
        sy, sx = 0, 0
        for y in range(m_y):
            for x in range(m_x):
                if energy[y, x] > best:
                    best = energy[y, x]
                    sy, sx = y, x
        if best < stop:
            break
        y0, y1 = max(sy * step - half, 0), min(sy * step + half + 1, n_y)
        x0, x1 = max(sx * step - half, 0), min(sx * step + half + 1, n_x)
        image = images[found, : y1 - y0, : x1 - x0]
        trace = traces[found]
        rank_one(movie, blurred[sy, sx], y0, x0, image, trace)
        norm = np.float32(0.0)
        for i in range(y1 - y0):
            for j in range(x1 - x0):
                weight = image[i, j]
                if weight > 0:
                    norm += weight
                    for t in range(n_t):
                        movie[y0 + i, x0 + j, t] -= weight * trace[t]
        before = energy[sy, sx]
        for y in range(
            max((y0 - radius) // step, 0), min((y1 + radius) // step + 1, m_y)
        ):
            for x in range(
                max((x0 - radius) // step, 0), min((x1 + radius) // step + 1, m_x)
            ):
                weight = np.float32(0.0)
                for i in range(
                    max(y0, y * step - radius), min(y1, y * step + radius + 1)
                ):
                    for j in range(
                        max(x0, x * step - radius), min(x1, x * step + radius + 1)
                    ):
                        weight += (
                            taps[i - y * step + radius]
                            * taps[j - x * step + radius]
                            * image[i - y0, j - x0]
                        )
                if weight > 0:
                    for t in range(n_t):
                        blurred[y, x, t] -= weight * trace[t]
                    energy[y, x] = event_energy(blurred[y, x], noise[y, x], threshold)
        # A pick that explains little of its own seed must not be picked for ever.
        if energy[sy, sx] > np.float32(0.5) * before:
            energy[sy, sx] = 0
            noise[sy, sx] = 0
        if norm > 0:
            corners[found, 0], corners[found, 1] = y0, x0
            energies[found] = best
            found += 1
    return corners[:found], images[:found], traces[:found], energies[:found]
