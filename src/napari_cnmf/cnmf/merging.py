"""Merging: components that are one cell.

Two components merge if their footprints and traces agree, or if they touch, are active
together and are jointly no larger than a cell or two: fragments of one soma.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy.sparse as sp
from scipy.ndimage import uniform_filter1d
from scipy.sparse.csgraph import connected_components

from napari_cnmf.cnmf.model import Model
from napari_cnmf.cnmf.parameters import MergeParameters


def merge(model: Model, parameters: MergeParameters, diameter_px: float) -> Model:
    """Merge the components of a model that are one cell.

    Parameters
    ----------
    model : Model
    parameters : MergeParameters
    diameter_px : float
        Of a cell body.

    Returns
    -------
    Model
        A merged component takes the place of its first member.
    """
    pairs = _alike(model, parameters) + _touching(model, parameters, diameter_px)
    if pairs.nnz == 0:
        return model
    n_groups, group = connected_components(pairs, directed=False)
    footprints, traces, first = [], [], []
    for number in range(n_groups):
        members = np.flatnonzero(group == number)
        footprint, trace = _combined(model, members)
        footprints.append(footprint)
        traces.append(trace)
        first.append(members[0])
    order = np.argsort(first)
    return replace(
        model,
        footprints=sp.hstack(footprints, format="csc")[:, order].sorted_indices(),
        traces=np.stack(traces)[order],
    )


def _alike(model: Model, parameters: MergeParameters) -> sp.csr_array:
    """Pairs whose footprints and traces agree."""
    norms = np.sqrt(model.footprints.power(2).sum(axis=0))
    unit = model.footprints @ sp.diags_array(1 / np.maximum(norms, 1e-12))
    overlap = (unit.T @ unit).tocoo()
    chosen = overlap.data > parameters.min_overlap
    return _correlated(
        model.traces,
        overlap.coords[0][chosen],
        overlap.coords[1][chosen],
        parameters.min_correlation,
    )


def _touching(
    model: Model, parameters: MergeParameters, diameter_px: float
) -> sp.csr_array:
    """Pairs of fragments that touch and are active together."""
    grown = model.grown(1)
    shared = (grown.T @ grown).tocoo()
    a, b = shared.coords
    area = np.diff(model.footprints.indptr)
    grown_area = np.diff(grown.indptr)
    smaller = np.minimum(grown_area[a], grown_area[b])
    limit = parameters.max_area_somas * np.pi / 4 * diameter_px**2
    chosen = shared.data > parameters.touching_share * smaller
    chosen &= area[a] + area[b] < limit
    smooth = uniform_filter1d(model.traces, 5, axis=1)
    return _correlated(smooth, a[chosen], b[chosen], parameters.touching_correlation)


def _correlated(
    traces: np.ndarray, a: np.ndarray, b: np.ndarray, limit: float
) -> sp.csr_array:
    """Of the pairs (a, b), those whose traces correlate more than `limit`."""
    centred = traces - traces.mean(axis=1, keepdims=True)
    norms = np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)
    unit = centred / norms
    different = a < b
    a, b = a[different], b[different]
    r = np.einsum("kt,kt->k", unit[a], unit[b])
    chosen = r > limit
    shape = (len(traces), len(traces))
    ones = np.ones(int(chosen.sum()), bool)
    return sp.csr_array((ones, (a[chosen], b[chosen])), shape=shape)


def _combined(model: Model, members: np.ndarray) -> tuple[sp.csc_array, np.ndarray]:
    """Rank-one footprint and trace of the sum of the members."""
    footprints = model.footprints[:, members]
    traces = model.traces[members]
    if len(members) == 1:
        return footprints, traces[0]
    gram = (footprints.T @ footprints).toarray()
    weights = np.linalg.norm(traces, axis=1)
    for _ in range(10):
        trace = weights @ gram @ traces / (weights @ gram @ weights)
        weights = np.maximum(traces @ trace / (trace @ trace), 0)
    return footprints @ sp.csc_array(weights[:, None]), trace
