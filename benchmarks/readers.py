"""Readers: what opening and reading a large movie costs, beside the library alone.

    python benchmarks/readers.py [--gb 3] [--formats tif,h5,zarr] [--folder /tmp]

Each figure comes from a process of its own. Opening: seconds, and megabytes of resident
memory more than before. Reading: seconds from front to back in blocks of 100 frames, by
the reader and by the library alone, in turns, the best of three of each.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

FIELD, BLOCK, ROUNDS = (512, 512), 100, 3


def blocks(n_frames):
    return [slice(t, min(t + BLOCK, n_frames)) for t in range(0, n_frames, BLOCK)]


def frames(n_frames):
    one = np.random.default_rng(0).normal(300, 30, (BLOCK, *FIELD)).astype(np.uint16)
    for part in blocks(n_frames):
        yield part, one[: part.stop - part.start]


def write_tif(path, n_frames):
    import tifffile

    with tifffile.TiffWriter(path, bigtiff=True) as tif:
        for _, block in frames(n_frames):
            for frame in block:
                tif.write(frame, contiguous=True)


def write_h5(path, n_frames):
    import h5py

    with h5py.File(path, "w") as file:
        shape = (n_frames, *FIELD)
        made = file.create_dataset("mov", shape, np.uint16, chunks=(1, *FIELD))
        for part, block in frames(n_frames):
            made[part] = block


def write_zarr(path, n_frames):
    import zarr

    shape, chunks = (n_frames, *FIELD), (10, *FIELD)
    made = zarr.create_array(path, shape=shape, chunks=chunks, dtype=np.uint16)
    for part, block in frames(n_frames):
        made[part] = block


def by_tifffile(path):
    import tifffile

    with tifffile.TiffFile(path) as tif:
        for part in blocks(len(tif.pages)):
            tif.asarray(key=part)


def by_h5py(path):
    import h5py

    with h5py.File(path) as file:
        for part in blocks(len(file["mov"])):
            file["mov"][part]


def by_zarr(path):
    import zarr

    array = zarr.open_array(path, mode="r")
    for part in blocks(array.shape[0]):
        array[part]


FORMATS = {
    "tif": (write_tif, by_tifffile),
    "h5": (write_h5, by_h5py),
    "zarr": (write_zarr, by_zarr),
}


def opening(path):
    """Seconds and megabytes to open a movie."""
    import psutil

    from napari_cnmf.formats import open_movie

    process = psutil.Process()
    before, start = process.memory_info().rss, time.perf_counter()
    movie = open_movie(path)
    seconds = time.perf_counter() - start
    more_mb = (process.memory_info().rss - before) / 2**20
    return {"open_s": seconds, "open_mb": more_mb, "frames": movie.n_frames}


def reading(path):
    """Seconds to read a movie, by us and by the library alone."""
    from napari_cnmf.formats import open_movie

    movie = open_movie(path)
    alone = FORMATS[path.suffix[1:]][1]

    def ours():
        for part in blocks(movie.n_frames):
            movie.read(part)

    times = {"ours_s": [], "library_s": []}
    for _ in range(ROUNDS):
        for name, work in (("ours_s", ours), ("library_s", lambda: alone(path))):
            start = time.perf_counter()
            work()
            times[name].append(time.perf_counter() - start)
    return {name: min(found) for name, found in times.items()}


def measured(what, path):
    command = [sys.executable, __file__, "--measure", what, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gb", type=float, default=3.0)
    parser.add_argument("--formats", default=",".join(FORMATS))
    parser.add_argument("--folder", default=None)
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        what, path = options.measure
        print(json.dumps({"opening": opening, "reading": reading}[what](Path(path))))
        return
    n_frames = int(options.gb * 1e9 / (2 * FIELD[0] * FIELD[1]))
    for name in options.formats.split(","):
        folder = Path(tempfile.mkdtemp(dir=options.folder))
        try:
            path = folder / f"movie.{name}"
            FORMATS[name][0](path, n_frames)
            found = measured("opening", path) | measured("reading", path)
        finally:
            shutil.rmtree(folder)
        ratio = found["ours_s"] / found["library_s"]
        figures = ", ".join(f"{key} {value:.2f}" for key, value in found.items())
        print(f"{name}: {figures}, ratio {ratio:.2f}")


if __name__ == "__main__":
    main()
