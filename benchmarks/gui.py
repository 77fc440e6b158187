"""Measures what the user of the widgets feels, in a real viewer.

`xvfb-run -a -s "-screen 0 1600x1000x24" python benchmarks/gui.py` (all parts, or some
of `run`, `cells`, `movie`). Each part is a process of its own, with kernels cached.
What is timed reaches to the end of the painting that it causes. Gaps of the event loop
are the times between two ticks of a timer of 5 ms; napari makes a layer in one piece,
which is reported apart.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import tifffile

# The user's own settings are neither read nor changed: napari reads the second one
# when it is imported, which is why the functions below import it.
CONFIG = tempfile.mkdtemp()
os.environ.setdefault("XDG_CONFIG_HOME", CONFIG)
os.environ.setdefault("NAPARI_CONFIG", str(Path(CONFIG) / "settings.yaml"))
sys.path.append(str(Path(__file__).parents[1] / "tests" / "widgets"))

FOLDER = Path(tempfile.gettempdir()) / "napari-cnmf-benchmarks"
DOCKS = ("Workflow", "Traces")


def main() -> None:
    """Measure the parts asked for, each in a fresh process."""
    parts = sys.argv[1:] or list(PARTS)
    if len(parts) == 1:
        PARTS[parts[0]]()
        _say("load of the machine, 1 minute", f"{os.getloadavg()[0]:.1f}")
        return
    for part in parts:
        subprocess.run([sys.executable, __file__, part], check=True)


def measure_run() -> None:
    """Event loop during a whole run of 3000 x 256 x 256 with 250 cells, and Cancel."""
    import napari_cnmf as cnmf

    FOLDER.mkdir(exist_ok=True)
    frames = _simulated()
    movie = cnmf.Movie.from_array(frames, frame_rate_hz=30.0)
    viewer, workspace, jobs = _viewer()
    with tempfile.TemporaryDirectory() as folder:
        # A short run loads all kernels.
        few = cnmf.Movie.from_array(frames[:300], frame_rate_hz=30.0)
        cnmf.run(few, None, Path(folder) / "warm")
        _first_layers(viewer)
        workspace.set_movie(movie)
        _settle()

        def work(progress, cancel):
            return cnmf.run(
                movie,
                workspace.recipe,
                Path(folder) / "out",
                progress=progress,
                cancel=cancel,
            )

        with _gaps(viewer) as (gaps, with_new_layers):
            started = time.perf_counter()
            jobs.start("Run", work, workspace.set_result)
            _wait_for(jobs)
            _settle()
        _say("whole run", f"{time.perf_counter() - started:.1f} s")
        _say_spread("gaps of the event loop", gaps)
        _say_spread("gaps in which napari made a layer", with_new_layers)

        for after_s in (0.5, 2.0, 5.0):
            jobs.start("Run", lambda p, c: _again(movie, workspace, folder, p, c))
            _spin(after_s)
            asked = time.perf_counter()
            jobs.cancel()
            _wait_for(jobs)
            seconds = time.perf_counter() - asked
            _say(f"cancel {after_s} s after the start", f"{seconds:.2f} s")
    viewer.close()


def measure_cells() -> None:
    """A result of 1,000 cells and 6,000 frames: show, select, highlight, re-judge."""
    from dataclasses import replace

    from many_cells import make_many

    from napari_cnmf.widgets.session import session

    viewer, workspace, _ = _viewer()
    _first_layers(viewer)
    result = make_many(1000, 6000)
    started = time.perf_counter()
    workspace.set_result(result)
    while session(viewer).scene.layer("accepted") is None:
        _process_events()
    _process_events()
    _say("show 1,000 cells", f"{1000 * (time.perf_counter() - started):.0f} ms")
    rng = np.random.default_rng(0)
    chosen = rng.permutation(1000)[:52].tolist()
    for i in chosen[:2]:  # the first ones make layers and curves
        workspace.select([i])
        _settle()
    direct, painted = [], []
    for i in chosen[2:]:
        started = time.perf_counter()
        workspace.select([i])
        direct.append(time.perf_counter() - started)
        _process_events()
        painted.append(time.perf_counter() - started)
        _settle()
    _say_spread("click to trace and highlight, set", direct)
    _say_spread("click to trace and highlight, painted", painted)
    steps = []
    for limit in np.linspace(1, 9, 50):
        quality = replace(workspace.recipe.quality, min_snr=float(limit))
        started = time.perf_counter()
        workspace.set_limits(quality)
        _process_events()
        steps.append(time.perf_counter() - started)
    workspace.keep()
    _say_spread("step of a threshold slider", steps)
    viewer.close()


def measure_movie() -> None:
    """A tif of 3 GB: open, step, play."""
    import napari_cnmf as cnmf

    FOLDER.mkdir(exist_ok=True)
    path = _large_tif()
    viewer, _, _ = _viewer()
    _first_layers(viewer)
    process = psutil.Process()
    before = process.memory_info().rss
    started = time.perf_counter()
    movie = cnmf.open_movie(path, frame_rate_hz=30)
    cnmf.show_movie(movie, viewer)
    _process_events()
    _say("open a 3 GB tif", f"{time.perf_counter() - started:.2f} s")
    axis = viewer.dims.ndim - 3
    for name, frames in (
        ("step to the next frame", range(1, 300)),
        ("step to any frame", np.random.default_rng(0).integers(0, 6000, 100)),
    ):
        steps = []
        for t in frames:
            started = time.perf_counter()
            viewer.dims.set_current_step(axis, int(t))
            _process_events()
            steps.append(time.perf_counter() - started)
        _say_spread(name, steps)
    peak = _play(viewer, axis, process, seconds=20)
    _say("memory while playing", f"{(peak - before) / 1e6:.0f} MB more than before")
    viewer.close()


PARTS: dict[str, Callable[[], None]] = {
    "run": measure_run,
    "cells": measure_cells,
    "movie": measure_movie,
}


def _viewer():
    """Show a viewer with its docks; return it with its workspace and jobs."""
    import napari

    from napari_cnmf.widgets.session import session

    viewer = napari.Viewer(show=False)
    viewer.show()
    viewer.window.resize(1600, 1000)
    for name in DOCKS:
        viewer.window.add_plugin_dock_widget("napari-cnmf", name)
    _settle()
    ours = session(viewer)
    return viewer, ours.workspace, ours.jobs


def _first_layers(viewer) -> None:
    """Make napari's first layer of each type, which is slow by itself, and say so."""
    square = np.array([[1, 1], [1, 9], [9, 9], [9, 1]])
    makers = {
        "image": lambda: viewer.add_image(np.zeros((3, 16, 16), np.uint16)),
        "labels": lambda: viewer.add_labels(np.ones((16, 16), np.uint16)),
        "vectors": lambda: viewer.add_vectors(np.ones((4, 2, 2), np.float32)),
        "shapes": lambda: viewer.add_shapes([square]),
    }
    for kind, make in makers.items():
        _say(f"napari's own first {kind} layer", _milliseconds(make))
    viewer.layers.clear()
    _settle()


