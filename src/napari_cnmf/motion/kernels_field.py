"""Inner loops of the piecewise registration: bending frames and fitting the bend.

A displacement is given at the nodes of a grid, linear between them and constant
outside. A bent frame is made row by row in two passes of cubic convolution (Keys 1981,
a = -0.75), along y and then along x. Along a row the displacement is linear between
two nodes; where its whole part stays the same, the four neighbours are contiguous and
only their weights change, so the loops fill the vector units without gathers.

The fit is Gauss-Newton's for the least squared difference of the bent frame and the
template: the sums of the bent frame times the template's slopes, one for each patch,
and a matrix that turns them into the displacement of the nodes.
"""

from __future__ import annotations

from math import ceil, floor

import numpy as np

from napari_cnmf.jit import kernel

_MOST_STEPS = 6
_SMALL_CHANGE_PX = (1.0, 0.3)  # of all nodes; then the next level is good for more
_ENOUGH_LIGHT = 0.1  # of the template's contrast; below it there is nothing to fit


@kernel
def _runs(
    values: np.ndarray,
    places: np.ndarray,
    offset: float,
    bounds: np.ndarray,
    lines: np.ndarray,
) -> int:
    """Cut a row where its displacement has a node or another whole part.

    `values` (nodes) are at `places` + `offset`. Fills `bounds` (run, 3), first and end
    of each run and the whole part, and `lines` (run, 2), what is left of the
    displacement at the first and how it grows, and returns their number.
    """
    count, x, width, last = 0, 0, len(bounds), len(places) - 1
    for k in range(-1, last + 1):
        end = width if k == last else ceil(places[k + 1] + offset)
        slope, value = 0.0, values[max(k, 0)]
        if 0 <= k < last:
            slope = (values[k + 1] - value) / (places[k + 1] - places[k])
        while x < min(end, width):
            here = value if slope == 0 else value + slope * (x - places[k] - offset)
            whole = floor(here)
            stop = min(end, width)
            if slope != 0:
                left = (whole + 1 - here) if slope > 0 else (here - whole)
                steps = min(left / abs(slope), float(width))
                stop = min(x + max(1, ceil(steps)), stop)
            bounds[count, 0], bounds[count, 1], bounds[count, 2] = x, stop, whole
            lines[count, 0], lines[count, 1] = here - whole, slope
            count += 1
            x = stop
    return count


@kernel
def _sample(
    v0: np.ndarray,
    v1: np.ndarray,
    v2: np.ndarray,
    v3: np.ndarray,
    ramp: np.ndarray,
    line: tuple[float, float],
    out: np.ndarray,
) -> None:
    """Cubic convolution of four rows at a point that moves linearly between two."""
    t0, dt = np.float32(line[0]), np.float32(line[1])
    a, two, three = np.float32(-0.75), np.float32(2), np.float32(3)
    for i in range(out.size):
        t = t0 + dt * ramp[i]
        across, bulge = v1[i] - v2[i], v0[i] - v3[i]
        cubic = a * bulge + (a + two) * across
        square = a * (v2[i] - v0[i] - bulge) - (a + three) * across
        out[i] = v1[i] + t * (a * (v0[i] - v2[i]) + t * (square + t * cubic))


@kernel
def _sample_between(
    v1: np.ndarray,
    v2: np.ndarray,
    ramp: np.ndarray,
    line: tuple[float, float],
    out: np.ndarray,
) -> None:
    """Linear interpolation of two rows at a point that moves linearly between them."""
    t0, dt = np.float32(line[0]), np.float32(line[1])
    for i in range(out.size):
        out[i] = v1[i] + (t0 + dt * ramp[i]) * (v2[i] - v1[i])


@kernel
def _between(places: np.ndarray, at: int) -> tuple[int, int, float]:
    """Find the nodes before and after a pixel, and how far it lies between them."""
    last, k = len(places) - 1, 0
    if last == 0:
        return 0, 0, 0.0
    while k < last - 1 and at >= places[k + 1]:
        k += 1
    part = (at - places[k]) / (places[k + 1] - places[k])
    return k, k + 1, min(max(part, 0.0), 1.0)


@kernel
def _row_of_nodes(
    nodes: np.ndarray, places: np.ndarray, y: int, row: np.ndarray
) -> None:
    """Interpolate the displacements (ny, nx, 2) of a grid to a row; (2, nx)."""
    k, below, part = _between(places, y)
    for x in range(nodes.shape[1]):
        for axis in range(2):
            upper, lower = nodes[k, x, axis], nodes[below, x, axis]
            row[axis, x] = upper + part * (lower - upper)


