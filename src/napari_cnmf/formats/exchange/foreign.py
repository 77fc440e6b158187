"""What results of others do not say, and how our values then read.

A score that nobody took is NaN and limits nothing. The noise of a trace is measured in
its second differences, whose variance is six times that of white noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import scipy.sparse as sp

from napari_cnmf.components import Background, Quality, TraceFit

_SCORES = (
    "snr",
    "r_value",
    "relative_area",
    "soma_area",
    "ring",
    "edge",
    "caiman_snr",
    "caiman_r_value",
)
_SD_PER_MEDIAN = 1.4826 / np.sqrt(6)


def unscored(n: int) -> Quality:
    """Quality of `n` components that nothing is known of: all are accepted."""
    unknown = np.full(n, np.nan, np.float32)
    scores: dict[str, Any] = dict.fromkeys(_SCORES, unknown)
    return Quality(**scores, flags=np.zeros(n, np.int32), manual=np.zeros(n, np.int8))


def with_verdict(quality: Quality, accepted: np.ndarray) -> Quality:
    """Let a verdict (K,) of others stand: by hand wherever the rule says otherwise."""
    by_rule = quality.flags == 0
    manual = np.where(by_rule == accepted, 0, np.where(accepted, 1, -1))
    return replace(quality, manual=manual.astype(np.int8))


def unfitted(raw: np.ndarray, ar: Sequence[float] = (0.0, 0.0)) -> TraceFit:
    """Noise of raw traces (K, T), all with the same autoregression."""
    n = len(raw)
    slopes = np.diff(raw.astype(np.float32), n=2, axis=1)
    noise = np.zeros(n) if not slopes.size else np.median(np.abs(slopes), axis=1)
    none = np.zeros(n, np.float32)
    return TraceFit(
        ar=np.tile(np.array(ar, np.float32), (n, 1)),
        noise=(_SD_PER_MEDIAN * noise).astype(np.float32),
        penalty=none,
        baseline=none,
    )


def no_background(field_shape: tuple[int, int], n_frames: int) -> Background:
    """Background that is zero."""
    n_pixels = field_shape[0] * field_shape[1]
    return Background(
        sp.csc_array((n_pixels, 0), dtype=np.float32),
        np.zeros((0, n_frames), np.float32),
        np.zeros(field_shape, np.float32),
    )


def footprints_of(
    pixels: Sequence[np.ndarray], weights: Sequence[np.ndarray], n_pixels: int
) -> tuple[sp.csc_array, np.ndarray]:
    """Footprints of unit norm, from the pixels of each cell and their weights.

    Parameters
    ----------
    pixels : sequence of ndarray
        Of each cell, y * X + x.
    weights : sequence of ndarray
        Of these pixels; what is not positive is left out.
    n_pixels : int
        Of the field.

    Returns
    -------
    footprints : csc_array
        (Y*X, K) float32.
    norms : ndarray
        (K,) float64, what the weights were divided by; 1 if all are zero.
    """
    columns = np.repeat(np.arange(len(pixels)), [len(p) for p in pixels])
    rows = np.concatenate([np.zeros(0, np.int64), *pixels]).astype(np.int64)
    values = np.concatenate([np.zeros(0), *weights]).astype(np.float64)
    keep = values > 0
    shape = (n_pixels, len(pixels))
    matrix = sp.csc_array((values[keep], (rows[keep], columns[keep])), shape=shape)
    norms = np.sqrt(matrix.power(2).sum(axis=0))
    norms = np.where(norms > 0, norms, 1.0)
    matrix.data /= np.repeat(norms, np.diff(matrix.indptr))
    return sp.csc_array(matrix.astype(np.float32)), norms