def _simulated() -> np.ndarray:
    """3000 frames of 256 x 256, simulated once."""
    import napari_cnmf as cnmf

    path = FOLDER / "gui-256.npy"
    if not path.exists():
        size = {"n_frames": 3000, "height_px": 256, "width_px": 256, "n_somata": 250}
        np.save(path, cnmf.simulate(cnmf.SimulationParameters(**size)).movie)
    return np.load(path)


def _large_tif() -> Path:
    """Tif of 6000 frames of 512 x 512, written once."""
    path = FOLDER / "gui-3gb.tif"
    if not path.exists():
        rng = np.random.default_rng(0)
        frames = rng.poisson(100, (50, 512, 512)).astype(np.uint16)
        with tifffile.TiffWriter(path, bigtiff=True) as file:
            for t in range(6000):
                file.write(frames[t % 50], contiguous=True)
    return path


def _again(movie, workspace, folder, progress, cancel):
    """Run once more, into a folder of its own."""
    import napari_cnmf as cnmf

    path = tempfile.mkdtemp(dir=folder)
    return cnmf.run(movie, workspace.recipe, path, progress=progress, cancel=cancel)


def _play(viewer, axis: int, process: psutil.Process, seconds: float) -> int:
    """Play a movie as fast as it goes; return the highest memory in bytes."""
    highest, frame = 0, 0
    done = time.perf_counter() + seconds
    started, shown = time.perf_counter(), 0
    while time.perf_counter() < done:
        frame = (frame + 1) % 6000
        viewer.dims.set_current_step(axis, frame)
        _process_events()
        shown += 1
        if not shown % 20:
            highest = max(highest, process.memory_info().rss)
    _say("frames a second", f"{shown / (time.perf_counter() - started):.0f}")
    return highest


@contextmanager
def _gaps(viewer) -> Iterator[tuple[list[float], list[float]]]:
    """Seconds between two ticks of a timer of 5 ms, those with new layers apart."""
    from qtpy.QtCore import Qt, QTimer

    ticks: list[float] = []
    new: list[float] = []
    plain: list[float] = []
    apart: list[float] = []
    timer = QTimer()
    timer.setTimerType(Qt.TimerType.PreciseTimer)
    timer.timeout.connect(lambda: ticks.append(time.perf_counter()))
    viewer.layers.events.inserted.connect(lambda: new.append(time.perf_counter()))
    timer.start(5)
    yield plain, apart
    timer.stop()
    made = np.diff(np.searchsorted(new, ticks)) > 0
    made[1:] |= made[:-1]  # what is new is painted a turn later
    plain.extend(np.diff(ticks)[~made])
    apart.extend(np.diff(ticks)[made])


def _wait_for(jobs) -> None:
    """Let the event loop run until the job has ended."""
    from qtpy.QtCore import QEventLoop

    if jobs.running:
        loop = QEventLoop()
        jobs.ended.connect(lambda _outcome: loop.quit())
        loop.exec()


def _spin(seconds: float) -> None:
    """Let the event loop run for a while."""
    from qtpy.QtCore import QEventLoop, QTimer

    loop = QEventLoop()
    QTimer.singleShot(int(1000 * seconds), loop.quit)
    loop.exec()


def _settle() -> None:
    """Let everything be painted."""
    _spin(0.15)


def _process_events() -> None:
    from qtpy.QtWidgets import QApplication

    QApplication.processEvents()


def _milliseconds(action: Callable[[], object]) -> str:
    """Time of an action and what it paints."""
    started = time.perf_counter()
    action()
    _process_events()
    return f"{1000 * (time.perf_counter() - started):.0f} ms"


def _say_spread(name: str, seconds: list[float]) -> None:
    """Print median, high percentiles and maximum in ms."""
    p50, p95, p99 = 1000 * np.percentile(seconds, (50, 95, 99))
    text = f"median {p50:.0f}, p95 {p95:.0f}, p99 {p99:.0f}, "
    _say(name, f"{text}max {1000 * max(seconds):.0f} ms")


def _say(name: str, text: str) -> None:
    print(f"{name:<42}{text}", flush=True)


if __name__ == "__main__":
    main()