@kernel
def _bent_row(
    frame: np.ndarray,
    y: int,
    row: np.ndarray,
    places: np.ndarray,
    shift_x: float,
    is_cubic: bool,
    wide: np.ndarray,
    ramp: np.ndarray,
    bounds: np.ndarray,
    lines: np.ndarray,
    out: np.ndarray,
) -> None:
    """One row of a bent frame: along y into `wide`, from that along x into `out`.

    `row` (2, nx) are the displacements of this row. Those along y are taken where the
    pixels lay before they moved by about `shift_x`.
    """
    n_y, n_x = frame.shape
    pad = (len(wide) - n_x) // 2
    for r in range(_runs(row[0], places, shift_x, bounds, lines)):
        first, stop, whole = bounds[r]
        line, to = (lines[r, 0], lines[r, 1]), wide[pad + first : pad + stop]
        here = frame[min(max(y + whole, 0), n_y - 1), first:stop]
        below = frame[min(max(y + whole + 1, 0), n_y - 1), first:stop]
        if is_cubic:
            above = frame[min(max(y + whole - 1, 0), n_y - 1), first:stop]
            last = frame[min(max(y + whole + 2, 0), n_y - 1), first:stop]
            _sample(above, here, below, last, ramp, line, to)
        else:
            _sample_between(here, below, ramp, line, to)
    wide[:pad] = wide[pad]
    wide[pad + n_x :] = wide[pad + n_x - 1]
    for r in range(_runs(row[1], places, 0.0, bounds, lines)):
        first, stop, whole = bounds[r]
        line, to = (lines[r, 0], lines[r, 1]), out[first:stop]
        start, end = pad + first + whole, pad + stop + whole
        here, after = wide[start:end], wide[start + 1 : end + 1]
        if is_cubic:
            before, last = wide[start - 1 : end - 1], wide[start + 2 : end + 2]
            _sample(before, here, after, last, ramp, line, to)
        else:
            _sample_between(here, after, ramp, line, to)


@kernel
def _fill_unseen(
    row: np.ndarray,
    places: np.ndarray,
    y: int,
    n_y: int,
    reach: int,
    fill: np.ndarray,
    out: np.ndarray,
) -> None:
    """Put what is known into the pixels of a row that lay out of view.

    Only those within `reach` of the edge of the field can.
    """
    n_x = len(out)
    is_inside = reach <= y < n_y - reach
    for x in range(n_x):
        if is_inside and reach <= x < n_x - reach:
            continue
        k, after, part = _between(places, x)
        at_y = y + row[0, k] + part * (row[0, after] - row[0, k])
        at_x = x + row[1, k] + part * (row[1, after] - row[1, k])
        if at_y < 0 or at_y > n_y - 1 or at_x < 0 or at_x > n_x - 1:
            out[x] = fill[x]


@kernel
def bend_back(
    frames: np.ndarray,
    nodes: np.ndarray,
    places_y: np.ndarray,
    places_x: np.ndarray,
    fill: np.ndarray,
    pad: int,
    moved: np.ndarray,
) -> None:
    """Move each frame back by its field of displacements, into `moved`.

    Parameters
    ----------
    frames : ndarray (n, Y, X)
        float32.
    nodes : ndarray (n, ny, nx, 2)
        float32, displacement (dy, dx) at the nodes, px.
    places_y, places_x : ndarray (ny,), (nx,)
        float64, rows and columns of the nodes.
    fill : ndarray (Y, X)
        float32, for pixels that lay out of view.
    pad : int
        More than the largest displacement by 3.
    """
    n, n_y, n_x = frames.shape
    wide = np.empty(n_x + 2 * pad, np.float32)
    ramp = np.arange(n_x).astype(np.float32)
    bounds, lines = np.empty((n_x, 3), np.int64), np.empty((n_x, 2))
    row = np.empty((2, len(places_x)))
    for t in range(n):
        shift_x = 0.0
        for k in range(len(places_y)):
            for x in range(len(places_x)):
                shift_x += nodes[t, k, x, 1] / (len(places_y) * len(places_x))
        for y in range(n_y):
            _row_of_nodes(nodes[t], places_y, y, row)
            out = moved[t, y]
            _bent_row(
                frames[t],
                y,
                row,
                places_x,
                shift_x,
                True,
                wide,
                ramp,
                bounds,
                lines,
                out,
            )
            _fill_unseen(row, places_x, y, n_y, pad, fill[y], out)


@kernel
def _apply(matrix: np.ndarray, vector: np.ndarray, out: np.ndarray) -> None:
    """Add the product of a matrix and a vector to `out`."""
    for i in range(matrix.shape[0]):
        total = np.float32(0)
        for j in range(matrix.shape[1]):
            total += matrix[i, j] * vector[j]
        out[i] += total


