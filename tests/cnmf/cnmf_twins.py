"""Slow twins of the kernels of the factorisation, and small models to try them on.

Plain numpy and scipy on dense arrays in float64; images and movies are (Y, X, T) or
(pixels, T), as in the kernels.
"""

from __future__ import annotations

import numpy as np
import scipy.ndimage as ndi
import scipy.sparse as sp
from scipy.optimize import nnls
from scipy.signal import lfilter

from napari_cnmf.cnmf.background.grid import hat_grid
from napari_cnmf.cnmf.model import Model
from napari_cnmf.cnmf.parameters import InitParameters
from napari_cnmf.cnmf.spatial import gaussian_taps
from napari_cnmf.origin import Origin

# ---------------------------------------------------------------- small models


def disc(shape: tuple[int, int], centre: tuple[float, float], radius: float):
    """Soft-edged disc, (Y, X) float32, peak about 1."""
    y, x = np.indices(shape)
    distance = np.hypot(y - centre[0], x - centre[1])
    return np.clip(radius + 0.5 - distance, 0, 1).astype(np.float32)


def columns(images: np.ndarray | list[np.ndarray]) -> sp.csc_array:
    """Images (K, Y, X) as the columns of a matrix (pixels, K) with int32 indices."""
    images = np.asarray(images, np.float32)
    return sp.csc_array(images.reshape(len(images), int(np.prod(images.shape[1:]))).T)


