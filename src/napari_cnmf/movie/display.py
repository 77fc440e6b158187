"""Frames for showing a movie: the chunks in view stay in memory, the next is fetched.

A store hands out a hundred frames as cheaply as one, so whole chunks are kept, the
least recently shown dropped first. One thread reads ahead in the direction of travel.
"""

from __future__ import annotations

from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import Any

import numpy as np

from napari_cnmf.movie.movie import FrameSource
from napari_cnmf.movie.store import TiledStore

CHUNK_BYTES = 8 * 2**20


class FrameCache:
    """A movie (T, Y, X) as an array-like that is quick to step through.

    Safe to use from several threads. `close` it when it is no longer shown.

    Parameters
    ----------
    source : FrameSource
        The movie; of a `TiledStore` the codes are kept, half the size of its values.
    max_bytes : int
        Bound of what is kept, but at least one chunk.

    Attributes
    ----------
    shape : (int, int, int)
        Frames, rows and columns.
    dtype : numpy.dtype
        Type of a pixel as shown.
    """

    ndim = 3

    def __init__(self, source: FrameSource, max_bytes: int = 256 * 2**20) -> None:
        self.shape = source.shape
        self.dtype = source.dtype
        self._source = source
        n_px = self.shape[1] * self.shape[2]
        if isinstance(source, TiledStore):
            self._length, frame_bytes = source.block_frames, 2 * n_px
        else:
            frame_bytes = n_px * self.dtype.itemsize
            self._length = max(1, CHUNK_BYTES // frame_bytes)
        self._n_kept = max(1, max_bytes // (self._length * frame_bytes))
        self._chunks: OrderedDict[int, Future[np.ndarray]] = OrderedDict()
        self._shown = 0
        self._lock = Lock()
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="display")

    def frame(self, t: int) -> np.ndarray:
        """Return one frame (Y, X), counted from the end if negative."""
        if not -self.shape[0] <= t < self.shape[0]:
            raise IndexError(f"Frame {t} of a movie of {self.shape[0]} frames.")
        t %= self.shape[0]
        chunk = t // self._length
        with self._lock:
            wanted = self._requested(chunk)
            ahead = chunk + (1 if t >= self._shown else -1)
            self._shown = t
            if self._n_kept > 1 and 0 <= ahead * self._length < self.shape[0]:
                self._requested(ahead)
                self._chunks.move_to_end(chunk)
        image = wanted.result()[t - chunk * self._length]
        if isinstance(self._source, TiledStore):
            return self._source.scale.values(image)
        return image

    def close(self) -> None:
        """Stop the reading thread and let go of everything."""
        self._reader.shutdown(cancel_futures=True)
        self._chunks.clear()

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> np.ndarray:
        first, *rest = key if isinstance(key, tuple) else (key,)
        if not isinstance(first, slice):
            return self.frame(int(first))[tuple(rest)]
        frames = range(*first.indices(self.shape[0]))
        part = np.empty((len(frames), *self.shape[1:]), self.dtype)[:, *rest]
        for i, t in enumerate(frames):
            part[i] = self.frame(t)[tuple(rest)]
        return part

    def _requested(self, chunk: int) -> Future[np.ndarray]:
        """Return the future frames of a chunk, after dropping what is too much."""
        if chunk not in self._chunks:
            self._chunks[chunk] = self._reader.submit(self._read, chunk)
        self._chunks.move_to_end(chunk)
        while len(self._chunks) > self._n_kept:
            self._chunks.popitem(last=False)
        return self._chunks[chunk]

    def _read(self, chunk: int) -> np.ndarray:
        """Read one chunk (n, Y, X), as codes where there are codes."""
        first = chunk * self._length
        window = slice(first, min(first + self._length, self.shape[0]))
        if isinstance(self._source, TiledStore):
            return self._source.read_codes(window)
        return self._source.read(window)
