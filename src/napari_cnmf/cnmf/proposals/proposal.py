"""A proposal for a parameter, and what is done with it.

A proposal carries its evidence: a sentence with the numbers, and a small curve to draw.
One that is not confident is a fallback, and its sentence says why.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from napari_cnmf.cnmf.parameters import CnmfParameters

HALF_SIZE = "init.neuron_half_size_px"
DECAY = "acquisition.decay_time_s"
RISE = "acquisition.rise_time_s"
PATCH = "patches.patch_size_px"
OVERLAP = "patches.patch_overlap_px"
COMPONENTS = "patches.max_components"

# As a factor, twice what the proposals are off by on simulated movies. There, a size
# 1.4 times too small costs 0.05 to 0.08 in F1, one 1.4 times too large nothing yet.
_TOO_FAR = {HALF_SIZE: 1.4, DECAY: 1.6}
_WORDS = {HALF_SIZE: ("neuron half-size", "px"), DECAY: ("decay time", "s")}


@dataclass(frozen=True, eq=False)
class Proposal:
    """What a movie says about one parameter.

    Attributes
    ----------
    parameter : str
        Its full name, ``group.name``.
    value : float
        What is proposed, in the parameter's unit.
    low, high : float
        What it may as well be; for sizes and times the middle half of the cells.
    confident : bool
        Whether the movie tells it; else the value is a fallback.
    evidence : str
        One sentence with the numbers, or with the reason why the movie cannot tell.
    curve_x, curve_y : ndarray
        (n,) points of a curve that shows the evidence; may be empty.
    x_label, y_label : str
        What the curve's axes are.
    """

    parameter: str
    value: float
    low: float
    high: float
    confident: bool
    evidence: str
    curve_x: np.ndarray
    curve_y: np.ndarray
    x_label: str
    y_label: str

    @classmethod
    def plain(
        cls, parameter: str, value: float, evidence: str, *, confident: bool = True
    ) -> Proposal:
        """Return a proposal without spread and curve."""
        empty = np.zeros(0)
        return cls(
            parameter, value, value, value, confident, evidence, empty, empty, "", ""
        )


def resolved(
    parameters: CnmfParameters, proposals: Iterable[Proposal]
) -> CnmfParameters:
    """Fill in the parameters that are None ("auto") with what is proposed.

    Parameters
    ----------
    parameters : CnmfParameters
    proposals : iterable of Proposal
        From `propose`; also those that are not confident are used.

    Returns
    -------
    CnmfParameters
        What was given is unchanged.
    """
    for proposal in proposals:
        group, name = proposal.parameter.split(".")
        if proposal.parameter == DECAY:
            if parameters.decay_s is None:
                parameters = replace(parameters, decay_s=proposal.value)
        elif group != "acquisition":
            part: Any = getattr(parameters, group)
            if getattr(part, name) is None:
                part = replace(part, **{name: proposal.value})
                parameters = replace(parameters, **{group: part})
    return parameters


def disagreements(
    parameters: CnmfParameters, proposals: Iterable[Proposal]
) -> list[str]:
    """Say which given parameters are far from what the movie looks like.

    Parameters
    ----------
    parameters : CnmfParameters
        As given; None is left to the proposals and agrees with them.
    proposals : iterable of Proposal
        Only those that are confident count.

    Returns
    -------
    list of str
        One sentence per parameter that is more than 1.4 times (size) or 1.6 times
        (decay) too large or too small.
    """
    given = {HALF_SIZE: parameters.init.neuron_half_size_px, DECAY: parameters.decay_s}
    return [
        _warning(proposal, value)
        for proposal in proposals
        if proposal.confident
        and (value := given.get(proposal.parameter)) is not None
        and abs(np.log(value / proposal.value)) > np.log(_TOO_FAR[proposal.parameter])
    ]


def _warning(proposal: Proposal, given: float) -> str:
    """Put a disagreement into words."""
    name, unit = _WORDS[proposal.parameter]
    remedy = {
        HALF_SIZE: f"check the quilt, or set {HALF_SIZE}=auto",
        DECAY: "check the indicator, or set acquisition.indicator=estimate",
    }
    return (
        f"The {name} is set to {given:.3g} {unit}, but this movie looks like "
        f"{proposal.value:.2g} {unit} ({proposal.evidence.rstrip('.')}): "
        f"{remedy[proposal.parameter]}."
    )
