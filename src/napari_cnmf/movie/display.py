"""Frames for showing a movie: chunks along the way are kept, the next is fetched.

Stepping reads whole chunks, of which a store hands out a hundred frames for the price
of three; one thread reads ahead in the direction of travel, and the least recently
shown chunk is dropped first. A jump, or a frame whose chunk is still on its way, is
read by itself (10 ms of a store of 512 x 512, where a chunk takes 35 ms).
"""

from __future__ import annotations

from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock

import numpy as np

from napari_cnmf.movie.binning import BinnedFrames
from napari_cnmf.movie.lazy import WHOLE, LazyFrames
from napari_cnmf.movie.movie import FrameSource, Movie
from napari_cnmf.movie.store import TiledStore

CHUNK_BYTES = 8 * 2**20
PERCENTILES = 0.5, 99.8
SAMPLED_FRAMES = 9
#: More tell nothing new about percentiles.
SAMPLED_PIXELS = 200_000


class FrameCache(LazyFrames):
    """A movie (T, Y, X) as an array-like that is quick to step through.

    Single frames come out of the cache; blocks are read as they are asked for. Safe
    to use from several threads. `close` it when it is no longer shown.

    Parameters
    ----------
    source : FrameSource
        The movie; of a `TiledStore` the codes are kept, half the size of its values.
    max_bytes : int
        Bound of what is kept, but at least one chunk.
    """

    shape: tuple[int, int, int]

    def __init__(self, source: FrameSource, max_bytes: int = 256 * 2**20) -> None:
        self.shape = source.shape
        self.dtype = source.dtype
        self.source = source
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

    def read(
        self, frames: slice, rows: slice = WHOLE, cols: slice = WHOLE
    ) -> np.ndarray:
        """Return a block (n, y, x)."""
        wanted = range(*frames.indices(self.shape[0]))
        if len(wanted) == 1:
            return self.frame(wanted[0])[None, rows, cols]
        return self.source.read(frames, rows, cols)

    def frame(self, t: int) -> np.ndarray:
        """Return one frame (Y, X), counted from the end if negative."""
        if not -self.shape[0] <= t < self.shape[0]:
            raise IndexError(f"Frame {t} of a movie of {self.shape[0]} frames.")
        t %= self.shape[0]
        chunk = self._chunk_at(t)
        if chunk is None or not chunk.done():
            return self.source.read(slice(t, t + 1))[0]
        image = chunk.result()[t % self._length]
        if isinstance(self.source, TiledStore):
            return self.source.scale.values(image)
        return image

    def close(self) -> None:
        """Stop the reading thread and let go of everything."""
        self._reader.shutdown(cancel_futures=True)
        self._chunks.clear()

    def _chunk_at(self, t: int) -> Future[np.ndarray] | None:
        """Return the chunk of a frame, and fetch what travel will need next."""
        chunk = t // self._length
        with self._lock:
            travelled, self._shown = t - self._shown, t
            if abs(travelled) < self._length:
                self._fetch(chunk)
                ahead = chunk + (1 if travelled >= 0 else -1)
                if self._n_kept > 1 and 0 <= ahead * self._length < self.shape[0]:
                    self._fetch(ahead)
            return self._chunks.get(chunk)

    def _fetch(self, chunk: int) -> None:
        """Have a chunk read unless it is here, and drop what is too much."""
        if chunk not in self._chunks:
            self._chunks[chunk] = self._reader.submit(self._read, chunk)
        self._chunks.move_to_end(chunk)
        while len(self._chunks) > self._n_kept:
            self._chunks.popitem(last=False)

    def _read(self, chunk: int) -> np.ndarray:
        """Read one chunk (n, Y, X), as codes where there are codes."""
        first = chunk * self._length
        window = slice(first, min(first + self._length, self.shape[0]))
        if isinstance(self.source, TiledStore):
            return self.source.read_codes(window)
        return self.source.read(window)


def sampled_limits(
    source: FrameSource | LazyFrames, percentiles: tuple[float, float] = PERCENTILES
) -> tuple[float, float]:
    """Contrast limits of a movie: percentiles over frames spread through it.

    Of a registered movie every tile is taken at another time, so that each is unpacked
    only once: as much to read as for a single frame.

    Parameters
    ----------
    source : FrameSource
        Any, or a `Movie`.
    percentiles : (float, float)
        Of the values that become black and white.

    Returns
    -------
    tuple of float
        The second above the first.
    """
    if isinstance(source, Movie | FrameCache):
        return sampled_limits(source.source, percentiles)
    n_frames, height, width = source.shape[:3]
    _, y, x = source.frames.chunks if isinstance(source, TiledStore) else source.shape
    windows = [
        (slice(top, min(top + y, height)), slice(left, min(left + x, width)))
        for top in range(0, height, y)
        for left in range(0, width, x)
    ]
    n_reads = max(len(windows), SAMPLED_FRAMES)
    times = np.linspace(0, n_frames - 1, n_reads).astype(int).tolist()
    # An odd step, so as not to stay in some of the columns.
    every = 1 + n_reads * y * x // SAMPLED_PIXELS | 1
    sample = [
        source.read(slice(t, t + 1), *windows[i % len(windows)]).ravel()[::every]
        for i, t in enumerate(times)
    ]
    low, high = np.nanpercentile(np.concatenate(sample), percentiles).tolist()
    return low, max(high, low + 1e-6)


def binned_preview(movie: Movie, bin_s: float = 1.0) -> FrameCache:
    """Return a movie of time bins, to skim a long recording.

    Parameters
    ----------
    movie : Movie
        Any; a registered one's own bins are averaged further.
    bin_s : float
        Length of a bin; taken as whole frames, and as their number at 30 Hz if the
        frame rate is unknown.

    Returns
    -------
    FrameCache
        Its `source` is a `BinnedFrames`, which knows the frames of a bin.
    """
    wanted = round(bin_s * (movie.frame_rate_hz or 30.0))
    return FrameCache(BinnedFrames(movie, max(1, min(wanted, movie.n_frames))))
