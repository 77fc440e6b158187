"""The size of cells: what a search finds again and again, whatever size it is told.

The greedy search runs at several sizes. Told too small a size it finds pieces that fill
its box, which are left out; told too large a one it finds the same cells again. So
sizes pile up at that of the cells. Neuropil has no size of its own, and its light goes
down as well as up: candidates without sparse events are left out, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from napari_cnmf.cnmf.initialise.found import Found
from napari_cnmf.cnmf.initialise.greedy import greedy
from napari_cnmf.cnmf.initialise.kernels import LANES
from napari_cnmf.cnmf.parameters import InitParameters
from napari_cnmf.cnmf.proposals.sample import Sampler, Window
from napari_cnmf.proposal import HALF_SIZE, Proposal

#: Half-sizes that the search is told: diameters of 4 to 43 px.
TOLD_PX = 1.5 * 1.6 ** np.arange(6)
FALLBACK_PX = 4.0
#: Of a trace with sparse events: cells have 1 to 5, neuropil 0 to 1.3.
LEAST_SKEWNESS = 1.25
_SMALLEST_PX = 1.2
# Of the root mean square radius; then simulated movies with diameters of 6 to 26 px,
# dense, dim, sparse or with strong neuropil, come out right within 15 %; the smallest,
# which the optics blur, up to 19 % too large, at which the search finds them better.
_HALF_SIZE_PER_RADIUS = 0.88
_MOST_CELLS = 25
# Of one size, in one window, and independent. Movies of neuropil alone have up to 5,
# those with six cells in a window 6 and more.
_FEWEST_CELLS = 6
# Of the light of all candidates like cells, told the peak's size or more: cells have
# 0.73 to 1; 0.5 where half of the light is of pieces.
_LEAST_SHARE = 0.6
_FULLEST = 0.5  # part of the box that a whole cell covers
_SIZES_PX = np.geomspace(0.6, 24, 150)
_SMOOTHING = 0.1  # of the logarithm of the size
_SAME = 1.28  # as a factor


@dataclass(frozen=True, eq=False)
class Candidates:
    """What a search finds, as measured.

    Attributes
    ----------
    half_px : ndarray
        (n,) half-sizes, from the spread of the footprints.
    energy : ndarray
        (n,) squares of their light, summed.
    skewness : ndarray
        (n,) of their traces.
    fullness : ndarray
        (n,) the part of the search's box that they cover.
    kinship : ndarray
        (n, n) squared correlations of their traces.
    """

    half_px: np.ndarray
    energy: np.ndarray
    skewness: np.ndarray
    fullness: np.ndarray
    kinship: np.ndarray

    @classmethod
    def of(cls, found: Found, n_cols: int) -> Self:
        """Measure what was found in a window of `n_cols` columns."""
        footprints, traces = found.footprints, found.traces
        yx = np.stack(np.divmod(np.arange(footprints.shape[0]), n_cols), axis=1)
        mass = footprints.sum(axis=0)
        centre = (footprints.T @ yx) / mass[:, None]
        square = (footprints.T @ (yx**2).sum(axis=1)) / mass
        variance = np.maximum(square - (centre**2).sum(axis=1), 0)
        power = np.einsum("kt,kt->k", traces, traces)
        about = traces - traces.mean(axis=1, keepdims=True)
        spread = np.maximum(np.sqrt((about**2).mean(axis=1)), 1e-6)
        standard = about / spread[:, None]
        sides = found.seeds.boxes[:, 2:] - found.seeds.boxes[:, :2]
        return cls(
            half_px=_HALF_SIZE_PER_RADIUS * np.sqrt(variance),
            energy=footprints.power(2).sum(axis=0) * power,
            skewness=(standard**3).mean(axis=1),
            fullness=np.diff(footprints.indptr) / sides.prod(axis=1),
            kinship=(standard @ standard.T / traces.shape[1]) ** 2,
        )

    @property
    def like_cells(self) -> np.ndarray:
        """Whether each is whole, wider than a pixel and active in sparse events."""
        whole = (self.fullness < _FULLEST) & (self.half_px > 0)
        return whole & (self.skewness > LEAST_SKEWNESS)


@dataclass(frozen=True, eq=False)
class SizeSearch:
    """Searches a window at every size; sent to the workers."""

    sampler: Sampler

    def __call__(self, window: Window) -> list[Candidates]:
        """Return what is found at each of `TOLD_PX`; nothing in too short a movie."""
        bins, valid = self.sampler.bins(window), self.sampler.valid(window)
        if bins.shape[1] < LANES:
            return []
        return [
            Candidates.of(
                greedy(
                    bins, valid, InitParameters(neuron_half_size_px=told), _MOST_CELLS
                ),
                window.shape[1],
            )
            for told in TOLD_PX.tolist()
        ]


@dataclass(frozen=True, slots=True)
class _Peak:
    """The size at which most light piles up.

    Attributes
    ----------
    low_px, middle_px, high_px : float
        Weighted quartiles of the sizes around it.
    most : int
        Candidates of that size in one search of one window, at most.
    share : float
        Of the light of the candidates that were told this size or more.
    """

    low_px: float
    middle_px: float
    high_px: float
    most: int
    share: float


def propose_size(searches: Sequence[Sequence[Candidates]]) -> Proposal:
    """Propose the half-size.

    Parameters
    ----------
    searches : sequence of sequence of Candidates
        What `SizeSearch` gives for each window.

    Returns
    -------
    Proposal
        Of 4 px if no size stands out. Its curve is how much light there is at each
        size.
    """
    told, half_px, weight = _pooled(searches)
    density = _density(half_px, weight)
    summit = float(_SIZES_PX[np.argmax(density)])
    most = max((_count(one, summit) for part in searches for one in part), default=0)
    if most < _FEWEST_CELLS:
        peak = _Peak(FALLBACK_PX, FALLBACK_PX, FALLBACK_PX, most, 0.0)
    else:
        peak = _peak(told, half_px, weight, summit, most)
    confident, evidence = _judged(peak)
    return Proposal(
        parameter=HALF_SIZE,
        value=max(peak.middle_px, 1.0),
        low=max(peak.low_px, 1.0),
        high=max(peak.high_px, 1.0),
        confident=confident,
        evidence=evidence,
        curve_x=tuple(_SIZES_PX.tolist()),
        curve_y=tuple(density.tolist()),
        x_label="half-size (px)",
        y_label="light of the candidates of that size",
    )


def _pooled(
    searches: Sequence[Sequence[Candidates]],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Told size, size and weight of all that is like a cell; a search weighs one."""
    told, sizes, weights = [np.zeros(0)], [np.zeros(0)], [np.zeros(0)]
    for part in searches:
        for told_px, one in zip(TOLD_PX, part, strict=False):
            cells = one.like_cells
            told.append(np.full(cells.sum(), told_px))
            sizes.append(one.half_px[cells])
            weights.append(one.energy[cells] / max(one.energy.sum(), 1e-12))
    return np.concatenate(told), np.concatenate(sizes), np.concatenate(weights)


