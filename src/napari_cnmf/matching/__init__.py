"""Cells of one result among those of another."""

from napari_cnmf.matching.groups import STATES, State
from napari_cnmf.matching.matching import Matching, match

__all__ = ["STATES", "Matching", "State", "match"]
