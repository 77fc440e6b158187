"""The frame cache: right frames, bounded memory, reading ahead."""

from __future__ import annotations

import weakref
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

import numpy as np
import pytest

from napari_cnmf.movie import Movie
from napari_cnmf.movie.display import FrameCache
from napari_cnmf.movie.scale import CENTRE_CODE, Scale
from napari_cnmf.movie.store import StoreHeader, draft

FRAMES = np.random.default_rng(0).normal(9, 2, (50, 6, 7)).astype(np.float32)
FRAME_BYTES = 6 * 7 * 4
CHUNK = 8


class WatchedSource:
    """Hands out frames, and knows which chunks were read and which are still held."""

    shape = FRAMES.shape
    dtype = FRAMES.dtype

    def __init__(self):
        self.read_chunks = SimpleQueue()
        self.blocks = []

    def read(self, frames, rows=slice(None), cols=slice(None)):
        block = FRAMES[frames, rows, cols].copy()
        self.blocks.append(weakref.ref(block))
        self.read_chunks.put(frames.start // CHUNK)
        return block

    @property
    def n_held(self):
        return sum(block() is not None for block in self.blocks)


@pytest.fixture(autouse=True)
def short_chunks(monkeypatch):
    monkeypatch.setattr("napari_cnmf.movie.display.CHUNK_BYTES", CHUNK * FRAME_BYTES)


@pytest.fixture
def source() -> WatchedSource:
    return WatchedSource()


@pytest.fixture
def cache(source):
    cache = FrameCache(source, max_bytes=3 * CHUNK * FRAME_BYTES)
    yield cache
    cache.close()


@pytest.mark.parametrize(
    "order", [range(50), range(49, -1, -1), [40, 3, 41, 0, 49, 8, 7]]
)
def test_every_frame_is_the_movies(cache, order):
    for t in order:
        np.testing.assert_array_equal(cache.frame(t), FRAMES[t])


@pytest.mark.parametrize(
    "key",
    [
        5,
        -1,
        np.int64(7),
        slice(3, 30, 4),
        slice(4, 4),
        (5, slice(2, 5)),
        (5, slice(None), 3),
        (slice(6, 18), slice(1, 4), 2),
    ],
)
def test_it_is_indexed_like_the_array(cache, key):
    np.testing.assert_array_equal(cache[key], FRAMES[key])


def test_it_looks_like_an_array(cache):
    assert (cache.shape, cache.ndim, len(cache)) == (FRAMES.shape, 3, 50)
    assert cache.dtype == cache[0].dtype


@pytest.mark.parametrize("t", [50, -51])
def test_frames_outside_are_refused(cache, t):
    with pytest.raises(IndexError, match="50 frames"):
        cache.frame(t)


def test_no_more_chunks_are_held_than_fit(cache, source):
    for t in (*range(50), *range(49, -1, -1)):
        cache.frame(t)
        assert source.n_held <= 4  # three kept, one on its way in or out


def test_one_chunk_is_kept_where_not_even_that_fits(source):
    cache = FrameCache(source, max_bytes=1)
    np.testing.assert_array_equal(cache[:], FRAMES)
    cache.close()
    assert source.read_chunks.qsize() == 7


@pytest.mark.parametrize(
    ("visited", "ahead"), [((0,), 1), ((20, 17), 1), ((20, 21), 3)]
)
def test_the_next_chunk_in_the_direction_of_travel_is_read(
    cache, source, visited, ahead
):
    for t in visited:
        cache.frame(t)
    seen = [source.read_chunks.get(timeout=10)]
    while seen[-1] != ahead:
        seen.append(source.read_chunks.get(timeout=10))
    assert len(seen) <= 3


def test_stepping_through_reads_every_chunk_once(cache, source):
    for t in range(50):
        cache.frame(t)
    assert source.read_chunks.qsize() == 7


def test_several_threads_get_their_frames(cache):
    order = np.random.default_rng(1).integers(0, 50, 400).tolist()
    with ThreadPoolExecutor(4) as pool:
        for t, frame in zip(order, pool.map(cache.frame, order), strict=True):
            np.testing.assert_array_equal(frame, FRAMES[t])


def test_a_store_is_shown_with_its_values(tmp_path):
    step = 1 / 16
    base = np.full(FRAMES.shape[1:], -step * CENTRE_CODE, np.float32)
    codes = np.empty(FRAMES.shape, np.uint16)
    Scale(base, step).encode(FRAMES, codes)
    path = tmp_path / "registered.zarr"
    with draft(path, StoreHeader(step, 1, "a", "b"), base, 50, 16) as unfinished:
        for first in range(0, 50, 16):
            unfinished.write(first, codes[first : first + 16])
        store = unfinished.finish(path, 0)
    cache = FrameCache(store)
    np.testing.assert_array_equal(cache[:], store.read(slice(None)))
    assert cache.dtype == cache[3].dtype
    cache.close()


def test_any_movies_source_will_do():
    frames = FRAMES.astype(np.uint16)
    cache = FrameCache(Movie.from_array(frames).source)
    np.testing.assert_array_equal(cache[10:20], frames[10:20])
    cache.close()
