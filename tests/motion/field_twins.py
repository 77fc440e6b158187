"""Slow, plain twins of the piecewise registration, and movies that bend."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from motion.motion_twins import cells
from scipy.ndimage import gaussian_filter, map_coordinates

from napari_cnmf.motion import kernels_field
from napari_cnmf.motion.piecewise import FieldModel

Weights = Callable[[np.ndarray], np.ndarray]
TAPS = range(-1, 3)


def cubic(distance: np.ndarray, a: float = -0.75) -> np.ndarray:
    """Keys' convolution kernel."""
    d = np.abs(distance)
    near = (a + 2) * d**3 - (a + 3) * d**2 + 1
    far = a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a
    return np.where(d <= 1, near, np.where(d < 2, far, 0))


def linear(distance: np.ndarray) -> np.ndarray:
    """Hat of linear interpolation."""
    return np.maximum(1 - np.abs(distance), 0)


def between(
    nodes: np.ndarray, places: tuple[np.ndarray, np.ndarray], rows, cols
) -> np.ndarray:
    """Interpolate values (ny, nx) at nodes linearly, constant outside of them."""
    lines = [np.interp(rows, places[0], column) for column in nodes.T]
    return np.array([np.interp(cols, places[1], line) for line in np.transpose(lines)])


def dense(
    nodes: np.ndarray, places: tuple[np.ndarray, np.ndarray], shape: tuple[int, int]
) -> np.ndarray:
    """Displacements (2, Y, X) from those at the nodes (ny, nx, 2)."""
    rows, cols = (np.arange(n) for n in shape)
    parts = np.moveaxis(nodes, -1, 0)
    return np.array([between(part, places, rows, cols) for part in parts])


def unseen(field: np.ndarray) -> np.ndarray:
    """Pixels whose place lay outside the frame."""
    shape = field.shape[1:]
    at = np.indices(shape) + field
    return np.any(
        [(a < 0) | (a > n - 1) for a, n in zip(at, shape, strict=True)], axis=0
    )


def bend_frame_back(frame: np.ndarray, field: np.ndarray) -> np.ndarray:
    """Cubic convolution, along both axes at once, at each pixel's displaced place."""
    at = np.indices(frame.shape) + field
    whole = np.floor(at).astype(int)
    y, x = at - whole
    out = np.zeros(frame.shape)
    for i in TAPS:
        for j in TAPS:
            row = np.clip(whole[0] + i, 0, frame.shape[0] - 1)
            col = np.clip(whole[1] + j, 0, frame.shape[1] - 1)
            out += cubic(y - i) * cubic(x - j) * frame[row, col]
    return out


def bend_in_two_passes(
    frame: np.ndarray,
    nodes: np.ndarray,
    places: tuple[np.ndarray, np.ndarray],
    shift_x: float,
    weights: Weights = cubic,
) -> np.ndarray:
    """Along y where the pixels lay before they moved by `shift_x`, then along x."""
    rows, cols = (np.arange(n) for n in frame.shape)
    down = between(nodes[..., 0], places, rows, cols - shift_x)
    along = between(nodes[..., 1], places, rows, cols)
    tall = _convolved(frame.astype(float), rows[:, None] + down, 0, weights)
    return _convolved(tall, cols + along, 1, weights)


def fit_field(frame: np.ndarray, shift: np.ndarray, model: FieldModel) -> np.ndarray:
    """Gauss-Newton steps to the most probable displacements (P, 2)."""
    places = model.grid.places
    grid = len(places[0]), len(places[1]), 2
    deviation = np.zeros(np.prod(grid))
    level = steps = 0
    while level < 2 and steps < kernels_field._MOST_STEPS:
        slopes, expected, totals, gain, carry = (part[level] for part in model.levels)
        nodes = shift.astype(float) + deviation.reshape(grid)
        bent = bend_in_two_passes(frame, nodes, places, shift[1], linear)
        bent = np.where(unseen(dense(nodes, places, frame.shape)), model.template, bent)
        # the weights of coarse structures are 0 in every other row
        products = slopes.astype(float) * bent
        light, mean = products[2:].sum(axis=(1, 2))
        if not light > kernels_field._ENOUGH_LIGHT:
            return np.tile(shift, (len(deviation) // 2, 1))
        sums = [model.windows_y @ part @ model.windows_x.T for part in products[:2]]
        left = expected - (np.stack(sums, axis=-1).ravel() - mean * totals) / light
        new = np.clip(gain @ left + carry @ deviation, -model.limit_px, model.limit_px)
        change = np.abs(new - deviation).max()
        deviation = new
        steps += 1
        if change < kernels_field._SMALL_CHANGE_PX[level]:
            level += 1
    return shift + deviation.reshape(-1, 2)


def smooth_fields(
    n: int, shape: tuple[int, int], largest_px: float, seed: int = 0
) -> np.ndarray:
    """Random sums (n, 2, Y, X) of three smooth modes, up to a third of that each."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((3, 2, *shape))
    modes = gaussian_filter(noise, min(shape) / 4, axes=(2, 3), mode="wrap")
    modes /= np.abs(modes).max(axis=(2, 3), keepdims=True)
    courses = np.tanh(rng.standard_normal((n, 3))) * largest_px / 3
    return np.tensordot(courses, modes, 1)


def warped(frame: np.ndarray, field: np.ndarray) -> np.ndarray:
    """Move the content of a frame by a field (2, Y, X), that of the moved pixels."""
    source = np.indices(frame.shape) - field
    return map_coordinates(frame, source, np.float32, order=3, mode="nearest")


def bent_crops(fields: np.ndarray, seed: int = 0, margin: int = 12) -> np.ndarray:
    """Crops (n, Y, X) of one larger image whose content is moved by fields."""
    _, _, height, width = fields.shape
    scene = cells((height + 2 * margin, width + 2 * margin), seed)
    around = ((0, 0), (margin, margin), (margin, margin))
    inner = np.s_[margin:-margin, margin:-margin]
    return np.array([warped(scene, np.pad(f, around, "edge"))[inner] for f in fields])


def displacements(fields: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """How far (n, P, 2) the content of places (P, 2) is moved by fields (n, 2, Y, X).

    A field says so of places after the motion, hence the iteration.
    """
    found = np.zeros((len(fields), *centres.shape))
    for moved, field in zip(found, fields, strict=True):
        for _ in range(5):
            at = (centres + moved).T
            moved.T[:] = [
                map_coordinates(f, at, order=1, mode="nearest") for f in field
            ]
    return found


def rms(error: np.ndarray) -> float:
    """Root of the mean square."""
    return float(np.sqrt(np.mean(np.square(error))))


def _convolved(
    values: np.ndarray, at: np.ndarray, axis: int, weights: Weights
) -> np.ndarray:
    """Interpolate along one axis, the edge repeated."""
    whole = np.floor(at).astype(int)
    out = np.zeros(values.shape)
    for tap in TAPS:
        index = np.clip(whole + tap, 0, values.shape[axis] - 1)
        out += weights(at - whole - tap) * np.take_along_axis(values, index, axis)
    return out
