"""What more workers gain, and what a cluster costs over threads.

`python benchmarks/overhead.py` runs all stages on the medium movie of `pipeline.py`
(256 x 256 x 3000; `--size small` is another one): in one thread, in two, and with two
workers of a dask cluster on this machine, whose start is left out. Rounds take turns,
so that a machine that grows slower meets all alike; the median counts. All must give
the same bytes.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from distributed import LocalCluster
from pipeline import SETTINGS, SIZES, movie_of

from napari_cnmf import Recipe, run
from napari_cnmf.compute import Backend, ThreadBackend
from napari_cnmf.compute.cluster import DaskBackend
from napari_cnmf.formats.results import digest


def main() -> None:
    """Time the ways to work, and print how they compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="medium")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    movie = movie_of(options.size, 1, None)
    with LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
    ) as cluster:
        ways: dict[str, Callable[[], Backend]] = {
            "1 thread": lambda: ThreadBackend(1),
            "2 threads": lambda: ThreadBackend(2),
            "2 workers": lambda: DaskBackend(cluster.scheduler_address),
        }
        for make in ways.values():  # compiles, and loads kernels everywhere
            timed(movie, make)
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        found = set()
        for _ in range(options.rounds):
            for name, make in ways.items():
                took, result = timed(movie, make)
                seconds[name].append(took)
                found.add(result)
    report({name: statistics.median(taken) for name, taken in seconds.items()})
    print("the same bytes:", "yes" if len(found) == 1 else "NO")


def timed(movie: Path, make: Callable[[], Backend]) -> tuple[float, str]:
    """Run all stages; return the seconds and the digest of what was found."""
    recipe = Recipe().with_settings(SETTINGS)
    with TemporaryDirectory() as folder:
        started = time.perf_counter()
        result = run(movie, recipe, folder, backend=make())
        return time.perf_counter() - started, digest(result)


def report(medians: dict[str, float]) -> None:
    """Print the seconds, the speed-up and the overhead."""
    for name, seconds in medians.items():
        print(f"{name:<10} {seconds:6.2f} s")
    speed_up = medians["1 thread"] / medians["2 threads"]
    overhead = medians["2 workers"] / medians["2 threads"] - 1
    print(f"2 threads are {speed_up:.2f} times as fast as 1")
    print(f"2 workers of a cluster take {overhead:+.1%} over 2 threads")


if __name__ == "__main__":
    main()
