"""Merging: components that are one cell.

Two components merge if they overlap and their traces agree, if they touch, are active
together and are jointly no larger than a cell or two (fragments of one soma), or if
they lie in the very same place: two cells never do. What two patches found of the same
light is no second cell: there only one of the two is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp
from scipy.ndimage import uniform_filter1d
from scipy.sparse.csgraph import connected_components

from napari_cnmf.cnmf.model import Model
from napari_cnmf.cnmf.parameters import MergeParameters
from napari_cnmf.origin import Fate

# Of the smaller one's light, in footprints that two patches found.
_DUPLICATE_COSINE = 0.5
_DUPLICATE_SHARE = 0.6

#: Footprint (pixels, 1) and trace of what the members (positions) of a model become.
Combine = Callable[[Model, np.ndarray], tuple[sp.csc_array, np.ndarray]]


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of components (first < second) that are to merge, and why.

    Attributes
    ----------
    first, second : ndarray
        (P,) int64, positions.
    overlap : ndarray
        (P,) float32, as `why` says.
    correlation : ndarray
        (P,) float32, of their traces.
    why : str
        What the overlap means, in words.
    """

    first: np.ndarray
    second: np.ndarray
    overlap: np.ndarray
    correlation: np.ndarray
    why: str

    def reason(self, i: int) -> str:
        """Say why pair `i` merges."""
        return (
            f"{self.why} {self.overlap[i]:.2f}, traces correlate by "
            f"{self.correlation[i]:.2f}"
        )


def merge(
    model: Model, parameters: MergeParameters, diameter_px: float, step: str
) -> Model:
    """Merge the components of a model that are one cell.

    Parameters
    ----------
    model : Model
    parameters : MergeParameters
    diameter_px : float
        Of a cell body.
    step : str
        When, for the record.

    Returns
    -------
    Model
        A merged component takes the place of its first member.
    """
    overlap = Overlap.of(model)
    pairs = [
        _in_one_place(model, overlap, parameters),
        _alike(model, overlap, parameters),
        _touching(model, parameters, diameter_px),
    ]
    return merge_pairs(model, pairs, step)


def rank_one(model: Model, members: np.ndarray) -> tuple[sp.csc_array, np.ndarray]:
    """Footprint and trace closest to the sum of the members."""
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


def strongest(model: Model, members: np.ndarray) -> tuple[sp.csc_array, np.ndarray]:
    """Footprint and trace of the member with most light."""
    sizes = model.footprints[:, members].power(2).sum(axis=0)
    light = sizes * np.einsum("kt,kt->k", *[model.traces[members]] * 2)
    best = members[np.argmax(light)]
    return model.footprints[:, [best]], model.traces[best]


def merge_pairs(
    model: Model, pairs: list[Pairs], step: str, combine: Combine = rank_one
) -> Model:
    """Merge groups of components that hang together by pairs."""
    first, second = (
        np.concatenate([getattr(p, name) for p in pairs])
        for name in ("first", "second")
    )
    if len(first) == 0:
        return model
    reasons = [p.reason(i) for p in pairs for i in range(len(p.first))]
    graph = sp.csr_array(
        (np.ones(len(first)), (first, second)), shape=(len(model), len(model))
    )
    _, group = connected_components(graph, directed=False)
    leaders = np.sort(np.unique(group, return_index=True)[1])
    because = dict(zip(second.tolist(), reasons, strict=True))
    because |= dict(zip(first.tolist()[::-1], reasons[::-1], strict=True))
    footprints, traces, fates, members = [], [], [], model.origin.members.copy()
    for leader in leaders:
        inside = np.flatnonzero(group == group[leader])
        footprint, trace = combine(model, inside)
        footprints.append(footprint)
        traces.append(trace)
        members[leader] = model.origin.members[inside].sum()
        fates += [
            Fate.of(model.origin, int(k), step, because[int(k)], int(leader))
            for k in inside[1:]
        ]
    origin = replace(model.origin, members=members).select(leaders)
    return replace(
        model,
        footprints=sp.hstack(footprints, format="csc").sorted_indices(),
        traces=np.stack(traces),
        origin=origin,
        fates=(*model.fates, *fates),
    )


def correlated_pairs(model: Model, min_correlation: float, max_groups: int) -> Pairs:
    """Pairs that share a pixel and whose traces agree: CaImAn's rule.

    Parameters
    ----------
    model : Model
    min_correlation : float
        Their traces correlate more than this: `merge_thr`.
    max_groups : int
        Only so many groups that hang together are kept, those with the largest sums
        of correlations: `mx`.
    """
    overlap = Overlap.of(model)
    pairs = _correlated(
        model.traces,
        overlap.first,
        overlap.second,
        overlap.share,
        min_correlation,
        "overlapping: the share of the smaller one's pixels is",
    )
    graph = sp.coo_array(
        (pairs.correlation, (pairs.first, pairs.second)), shape=(len(model),) * 2
    )
    _, group = connected_components(graph, directed=False)
    sums = np.bincount(group[pairs.first], pairs.correlation, group.max(initial=0) + 1)
    kept = np.isin(group[pairs.first], np.argsort(-sums, kind="stable")[:max_groups])
    return Pairs(
        pairs.first[kept],
        pairs.second[kept],
        pairs.overlap[kept],
        pairs.correlation[kept],
        pairs.why,
    )


