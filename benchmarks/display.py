"""Opens a 3 GB movie in a real viewer, as a tif and as a store, and steps through it.

`xvfb-run -a -s "-screen 0 1600x1000x24" python benchmarks/display.py` prints how long
opening and stepping take, and how much memory that adds; `--frames 600` for a quick
look. What it writes in the folder for temporary files is removed.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import napari
import numpy as np
import tifffile
from qtpy.QtWidgets import QApplication

from napari_cnmf import open_movie
from napari_cnmf.movie import ArraySource, FrameSource
from napari_cnmf.movie.blocks import block_frames
from napari_cnmf.movie.display import FrameCache, binned_preview, sampled_limits
from napari_cnmf.movie.draft import draft
from napari_cnmf.movie.scale import CENTRE_CODE
from napari_cnmf.movie.store import StoreHeader, TiledStore

FIELD = 512, 512
BIN_FRAMES = 3


def main() -> None:
    """Make both movies, look at each, and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=6000)
    n_frames = parser.parse_args().frames
    with tempfile.TemporaryDirectory() as folder:
        tif = written_tif(Path(folder) / "movie.tif", n_frames)
        store = written_store(Path(folder) / "registered.zarr", n_frames)
        viewer = napari.Viewer()
        viewer.add_image(np.zeros(FIELD))  # napari's own first layer
        viewer.layers.clear()
        openers: dict[str, Callable[[], FrameSource]] = {
            "in memory": lambda: ArraySource(np.array([*blocks(n_frames // 10, 1)])),
            "tif": lambda: open_movie(tif).source,
            "store": lambda: TiledStore.open(store),
            "store, binned": lambda: binned_preview(TiledStore.open(store).movie()),
        }
        for name, opener in openers.items():
            look_at(viewer, name, opener)
        viewer.close()


def look_at(
    viewer: napari.Viewer, name: str, opener: Callable[[], FrameSource]
) -> None:
    """Open a movie, play it, jump about in it; print milliseconds and memory."""
    before_mb = resident_mb()
    started = time.perf_counter()
    source = opener()
    cache = source if isinstance(source, FrameCache) else FrameCache(source)
    limits = sampled_limits(source)
    sampled = time.perf_counter()
    layer = viewer.add_image(cache, name=name, contrast_limits=limits)
    QApplication.processEvents()
    opened = time.perf_counter()
    first, _ = stepped(viewer, 1)
    print(
        f"\n{name}: limits {sampled - started:.3f} s, open {opened - started:.3f} s, "
        f"next frame {1e3 * first:.0f} ms"
    )
    n_frames = len(cache)
    jumps = np.random.default_rng(0).integers(0, n_frames, 60).tolist()
    for way, frames in (
        ("forwards", range(min(400, n_frames))),
        ("backwards", range(min(400, n_frames) - 1, 0, -1)),
        ("jumping", jumps),
    ):
        wall, cpu = 1e3 * np.array([stepped(viewer, t) for t in frames]).T
        shown, worked = (np.percentile(part, (50, 95)) for part in (wall, cpu))
        print(
            f"  {way:9s} median {shown[0]:5.1f} ms, 95 % {shown[1]:5.1f} ms; the "
            f"window's thread {worked[0]:4.1f} ms, 95 % {worked[1]:4.1f} ms; "
            f"{resident_mb() - before_mb:+.0f} MB"
        )
    viewer.layers.remove(layer)
    cache.close()


def stepped(viewer: napari.Viewer, t: int) -> tuple[float, float]:
    """Show a frame; return the seconds until it was painted, and those of work."""
    started, worked = time.perf_counter(), time.thread_time()
    viewer.dims.set_current_step(0, t)
    QApplication.processEvents()
    return time.perf_counter() - started, time.thread_time() - worked


def written_tif(path: Path, n_frames: int) -> Path:
    """Write an uncompressed movie of noise."""
    tifffile.imwrite(
        path, blocks(n_frames, 1), shape=(n_frames, *FIELD), dtype=np.uint16,
        bigtiff=True,
    )  # fmt: skip
    return path


def written_store(path: Path, n_frames: int) -> Path:
    """Write a registered movie of noise."""
    block = block_frames(FIELD, BIN_FRAMES)
    header = StoreHeader(1.0, BIN_FRAMES, "a", "b", 30.0)
    base = np.full(FIELD, 500 - CENTRE_CODE, np.float32)
    with draft(path, header, base, n_frames, block) as store:
        for i, codes in enumerate(blocks(n_frames, block)):
            store.write(i * block, codes)
        store.finish(path, 0)
    return path


def blocks(n_frames: int, length: int) -> Iterable[np.ndarray]:
    """Blocks of frames of noise on the code of a mean pixel, with a moving spot."""
    rng = np.random.default_rng(0)
    noise = rng.normal(CENTRE_CODE, 16, (length + 16, *FIELD)).astype(np.uint16)
    for first in range(0, n_frames, length):
        start = first // length % 16
        frames = noise[start : start + min(length, n_frames - first)].copy()
        column = first % (FIELD[1] - 40)
        frames[:, 200:240, column : column + 40] += 100
        yield frames if length > 1 else frames[0]


def resident_mb() -> float:
    """Memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    main()