def transients(n_cells: int, n_frames: int, seed: int = 0) -> np.ndarray:
    """Traces (K, T) float32 of sparse, decaying events with a height of about 1."""
    rng = np.random.default_rng(seed)
    spikes = (rng.random((n_cells, n_frames)) < 0.03).astype(np.float64)
    # None is silent.
    spikes[np.arange(n_cells), rng.integers(5, n_frames // 2, n_cells)] += 1
    return lfilter([1], [1, -np.exp(-1 / 6)], spikes, axis=1).astype(np.float32)


def make_model(
    field_shape: tuple[int, int] = (23, 31),
    n_cells: int = 4,
    n_frames: int = 150,
    pitch_px: float = 12.0,
    seed: int = 0,
) -> Model:
    """Overlapping discs of known traces on a smooth background."""
    rng = np.random.default_rng(seed)
    centres = rng.uniform(0, field_shape, (n_cells, 2))
    images = np.zeros((n_cells, *field_shape), np.float32)
    for image, centre in zip(images, centres, strict=True):
        image[:] = disc(field_shape, centre, 3.0)
    valid = np.ones(field_shape, bool)
    grid = hat_grid(valid, pitch_px)
    background = ndi.gaussian_filter1d(rng.normal(size=(grid.n_nodes, n_frames)), 8, 1)
    return Model(
        valid=valid,
        grid=grid,
        footprints=columns(5 * images),
        traces=transients(n_cells, n_frames, seed),
        origin=origin(n_cells),
        weights=rng.uniform(0.5, 1.5, field_shape).astype(np.float32).ravel(),
        modes=sp.csc_array((valid.size, 0), dtype=np.float32),
        background=(6 * background).astype(np.float32),
    )


def origin(n_cells: int) -> Origin:
    """Of cells that one patch found at its first pixels."""
    ranks, one = np.arange(n_cells), np.ones(n_cells, np.int64)
    scores = np.float32(n_cells) - ranks
    corners = np.stack([ranks, 0 * ranks], axis=1)
    boxes = np.concatenate([corners, corners + 1], axis=1)
    return Origin(0 * ranks, ranks, scores, corners, boxes, one, one)


def render(model: Model, noise: float = 0.0, seed: int = 1) -> np.ndarray:
    """Movie (pixels, T) float32 of a model, without mean, plus noise."""
    movie = model.footprints @ model.traces
    movie = movie + model.grid.maps(model.weights) @ model.background
    movie = movie - movie.mean(axis=1, keepdims=True)
    movie = movie + noise * np.random.default_rng(seed).standard_normal(movie.shape)
    return np.ascontiguousarray(movie, np.float32)


def planted(centres, shape=(40, 52), n_frames=300, height=3.0):
    """Noise of one and sharply outlined cells (Y, X, T), their images and traces."""
    images = np.array([disc(shape, c, 3.0) for c in centres]).reshape(-1, *shape)
    traces = height * transients(len(centres), n_frames, seed=3)
    movie = np.random.default_rng(5).normal(0, 1, (*shape, n_frames))
    movie += np.tensordot(images, traces, (0, 0))
    return movie.astype(np.float32), images, traces


# ---------------------------------------------------------------- kernels.py


def maps(model: Model) -> np.ndarray:
    """Background maps W H, dense (pixels, nodes), straight from the four corners."""
    dense = np.zeros((len(model.weights), model.grid.n_nodes))
    for pixel, weight in enumerate(model.weights):
        for node, share in zip(
            model.grid.nodes[pixel], model.grid.shares[pixel], strict=True
        ):
            dense[pixel, node] += weight * share
    return dense


def relax(
    gram: np.ndarray, target: np.ndarray, rows: np.ndarray, solution: np.ndarray
) -> np.ndarray:
    """Gauss-Seidel over rows, one after the other."""
    solution = solution.astype(np.float64)
    for row in rows:
        if gram[row, row] > 0:
            rest = target[row] - gram[row] @ solution
            solution[row] += rest / gram[row, row]
    return solution


def regress_pixels(
    movie: np.ndarray, model: Model, by_pixel: sp.csr_array, sparsity_sd: float = 0.0
):
    """Values of the candidates and weights, by scipy's non-negative least squares."""
    modes = model.background[model.grid.n_nodes :]
    courses = centred(np.concatenate([model.traces, modes]))
    background = centred(model.background)
    penalties = sparsity_sd * np.linalg.norm(courses, axis=1)
    penalties[len(model) :] = 0
    values, weights = [], []
    for pixel, y in enumerate(movie):
        near = by_pixel.indices[by_pixel.indptr[pixel] : by_pixel.indptr[pixel + 1]]
        local = np.zeros(movie.shape[1])
        if model.grid.n_nodes:
            local = model.grid.shares[pixel] @ background[model.grid.nodes[pixel]]
        found = sparse_nnls(
            np.stack([*courses[near], local], axis=1), y, np.append(penalties[near], 0)
        )
        values += found[:-1].tolist()
        weights.append(found[-1])
    return np.array(values), np.array(weights)


def centred(traces: np.ndarray) -> np.ndarray:
    """Traces without their mean, in double precision."""
    traces = traces.astype(np.float64)
    return traces - traces.mean(axis=1, keepdims=True)


def sparse_nnls(x: np.ndarray, y: np.ndarray, penalties: np.ndarray) -> np.ndarray:
    """Minimise ``|y - xw|^2 / 2 + penalties'w`` over non-negative w.

    Taking v with ``x'v = penalties`` from y gives the same normal equations, so this
    is a plain problem for scipy; exact if the columns of x are independent.
    """
    return nnls(x, y - x @ np.linalg.lstsq(x.T @ x, penalties)[0])[0]


def dilate(image: np.ndarray, radius: int) -> np.ndarray:
    """Grow a mask by a disc a little larger than the radius."""
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    return ndi.binary_dilation(image, y**2 + x**2 <= radius**2 + radius // 2)


def smooth(image: np.ndarray, taps: np.ndarray) -> np.ndarray:
    """Separable filter; nothing outside of the image."""
    rows = ndi.correlate1d(image.astype(np.float64), taps, 0, mode="constant")
    return ndi.correlate1d(rows, taps, 1, mode="constant")


def ellipse(image: np.ndarray, narrow: float, wide: float, distance: float):
    """Mask of the pixels within `distance` axes of the centre of an image."""
    places = np.argwhere(np.ones(image.shape))
    weights = image.ravel().astype(np.float64)
    if not weights.any():
        return np.zeros(image.shape, bool)
    centre = np.average(places, axis=0, weights=weights)
    covariance = sum(
        weight * np.outer(place - centre, place - centre)
        for place, weight in zip(places, weights, strict=True)
    )
    variances, axes = np.linalg.eigh(covariance / weights.sum())
    variances = np.clip(variances, narrow**2, wide**2)
    along = (places - centre) @ axes
    far = np.sqrt((along**2 / variances).sum(axis=1))
    return (far <= distance).reshape(image.shape)


def outline(
    image: np.ndarray,
    floor: float,
    taps: np.ndarray,
    share: float,
    by_energy: bool = False,
    closing: int = 0,
    smallest: float = np.inf,
):
    """Pieces of the smoothed footprint above its level, within its support."""
    support = image > 0
    if not support.any():
        return np.zeros(image.shape)
    box = ndi.find_objects(support.astype(int))[0]
    smoothed, inside = smooth(image[box], taps), support[box]
    mask = smoothed > floor
    if by_energy:
        falling = np.sort(smoothed[inside])[::-1]
        held = np.cumsum(falling**2)
        mask &= smoothed >= falling[np.argmax(held >= share * held[-1])]
    else:
        mask &= smoothed > share * smoothed[inside].max()
    y, x = np.mgrid[-closing : closing + 1, -closing : closing + 1]
    disc_around = y**2 + x**2 <= closing**2 + closing // 2
    mask = ndi.binary_closing(np.pad(mask, closing), disc_around)
    mask = mask[
        closing : closing + len(smoothed), closing : closing + smoothed.shape[1]
    ]
    labels, n_pieces = ndi.label(mask)
    cut = np.zeros(image.shape)
    if n_pieces:
        numbers = np.arange(1, n_pieces + 1)
        kept = ndi.sum_labels(mask, labels, numbers) >= smallest
        kept[np.argmax(ndi.sum_labels(smoothed, labels, numbers))] = True
        cut[box] = np.where(np.isin(labels, numbers[kept]) & inside, smoothed, 0)
    return cut


# ---------------------------------------------------------------- the search


def local_mean(
    movie: np.ndarray, half: int, valid: np.ndarray | None = None
) -> np.ndarray:
    """Mean of the pixels that exist and hold data in a box around each, (Y, X, T)."""
    box = np.ones((2 * half + 1, 2 * half + 1, 1))
    valid = np.ones(movie.shape[:2]) if valid is None else valid.astype(float)
    count = ndi.correlate(valid[..., None], box, mode="constant")
    return ndi.correlate(movie.astype(np.float64), box, mode="constant") / count


def blur_coarse(movie: np.ndarray, taps: np.ndarray, step: int) -> np.ndarray:
    """Separable filter over rows and columns, then every `step`-th pixel."""
    blurred = movie.astype(np.float64)
    for axis in (0, 1):
        blurred = ndi.correlate1d(blurred, taps, axis, mode="constant")
    return blurred[::step, ::step]


def noise_of(trace: np.ndarray) -> float:
    """Noise from second differences, whose variance is six times that of the noise."""
    bends = np.diff(trace.astype(np.float64), 2)
    return float(np.sqrt((bends**2).mean() / 6)) if bends.size else 0.0


def event_energy(trace: np.ndarray, noise: float, threshold: float) -> float:
    """Sum of squares above the threshold, in units of the noise variance."""
    above = np.maximum(trace.astype(np.float64) / noise - threshold, 0)
    return float((above**2).sum())


def keep_piece(image: np.ndarray, level: float, y: int, x: int) -> np.ndarray:
    """The piece above `level` that holds (y, x)."""
    labels, _ = ndi.label(image > level)
    return np.where((labels == labels[y, x]) & (labels > 0), image, 0)


def rank_one(box: np.ndarray, seed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Image and trace of the strongest piece around the seed, in four rounds."""
    trace = seed.astype(np.float64)
    image = np.zeros(box.shape[:2])
    for _ in range(4):
        trace = np.maximum(trace, 0)
        if not trace.any():
            return np.zeros_like(image), trace
        image = np.maximum(box @ trace / (trace @ trace), 0)
        if not image.any():
            return image, np.zeros_like(trace)
        peak = np.unravel_index(image.argmax(), image.shape)
        image = keep_piece(image, 0.2 * image.max(), *peak)
        trace = np.tensordot(image, box, 2) / (image**2).sum()
    return image, trace


def search(movie: np.ndarray, parameters: InitParameters):
    """Greedy search that blurs the whole residual anew after every cell."""
    diameter = parameters.diameter_px
    sigma, half = 0.32 * diameter, round(0.75 * diameter)
    step, taps = max(1, int(0.6 * sigma)), gaussian_taps(sigma)
    movie = movie - local_mean(movie, round(1.3 * diameter))
    start = blur_coarse(movie, taps, step)
    # The median as the kernel takes it: the upper one of an even number of frames.
    centre = np.sort(start, axis=2)[:, :, start.shape[2] // 2, None]
    noise = np.apply_along_axis(noise_of, 2, start)[..., None]
    found = []
    while True:
        blurred = blur_coarse(movie, taps, step) - centre
        above = np.maximum(blurred / noise - parameters.event_threshold_sd, 0)
        energy = (above**2).sum(axis=2)
        best = np.unravel_index(energy.argmax(), energy.shape)
        bins = 500 * max(start.shape[2] / 500, 1) ** 0.5
        if energy[best] < parameters.min_event_energy * bins:
            return found
        y, x = np.multiply(best, step)
        rows = slice(max(y - half, 0), min(y + half + 1, movie.shape[0]))
        cols = slice(max(x - half, 0), min(x + half + 1, movie.shape[1]))
        image, trace = rank_one(movie[rows, cols], blurred[best])
        movie[rows, cols] -= image[..., None] * trace
        whole = np.zeros(movie.shape[:2])
        whole[rows, cols] = image
        found.append((whole, trace))
