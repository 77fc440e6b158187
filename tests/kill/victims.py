"""Runs that are killed again and again, and then finished: a script of its own.

The process compiles and imports everything once. Each run is a fork of it, which
SIGKILL ends some moment after a stage has begun; then the same run is given again.
What became of it all is written as JSON.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import numpy as np

from napari_cnmf.compute import ProgressEvent, local_backend
from napari_cnmf.formats.results import digest, load
from napari_cnmf.motion import ledger
from napari_cnmf.movie import Movie, blocks
from napari_cnmf.pipeline import runner
from napari_cnmf.recipe import Recipe
from napari_cnmf.simulation import SimulationParameters, simulate

RATE_HZ = 30.0
STAGES = ("correct", "fit", "refit", "evaluate", "dff")
#: How often each is chosen: those most that keep most.
SHARES = (0.3, 0.3, 0.2, 0.1, 0.1)
RECIPE = Recipe().with_settings(
    [
        "patches.patch_size_px=48",
        "patches.patch_overlap_px=16",
        "motion.mode=rigid",
        "store.bin_s=0.2",
    ]
)


def prepared(n_frames: int = 900) -> Movie:
    """Make a movie; cut it into many blocks, and let their sums be written often."""
    blocks.MAX_BLOCK = 96
    ledger.INTERVAL_S, ledger._TIMES_COST = 0.02, 0.0
    for name in ("write_report", "write_motion_report"):
        setattr(runner, name, lambda _, path: path.touch())
    parameters = SimulationParameters(
        n_frames=n_frames, height_px=96, width_px=96, n_somata=20, burst_rate_hz=0.25
    )
    return Movie.from_array(simulate(parameters, seed=0).movie, frame_rate_hz=RATE_HZ)


def state(folder: Path) -> dict[str, str]:
    """Digest of the result and of each file of the movie, and all other names."""
    found = {"result": digest(load(folder / "results.h5"))}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        is_movie = path.is_file() and name.startswith("registered.zarr")
        content = hashlib.sha256(path.read_bytes()).hexdigest() if is_movie else ""
        found[name] = content
    return found


class Victim:
    """A fork that runs all stages and tells when each begins."""

    def __init__(self, movie: Movie, folder: Path) -> None:
        self._ear, mouth = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            os.close(self._ear)
            _work(movie, folder, lambda stage: os.write(mouth, f"{stage}\n".encode()))
        os.close(mouth)
        self._heard = b""

    def hear(self, stage: str) -> None:
        """Wait until a stage has begun, or the end."""
        while f"{stage}\n".encode() not in self._heard:
            part = os.read(self._ear, 4096)
            if not part:
                return
            self._heard += part

    def kill(self) -> str:
        """Kill it; return the stage that it was in, "" if it had ended."""
        os.kill(self.pid, signal.SIGKILL)
        while part := os.read(self._ear, 4096):
            self._heard += part
        return (
            ""
            if self.ended() == 0
            else (self._heard.split() or [b"start"])[-1].decode()
        )

    def ended(self) -> int:
        """Wait for the end; return its exit code, negative if it was killed."""
        _, status = os.waitpid(self.pid, 0)
        os.close(self._ear)
        return os.waitstatus_to_exitcode(status)


def _work(movie: Movie, folder: Path, tell: Callable[[str], None]) -> None:
    """Run all stages in a fork, which ends here."""
    code = 1
    try:
        os.environ["OMP_NUM_THREADS"] = "1"

        def progress(event: ProgressEvent) -> None:
            if event.total == 0 and event.payload is None:
                tell(event.stage)

        runner.run(movie, RECIPE, folder, progress=progress, backend=local_backend(2))
        code = 0
    finally:
        if code:
            traceback.print_exc()
        os._exit(code)


def durations(movie: Movie, folder: Path) -> dict[str, float]:
    """Seconds that each stage takes in an undisturbed run."""
    assert Victim(movie, folder).ended() == 0
    return {r.stage: r.seconds for r in load(folder / "results.h5").stages}


def main() -> None:
    """Kill runs, finish them, and report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--runs", type=int, default=25)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    movie = prepared()
    _warm(movie, options.folder / "warm")
    taken = durations(movie, options.folder / "whole")
    whole = state(options.folder / "whole")
    report = {"killed": [], "different": [], "seconds": taken, "whole": whole}
    for number in range(options.runs):
        folder = options.folder / f"run-{number}"
        chosen = rng.choice(STAGES, 1 + rng.integers(3), p=SHARES)
        for stage in sorted(chosen.tolist(), key=STAGES.index):
            victim = Victim(movie, folder)
            victim.hear(stage)
            time.sleep(rng.uniform(0, taken[stage]))
            report["killed"].append(victim.kill())
        code = Victim(movie, folder).ended()
        if code != 0 or state(folder) != whole:
            report["different"].append((number, code))
    (options.folder / "report.json").write_text(json.dumps(report))


def _warm(movie: Movie, folder: Path) -> None:
    """Compile, or load, all kernels in this process, which stays without threads."""
    runner.run(movie, RECIPE, folder, backend=local_backend(1))


if __name__ == "__main__":
    main()
