"""How probable it is that a component is a neuron's cell body, by its shape alone.

Boosted trees (see the folder `training` of the repository) look at the circular
harmonics of the footprint and of the event image, at its outline and at its size. They
were trained on components that this package found in simulated movies; the tables that
they consist of are read once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np

from napari_cnmf.quality.events import EventImages
from napari_cnmf.quality.shape_features import shape_features

MODEL_FILE = "shape_model.npz"
_BATCH = 512  # components at once, so that memory stays small


@dataclass(frozen=True, eq=False)
class BoostedTrees:
    """Trees that ask one question per level; what they answer adds up.

    Attributes
    ----------
    feature : ndarray
        (trees, depth) int16, which feature a level asks for.
    threshold : ndarray
        (trees, depth) float32: "is it more than this?"
    value : ndarray
        (trees, 2**depth) float32, log odds; level i's answer is bit i of the place.
    bias : ndarray
        () float32, log odds before any question.
    """

    feature: np.ndarray
    threshold: np.ndarray
    value: np.ndarray
    bias: np.ndarray

    def probability(self, features: np.ndarray) -> np.ndarray:
        """Probability (K,) float32 of each row of features (K, F)."""
        answers = features[:, self.feature] > self.threshold
        bits = 1 << np.arange(answers.shape[2], dtype=np.int16)
        place = (answers * bits).sum(axis=2)
        tree = np.arange(len(self.value))
        log_odds = self.bias + self.value[tree, place].sum(axis=1)
        return (1 / (1 + np.exp(-log_odds))).astype(np.float32)


def neuron_probability(
    images: EventImages, diameter_px: float, typical_area_px: float
) -> np.ndarray:
    """Judge the shape of components.

    Parameters
    ----------
    images : EventImages
        Of K components.
    diameter_px : float
        Of a cell body, as the user gave it.
    typical_area_px : float
        Of the clearest components, see `scores.typical_area`.

    Returns
    -------
    ndarray
        (K,) float32, between 0 and 1; 0 for an empty footprint.
    """
    trees, probability = shipped_trees(), np.zeros(len(images.events), np.float32)
    for start in range(0, len(probability), _BATCH):
        which = slice(start, start + _BATCH)
        features = shape_features(_part(images, which), diameter_px, typical_area_px)
        probability[which] = trees.probability(features)
    return np.where(images.footprints.any(axis=(1, 2)), probability, 0)


@cache
def shipped_trees() -> BoostedTrees:
    """Trees that come with the package."""
    source = files("napari_cnmf.quality").joinpath(MODEL_FILE)
    with source.open("rb") as file, np.load(file) as tables:
        return BoostedTrees(**tables)


def _part(images: EventImages, which: slice) -> EventImages:
    """Choose some of the components."""
    return EventImages(
        images.corners[which], images.events[which], images.footprints[which]
    )
