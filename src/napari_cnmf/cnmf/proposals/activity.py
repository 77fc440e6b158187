"""How many cells there are, and how fast they are, once their size is known.

The search of the factorisation runs on the sample. Its candidates are counted; the
traces of those as large as a cell, at the full rate and minus their surround, have the
decay time of the indicator in their autocovariance (see `kinetics`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_cnmf.cnmf.initialise.found import Found
from napari_cnmf.cnmf.initialise.greedy import greedy
from napari_cnmf.cnmf.initialise.kernels import LANES
from napari_cnmf.cnmf.kinetics import clear_autocovariance, decays_of
from napari_cnmf.cnmf.parameters import InitParameters
from napari_cnmf.cnmf.proposals.sample import Sampler, Window
from napari_cnmf.cnmf.proposals.size import LEAST_SKEWNESS, Candidates
from napari_cnmf.proposal import (
    COMPONENTS,
    DECAY,
    RISE,
    Proposal,
)

# Of an indicator together with a burst of spikes, which looks like a slow rise: on
# simulated movies (rise 0.03 to 0.1 s, bursts of 0.1 s) it gives decay times right
# within 20 %, the indicator's own rise within 35 %.
_BURST_RISE_S = 0.12
_FALLBACK_DECAY_S = 0.5
_FEWEST_CELLS = 6
_FEWEST_FRAMES_PER_DECAY = 1.5
_MOST_CANDIDATES = 300
_MOST_TRACES = 40
_SMALLEST = 0.6  # of the half-size; smaller candidates are pieces
_SURROUND = 1.3  # half width in diameters, as of the search's local mean


@dataclass(frozen=True, eq=False)
class Activity:
    """What the search finds in a window.

    Attributes
    ----------
    count : int
        Candidates as large as a cell.
    area_px : int
        Pixels with data in the window.
    traces : ndarray
        (K, frames) float32, of the first of them.
    """

    count: int
    area_px: int
    traces: np.ndarray


@dataclass(frozen=True, eq=False)
class ActivitySearch:
    """Searches a window at the right size; sent to the workers."""

    sampler: Sampler
    half_size_px: float

    def __call__(self, window: Window) -> Activity:
        """Count the window's cells and read the traces of the brightest."""
        bins, valid = self.sampler.bins(window), self.sampler.valid(window)
        if bins.shape[1] < LANES:
            return Activity(0, int(valid.sum()), np.zeros((0, 0), np.float32))
        parameters = InitParameters(neuron_half_size_px=self.half_size_px)
        found = greedy(bins, valid, parameters, _MOST_CANDIDATES)
        measured = Candidates.of(found, window.shape[1])
        large = measured.half_px > _SMALLEST * self.half_size_px
        cells = np.flatnonzero(large & (measured.skewness > LEAST_SKEWNESS))
        reach = round(_SURROUND * parameters.diameter_px)
        weights = _contrasts(found.select(cells[:_MOST_TRACES]), valid, reach)
        traces = self.sampler.traces(window, weights)
        return Activity(len(cells), int(valid.sum()), traces)


def _contrasts(found: Found, valid: np.ndarray, reach: int) -> np.ndarray:
    """Weights (K, pixels) of each candidate's light minus that of its surround.

    The surround is the box around it, without any candidate's pixels.
    """
    weights = found.footprints.T.toarray()
    energy = np.einsum("kp,kp->k", weights, weights)
    weights /= np.maximum(energy, 1e-12)[:, None]
    free = valid & ~(weights > 0).any(axis=0).reshape(valid.shape)
    for image, (y, x) in zip(
        weights.reshape(-1, *valid.shape), found.seeds.yx, strict=True
    ):
        box = np.s_[
            max(y - reach, 0) : y + reach + 1, max(x - reach, 0) : x + reach + 1
        ]
        image[box] -= free[box] * (image.sum() / max(free[box].sum(), 1))
    return weights


