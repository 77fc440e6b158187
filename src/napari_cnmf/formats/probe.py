"""The child process that tries files before others open them, see `guard.py`.

It reads a job in JSON from each line of its input, does what opening would do, and
answers; errors are no harm, since the parent will meet and explain them itself.
"""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from threading import Timer
from typing import Any

import h5py

from napari_cnmf.formats.guard import ALIVE, READY
from napari_cnmf.formats.readers.registry import ReadOptions, read_file

IDLE_S = 20.0
#: No further frames are tried once reading took as long; opening should be quick.
ENOUGH_S = 0.3
SMALL_BYTES = 2**20


def main() -> None:
    """Do the jobs that come; end when none comes for long, or the parent has ended."""
    answers = sys.stdout.buffer
    _answer(answers, READY)
    while True:
        idle = Timer(IDLE_S, os._exit, [0])
        idle.daemon = True
        idle.start()
        line = sys.stdin.buffer.readline()
        idle.cancel()
        if not line:
            return
        with suppress(Exception):
            do(**json.loads(line))
        _answer(answers, ALIVE)


def _answer(answers: Any, word: bytes) -> None:
    """Write one line at once."""
    answers.write(word + b"\n")
    answers.flush()


def do(path: str, what: str, options: dict[str, Any]) -> None:
    """Do one job."""
    if what == "movie":
        _watch(Path(path), ReadOptions(**options))
    else:
        _walk(Path(path))


def _watch(path: Path, options: ReadOptions) -> None:
    """Open a movie and read some frames, where a codec may fail."""
    source = read_file(path, options).source
    start, n_frames = time.monotonic(), source.shape[0]
    for t in (n_frames - 1, 0, n_frames // 2):
        with suppress(Exception):
            source.read(
                slice(t, t + 1), slice(0, source.shape[1]), slice(0, source.shape[2])
            )
        if time.monotonic() - start > ENOUGH_S:
            return


def _walk(path: Path) -> None:
    """Look at every group, dataset and attribute of an HDF5 file."""
    with h5py.File(path, "r") as file:
        _look_at(file)
        file.visititems(lambda _, node: _look_at(node))


def _look_at(node: h5py.Group | h5py.Dataset) -> None:
    """Read attributes, and what is small, or the ends of what is not."""
    with suppress(Exception):
        dict(node.attrs)
    if not isinstance(node, h5py.Dataset):
        return
    with suppress(Exception):
        if node.nbytes <= SMALL_BYTES:
            node[()]
        else:
            node[:1], node[-1:]


if __name__ == "__main__":
    main()