def _density(half_px: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Smooth the weights over the logarithm of the size, at `_SIZES_PX`."""
    apart = np.log(_SIZES_PX[:, None] / half_px) / _SMOOTHING
    return np.exp(-0.5 * apart**2) @ weight


def _count(one: Candidates, summit: float) -> int:
    """Count the independent candidates of a search of about the summit's size.

    Neuropil that follows a few common courses counts as that many.
    """
    alike = one.like_cells & _alike(np.maximum(one.half_px, 1e-6), summit)
    kinship = one.kinship[np.ix_(alike, alike)].sum()
    return int(alike.sum() ** 2 / kinship) if kinship > 0 else 0


def _alike(half_px: np.ndarray, summit: float) -> np.ndarray:
    """Whether sizes are about that of the summit."""
    return np.abs(np.log(half_px / summit)) < np.log(_SAME)


def _peak(
    told: np.ndarray,
    half_px: np.ndarray,
    weight: np.ndarray,
    summit: float,
    most: int,
) -> _Peak:
    """Describe the sizes around the summit."""
    near, fitting = _alike(half_px, summit), told * _SAME > summit
    share = weight[near & fitting].sum() / max(weight[fitting].sum(), 1e-12)
    order = np.argsort(half_px[near], kind="stable")
    total = np.cumsum(weight[near][order])
    places = np.searchsorted(total, np.array([0.25, 0.5, 0.75]) * total[-1])
    low, middle, high = half_px[near][order][places].tolist()
    return _Peak(low, middle, high, most, float(share))


def _judged(peak: _Peak) -> tuple[bool, str]:
    """Whether the size of a peak is the cells', and why."""
    if peak.most < _FEWEST_CELLS:
        return False, (
            f"no size stands out: at most {peak.most} independent candidates of one "
            f"size are in a window, so {FALLBACK_PX:g} px is taken"
        )
    text = (
        f"told sizes from {TOLD_PX[0]:.1f} to {TOLD_PX[-1]:.1f} px, the search most "
        f"often finds candidates of {peak.middle_px:.1f} px (middle half "
        f"{peak.low_px:.1f} to {peak.high_px:.1f} px, {peak.most} in one window, "
        f"{100 * peak.share:.0f} % of the light)"
    )
    if peak.middle_px < _SMALLEST_PX:
        return False, f"{text}, which is too small to tell cells from single pixels by"
    if peak.share < _LEAST_SHARE:
        return False, f"{text}; the others differ too much to be sure"
    return True, text
