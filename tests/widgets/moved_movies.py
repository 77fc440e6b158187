"""A result of a piecewise registration, made in a moment."""

from __future__ import annotations

import numpy as np

from napari_cnmf.formats.results import MovieInfo, Result
from napari_cnmf.movie.images import SummaryImages
from napari_cnmf.movie.registration import Registration
from napari_cnmf.movie.shifts import PatchShifts, Shifts
from napari_cnmf.recipe import Recipe

GRID = (3, 4)
BORDERS = (2, 3, 4, 0)
#: Frames that remain bad, and bits of what is wrong with them.
BAD = {7: 1, 20: 2, 21: 2, 22: 2, 40: 6}
PIECEWISE = {"motion.mode": "piecewise", "motion.grid_step_px": 12}


def make_moved(
    n_frames: int = 60, shape: tuple[int, int] = (40, 60), *, piecewise: bool = True
) -> Result:
    """A recording that drifts and jitters, and what its registration found."""
    shifts = make_shifts(n_frames, shape, piecewise=piecewise)
    valid = np.zeros(shape, bool)
    top, bottom, left, right = BORDERS
    valid[top : shape[0] - bottom, left : shape[1] - right] = True
    rng = np.random.default_rng(2)
    texture = rng.random(shape).astype(np.float32)
    images = {
        blur: SummaryImages(*(texture * blur for _ in range(5)), valid)
        for blur in (0.5, 1.0)
    }
    flags = np.zeros(n_frames, np.int32)
    flags[list(BAD)] = list(BAD.values())
    n_bins = -(-n_frames // 8)
    registration = Registration(
        before=images[0.5],
        correlation_before=rng.uniform(0.3, 0.5, n_frames).astype(np.float32),
        correlation_after=rng.uniform(0.6, 0.7, n_frames).astype(np.float32),
        residual_before=np.full(n_bins, 1.5, np.float32),
        residual_after=np.full(n_bins, 0.1, np.float32),
        bin_frames=8,
        flags=flags,
    )
    recipe = Recipe().with_settings(PIECEWISE if piecewise else {})
    return Result(
        MovieInfo((n_frames, *shape), "", (), 30.0, (0.8, 0.8)),
        recipe.to_toml(),
        images[1.0],
        shifts,
        registration,
    )


def make_shifts(n_frames: int, shape: tuple[int, int], *, piecewise: bool) -> Shifts:
    """Shifts that differ from frame to frame and from patch to patch."""
    rng = np.random.default_rng(1)
    jitter = rng.normal(0, 0.5, (n_frames, 2)).astype(np.float32)
    whole = jitter + np.linspace((0, 0), (4, -3), n_frames, dtype=np.float32)
    patches = None
    if piecewise:
        rows, cols = (np.linspace(5, shape[i] - 6, GRID[i]) for i in (0, 1))
        centres = np.stack(np.meshgrid(rows, cols, indexing="ij"), -1).reshape(-1, 2)
        bent = 1 + 0.3 * np.sin(np.arange(len(centres)))
        values = whole[:, None] * bent.astype(np.float32)[:, None]
        patches = PatchShifts(values, centres.astype(np.float32))
    template = np.ones(shape, np.float32)
    return Shifts(whole, template, 12.0, patches, line_offset_px=0.4)
