"""Scores a result against the truth of a simulated movie.

A footprint's mask is what exceeds a fifth of its maximum. Found and true masks are
matched one to one by the Hungarian method on their intersection over union, of at
least 0.3. To be found are somata mostly within the field that were active and stood
out of the noise; other somata and processes may be found or not; sources out of focus
and scraps of neuropil must not be found.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.optimize import linear_sum_assignment

from napari_cnmf.components import Components
from napari_cnmf.formats.results import Result
from napari_cnmf.simulation import PROCESS, SOMA

MASK_LEVEL = 0.2
MIN_OVERLAP = 0.3
MIN_SNR = 2.0
BIN_S = 0.1


@dataclass(frozen=True)
class Score:
    """How much of a result is true.

    Attributes
    ----------
    f1, precision, recall : float
        Of the accepted components.
    trace_correlation, spike_correlation : float
        Medians over matched cells; spikes are summed in bins of 100 ms.
    dff_error : float
        Median over matched cells of how far the slope of the found dF/F, regressed on
        the true one, is from 1: the relative error of its amplitude. NaN without dF/F.
    shift_error_px : float
        Root mean square after the constant offset is taken off; NaN without shifts.
    """

    f1: float
    precision: float
    recall: float
    trace_correlation: float
    spike_correlation: float
    dff_error: float
    shift_error_px: float


def load_truth(path: Path) -> dict[str, Any]:
    """Read what `simulate.save_truth` wrote."""
    with np.load(path) as file:
        truth = {name: file[name] for name in file.files}
    parts = tuple(truth[f"A_{part}"] for part in ("data", "indices", "indptr"))
    truth["A"] = sp.csc_array(parts, shape=tuple(truth["A_shape"]))
    truth["params"] = json.loads(str(truth["params"]))
    return truth


@dataclass(frozen=True)
class Matching:
    """Which accepted components are which sources.

    Attributes
    ----------
    pairs, others : list of (int, int)
        Accepted component, counted among the accepted, and source: one that is to be
        found, or one that may be found.
    wanted : ndarray
        (K,) bool, the sources that are to be found.
    """

    pairs: list[tuple[int, int]]
    others: list[tuple[int, int]]
    wanted: np.ndarray


def score(result: Result, truth: dict[str, Any]) -> Score:
    """Score the accepted components and the shifts of a result."""
    components = result.components.select(result.components.accepted)
    match = matching(result, truth)
    n_counted, n_wanted = len(components) - len(match.others), match.wanted.sum()
    precision = len(match.pairs) / n_counted if n_counted else 0.0
    recall = len(match.pairs) / n_wanted if n_wanted else 0.0
    total = precision + recall
    traces, spikes = _trace_scores(components, truth, match.pairs)
    return Score(
        f1=2 * precision * recall / total if total else 0.0,
        precision=precision,
        recall=recall,
        trace_correlation=traces,
        spike_correlation=spikes,
        dff_error=_dff_error(components, truth, match.pairs),
        shift_error_px=_shift_error(result, truth)[0],
    )


def matching(result: Result, truth: dict[str, Any]) -> Matching:
    """Match the accepted components with the sources."""
    wanted = (truth["kind"] == SOMA) & (truth["frac_in_fov"] > 0.5)
    wanted &= (truth["n_spikes"] >= 2) & (truth["snr"] >= MIN_SNR)
    seen = np.diff(truth["A"].indptr) > 0
    sources = np.flatnonzero(np.isin(truth["kind"], (SOMA, PROCESS)) & seen)
    found = found_masks(result, truth)[:, result.components.accepted]
    overlap = overlaps(found, masks(truth["A"][:, sources]))
    # A source that need not be found may only take what the wanted ones leave.
    worth = np.where(overlap >= MIN_OVERLAP, overlap * (1 + 10 * wanted[sources]), 0)
    matched = [
        (int(k), int(sources[j]))
        for k, j in zip(*linear_sum_assignment(-worth), strict=True)
        if worth[k, j] > 0
    ]
    pairs = [(k, j) for k, j in matched if wanted[j]]
    return Matching(pairs, [pair for pair in matched if not wanted[pair[1]]], wanted)


def found_masks(result: Result, truth: dict[str, Any]) -> sp.csc_array:
    """Masks (Y*X, K) of all components, moved to where the truth has its zero."""
    components, (_, offset) = result.components, _shift_error(result, truth)
    return masks(_moved(components.footprints, components.fov_shape, offset))


def _trace_scores(
    components: Components, truth: dict[str, Any], pairs: list[tuple[int, int]]
) -> tuple[float, float]:
    """Median correlations of traces and of binned spikes."""
    if not pairs:
        return 0.0, 0.0
    bin_frames = max(1, round(BIN_S * float(truth["fr"])))
    traces = [_pearson(components.denoised[k], truth["C"][j]) for k, j in pairs]
    spikes = [
        _pearson(
            _binned(components.spikes[k], bin_frames),
            _binned(truth["S"][j], bin_frames),
        )
        for k, j in pairs
    ]
    return float(np.median(traces)), float(np.median(spikes))


def _dff_error(
    components: Components, truth: dict[str, Any], pairs: list[tuple[int, int]]
) -> float:
    """Median relative error of the amplitude of dF/F; a missing one counts as 0."""
    if components.dff is None or not pairs:
        return float("nan")
    errors = []
    for k, j in pairs:
        true = truth["dff"][j] - truth["dff"][j].mean(dtype=np.float64)
        slope = float(components.dff[k] @ true / (true @ true))
        errors.append(abs(slope - 1) if np.isfinite(slope) else 1.0)
    return float(np.median(errors))


def _shift_error(result: Result, truth: dict[str, Any]) -> tuple[float, np.ndarray]:
    """Error of the shifts in px, and the offset that was taken off."""
    if result.shifts is None:
        return float("nan"), np.zeros(2)
    true = truth["shifts"].astype(np.float64)
    if len(truth["nr_modes"]):
        true = true + truth["nr_q"].T @ truth["nr_modes"].mean(axis=(2, 3))
    difference = result.shifts.values - true
    offset = np.median(difference, axis=0)
    return float(np.sqrt(((difference - offset) ** 2).mean())), offset


def _moved(
    footprints: sp.csc_array, field_shape: tuple[int, int], offset: np.ndarray
) -> sp.csc_array:
    """Footprints moved to where the truth has its zero, in whole pixels."""
    pixels, k = footprints.tocoo().coords
    y, x = np.divmod(pixels, field_shape[1])
    y, x = y + int(np.rint(offset[0])), x + int(np.rint(offset[1]))
    inside = (y >= 0) & (y < field_shape[0]) & (x >= 0) & (x < field_shape[1])
    values = footprints.tocoo().data[inside]
    places = (y[inside] * field_shape[1] + x[inside], k[inside])
    return sp.csc_array((values, places), shape=footprints.shape)


def masks(footprints: sp.csc_array) -> sp.csc_array:
    """Ones where a footprint exceeds a share of its maximum."""
    masks = sp.csc_array(footprints).astype(np.float64)
    for k in range(masks.shape[1]):
        column = masks.data[masks.indptr[k] : masks.indptr[k + 1]]
        column[:] = column >= MASK_LEVEL * column.max(initial=0)
    masks.eliminate_zeros()
    return masks


def overlaps(one: sp.csc_array, other: sp.csc_array) -> np.ndarray:
    """Intersection over union of all pairs of masks."""
    both = (one.T @ other).toarray()
    union = one.sum(axis=0)[:, None] + other.sum(axis=0)[None] - both
    return both / np.maximum(union, 1)


def _binned(values: np.ndarray, bin_frames: int) -> np.ndarray:
    """Sums over time bins."""
    n_bins = len(values) // bin_frames
    whole = values[: n_bins * bin_frames].astype(np.float64)
    return whole.reshape(n_bins, bin_frames).sum(axis=1)


def _pearson(one: np.ndarray, other: np.ndarray) -> float:
    """Correlation; 0 if one of them is constant."""
    one, other = one - one.mean(), other - other.mean()
    norm = np.sqrt((one @ one) * (other @ other))
    return float(one @ other / norm) if norm > 0 else 0.0
