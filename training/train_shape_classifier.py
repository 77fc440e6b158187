"""Trains the shape classifier on simulated movies and writes its model file.

`python training/train_shape_classifier.py` simulates 106 movies to train on and 16
to test on (about 9 minutes of one core; kept in `--cache`) and trains. It prints ROC,
calibration and what limits would do, on the movies held out and, where `--crop` names
the real two-photon crop, on its components labelled by eye, which are never trained on.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from boosting import BoostingParameters, boosted_trees
from simulated_components import Found, find, scenario
from two_photon_crop import CROP, labelled_crop

import napari_cnmf.quality
from napari_cnmf.quality.classifier import MODEL_FILE, BoostedTrees
from napari_cnmf.quality.shape_features import shape_features

MODEL = Path(napari_cnmf.quality.__file__).with_name(MODEL_FILE)
FIGURE = Path(__file__).parents[1] / "docs" / "images" / "shape-classifier.png"
CACHE = Path(tempfile.gettempdir()) / "napari-cnmf-shape-training"
TRAIN_SEEDS = 1200
TEST_SEEDS = 1306
#: What the other limits reject, and movies without any cell, which are few.
REJECTED_WEIGHT = 0.3
NO_CELL_WEIGHT = 3.0
LIMITS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.5)


class Samples(NamedTuple):
    """Components with a label.

    Features (N, F), cell or not (N,), accepted by the other limits (N,) and how much
    each counts (N,).
    """

    features: np.ndarray
    cell: np.ndarray
    accepted: np.ndarray
    weight: np.ndarray


def main() -> None:
    """Train, test and write the model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--movies", type=int, default=106)
    parser.add_argument("--test-movies", type=int, default=16)
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--crop", type=Path, default=CROP)
    options = parser.parse_args()
    train = simulated(TRAIN_SEEDS, options.movies, options.cache)
    test = simulated(TEST_SEEDS, options.test_movies, options.cache)
    tables = boosted_trees(
        train.features, train.cell, train.weight, BoostingParameters()
    )
    np.savez_compressed(MODEL, **tables)
    trees = BoostedTrees(**tables)
    print(f"{len(train.cell)} components to train on, {MODEL.stat().st_size} bytes")
    tested = {"simulated movies held out": judged(trees, test)}
    if options.crop.exists():
        found = labelled_crop(options.crop)
        tested["real crop, by eye"] = judged(trees, samples(found))
    for name, result in tested.items():
        report(name, *result)
    draw(tested)


def simulated(first_seed: int, n_movies: int, cache: Path) -> Samples:
    """Gather samples of several movies."""
    parts = [movie_samples(first_seed + k, cache) for k in range(n_movies)]
    return Samples(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def movie_samples(seed: int, cache: Path) -> Samples:
    """Gather samples of one movie, found unless they are there already."""
    path = cache / f"{seed}.npz"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        found = find(scenario(seed), seed)
        np.savez(path, **samples(found)._asdict())
    with np.load(path) as file:
        return Samples(**file)


def samples(found: Found) -> Samples:
    """Describe the components of one movie whose label is known."""
    known = found.labels >= 0
    cell, accepted = found.labels[known] == 1, found.accepted[known]
    weight = np.where(accepted, 1, REJECTED_WEIGHT)
    if not cell.any():
        weight *= NO_CELL_WEIGHT
    features = shape_features(*found.seen)[known]
    return Samples(features, cell, accepted, weight)


class Judged(NamedTuple):
    """What the classifier says (N,), what is true, and what the rule had accepted."""

    probability: np.ndarray
    cell: np.ndarray
    accepted: np.ndarray


def judged(trees: BoostedTrees, given: Samples) -> Judged:
    """Apply the classifier."""
    return Judged(trees.probability(given.features), given.cell, given.accepted)


def report(
    name: str, probability: np.ndarray, cell: np.ndarray, accepted: np.ndarray
) -> None:
    """Print ROC, calibration and limits."""
    print(f"\n{name}: {cell.sum()} cells, {(~cell).sum()} others")
    of_accepted = auc(probability[accepted], cell[accepted])
    print(f"  area under the ROC {auc(probability, cell):.4f}, of the accepted", end="")
    print(f" {of_accepted:.4f}; Brier score {np.mean((probability - cell) ** 2):.4f}")
    for mean, share, n in reliability(probability, cell):
        print(f"  says {mean:.2f}: {share:.2f} are cells ({n})")
    for limit in LIMITS:
        low = accepted & (probability < limit)
        print(
            f"  limit {limit}: of the accepted {(low & cell).sum()} of "
            f"{(accepted & cell).sum()} cells and {(low & ~cell).sum()} of "
            f"{(accepted & ~cell).sum()} others go"
        )


def auc(probability: np.ndarray, cell: np.ndarray) -> float:
    """Chance that a random cell is judged above a random other, ties half."""
    cells, others = np.sort(probability[cell]), probability[~cell]
    below = np.searchsorted(cells, others, "left")
    up_to = np.searchsorted(cells, others, "right")
    return float(1 - (below + up_to).mean() / (2 * len(cells)))


def reliability(
    probability: np.ndarray, cell: np.ndarray
) -> list[tuple[float, float, int]]:
    """Mean probability, share of cells and number in ten bins of probability."""
    which = np.minimum((probability * 10).astype(int), 9)
    bins = [which == i for i in range(10) if (which == i).any()]
    return [
        (float(probability[b].mean()), float(cell[b].mean()), int(b.sum()))
        for b in bins
    ]


def draw(tested: dict[str, Judged]) -> None:
    """Draw ROC and calibration."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.8), layout="constrained")
    roc, calibration = figure.subplots(1, 2)
    for name, (probability, cell, _) in tested.items():
        order = np.argsort(-probability, kind="stable")
        hits = np.cumsum(cell[order]) / cell.sum()
        false = np.cumsum(~cell[order]) / (~cell).sum()
        roc.plot(false, hits, label=f"{name}: {auc(probability, cell):.3f}")
        said, true, _ = zip(*reliability(probability, cell), strict=True)
        calibration.plot(said, true, "o-", label=name)
    calibration.plot([0, 1], [0, 1], color="0.7", zorder=0)
    roc.set(xlabel="others called cells", ylabel="cells called cells", title="ROC")
    calibration.set(xlabel="probability said", ylabel="share of cells")
    calibration.set_title("Calibration")
    roc.legend(loc="lower right", fontsize="small")
    FIGURE.parent.mkdir(exist_ok=True)
    figure.savefig(FIGURE, dpi=80)


if __name__ == "__main__":
    main()
