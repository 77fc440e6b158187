"""The memory promise, measured: long recordings within limits, stage by stage.

One simulated movie is linked as often as makes the recording. A process of its own
runs it within each limit; meanwhile this one adds up the anonymous memory of that
process and its children (``RssAnon``; pages of files, which can be dropped, do not
count). Only Linux tells. A recording of 20 GB, as in ``docs/memory.md``::

    python benchmarks/memory.py --limits 1 2 4 --workers 1 2
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from itertools import product
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory

import tifffile

from napari_cnmf import Recipe, run
from napari_cnmf.compute import ProgressEvent, local_backend
from napari_cnmf.formats.results import digest
from napari_cnmf.simulation import SimulationParameters, simulate

RATE_HZ = 30.0
EVERY_S = 0.02


def main() -> None:
    """Measure all combinations of limits and workers, and print a table."""
    options = _options()
    if options.run:
        _run(options.folder, options.limits[0], options.workers[0])
        return
    with TemporaryDirectory(dir=options.folder) as folder:
        _simulate(Path(folder), options.frames, options.side, options.links)
        found = [
            _measured(Path(folder), limit, workers)
            for limit, workers in product(options.limits, options.workers)
        ]
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))
    for line in _table(found):
        sys.stdout.write(line + "\n")


def _options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=8000, help="of one movie")
    parser.add_argument("--side", type=int, default=256, help="of the field, px")
    parser.add_argument("--links", type=int, default=20, help="movies in a row")
    parser.add_argument("--limits", type=float, nargs="+", default=[1, 2, 4])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--folder", type=Path, help="for movie and results")
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--run", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def _simulate(folder: Path, n_frames: int, side: int, links: int) -> None:
    """Write a movie, and link it."""
    cells = round(side * side / 262)
    parameters = SimulationParameters(
        n_frames=n_frames,
        height_px=side,
        width_px=side,
        frame_rate_hz=RATE_HZ,
        n_somata=cells,
        n_processes=cells // 10,
        n_defocused=cells // 5,
    )
    movie = folder / "movie.tif"
    tifffile.imwrite(movie, simulate(parameters).movie, photometric="minisblack")
    (folder / "recording").mkdir()
    for number in range(links):
        (folder / "recording" / f"part_{number:03d}.tif").symlink_to(movie)


def _run(folder: Path, limit_gb: float, workers: int) -> None:
    """Run the recording within a limit; tell each stage as it begins."""
    begun: list[str] = []

    def progress(event: ProgressEvent) -> None:
        if event.stage not in begun:
            begun.append(event.stage)
            _tell({"stage": event.stage})

    result = run(
        folder / "recording",
        Recipe().with_settings([f"acquisition.frame_rate_hz={RATE_HZ}"]),
        folder / "result",
        backend=local_backend(workers, limit_gb),
        progress=progress,
    )
    cpu_s = time.process_time()
    _tell({"digest": digest(result), "cpu_s": cpu_s, "cells": len(result.components)})


def _tell(what: dict[str, object]) -> None:
    """Tell the process that measures."""
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def _measured(folder: Path, limit_gb: float, workers: int) -> dict[str, object]:
    """Run within a limit, and return the peak of each stage in GB."""
    command = [sys.executable, __file__, "--run", "--folder", folder]
    command += ["--limits", limit_gb, "--workers", workers]
    peaks: dict[str, float] = {}
    stage, told, started = "start", folder / "told", time.perf_counter()
    with told.open("w") as out:
        process = subprocess.Popen(list(map(str, command)), stdout=out)
    while process.poll() is None:
        said = told.read_text().splitlines()
        stages = [json.loads(line).get("stage") for line in said if line.endswith("}")]
        stage = next((name for name in reversed(stages) if name), stage)
        peaks[stage] = max(peaks.get(stage, 0.0), _anonymous_bytes(process.pid) / 1e9)
        time.sleep(EVERY_S)
    if process.returncode:
        raise SystemExit(f"the run within {limit_gb:g} GB ended with an error")
    wall_s = time.perf_counter() - started
    last = json.loads(told.read_text().splitlines()[-1])
    rmtree(folder / "result")
    about = {"limit_gb": limit_gb, "workers": workers, "wall_s": round(wall_s, 1)}
    return about | last | {"peaks_gb": peaks}


def _anonymous_bytes(pid: int) -> int:
    """Anonymous memory of a process and its children."""
    try:
        status = Path(f"/proc/{pid}/status").read_text().splitlines()
        threads = Path(f"/proc/{pid}/task").iterdir()
        children = " ".join((thread / "children").read_text() for thread in threads)
    except OSError:  # it has just ended
        return 0
    own = [int(line.split()[1]) for line in status if line.startswith("RssAnon")]
    return 1024 * sum(own) + sum(
        _anonymous_bytes(int(child)) for child in children.split()
    )


def _table(found: list[dict]) -> list[str]:
    """Lines of a table in Markdown: a row for each run, a column for each stage."""
    stages = list(dict.fromkeys(stage for row in found for stage in row["peaks_gb"]))
    head = ["limit (GB)", "workers", *stages, "highest", "minutes", "CPU s"]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for row in found:
        peaks = [row["peaks_gb"].get(stage, 0.0) for stage in stages]
        cells = [f"{row['limit_gb']:g}", str(row["workers"])]
        cells += [f"{peak:.2f}" for peak in (*peaks, max(peaks))]
        cells += [f"{row['wall_s'] / 60:.1f}", f"{row['cpu_s']:.0f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


if __name__ == "__main__":
    main()
