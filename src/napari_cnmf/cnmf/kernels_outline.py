"""Kernels that cut regressed footprints to supports.

A footprint is smoothed, cut at a level, closed and reduced to pieces that hang
together. Levels and pieces follow the thresholds of Pnevmatikakis et al. 2016
(doi:10.1016/j.neuron.2015.11.037): a share of the maximum or of the energy.
"""

from __future__ import annotations

import numpy as np

from napari_cnmf.jit import kernel


@kernel
def outline(
    indptr: np.ndarray,
    indices: np.ndarray,
    data: np.ndarray,
    floor: np.ndarray,
    n_x: int,
    taps: np.ndarray,
    share: float,
    by_energy: bool,
    closing: int,
    smallest: int,
) -> None:
    """Cut each footprint to its smoothed support, in place (zeros outside).

    Kept is where the smoothed footprint exceeds `floor[k]` and either `share` of its
    maximum or the level above which that share of its squares lies; of this, closed by
    a disc, the 4-connected piece with the largest sum and those of `smallest` pixels
    or more. The kept values are the smoothed ones.
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
        for j in range(first, last):
            data[j] = image[indices[j] // n_x - low_y, indices[j] % n_x - low_x]
        level = max(_level(data[first:last], share, by_energy), floor[k])
        mask = _above(image, level)
        if closing > 0:
            _close(mask, closing)
        _keep_pieces(image, mask, smallest)
        for j in range(first, last):
            if not mask[indices[j] // n_x - low_y, indices[j] % n_x - low_x]:
                data[j] = 0


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
def _level(values: np.ndarray, share: float, by_energy: bool) -> np.float32:
    """Level that a pixel must exceed: a share of the maximum or of the energy.

    The level of the energy is found by bisection, which needs no sorting; the largest
    value alone exceeds any level short of it, so something is always kept.
    """
    highest = np.float32(0.0)
    energy = 0.0
    for value in values:
        highest = max(highest, value)
        energy += np.float64(value) ** 2
    if not by_energy:
        return np.float32(share) * highest
    low, high = np.float32(0.0), highest
    for _ in range(32):
        middle = np.float32(0.5) * (low + high)
        held = 0.0
        for value in values:
            if value > middle:
                held += np.float64(value) ** 2
        if held >= share * energy:
            low = middle
        else:
            high = middle
    return low


@kernel
def _above(image: np.ndarray, level: np.float32) -> np.ndarray:
    """Mask of what exceeds the level, of ones and zeros."""
    n_y, n_x = image.shape
    mask = np.zeros((n_y, n_x), np.int32)
    for y in range(n_y):
        for x in range(n_x):
            mask[y, x] = image[y, x] > level
    return mask


@kernel
def _close(mask: np.ndarray, radius: int) -> None:
    """Close a mask by a disc, in place, as if it went on in zeros.

    It grows into a margin as wide as the disc, so that nothing is lost at the border
    when it shrinks.
    """
    n_y, n_x = mask.shape
    near = radius * radius + radius // 2
    grown = np.zeros((n_y + 2 * radius, n_x + 2 * radius), np.int32)
    lost = np.zeros((n_y, n_x), np.int32)
    # First around ones, then around zeros: one nest of loops compiles in half the time.
    for value in range(1, -1, -1):
        source, out = (mask, grown) if value else (grown, lost)
        offset = radius if value else -radius
        for y in range(source.shape[0]):
            for x in range(source.shape[1]):
                if source[y, x] != value:
                    continue
                for i in range(-radius, radius + 1):
                    for j in range(-radius, radius + 1):
                        a, b = y + offset + i, x + offset + j
                        inside = 0 <= a < out.shape[0] and 0 <= b < out.shape[1]
                        if inside and i * i + j * j <= near:
                            out[a, b] = 1
    for y in range(n_y):
        for x in range(n_x):
            mask[y, x] = 1 - lost[y, x]


@kernel
def _keep_pieces(image: np.ndarray, mask: np.ndarray, smallest: int) -> None:
    """Keep the 4-connected piece of the largest sum and all of `smallest` pixels.

    Pieces are numbered from 2 in the mask itself, where 1 is not yet visited.
    """
    n_y, n_x = image.shape
    stack = np.empty(n_y * n_x, np.int32)
    areas = np.empty(n_y * n_x + 2, np.int32)
    areas[0], best, best_sum, label = 0, 0, np.float32(0.0), 1
    for start in range(n_y * n_x):
        if mask[start // n_x, start % n_x] != 1:
            continue
        label += 1
        mask[start // n_x, start % n_x] = label
        stack[0] = start
        size, area = 1, 0
        total = np.float32(0.0)
        while size:
            size -= 1
            area += 1
            y, x = stack[size] // n_x, stack[size] % n_x
            total += image[y, x]
            for a, b in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                inside = 0 <= a < n_y and 0 <= b < n_x
                if inside and mask[a, b] == 1:
                    mask[a, b] = label
                    stack[size] = a * n_x + b
                    size += 1
        areas[label] = area
        if total > best_sum:
            best, best_sum = label, total
    for y in range(n_y):
        for x in range(n_x):
            label = mask[y, x]
            if label != best and areas[label] < smallest:
                mask[y, x] = 0
