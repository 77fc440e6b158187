"""Runs the whole pipeline on simulated movies and prints what it costs and finds.

`python benchmarks/pipeline.py small` (medium, large, or several), with `--seeds 1 2 3`
for a mean over movies, `--workers 2`, `--frames 12000` for longer ones. Movies are
simulated once and kept in the folder for temporary files. Each run is a process of its
own with kernels cached; the CPU seconds of all its threads are counted.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

SIZES: dict[str, dict[str, Any]] = {
    "tiny": {"n_frames": 300, "height_px": 64, "width_px": 64, "n_somata": 10},
    "small": {},
    "medium": {
        "n_frames": 3000,
        "height_px": 256,
        "width_px": 256,
        "n_somata": 250,
        "n_processes": 24,
        "n_defocused": 48,
    },
    "large": {
        "n_frames": 3000,
        "height_px": 512,
        "width_px": 512,
        "n_somata": 900,
        "n_processes": 90,
        "n_defocused": 180,
    },
}
SETTINGS = (
    "acquisition.frame_rate_hz=30",
    "acquisition.decay_time_s=0.5",
    "init.neuron_half_size_px=4",
)
FOLDER = Path(tempfile.gettempdir()) / "napari-cnmf-benchmarks"
# One thread for what is not ours, so that CPU seconds count work and not waiting.
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}


def main() -> None:
    """Measure the sizes asked for and print a table of each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sizes", nargs="*", choices=SIZES, default=["small"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--frames", type=int, help="of each movie, instead of its own")
    options = parser.parse_args()
    print(f"rfft2 of a 512 x 512 float32 frame: {_fft_ms():.2f} ms")
    measured(movie_of("tiny", 0, None), options.workers)  # compiles what is missing
    for size in options.sizes:
        rows = []
        for seed in options.seeds:
            movie = movie_of(size, seed, options.frames)
            rows.append(measured(movie, options.workers))
        _print_table(f"{size}, {options.workers} workers, seeds {options.seeds}", rows)


def movie_of(size: str, seed: int, n_frames: int | None) -> Path:
    """Movie of a size, simulated unless it is there already.

    In a process of its own: its memory would count as that of the runs to come.
    """
    from scenarios import simulated

    from napari_cnmf.simulation import SimulationParameters

    changes = SIZES[size] | ({} if n_frames is None else {"n_frames": n_frames})
    with ProcessPoolExecutor(1) as pool:
        made = pool.submit(simulated, SimulationParameters(**changes), seed)
        return made.result()[0]


def measured(movie: Path, workers: int) -> dict[str, float]:
    """Run the pipeline on a movie in a new process; costs and scores."""
    from scoring import load_truth, score

    from napari_cnmf.formats.results import load

    with _empty(FOLDER / "run") as output:
        task = {"movie": str(movie), "output": str(output), "workers": workers}
        started = time.perf_counter()
        child = subprocess.Popen(
            [sys.executable, __file__, "run", json.dumps(task)],
            stdout=subprocess.PIPE,
            env=os.environ | ONE_THREAD,
        )
        cpu_s = json.loads(child.stdout.read())
        _, status, usage = os.wait4(child.pid, 0)
        if status:
            raise RuntimeError(f"The run on {movie} failed.")
        found = score(
            load(output / "results.h5"), load_truth(movie.with_suffix(".npz"))
        )
        return {
            **{f"CPU s, {name}": seconds for name, seconds in cpu_s.items()},
            "CPU s, everything": usage.ru_utime + usage.ru_stime,
            "wall s, everything": time.perf_counter() - started,
            "peak memory, MB": usage.ru_maxrss / 1024,
            **asdict(found),
        }


def _run(movie: str, output: str, workers: int) -> None:
    """Run the pipeline in this process and print the CPU seconds of each stage."""
    from napari_cnmf import Recipe, local_backend, run
    from napari_cnmf.compute import ProgressEvent

    marks = [("import", 0.0)]

    def mark(event: ProgressEvent) -> None:
        if event.total == 0 and event.payload is None:  # a stage begins
            marks.append((event.stage, time.process_time()))
        elif event.stage == "dff" and event.done == event.total:
            marks.append(("report", time.process_time()))

    marks.append(("open", time.process_time()))
    recipe = Recipe().with_settings(SETTINGS)
    run(movie, recipe, output, backend=local_backend(workers), progress=mark)
    ends = [seconds for _, seconds in marks[1:]] + [time.process_time()]
    pairs = zip(marks, ends, strict=True)
    print(json.dumps({name: end - start for (name, start), end in pairs}))


@contextmanager
def _empty(folder: Path) -> Iterator[Path]:
    """A folder that is new, and gone afterwards."""
    shutil.rmtree(folder, ignore_errors=True)
    yield folder
    shutil.rmtree(folder)


def _fft_ms() -> float:
    """Yardstick of this machine: median time of a transform, in ms."""
    import scipy.fft

    frame = np.random.default_rng(0).standard_normal((512, 512), np.float32)
    times = []
    for _ in range(200):
        started = time.perf_counter()
        scipy.fft.rfft2(frame)
        times.append(time.perf_counter() - started)
    return 1000 * float(np.median(times))


def _print_table(title: str, rows: list[dict[str, float]]) -> None:
    """Print means over movies and, of several, their standard deviation."""
    print(f"\n{title}")
    for name in rows[0]:
        values = np.array([row[name] for row in rows])
        spread = f"  +- {values.std():.3f}" if len(rows) > 1 else ""
        print(f"  {name:24} {values.mean():10.3f}{spread}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["run"]:
        _run(**json.loads(sys.argv[2]))
    else:
        main()
