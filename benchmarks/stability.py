"""Whether cells are found again when nothing that matters has changed.

`python benchmarks/stability.py --scenario standard dense --seeds 11 12` prints the
share of clear accepted cells that a second run accepts too: with the grid of patches
moved or the search limit doubled (masks must agree at an IoU of 0.7), and in the other
half of the movie or under other noise (0.5). Clear are accepted components that match a
source of the truth with a d' of at least 8; for halves, in each half.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from accuracy import found
from scenarios import SCENARIOS, same_scene, scenario_movies
from scoring import found_masks, load_truth, matching, overlaps

from napari_cnmf import Movie, Result
from napari_cnmf.pipeline.warmup import warm_up

CLEAR = 8.0  # d'
SAME, SIMILAR = 0.7, 0.5  # intersection over union
CROP_PX = 9
Again = tuple[int, int]  # cells found again, and clear cells


def main() -> None:
    """Print a table of each scenario."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--scenario",
        nargs="+",
        choices=SCENARIOS,
        default=["standard", "dense"],
        metavar="NAME",
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[11, 12, 13])
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    warm_up()
    for name in options.scenario:
        print(f"{name}, seeds {options.seeds}: clear cells found again")
        for title, compare in COMPARISONS.items():
            counts = np.array([compare(name, seed) for seed in options.seeds])
            again, clear = counts.sum(axis=0)
            share = again / max(clear, 1)
            print(f"  {title:34} {share:7.1%}  of {clear}", flush=True)


def patches(size_px: int, overlap_px: int) -> Callable[[str, int], Again]:
    """Compare one patch for the whole field with smaller ones."""
    whole = {"patches.patch_size_px": 4096}
    small = {"patches.patch_size_px": size_px, "patches.patch_overlap_px": overlap_px}
    return lambda name, seed: _changed(name, seed, whole, small)


def limited(name: str, seed: int) -> Again:
    """Compare a search limit of as many components as there are sources with twice."""
    limit = len(load_truth(scenario_movies(name, seed)[1])["kind"])
    once, twice = ({"patches.max_components": n * limit} for n in (1, 2))
    return _changed(name, seed, once, twice)


def deeper(name: str, seed: int) -> Again:
    """Compare with a search that stops at half the event energy."""
    return _changed(name, seed, {}, {"init.min_event_energy": 0.02})


def cropped(name: str, seed: int) -> Again:
    """Compare with the movie cut at its top and left, patches of 64 px in both."""
    truth, movie = _loaded(*scenario_movies(name, seed))
    small = {"patches.patch_size_px": 64}
    whole = _run(movie, name, small)
    part = _run(movie[:, CROP_PX:, CROP_PX:], name, small)
    kept = np.zeros(whole.components.fov_shape, bool)
    kept[CROP_PX:, CROP_PX:] = True
    masks = found_masks(whole, truth)
    uncut = ~kept.ravel() @ masks == 0  # cells at the cut may look different
    clear = np.intersect1d(_clear(whole, truth, truth["snr"]), np.flatnonzero(uncut))
    return _again(masks[kept.ravel()][:, clear], found_masks(part, truth), part, SAME)


def halves(name: str, seed: int) -> Again:
    """Compare the two halves of a movie, for cells that are clear in both."""
    truth, movie = _loaded(*scenario_movies(name, seed))
    middle = len(movie) // 2
    parts = [slice(0, middle), slice(middle, 2 * middle)]
    first, second = (_run(movie[part], name, {}) for part in parts)
    shown = [_during(truth, part) for part in parts]
    peaks = [truth["C"][:, part].max(axis=1) for part in parts]
    share = np.min(peaks, axis=0) / np.maximum(np.max(peaks, axis=0), 1e-9)
    clear = _clear(first, shown[0], truth["snr"] * share)
    masks = found_masks(first, shown[0])[:, clear]
    return _again(masks, found_masks(second, shown[1]), second, SIMILAR)


def other_noise(name: str, seed: int) -> Again:
    """Compare two movies of the same scene that differ in their noise."""
    truth, one = _loaded(*same_scene(name, seed, 1))
    _, other = _loaded(*same_scene(name, seed, 2))
    first, second = _run(one, name, {}), _run(other, name, {})
    masks = found_masks(first, truth)[:, _clear(first, truth, truth["snr"])]
    return _again(masks, found_masks(second, truth), second, SIMILAR)


COMPARISONS: dict[str, Callable[[str, int], Again]] = {
    "patches of 64 px, overlap 24": patches(64, 24),
    "patches of 64 px, overlap 32": patches(64, 32),
    "patches of 96 px, overlap 24": patches(96, 24),
    f"movie cropped by {CROP_PX} px": cropped,
    "search limit doubled": limited,
    "search stops at half the energy": deeper,
    "two halves of the movie": halves,
    "other noise": other_noise,
}


def _changed(name: str, seed: int, one: dict[str, Any], other: dict[str, Any]) -> Again:
    """Compare two recipes on one movie."""
    truth, movie = _loaded(*scenario_movies(name, seed))
    first, second = _run(movie, name, one), _run(movie, name, other)
    masks = found_masks(first, truth)[:, _clear(first, truth, truth["snr"])]
    return _again(masks, found_masks(second, truth), second, SAME)


def _loaded(movie: Path, truth: Path) -> tuple[dict[str, Any], np.ndarray]:
    """Truth and frames (T, Y, X) of a movie."""
    return load_truth(truth), tifffile.imread(movie)


def _run(movie: np.ndarray, name: str, settings: dict[str, Any]) -> Result:
    """Run the pipeline on an array."""
    rate_hz = SCENARIOS[name].parameters.frame_rate_hz
    whole = Movie.from_array(movie, frame_rate_hz=rate_hz)
    return found(whole, SCENARIOS[name].recipe, settings)


def _clear(result: Result, truth: dict[str, Any], snr: np.ndarray) -> np.ndarray:
    """Numbers of the accepted components that are clear cells."""
    match, accepted = (
        matching(result, truth),
        np.flatnonzero(result.components.accepted),
    )
    clear = [k for k, j in match.pairs + match.others if snr[j] >= CLEAR]
    return np.sort(accepted[np.array(clear, int)])


def _again(masks: Any, others: Any, result: Result, min_iou: float) -> Again:
    """Count the masks that an accepted component of another result agrees with."""
    iou = overlaps(masks, others[:, result.components.accepted])
    return int((iou.max(axis=1, initial=0) >= min_iou).sum()), masks.shape[1]


def _during(truth: dict[str, Any], part: slice) -> dict[str, Any]:
    """Truth of a part of the movie, as far as matching needs it."""
    during = {"shifts": truth["shifts"][part], "nr_q": truth["nr_q"][:, part]}
    return truth | during


if __name__ == "__main__":
    main()
