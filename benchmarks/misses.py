"""What was missed in simulated movies, and what was taken for a cell.

`python benchmarks/misses.py dense dim --seeds 11 12` runs the pipeline on movies of
`scenarios.py` and lists each missed cell (how clear it was, how near a brighter one
is, what lies there) and each false positive (what it really is, its scores), then
counts both over all movies; `--counts` prints the counts only.
"""

from __future__ import annotations

import argparse
import warnings
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from accuracy import Settings, found
from scenarios import SCENARIOS, scenario_movies
from scoring import MIN_OVERLAP, found_masks, load_truth, masks, matching, overlaps

from napari_cnmf import Result
from napari_cnmf.components import REASONS
from napari_cnmf.simulation import DEFOCUSED, FRAGMENT, PROCESS, SOMA

SCORES = ("snr", "r_value", "relative_area", "ring", "edge")
CLARITY = (2, 4, 6, np.inf)  # bounds of the classes of d'
MUCH, SOME = 0.5, 0.2  # shares of a mask


@dataclass(frozen=True)
class Miss:
    """A cell that was not found.

    Attributes
    ----------
    source : int
        Its number in the truth.
    d_prime : float
    distance : float
        To the centre of the nearest clearer cell, in diameters.
    cause : str
        What lies there instead.
    """

    source: int
    d_prime: float
    distance: float
    cause: str


@dataclass(frozen=True)
class FalsePositive:
    """An accepted component that is no cell.

    Attributes
    ----------
    component : int
        Its number in the result.
    kind : str
        What it really is.
    overlap : float
        Largest intersection over union with any source.
    """

    component: int
    kind: str
    overlap: float


class Findings:
    """Compares a result with the truth, component by component.

    Parameters
    ----------
    result : Result
    truth : dict
        From `scoring.load_truth`.
    """

    def __init__(self, result: Result, truth: dict[str, Any]) -> None:
        self.truth, self.components = truth, result.components
        self.accepted = np.flatnonzero(result.components.accepted)
        self.match = matching(result, truth)
        self.found, self.true = found_masks(result, truth), masks(truth["A"])
        self.iou = overlaps(self.found, self.true)
        both = (self.found.T @ self.true).toarray()
        #: Shares of each component within each source, and the other way round.
        self.within = both / np.maximum(self.found.sum(axis=0), 1)[:, None]
        self.covered = both / np.maximum(self.true.sum(axis=0), 1)

    def misses(self) -> list[Miss]:
        """Cells that were not found, the clearest first."""
        hit = [j for _, j in self.match.pairs]
        missed = np.setdiff1d(np.flatnonzero(self.match.wanted), hit)
        snr = self.truth["snr"]
        return [
            Miss(int(j), float(snr[j]), self._distance(j), self._cause(j))
            for j in missed[np.argsort(-snr[missed])]
        ]

    def false_positives(self) -> list[FalsePositive]:
        """Accepted components that are no cells."""
        taken = [k for k, _ in self.match.pairs + self.match.others]
        return [
            FalsePositive(int(k), self._kind(k), float(self.iou[k].max(initial=0)))
            for k in np.delete(self.accepted, taken)
        ]

    def _distance(self, j: int) -> float:
        """Distance in diameters from a cell to the nearest clearer one."""
        clearer = (self.truth["kind"] == SOMA) & (
            self.truth["snr"] > self.truth["snr"][j]
        )
        steps = self.truth["center"][clearer] - self.truth["center"][j]
        nearest = np.hypot(*steps.T).min(initial=np.inf)
        return float(nearest / self.truth["params"]["diameter_px"])

    def _cause(self, j: int) -> str:
        """Why a cell was missed."""
        k = int(self.iou[:, j].argmax()) if len(self.iou) else -1
        if k >= 0 and self.iou[k, j] >= MIN_OVERLAP and k not in self.accepted:
            flags = int(self.components.quality.flags[k])
            names = [reason.name for reason in REASONS if flags >> reason.bit & 1]
            return "rejected: " + ", ".join(names)
        if (self.covered[self.accepted, j] >= MUCH).any():
            return "within another component"
        if k >= 0 and (self.within[:, j] >= MUCH).any():
            return "found in part"
        return "not found"

    def _kind(self, k: int) -> str:
        """What a false positive really is."""
        kind, iou = self.truth["kind"], self.iou[k]
        cell = np.isin(kind, (SOMA, PROCESS))
        if (iou[kind == DEFOCUSED] >= SOME).any():
            return "out of focus"
        if (iou[kind == FRAGMENT] >= SOME).any():
            return "neuropil fragment"
        if (iou[cell] >= MIN_OVERLAP).any():
            return "second component of a cell"
        if (self.covered[k, cell] >= MUCH).sum() > 1:
            return "several cells in one"
        if (self.within[k, cell] >= MUCH).any():
            return "piece of a cell"
        return "grown over a cell" if (iou[cell] >= SOME / 2).any() else "noise"


def main() -> None:
    """Print lists and counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenario", nargs="+", choices=SCENARIOS, metavar="NAME")
    parser.add_argument("--seeds", type=int, nargs="+", default=[11])
    parser.add_argument("--set", nargs="+", default=[], metavar="group.name=value")
    parser.add_argument("--counts", action="store_true", help="print no lists")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    for name in options.scenario:
        causes: Counter[str] = Counter()
        kinds: Counter[str] = Counter()
        for seed in options.seeds:
            findings = of_movie(name, seed, options.set)
            causes.update(_counted(findings.misses()))
            kinds.update(one.kind for one in findings.false_positives())
            if not options.counts:
                print_lists(f"{name}, seed {seed}", findings)
        print_counts(f"{name}, seeds {options.seeds}: missed", causes)
        print_counts(f"{name}, seeds {options.seeds}: false positives", kinds)


def of_movie(name: str, seed: int, settings: Settings = ()) -> Findings:
    """Run the pipeline on a movie and compare."""
    movie, truth = scenario_movies(name, seed)
    result = found(movie, SCENARIOS[name].recipe, settings)
    return Findings(result, load_truth(truth))


def print_lists(title: str, findings: Findings) -> None:
    """Print every miss and every false positive of a movie."""
    print(f"\n{title}\nmissed cell    y    x    d'  clearer cell at  cause")
    for miss in findings.misses():
        y, x = findings.truth["center"][miss.source]
        print(
            f"{miss.source:11d} {y:4.0f} {x:4.0f} {miss.d_prime:5.1f}"
            f"  {miss.distance:5.2f} diameters  {miss.cause}"
        )
    print("component  IoU " + "".join(f"{score:>14}" for score in SCORES) + "  kind")
    for one in findings.false_positives():
        quality = findings.components.quality
        scores = (getattr(quality, score)[one.component] for score in SCORES)
        values = "".join(f"{value:14.2f}" for value in scores)
        print(f"{one.component:9d} {one.overlap:.2f} {values}  {one.kind}")


def _counted(misses: list[Miss]) -> list[str]:
    """Class of d' and cause of each miss."""
    classes = np.digitize([miss.d_prime for miss in misses], CLARITY) - 1
    return [
        f"d' {CLARITY[c]:g}-{CLARITY[c + 1]:g}, {miss.cause}"
        for c, miss in zip(classes, misses, strict=True)
    ]


def print_counts(title: str, counts: Counter[str]) -> None:
    """Print how often each thing happened."""
    print(f"{title}: {counts.total()}")
    for what, count in sorted(counts.items(), key=lambda item: -item[1]):
        print(f"  {count:4d}  {what}")


if __name__ == "__main__":
    main()