@kernel
def _add_scores(
    out: np.ndarray,
    slopes: np.ndarray,
    weights_y: np.ndarray,
    windows_x: np.ndarray,
    spans_x: np.ndarray,
    product: np.ndarray,
    scores: np.ndarray,
) -> None:
    """Add a row's part to the sums of frame times slope in each patch (ny, nx, 2)."""
    for axis in range(2):
        slope = slopes[axis]
        for x in range(len(out)):
            product[x] = slope[x] * out[x]
        for j in range(len(windows_x)):
            first, stop = spans_x[j]
            window, part = windows_x[j, first:stop], product[first:stop]
            total = np.float32(0)
            for x in range(len(part)):
                total += window[x] * part[x]
            for i in range(len(weights_y)):
                scores[i, j, axis] += weights_y[i] * total


@kernel
def fit_fields(
    frames: np.ndarray,
    shifts: np.ndarray,
    places_y: np.ndarray,
    places_x: np.ndarray,
    fill: np.ndarray,
    pad: int,
    windows_y: np.ndarray,
    windows_x: np.ndarray,
    spans_x: np.ndarray,
    slopes: np.ndarray,
    expected: np.ndarray,
    totals: np.ndarray,
    gain: np.ndarray,
    carry: np.ndarray,
    limit: float,
    nodes: np.ndarray,
) -> None:
    """Improve the displacement of each frame at the nodes, `nodes` (n, ny, nx, 2).

    Parameters
    ----------
    frames : ndarray (n, Y, X)
        float32.
    shifts : ndarray (n, 2)
        float32, of each frame as a whole.
    places_y, places_x, fill, pad
        As for `bend_back`; `fill` is the template.
    windows_y, windows_x : ndarray (ny, Y), (nx, X)
        float32, weights of rows and columns in the patches.
    spans_x : ndarray (nx, 2)
        Columns where the windows are not zero.
    slopes : ndarray (2, 4, Y, X)
        float32: for coarse structures, in every other row, and for fine ones, the
        filtered slopes of the template along y and x, and the weights that give the
        brightness of a frame in units of the template's, and its mean.
    expected, totals : ndarray (2, P * 2)
        float32, the sums of the template without its mean, and those of ones.
    gain, carry : ndarray (2, P * 2, P * 2)
        float32: the deviation from `shifts` is gain x (expected - sums) + carry x the
        deviation that the sums were taken at.
    limit : float
        Largest deviation.
    nodes : ndarray (n, ny, nx, 2)
        float32, where to start from, and the outcome.
    """
    n, n_y, n_x = frames.shape
    grid = len(places_y), len(places_x), 2
    wide = np.empty(n_x + 2 * pad, np.float32)
    out, product = np.empty(n_x, np.float32), np.empty(n_x, np.float32)
    ramp = np.arange(n_x).astype(np.float32)
    bounds, lines = np.empty((n_x, 3), np.int64), np.empty((n_x, 2))
    row = np.empty((2, len(places_x)))
    scores = np.empty(grid, np.float32)
    flat = scores.reshape(-1)
    deviation, found = np.empty(flat.size, np.float32), np.empty(flat.size, np.float32)
    for t in range(n):
        field = nodes[t].reshape(-1)
        level = steps = 0
        while level < len(slopes) and steps < _MOST_STEPS:
            stride = 2 if level == 0 else 1
            scores[:] = 0
            light = mean = np.float32(0)
            for y in range(0, n_y, stride):
                _row_of_nodes(nodes[t], places_y, y, row)
                _bent_row(
                    frames[t], y, row, places_x, np.float64(shifts[t, 1]), False,
                    wide, ramp, bounds, lines, out,
                )  # fmt: skip
                _fill_unseen(row, places_x, y, n_y, pad, fill[y], out)
                for x in range(n_x):
                    light += slopes[level, 2, y, x] * out[x]
                    mean += slopes[level, 3, y, x] * out[x]
                _add_scores(
                    out, slopes[level, :2, y], windows_y[:, y], windows_x, spans_x,
                    product, scores,
                )  # fmt: skip
            if not light > _ENOUGH_LIGHT:
                for k in range(flat.size):
                    field[k] = shifts[t, k % 2]
                break
            for k in range(flat.size):
                sum_k = flat[k] - mean * totals[level, k]
                flat[k] = expected[level, k] - sum_k / light
                deviation[k] = field[k] - shifts[t, k % 2]
            found[:] = 0
            _apply(gain[level], flat, found)
            _apply(carry[level], deviation, found)
            change = np.float32(0)
            for k in range(flat.size):
                new = min(max(found[k], -limit), limit)
                change = max(change, abs(new - deviation[k]))
                field[k] = shifts[t, k % 2] + new
            steps += 1
            if change < _SMALL_CHANGE_PX[level]:
                level += 1
