"""How accurate the pipeline is, by difficulty of the movie and by design choice.

`python benchmarks/accuracy.py scenarios --seeds 11 12 13` runs the whole pipeline on
the movies of `scenarios.py` and prints means over seeds; `--scenario dense dim` chooses
some. `python benchmarks/accuracy.py ablation` switches off or changes one choice at a
time, on the standard movies. `--set spatial.rounds=2` changes the recipe of all runs.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scenarios import SCENARIOS, scenario_movies
from scoring import load_truth, matching, score

from napari_cnmf import Movie, Recipe, Result, local_backend, run
from napari_cnmf.pipeline.warmup import warm_up

#: Values by full name, or texts "group.name=value".
Settings = Mapping[str, Any] | Iterable[str]
NO_LIMITS = {
    "quality.min_relative_area": 0.0,
    "quality.max_relative_area": 100.0,
    "quality.min_soma_area": 0.0,
    "quality.max_ring": 10.0,
    "quality.min_edge": 0.0,
}
ABLATIONS: dict[str, Settings] = {
    "reference": {},
    "motion not corrected": {"motion.mode": "none"},
    "no event threshold": {"init.event_threshold_sd": 0.0},
    "search deeper": {"init.min_event_energy": 0.02},
    "search less deep": {"init.min_event_energy": 0.08},
    "second search": {"init.second_search": True},
    "one spatial round": {"spatial.rounds": 1},
    "footprints cut unsmoothed": {"spatial.support_smoothing_px": 0.1},
    "footprints cut without their noise": {"spatial.support_noise_sd": 0.0},
    "one background": {"background.pitch_diameters": 50.0},
    "finer background": {"background.pitch_diameters": 1.0},
    "background not smoothed in time": {"background.smoothing_s": 0.0},
    "background weights not smoothed": {"background.weight_smoothing_px": 0.0},
    "no merging": {
        "merge.min_correlation": 1.0,
        "merge.max_overlap": 1.0,
        "merge.touching_correlation": 1.0,
    },
    "merged by traces only": {"merge.max_overlap": 1.0},
    "fragments not merged": {"merge.touching_correlation": 1.0},
    "AR(1) fitted to each trace": {"temporal.method": "constrained"},
    "decay time estimated": {"acquisition.indicator": "estimate"},
    "rise 0.03 s": {"acquisition.rise_time_s": 0.03},
    "penalty 0.5 sd": {"temporal.penalty_sd": 0.5},
    "one temporal sweep": {"temporal.sweeps": 1},
    "baseline of the whole recording": {"temporal.baseline_window_s": 3600.0},
    "CaImAn's rule": {"quality.rule": "caiman"},
    "SNR and r value only": NO_LIMITS,
    "no limit of SNR": {"quality.min_snr": 0.0},
    "no limit of r value": {"quality.min_r_value": -1.0},
    "no limits of area": {k: v for k, v in NO_LIMITS.items() if "area" in k},
    "no limit of the ring": {"quality.max_ring": 10.0},
    "no limit of the edge": {"quality.min_edge": 0.0},
    "no classifier": {"quality.use_classifier": False},
    "a low-rank background": {"background.model": "low_rank"},
    "CaImAn's greedy search": {"init.method": "variance"},
}
COLUMNS = {  # header, score, digits
    "F1": ("f1", 3),
    "prec.": ("precision", 3),
    "recall": ("recall", 3),
    "trace r": ("trace_correlation", 3),
    "spike r": ("spike_correlation", 3),
    "dF/F err": ("dff_error", 3),
    "accepted": ("accepted", 1),
    "false/128 px": ("false", 1),
    "CPU s": ("cpu_s", 1),
}


def main() -> None:
    """Print the table asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table", choices=("scenarios", "ablation"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[11, 12, 13])
    parser.add_argument("--scenario", nargs="+", choices=SCENARIOS, metavar="NAME")
    parser.add_argument("--set", nargs="+", default=[], metavar="group.name=value")
    options = parser.parse_args()
    extra = options.set
    warnings.simplefilter("ignore")
    warm_up()
    print(f"{'seeds ' + ' '.join(map(str, options.seeds)):36}", *COLUMNS, sep="  ")
    if options.table == "scenarios":
        for name in options.scenario or SCENARIOS:
            print_row(name, [measured(name, seed, extra) for seed in options.seeds])
    else:
        for title, settings in ABLATIONS.items():
            rows = [
                measured(name, seed, extra, settings)
                for name in options.scenario or ["standard"]
                for seed in options.seeds
            ]
            print_row(title, rows)


def measured(name: str, seed: int, *settings: Settings) -> dict[str, float]:
    """Scores and cost of a run on a movie of a scenario."""
    movie, truth_path = scenario_movies(name, seed)
    truth = load_truth(truth_path)
    started = time.process_time()
    result = found(movie, SCENARIOS[name].recipe, *settings)
    cpu_s = time.process_time() - started
    match, accepted = matching(result, truth), int(result.components.accepted.sum())
    false = accepted - len(match.pairs) - len(match.others)
    area = np.prod(result.components.fov_shape) / 128**2
    found_scores = vars(score(result, truth))
    if not match.wanted.any():
        found_scores = dict.fromkeys(found_scores, np.nan)
    return {**found_scores, "accepted": accepted, "false": false / area, "cpu_s": cpu_s}


def found(movie: Path | Movie, *settings: Settings) -> Result:
    """Result of the whole pipeline in this process; later settings win."""
    recipe = Recipe()
    for changes in settings:
        recipe = recipe.with_settings(changes)
    with tempfile.TemporaryDirectory() as folder:
        return run(movie, recipe, Path(folder) / "run", backend=local_backend(1))


def print_row(title: str, rows: list[dict[str, float]]) -> None:
    """Print means over movies."""
    values = [
        f"{np.mean([row[key] for row in rows]):{max(len(header), 5)}.{digits}f}"
        for header, (key, digits) in COLUMNS.items()
    ]
    print(f"{title:36}", *values, sep="  ", flush=True)


if __name__ == "__main__":
    main()