def propose_decay(
    activities: Sequence[Activity], frame_rate_hz: float | None, *, sized: bool
) -> Proposal:
    """Propose the decay time that fits the clearest cells together.

    Parameters
    ----------
    activities : sequence of Activity
        Of the windows.
    frame_rate_hz : float or None
        Of the movie.
    sized : bool
        Whether the size of the cells is known.

    Returns
    -------
    Proposal
        A decay of 0.5 s if the movie cannot tell. Its curve is the cells' common
        autocovariance.
    """
    if frame_rate_hz is None:
        return _no_decay("the frame rate is unknown")
    if not sized:
        return _no_decay("the size of the cells is unknown")
    traces = np.concatenate([one.traces for one in activities])
    each = clear_autocovariance(traces, frame_rate_hz)
    if len(each) < _FEWEST_CELLS:
        return _no_decay(f"only {len(each)} cells are clear enough")
    # In units of their noise, clearer cells count more: on 30 simulated movies the sum
    # was off by 8 % (21 % at most), the median of the cells' own times 11 % (38 %).
    together = each.sum(axis=0)
    value = float(decays_of(together[None], frame_rate_hz, _BURST_RISE_S)[0])
    own_s = decays_of(each, frame_rate_hz, _BURST_RISE_S)
    low, high = np.percentile(own_s, (25, 75)).tolist()
    if value * frame_rate_hz < _FEWEST_FRAMES_PER_DECAY:
        return _no_decay(
            f"it is shorter than a frame and a half at {frame_rate_hz:g} Hz"
        )
    return Proposal(
        parameter=DECAY,
        value=value,
        low=min(low, value),
        high=max(high, value),
        confident=True,
        evidence=(
            f"the autocovariance of the {len(each)} clearest cells decays in "
            f"{value:.2g} s (middle half of the cells {low:.2g} to {high:.2g} s)"
        ),
        curve_x=tuple(lag / frame_rate_hz for lag in range(1, len(together) + 1)),
        curve_y=tuple((together / together[0]).tolist()),
        x_label="lag (s)",
        y_label="autocovariance of the clearest cells",
    )


def _no_decay(why: str) -> Proposal:
    """Fall back to the usual decay time."""
    evidence = (
        f"the decay time cannot be told ({why}), so {_FALLBACK_DECAY_S} s is proposed"
    )
    return Proposal.plain(DECAY, _FALLBACK_DECAY_S, evidence, confident=False)


def propose_rise(rise_s: float) -> Proposal:
    """Keep the indicator's rise time, which a movie cannot tell.

    Parameters
    ----------
    rise_s : float
        The indicator's.
    """
    evidence = (
        "a movie does not tell the rise time, because bursts of spikes look like a "
        f"slow rise, so the indicator's {rise_s:g} s is taken"
    )
    return Proposal.plain(RISE, rise_s, evidence, confident=False)


def propose_components(
    activities: Sequence[Activity], patch_shape: tuple[int, int]
) -> Proposal:
    """Propose how many components to look for in a patch.

    Parameters
    ----------
    activities : sequence of Activity
        Of the windows.
    patch_shape : tuple of int
        Rows and columns of a patch.

    Returns
    -------
    Proposal
        As the windows are the liveliest, rather too many than too few; from `low` to
        `high` is two standard deviations of the count.
    """
    count = sum(one.count for one in activities)
    area = sum(one.area_px for one in activities)
    rows, cols = patch_shape
    share = rows * cols / max(area, 1)
    spread = 2 * np.sqrt(count)
    return Proposal(
        parameter=COMPONENTS,
        value=max(1, round(count * share)),
        low=max(1, round((count - spread) * share)),
        high=max(1, round((count + spread) * share)),
        confident=count > 0,
        evidence=(
            f"{count} candidates as large as a cell were found on {area} px, "
            f"which is {count * share:.0f} in a patch of {rows} x {cols} px"
        ),
    )
