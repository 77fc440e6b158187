"""Gradient boosting of symmetric trees in plain numpy.

All nodes of a tree's level ask the same question, so a tree of depth D is D questions
and a table of 2**D values (as in CatBoost, Prokhorenkova et al. 2018). Each tree fits
the gradient of the log loss by second order (as XGBoost, Chen and Guestrin 2016) on a
random part of the features, which are cut into quantiles first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_N_BINS = 64


@dataclass(frozen=True, kw_only=True)
class BoostingParameters:
    """How the trees are grown."""

    n_trees: int = 1000
    depth: int = 5
    learning_rate: float = 0.025
    feature_share: float = 0.2
    sample_share: float = 0.7
    ridge: float = 5.0


def boosted_trees(
    features: np.ndarray,
    labels: np.ndarray,
    weights: np.ndarray,
    parameters: BoostingParameters,
    seed: int = 0,
) -> dict[str, np.ndarray]:
    """Train on features (N, F), labels (N,) of 0 and 1 and how much each counts (N,).

    Returns
    -------
    dict
        What `napari_cnmf.quality.classifier` reads: "feature" (T, D) int16,
        "threshold" (T, D) float32, "value" (T, 2**D) float32, "bias" () float32.
    """
    p, rng = parameters, np.random.default_rng(seed)
    cuts = np.quantile(features, np.linspace(0, 1, _N_BINS + 1)[1:-1], axis=0).T
    columns = zip(cuts, features.T, strict=True)
    bins = np.stack([np.searchsorted(c, f, side="left") for c, f in columns])
    counts = weights / weights.mean()
    share = np.average(labels, weights=counts)
    bias = np.log(share / (1 - share))
    score = np.full(len(labels), bias)
    n_features = max(1, round(p.feature_share * len(bins)))
    trees = []
    for _ in range(p.n_trees):
        chosen = rng.permutation(len(bins))[:n_features]
        rows = rng.random(len(labels)) < p.sample_share
        probability = 1 / (1 + np.exp(-score))
        gradient = counts * (labels - probability)
        curvature = counts * probability * (1 - probability)
        questions, leaf = _grown(bins[chosen], rows, gradient, curvature, p)
        n_leaves = 1 << p.depth
        total = np.bincount(leaf[rows], gradient[rows], n_leaves)
        weight = np.bincount(leaf[rows], curvature[rows], n_leaves)
        value = p.learning_rate * total / (weight + p.ridge)
        score += value[leaf]
        feature = chosen[[f for f, _ in questions]]
        threshold = cuts[feature, [b for _, b in questions]]
        trees.append((feature, threshold, value))
    feature, threshold, value = (np.stack(part) for part in zip(*trees, strict=True))
    return {
        "feature": feature.astype(np.int16),
        "threshold": threshold.astype(np.float32),
        "value": value.astype(np.float32),
        "bias": np.float32(bias),
    }


def _grown(
    bins: np.ndarray,
    rows: np.ndarray,
    gradient: np.ndarray,
    curvature: np.ndarray,
    p: BoostingParameters,
) -> tuple[list[tuple[int, int]], np.ndarray]:
    """Questions (feature, bin) of one tree and the leaf that each sample falls into."""
    leaf = np.zeros(bins.shape[1], np.int64)
    questions = []
    for level in range(p.depth):
        n_leaves = 1 << level
        gains = np.stack(
            [
                _gains(
                    leaf[rows] * _N_BINS + column[rows],
                    gradient[rows],
                    curvature[rows],
                    n_leaves,
                    p.ridge,
                )
                for column in bins
            ]
        )
        feature, cut = np.unravel_index(np.argmax(gains), gains.shape)
        questions.append((int(feature), int(cut)))
        leaf += (bins[feature] > cut) * n_leaves
    return questions, leaf


def _gains(
    place: np.ndarray,
    gradient: np.ndarray,
    curvature: np.ndarray,
    n_leaves: int,
    ridge: float,
) -> np.ndarray:
    """How much each cut of one feature, (bins - 1,), lowers the loss in all leaves."""
    shape = (n_leaves, _N_BINS)
    size = n_leaves * _N_BINS
    g = np.bincount(place, gradient, size).reshape(shape).cumsum(axis=1)
    h = np.bincount(place, curvature, size).reshape(shape).cumsum(axis=1)
    below = g[:, :-1] ** 2 / (h[:, :-1] + ridge)
    above = (g[:, -1:] - g[:, :-1]) ** 2 / (h[:, -1:] - h[:, :-1] + ridge)
    return (below + above).sum(axis=0)
