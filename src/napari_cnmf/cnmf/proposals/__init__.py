"""Proposals for parameters, made from the movie, each with its evidence."""

from napari_cnmf.cnmf.proposals.proposal import Proposal, disagreements, resolved
from napari_cnmf.cnmf.proposals.propose import propose

__all__ = ["Proposal", "disagreements", "propose", "resolved"]
