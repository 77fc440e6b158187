"""suite2p's figures of each cell: its ``stat.npy``."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_cnmf.components import Components
from napari_cnmf.formats.exchange.roi_means import (
    NEUROPIL_COEFFICIENT,
    RoiMeans,
    own_pixels,
)


def stat_of(cells: Components, means: RoiMeans) -> np.ndarray:
    """One dictionary a cell."""
    footprints, width = cells.footprints, cells.fov_shape[1]
    shared = ~own_pixels(footprints)
    corrected = means.fluorescence - NEUROPIL_COEFFICIENT * means.neuropil
    mean_size = max(float(cells.sizes_px.mean()) if len(cells) else 1.0, 1.0)
    found = np.empty(len(cells), object)
    for k in range(len(cells)):
        part = slice(footprints.indptr[k], footprints.indptr[k + 1])
        y, x = np.divmod(footprints.indices[part].astype(np.int64), width)
        lam = footprints.data[part]
        found[k] = {
            "ypix": y,
            "xpix": x,
            "lam": lam,
            "overlap": shared[part],
            **_shape(y, x, lam, mean_size),
            **_moments(corrected[k]),
        }
    return found


def _shape(
    y: np.ndarray, x: np.ndarray, lam: np.ndarray, mean_size: float
) -> dict[str, Any]:
    """Size, place and roundness of a cell, in suite2p's words."""
    n = len(y)
    if not n:
        y, x, lam = np.zeros((3, 1))
    middle = [int(np.median(y)), int(np.median(x))]
    spread = np.cov(np.stack([y, x]), aweights=np.maximum(lam, 1e-9), ddof=0)
    minor, major = np.sqrt(np.maximum(np.linalg.eigvalsh(spread), 0.25))
    from_middle = float(np.hypot(y - middle[0], x - middle[1]).mean())
    of_disk = max(2 / 3 * np.sqrt(len(y) / np.pi), 1e-9)
    bright = lam >= lam.max() / 5
    extent = np.hypot(y[bright] - middle[0], x[bright] - middle[1]).mean()
    return {
        "npix": n,
        "npix_soma": n,
        "soma_crop": np.ones(n, bool),
        "npix_norm": n / mean_size,
        "npix_norm_no_crop": n / mean_size,
        "med": middle,
        "radius": float(2 * major),
        "aspect_ratio": float(2 * major / (major + minor)),
        "mrs": from_middle / of_disk,
        "mrs0": 1.0,
        "compact": max(from_middle / of_disk, 1.0),
        "footprint": float(extent),
    }


def _moments(trace: np.ndarray) -> dict[str, float]:
    """Skewness and standard deviation of a trace."""
    deviation = trace - trace.mean(dtype=np.float64)
    sd = float(np.sqrt(np.mean(deviation**2)))
    skew = float(np.mean(deviation**3)) / sd**3 if sd > 0 else 0.0
    return {"skew": skew, "std": sd}