def drop_duplicates(model: Model, step: str) -> Model:
    """Of what two patches found of the same light, keep the one with more of it.

    Parameters
    ----------
    model : Model
        Joined from patches.
    step : str
        When, for the record.

    Returns
    -------
    Model
        Without the others, whose fates are on record.
    """
    energy = model.footprints.power(2).sum(axis=0)
    overlap = Overlap.of(model)
    a, b = overlap.first, overlap.second
    weaker = np.where(energy[a] < energy[b], a, b)
    same = (overlap.cosine > _DUPLICATE_COSINE) | (overlap.share > _DUPLICATE_SHARE)
    same &= model.origin.patch[a] != model.origin.patch[b]
    fates, dropped = [], np.zeros(len(model), bool)
    for i in np.flatnonzero(same):
        why = (
            f"found by two patches: the cosine of the footprints is "
            f"{overlap.cosine[i]:.2f}, they share {overlap.share[i]:.0%} of the "
            "smaller one's pixels"
        )
        k, other = int(weaker[i]), int(a[i] + b[i] - weaker[i])
        if not dropped[k]:
            fates.append(Fate.of(model.origin, k, step, why, other))
        dropped[k] = True
    kept = np.flatnonzero(~dropped)
    return replace(model.select(kept), fates=(*model.fates, *fates))


@dataclass(frozen=True, eq=False)
class Overlap:
    """How the footprints that share pixels overlap.

    Attributes
    ----------
    first, second : ndarray
        (P,) positions, first < second.
    cosine : ndarray
        (P,) float32, of the two footprints.
    share : ndarray
        (P,) float32, of the smaller one's pixels that the other has too.
    """

    first: np.ndarray
    second: np.ndarray
    cosine: np.ndarray
    share: np.ndarray

    @classmethod
    def of(cls, model: Model) -> Overlap:
        """Compare all pairs of a model that share pixels."""
        norms = np.sqrt(model.footprints.power(2).sum(axis=0))
        unit = model.footprints @ sp.diags_array(1 / np.maximum(norms, 1e-12))
        support = model.footprints.astype(bool).astype(np.float32)
        cosine, shared = (
            sp.triu(maps.T @ maps, 1, format="csr").sorted_indices().tocoo()
            for maps in (unit, support)
        )  # of the same pattern
        a, b = cosine.coords
        area = np.diff(support.indptr)
        return cls(
            a, b, np.minimum(cosine.data, 1), shared.data / np.minimum(area[a], area[b])
        )


def _in_one_place(model: Model, overlap: Overlap, parameters: MergeParameters) -> Pairs:
    """Pairs whose footprints are so alike that they cannot be two cells."""
    chosen = overlap.cosine > parameters.max_overlap
    return _correlated(
        model.traces,
        overlap.first[chosen],
        overlap.second[chosen],
        overlap.cosine[chosen],
        -np.inf,
        "in the same place: the cosine of the footprints is",
    )


def _alike(model: Model, overlap: Overlap, parameters: MergeParameters) -> Pairs:
    """Pairs that overlap and have the same trace."""
    chosen = overlap.share > parameters.min_overlap
    return _correlated(
        model.traces,
        overlap.first[chosen],
        overlap.second[chosen],
        overlap.share[chosen],
        parameters.min_correlation,
        "overlapping: the share of the smaller one's pixels is",
    )


def _touching(model: Model, parameters: MergeParameters, diameter_px: float) -> Pairs:
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
    return _correlated(
        smooth,
        a[chosen],
        b[chosen],
        (shared.data / np.maximum(smaller, 1))[chosen],
        parameters.touching_correlation,
        "fragments of one cell: the share of touching area is",
    )


def _correlated(
    traces: np.ndarray,
    a: np.ndarray,
    b: np.ndarray,
    overlap: np.ndarray,
    limit: float,
    why: str,
) -> Pairs:
    """Of the pairs (a, b), those whose traces correlate more than `limit`."""
    centred = traces - traces.mean(axis=1, keepdims=True)
    norms = np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)
    unit = centred / norms
    different = a < b
    a, b, overlap = a[different], b[different], overlap[different]
    r = np.einsum("kt,kt->k", unit[a], unit[b])
    chosen = r > limit
    return Pairs(a[chosen], b[chosen], overlap[chosen], r[chosen], why)
