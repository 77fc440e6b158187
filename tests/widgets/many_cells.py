"""A result of many cells without a movie, made in a moment."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from napari_cnmf.components import Background, Components, Quality, TraceFit
from napari_cnmf.formats.results import MovieInfo, Result
from napari_cnmf.movie.images import SummaryImages
from napari_cnmf.recipe import Recipe


def make_many(
    n_cells: int = 1000, n_frames: int = 6000, shape: tuple[int, int] = (512, 512)
) -> Result:
    """Discs with a soft border at random places, a fifth of them rejected."""
    rng = np.random.default_rng(3)
    footprints = discs(rng, n_cells, shape)
    traces = rng.exponential(1.0, (n_cells, n_frames)).astype(np.float32)
    few = np.float32(rng.random(n_cells))
    quality = Quality(
        *(rng.random(n_cells).astype(np.float32) * 10 for _ in range(8)),
        flags=(rng.random(n_cells) < 0.2).astype(np.int32),
        manual=np.zeros(n_cells, np.int8),
        limits={"low SNR": 5.0},
    )
    mean = rng.random(shape).astype(np.float32) * 0.2
    mean += (footprints.sum(axis=1) * 3).reshape(shape).astype(np.float32)
    components = Components(
        footprints=footprints,
        fov_shape=shape,
        denoised=traces,
        residual_traces=traces[::-1],
        spikes=traces,
        trace_fit=TraceFit(np.stack([few, few], 1), few, few, few),
        background=Background(
            sp.csc_array((mean.size, 1), dtype=np.float32),
            np.zeros((1, n_frames), np.float32),
            mean,
        ),
        pixel_noise=mean,
        ids=np.arange(n_cells),
        frame_rate_hz=30.0,
        quality=quality,
    )
    images = SummaryImages(mean, mean, mean, mean, mean, np.ones(shape, bool))
    movie = MovieInfo((n_frames, *shape), "", (), 30.0, (0.8, 0.8))
    return Result(movie, Recipe().to_toml(), images, components=components)


def discs(
    rng: np.random.Generator, n_cells: int, shape: tuple[int, int], radius: float = 5.0
) -> sp.csc_array:
    """Footprints (Y*X, K) of unit norm."""
    centres = rng.random((n_cells, 2)) * np.array(shape)
    y, x = (grid.ravel() for grid in np.mgrid[-7:8, -7:8])
    values, pixels, owners = [], [], []
    for k, centre in enumerate(np.round(centres).astype(int)):
        rows, cols = y + centre[0], x + centre[1]
        value = np.clip(1.2 - np.hypot(y, x) / radius, 0, 1)
        inside = (rows >= 0) & (rows < shape[0]) & (cols >= 0) & (cols < shape[1])
        inside &= value > 0
        values.append(value[inside] / np.linalg.norm(value[inside]))
        pixels.append((rows * shape[1] + cols)[inside])
        owners.append(np.full(inside.sum(), k))
    parts = (np.concatenate(part) for part in (values, pixels, owners))
    data, rows, cols = parts
    found = sp.coo_array((data, (rows, cols)), shape=(shape[0] * shape[1], n_cells))
    return found.tocsc().astype(np.float32)
