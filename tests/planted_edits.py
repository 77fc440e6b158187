"""A crowded result without a movie, and another that differs from it as is known."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp
from example_values import make_components

from napari_cnmf.components import Components
from napari_cnmf.simulation import SimulationParameters
from napari_cnmf.simulation.cells import place_cells
from napari_cnmf.simulation.shapes import draw_sources

FIELD = (120, 190)
N_FRAMES = 200
GAINED, LOST, SPLIT, MERGED, MOVED = 7, 10, 5, 3, 20


@dataclass(frozen=True, eq=False)
class Edited:
    """Two results, and what became of each cell of the first.

    Attributes
    ----------
    before, after : Components
    links : set
        (state, id before, id after) of each pair; -1 is none.
    """

    before: Components
    after: Components
    links: set[tuple[str, int, int]]


def edited(seed: int = 0) -> Edited:
    """Plant 10 lost, 7 gained, 5 split, 3 merged and 20 shifted cells."""
    rng = np.random.default_rng(seed)
    images = _crowded(seed)
    inner = np.flatnonzero([_margin(image) > 2 for image in images])
    touching = _touching(images, inner, MERGED)
    alone = np.setdiff1d(inner, [k for pair in touching for k in pair])
    # A cell that appears where another was lost would be that one, moved.
    chosen = _apart(images, rng.permutation(alone), GAINED + LOST)
    gained, lost = chosen[:GAINED], chosen[GAINED:]
    rest = rng.permutation(np.setdiff1d(alone, chosen))
    split, moved = rest[:SPLIT], rest[SPLIT : SPLIT + MOVED]
    before = np.setdiff1d(np.arange(len(images)), gained)
    after: list[np.ndarray] = []
    links: set[tuple[str, int, int]] = {("lost", int(k), -1) for k in lost}

    like: list[int] = []

    def put(state: str, old: list[int], image: np.ndarray) -> None:
        like.append(old[0] if old[0] >= 0 else 5000 + len(after))
        links.update((state, k, 1000 + len(after)) for k in old)
        after.append(image)

    for k in gained.tolist():
        put("gained", [-1], images[k])
    for k in moved.tolist():
        way = [(0, 1), (1, 0), (0, -1), (-1, 0)][k % 4]
        put("moved", [k], np.roll(images[k], way, axis=(0, 1)))
    for k in split.tolist():
        for half in _halves(images[k]):
            put("split", [k], half)
    for pair in touching:
        put("merged", list(pair), images[list(pair)].sum(axis=0))
    done = {k for _, k, _ in links}
    for k in before.tolist():
        if k not in done:
            put("same", [k], images[k])
    order = rng.permutation(len(after))
    return Edited(
        as_components(images[before], before),
        as_components(np.stack(after)[order], 1000 + order, [like[k] for k in order]),
        links,
    )


def as_components(
    images: np.ndarray, ids: np.ndarray, like: list[int] | None = None
) -> Components:
    """Components with footprints (K, Y, X); those like the same have the same trace."""
    flat = sp.csc_array(images.reshape(len(images), -1).T.astype(np.float32))
    cells = make_components(np.asarray(ids), images.shape[1:], N_FRAMES)
    traces = np.array(
        [np.random.default_rng(k).exponential(size=N_FRAMES) for k in like or ids],
        np.float32,
    ).reshape(len(ids), N_FRAMES)
    return replace(
        cells, footprints=flat, denoised=traces, residual_traces=0.1 * traces[:, ::-1]
    )


def _crowded(seed: int) -> np.ndarray:
    """Footprints (K, Y, X) of cells that mostly lie in view, some upon another."""
    parameters = SimulationParameters(
        n_frames=10, height_px=FIELD[0], width_px=FIELD[1], n_somata=150,
        n_processes=8, n_defocused=15, overlap_fraction=0.4,
    )  # fmt: skip
    rng = np.random.default_rng(seed)
    cells = place_cells(parameters, rng)
    images = draw_sources(parameters, cells["kind"], cells["centres"], rng)
    m = parameters.margin_px
    found = images.toarray().T.reshape(-1, *parameters.scene_shape)
    seen = found[:, m:-m, m:-m]
    share = seen.sum(axis=(1, 2)) / found.sum(axis=(1, 2))
    return seen[share > 0.7]


def _margin(image: np.ndarray) -> int:
    """Pixels between a footprint and the border of the field."""
    y, x = np.nonzero(image)
    return min(y.min(), x.min(), FIELD[0] - 1 - y.max(), FIELD[1] - 1 - x.max())


def _likeness(images: np.ndarray) -> np.ndarray:
    """Cosine of all pairs of footprints."""
    flat = images.reshape(len(images), -1)
    flat = flat / np.linalg.norm(flat, axis=1, keepdims=True)
    return flat @ flat.T


def _apart(images: np.ndarray, which: np.ndarray, n: int) -> np.ndarray:
    """Take cells of which none resembles another."""
    likeness, taken = _likeness(images), []
    for k in which.tolist():
        if len(taken) < n and (likeness[k, taken] < 0.5).all():
            taken.append(k)
    return np.array(taken)


def _halves(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cut a footprint across its longer side, through its middle."""
    y, x = np.nonzero(image)
    along = y if np.ptp(y) > np.ptp(x) else x
    low = along <= np.median(along)
    first, second = np.zeros_like(image), np.zeros_like(image)
    first[y[low], x[low]] = image[y[low], x[low]]
    second[y[~low], x[~low]] = image[y[~low], x[~low]]
    return first, second


def _touching(images: np.ndarray, which: np.ndarray, n: int) -> list[tuple[int, int]]:
    """Pairs of cells that overlap, no cell in two of them."""
    likeness = np.triu(_likeness(images[which]), 1)
    pairs: list[tuple[int, int]] = []
    for i, j in np.argwhere((likeness > 0.02) & (likeness < 0.5)):
        if not {i, j} & {k for pair in pairs for k in pair}:
            pairs.append((i, j))
    return [(int(which[i]), int(which[j])) for i, j in pairs[:n]]
