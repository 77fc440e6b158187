"""What is on auto and must be measured: once, in the registered movie.

The stage `fit` measures it and the result keeps it, so that later stages and later runs
of them work with the same values.
"""

from __future__ import annotations

import logging
from threading import Event

from napari_cnmf.cnmf.proposals.propose import propose
from napari_cnmf.compute import Backend
from napari_cnmf.movie import Movie
from napari_cnmf.movie.images import SummaryImages
from napari_cnmf.proposal import DECAY, HALF_SIZE, Proposal
from napari_cnmf.recipe import Recipe

logger = logging.getLogger(__name__)


def measured(
    movie: Movie,
    summary: SummaryImages,
    recipe: Recipe,
    *,
    backend: Backend,
    cancel: Event | None = None,
) -> tuple[Proposal, ...] | None:
    """Let the movie propose parameters if some are on auto; log what it says.

    Parameters
    ----------
    movie, summary
        Registered movie and its images.
    recipe : Recipe
    backend, cancel
        As for `propose`.

    Returns
    -------
    tuple of Proposal, or None
        None if nothing is on auto.
    """
    parameters = recipe.cnmf()
    half_size_px = parameters.init.neuron_half_size_px
    automatic = {HALF_SIZE: half_size_px is None, DECAY: parameters.decay_s is None}
    if not any(automatic.values()):
        return None
    proposals = propose(
        movie,
        summary,
        backend=backend,
        rise_s=parameters.rise_s,
        half_size_px=half_size_px,
        cancel=cancel,
    )
    for proposal in proposals:
        doubtful = automatic.get(proposal.parameter) and not proposal.confident
        told = proposal.parameter, proposal.in_words, proposal.evidence
        if doubtful:
            logger.warning("%s is on auto, and %s is a guess: %s", *told)
        else:
            logger.info("%s, proposed %s: %s", *told)
    return proposals
