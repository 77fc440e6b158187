"""The frame cache: right frames, bounded memory, reading ahead; limits; previews."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

import numpy as np
import pytest

from napari_cnmf.movie import Movie
from napari_cnmf.movie.binning import BinnedFrames
from napari_cnmf.movie.display import FrameCache, binned_preview, sampled_limits
from napari_cnmf.movie.draft import draft
from napari_cnmf.movie.scale import CENTRE_CODE, Scale
from napari_cnmf.movie.store import StoreHeader, TiledStore

FRAMES = np.random.default_rng(0).normal(9, 2, (50, 6, 7)).astype(np.float32)
FRAME_BYTES = 6 * 7 * 4
CHUNK = 8


class WatchedSource:
    """Hands out frames, and knows what was read and which chunks are still held."""

    shape = FRAMES.shape
    dtype = FRAMES.dtype

    def __init__(self):
        self.read_chunks = SimpleQueue()
        self.read_frames = SimpleQueue()
        self.blocks = []

    def read(self, frames, rows=slice(None), cols=slice(None)):
        block = FRAMES[frames, rows, cols].copy()
        if len(block) == 1:
            self.read_frames.put(frames.start)
        else:
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
    for t in range(50):
        np.testing.assert_array_equal(cache.frame(t), FRAMES[t])
        assert source.n_held <= 2  # one kept, one on its way in
    cache.close()


@pytest.mark.parametrize(
    ("visited", "ahead"), [((0,), 1), ((20, 21, 18, 17), 1), ((20, 21), 3)]
)
def test_the_next_chunk_in_the_direction_of_travel_is_read(
    cache, source, visited, ahead
):
    for t in visited:
        cache.frame(t)
    until(lambda: ahead in set(drained(source.read_chunks)))


def test_stepping_through_reads_every_chunk_once(cache, source):
    for t in range(50):
        cache.frame(t)
    until(lambda: source.read_chunks.qsize() == 7)
    assert sorted(drained(source.read_chunks)) == list(range(7))


def test_a_jump_reads_one_frame_and_no_chunk(cache, source):
    for t in (40, 3, 22, 49):
        cache.frame(t)
    assert drained(source.read_frames) == [40, 3, 22, 49]
    assert source.read_chunks.empty()


def test_a_chunk_that_is_here_is_not_read_again(cache, source):
    cache.frame(0)
    until(lambda: source.read_chunks.qsize() == 2)  # the first is here then
    drained(source.read_frames)
    cache.frame(3)
    assert source.read_frames.empty()


def test_blocks_are_read_past_the_cache(cache, source):
    np.testing.assert_array_equal(cache[10:40, 2:4], FRAMES[10:40, 2:4])
    assert source.read_chunks.qsize() == 1


def until(true: Callable[[], bool]) -> None:
    """Wait for the reading thread."""
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        time.sleep(0.005)


def drained(queue: SimpleQueue) -> list[int]:
    """All that is in a queue."""
    return [queue.get() for _ in range(queue.qsize())]


def test_several_threads_get_their_frames(cache):
    order = np.random.default_rng(1).integers(0, 50, 400).tolist()
    with ThreadPoolExecutor(4) as pool:
        for t, frame in zip(order, pool.map(cache.frame, order), strict=True):
            np.testing.assert_array_equal(frame, FRAMES[t])


@pytest.fixture
def store(tmp_path) -> TiledStore:
    """Store of the frames with bins of five of them."""
    step = 1 / 16
    base = np.full(FRAMES.shape[1:], -step * CENTRE_CODE, np.float32)
    codes = np.empty(FRAMES.shape, np.uint16)
    Scale(base, step).encode(FRAMES, codes)
    path = tmp_path / "registered.zarr"
    header = StoreHeader(step, 5, "a", "b", frame_rate_hz=10.0)
    with draft(path, header, base, 50, 20) as unfinished:
        for first in range(0, 50, 20):
            unfinished.write(first, codes[first : first + 20])
        return unfinished.finish(path, 0)


@pytest.mark.parametrize("order", [range(50), [40, 3, 41, 0, 49, 8, 7]])
def test_a_store_is_shown_with_its_values(store, order):
    cache = FrameCache(store)
    values = store.read(slice(None))
    for t in order:
        np.testing.assert_array_equal(cache[t], values[t])
    assert cache.dtype == cache[3].dtype
    cache.close()


def test_any_movies_source_will_do():
    frames = FRAMES.astype(np.uint16)
    cache = FrameCache(Movie.from_array(frames).source)
    np.testing.assert_array_equal(cache[10:20], frames[10:20])
    cache.close()


def test_limits_are_percentiles_of_a_sample():
    rng = np.random.default_rng(0)
    frames = rng.normal(100, 10, (30, 60, 70)).astype(np.float32)
    low, high = sampled_limits(Movie.from_array(frames), (5, 95))
    assert (low, high) == pytest.approx(np.percentile(frames, (5, 95)), abs=0.5)


def test_limits_read_a_few_frames_only(source):
    sampled_limits(source)
    assert source.read_chunks.empty()
    times = drained(source.read_frames)
    assert len(times) < 10
    assert (times[0], times[-1]) == (0, 49)


def test_limits_of_a_store_and_of_its_cache_are_those_of_its_values(store):
    cache = FrameCache(store)
    assert sampled_limits(cache) == sampled_limits(store)
    low, high = sampled_limits(store, (0, 100))
    assert cache[:].min() <= low < 6
    assert 12 < high <= cache[:].max()
    cache.close()


def test_limits_of_a_constant_movie_are_a_range():
    low, high = sampled_limits(Movie.from_array(np.full((4, 5, 6), 7, np.uint8)))
    assert low == 7 < high


@pytest.mark.parametrize("bin_s", [0.5, 1.0, 1.2])
def test_a_preview_is_the_mean_of_its_bins(store, bin_s):
    preview = binned_preview(store.movie(), bin_s)
    length = preview.source.bin_frames
    assert length == 5 * round(bin_s / 0.5)
    assert_bins(preview, store.read(slice(None)), length)


@pytest.mark.parametrize("bin_frames", [1, 3, 7, 50])
def test_any_movie_has_a_preview(bin_frames):
    movie = Movie.from_array(FRAMES, frame_rate_hz=2.0)
    assert_bins(binned_preview(movie, bin_frames / 2), FRAMES, bin_frames)


def test_a_preview_longer_than_the_movie_is_one_frame():
    preview = binned_preview(Movie.from_array(FRAMES), 1000.0)
    assert_bins(preview, FRAMES, 50)


def test_bins_may_be_skipped():
    bins = BinnedFrames(Movie.from_array(FRAMES), 4)
    np.testing.assert_array_equal(bins[1::3], bins[:][1::3])


def assert_bins(preview: FrameCache, frames: np.ndarray, length: int) -> None:
    """Compare with the plain means, frame by frame and at once; close it."""
    n_bins = len(frames) // length
    means = frames[: n_bins * length].reshape(n_bins, length, 6, 7).mean(axis=1)
    assert preview.shape == means.shape
    np.testing.assert_allclose(preview[:, 1:4], means[:, 1:4], atol=1e-3)
    for t in range(n_bins):
        np.testing.assert_allclose(preview[t], means[t], atol=1e-3)
    preview.close()
