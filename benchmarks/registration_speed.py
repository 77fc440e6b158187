"""What the registration of 512 x 512 frames costs.

`python benchmarks/registration_speed.py frames` times estimating and applying on one
core, in units of two Fourier transforms of the frame, which any registration by
Fourier transforms needs. `stage` times the whole pass from a tif to the registered
store with one worker and with two, and its memory at a quarter of the length; `parts`
tells where the time of that pass goes.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import os
import pstats
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import scipy.fft
from pipeline import FOLDER, ONE_THREAD, movie_of
from registration_others import shifters

from napari_cnmf import Movie, SimulationParameters, local_backend, open_movie, simulate
from napari_cnmf.motion.parameters import MotionParameters
from napari_cnmf.motion.registrar import Motion, build_registrar, move_back
from napari_cnmf.motion.stage import correct
from napari_cnmf.movie.parameters import StoreParameters
from napari_cnmf.summary import SummaryParameters

RATE_HZ = 30.0
N_FRAMES, WARM_UP = 3000, 150
MODES = {
    "rigid": MotionParameters(mode="rigid"),
    "piecewise, 25 patches": MotionParameters(
        mode="piecewise", grid_step_px=96, grid_overlap_px=32
    ),
    "piecewise": MotionParameters(mode="piecewise"),
}


def main() -> None:
    """Print the table asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table", choices=("frames", "stage", "parts"))
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    if options.table == "frames":
        time_frames(options.rounds)
    elif options.table == "stage":
        time_stage(options.rounds)
    else:
        time_parts()


def time_frames(rounds: int) -> None:
    """Print CPU time of each mode, the shortest of several rounds in turn."""
    frames = _bending(n_frames=96)
    work: dict[str, Callable[[], object]] = {
        "two rfft2": lambda: [scipy.fft.rfft2(f) for f in frames for _ in range(2)]
    }
    for mode, parameters in MODES.items():
        registrar = build_registrar(frames, parameters)
        motion = registrar.find(frames, np.arange(len(frames)))
        fill = registrar.target.template
        work[f"{mode}, find"] = partial(registrar.find, frames, np.arange(len(frames)))
        work[f"{mode}, apply"] = partial(_apply, frames, motion, registrar.places, fill)
    for name, find in shifters().items():
        work[f"{name}, find"] = partial(find, fill, frames)
    shortest = dict.fromkeys(work, np.inf)
    for _ in range(rounds):
        for name, task in work.items():
            started = time.process_time()
            task()
            shortest[name] = min(shortest[name], time.process_time() - started)
    for mode in MODES:
        shortest[mode] = shortest[f"{mode}, find"] + shortest[f"{mode}, apply"]
    for name, seconds in shortest.items():
        times = seconds / shortest["two rfft2"]
        print(f"{name:30} {1000 * seconds / len(frames):7.2f} ms {times:7.2f}")


def time_stage(rounds: int) -> None:
    """Print frames a second and peak memory; the fastest of several runs in turn."""
    movie = movie_of("large", 1, N_FRAMES)
    for mode in MODES:
        runs: dict[int, list[dict[str, float]]] = {1: [], 2: []}
        for _ in range(rounds):
            for workers, done in runs.items():
                done.append(_stage_alone(movie, mode, workers, N_FRAMES))
        rates = {n: N_FRAMES / min(r["wall s"] for r in runs[n]) for n in runs}
        cpu_ms = 1000 * min(r["CPU s"] for r in runs[1]) / N_FRAMES
        short = _stage_alone(movie, mode, 2, N_FRAMES // 4)
        print(
            f"{mode}: {rates[1]:.0f} frames/s with one worker, {rates[2]:.0f} with two "
            f"({rates[2] / rates[1]:.2f} times, {rates[2] / RATE_HZ:.1f} times the "
            f"recording), {cpu_ms:.2f} CPU ms a frame; peak memory of two workers "
            f"{max(r['peak MB'] for r in runs[2]):.0f} MB, {short['peak MB']:.0f} MB "
            "with a quarter of the frames",
            flush=True,
        )


def time_parts() -> None:
    """Print CPU ms a frame of what the pass and the stage call."""
    path = movie_of("large", 1, N_FRAMES)
    for mode in MODES:
        _stage(open_movie(path, frame_rate_hz=RATE_HZ), mode, 1, WARM_UP)
        profile = cProfile.Profile(time.process_time)
        movie = open_movie(path, frame_rate_hz=RATE_HZ)
        profile.runcall(_stage, movie, mode, 1, N_FRAMES)
        print(mode)
        for caller in ("blockpass.py", "stage.py"):
            for name, seconds in _called_from(profile, caller):
                print(f"  {caller:14} {name:30} {1000 * seconds / N_FRAMES:6.3f}")


def _called_from(profile: cProfile.Profile, file: str) -> list[tuple[str, float]]:
    """CPU seconds of the functions that a file of the registration calls."""
    found: dict[str, float] = {}
    for (where, _, name), (*_, callers) in pstats.Stats(profile).stats.items():
        for (caller, _, _), (*_, seconds) in callers.items():
            if caller.endswith(f"motion/{file}") and where != caller:
                found[name] = found.get(name, 0.0) + seconds
    ordered = sorted(found.items(), key=lambda item: -item[1])
    return [(name, seconds) for name, seconds in ordered if seconds > 0.02]


def _stage_alone(
    movie: Path, mode: str, workers: int, n_frames: int
) -> dict[str, float]:
    """Run the stage in a new process."""
    task = [str(movie), mode, workers, n_frames]
    command = [sys.executable, __file__, "alone", json.dumps(task)]
    env = os.environ | ONE_THREAD
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=env)
    return json.loads(answer.stdout)


def _alone(path: str, mode: str, workers: int, n_frames: int) -> None:
    """Run the stage and print what it took."""
    movie = open_movie(path, frame_rate_hz=RATE_HZ)
    _stage(movie, mode, workers, WARM_UP)
    wall, cpu = time.perf_counter(), time.process_time()
    _stage(movie, mode, workers, n_frames)
    took = {"wall s": time.perf_counter() - wall, "CPU s": time.process_time() - cpu}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps(took | {"peak MB": peak / 1024}))


def _stage(movie: Movie, mode: str, workers: int, n_frames: int) -> None:
    """Register the first frames of a movie."""
    FOLDER.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory(dir=FOLDER) as folder,
        local_backend(workers) as backend,
    ):
        correct(
            movie.subset(frames=slice(n_frames)),
            MODES[mode],
            path=Path(folder) / "registered",
            store=StoreParameters(),
            summary=SummaryParameters(),
            backend=backend,
        )


def _bending(n_frames: int) -> np.ndarray:
    """Simulated frames (n, 512, 512) float32 that bend by up to 2 px."""
    parameters = SimulationParameters(
        n_frames=n_frames,
        height_px=512,
        width_px=512,
        n_somata=900,
        max_nonrigid_px=2.0,
    )
    return simulate(parameters, 1).movie.astype(np.float32)


def _apply(
    frames: np.ndarray,
    motion: Motion,
    places: tuple[np.ndarray, np.ndarray],
    fill: np.ndarray,
) -> None:
    """Move frames back a few at a time, as the stage does."""
    for start in range(0, len(frames), 16):
        few = slice(start, start + 16)
        fields = None if motion.fields is None else motion.fields[few]
        move_back(frames[few], Motion(motion.shifts[few], fields), places, fill)


if __name__ == "__main__":
    if sys.argv[1:2] == ["alone"]:
        _alone(*json.loads(sys.argv[2]))
    else:
        main()
