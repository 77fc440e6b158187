"""What is done with proposals: they resolve "auto", and doubt what was told wrong."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from napari_cnmf.cnmf.parameters import CnmfParameters
from napari_cnmf.proposal import DECAY, HALF_SIZE, Proposal

# As a factor, twice what the proposals are off by on simulated movies. There, a size
# 1.4 times too small costs 0.05 to 0.08 in F1, one 1.4 times too large nothing yet.
_TOO_FAR = {HALF_SIZE: 1.4, DECAY: 1.6}
_WORDS = {HALF_SIZE: ("neuron half-size", "px"), DECAY: ("decay time", "s")}


def resolved(
    parameters: CnmfParameters, proposals: Iterable[Proposal]
) -> CnmfParameters:
    """Fill in the parameters that are None ("auto") with what is proposed.

    But for the decay time: `fit` estimates it on the cells that it finds.

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
        part: Any = getattr(parameters, group, None)
        if part is not None and getattr(part, name) is None:
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
