"""The registered store: what is written is read back, whole or not at all."""

from __future__ import annotations

import errno
import json
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import zarr

from napari_cnmf.errors import InputError, MissingFileError, OutputError
from napari_cnmf.movie import Movie
from napari_cnmf.movie.binning import read_bins
from napari_cnmf.movie.blocks import block_frames, choose_bin, group_frames
from napari_cnmf.movie.draft import draft
from napari_cnmf.movie.scale import CENTRE_CODE, Scale
from napari_cnmf.movie.store import StoreHeader, TiledStore

SHAPES = [(37, 70, 45), (12, 3, 200), (7, 1, 1), (2, 5, 130)]
BLOCK = 12
STEP = 0.25


def example(shape=SHAPES[0]):
    """Random float32 frames, and a base for their pixels."""
    rng = np.random.default_rng(0)
    frames = rng.normal(100, 30, shape).astype(np.float32)
    return frames, (frames.mean(axis=0) - STEP * CENTRE_CODE).astype(np.float32)


def write(path, frames, base, *, bin_frames=3, order=1, **about) -> TiledStore:
    """Encode and store frames, blocks in rising or falling order."""
    header = StoreHeader(STEP, bin_frames, "registered", "raw", **about)
    codes = np.empty(frames.shape, np.uint16)
    n_clipped = Scale(base, STEP).encode(frames, codes)
    with draft(path, header, base, len(frames), BLOCK) as unfinished:
        for first in range(0, len(frames), BLOCK)[::order]:
            unfinished.write(first, codes[first : first + BLOCK])
        return unfinished.finish(path, n_clipped)


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "run" / "registered.zarr"


@pytest.fixture
def store(path) -> TiledStore:
    return write(path, *example())


def contents(path: Path) -> dict[Path, bytes]:
    """Every file of a folder."""
    return {p.relative_to(path): p.read_bytes() for p in path.rglob("*") if p.is_file()}


@pytest.mark.parametrize("shape", SHAPES)
def test_values_come_back_within_half_a_step(path, shape):
    frames, base = example(shape)
    store = write(path, frames, base)
    values = store.read(slice(None))
    assert values.dtype == store.dtype
    assert store.shape == values.shape
    assert np.abs(values - frames).max() <= STEP / 2 + 1e-3


@pytest.mark.parametrize(
    "window",
    [
        (slice(11, 13), slice(None), slice(None)),
        (slice(None), slice(34, 36), slice(0, 1)),
        (slice(3, 36, 5), slice(20, 70), slice(44, 45)),
        (slice(35, 37, 9), slice(0, 70), slice(3, 30)),
        (slice(4, 4), slice(None), slice(None)),
        (slice(None), slice(5, 5), slice(None)),
    ],
)
def test_a_window_is_the_same_as_in_the_whole(store, window):
    whole = store.read(slice(None))
    np.testing.assert_array_equal(store.read(*window), whole[window])
    codes = store.read_codes(slice(None))
    np.testing.assert_array_equal(store.read_codes(*window), codes[window])


@pytest.mark.parametrize("bin_frames", [2, 3, 4])
@pytest.mark.parametrize("shape", [*SHAPES, (1, 4, 4)])
def test_bins_are_the_means_of_their_frames(path, shape, bin_frames):
    store = write(path, *example(shape), bin_frames=bin_frames)
    whole = store.read(slice(None))[: shape[0] // bin_frames * bin_frames]
    bins = whole.reshape(-1, bin_frames, *shape[1:]).mean(axis=1)
    np.testing.assert_allclose(store.read_binned(), bins, atol=1e-3)
    window = slice(0, 1), slice(1, 200)
    np.testing.assert_array_equal(
        store.read_binned(*window), store.read_binned()[:, *window]
    )


def test_bins_of_one_frame_are_the_frames_and_take_no_space(path):
    store = write(path, *example(), bin_frames=1)
    np.testing.assert_array_equal(store.read_binned(), store.read(slice(None)))
    assert not (path / "binned").exists()


@pytest.mark.parametrize("bin_frames", [3, 4])
def test_bins_of_any_length_can_be_read(store, bin_frames):
    whole = store.read(slice(None))[: 37 // bin_frames * bin_frames]
    expected = whole.reshape(-1, bin_frames, 70, 45).mean(axis=1)
    rows, cols = slice(5, 69), slice(40, None)
    bins = read_bins(store.movie(), bin_frames, rows, cols)
    np.testing.assert_allclose(bins, expected[:, rows, cols], atol=1e-3)


def test_movies_without_a_store_are_binned_in_blocks(monkeypatch):
    monkeypatch.setattr("napari_cnmf.movie.binning.BLOCK_BYTES", 4096)
    frames = np.arange(7 * 9 * 11, dtype=np.uint16).reshape(7, 9, 11)
    bins = read_bins(Movie.from_array(frames), 2, slice(1, 9))
    expected = frames[:6, 1:].reshape(3, 2, 8, 11).mean(axis=1)
    np.testing.assert_array_equal(bins, expected.astype(np.float32))


def test_zarr_reads_the_same_codes(store):
    group = zarr.open_group(store.path, mode="r")
    codes = store.read_codes(slice(None))
    np.testing.assert_array_equal(group["frames"][:], codes)
    sums = codes[:36].reshape(12, 3, 70, 45).sum(axis=1)
    np.testing.assert_array_equal(group["binned"][:], sums + 128 * 2)
    values = group["base"][:] + group.attrs["step"] * group["frames"][:]
    np.testing.assert_allclose(values, store.read(slice(None)), atol=1e-3)


def test_a_zarr_writer_would_describe_the_arrays_alike(store, tmp_path):
    codec = zarr.codecs.BloscCodec(
        typesize=2, cname="lz4", clevel=5, shuffle="shuffle", blocksize=0
    )
    length, height, width = store.frames.chunks
    n_rows, n_cols = store.frames.grid
    zarr.create_array(
        tmp_path / "twin",
        shape=store.shape,
        chunks=store.frames.chunks,
        shards=(length, n_rows * height, n_cols * width),
        dtype="uint16",
        compressors=codec,
    )
    theirs = json.loads((tmp_path / "twin" / "zarr.json").read_text())
    ours = json.loads((store.path / "frames" / "zarr.json").read_text())
    sharding = theirs["codecs"][0]["configuration"]
    assert sharding["index_codecs"].pop()["name"] == "crc32c"  # the blosc sums do
    assert {name: theirs[name] for name in ours} == ours


def test_blocks_may_be_written_in_any_order(tmp_path):
    up = write(tmp_path / "up", *example())
    down = write(tmp_path / "down", *example(), order=-1)
    assert contents(up.path) == contents(down.path)


def test_what_is_known_of_the_movie_is_kept(path):
    about = {"frame_rate_hz": 29.9, "pixel_size_um": (1.5, 1.25)}
    frames, base = example()
    frames[5, 6, 7] = 1e9
    write(path, frames, base, **about)
    store = TiledStore.open(path)
    movie = store.movie()
    assert movie.frame_rate_hz == 29.9
    assert movie.pixel_size_um == (1.5, 1.25)
    assert movie.fingerprint == "registered"
    assert store.header.source_fingerprint == "raw"
    assert store.header.n_clipped == 1


def test_a_pickled_store_is_small_and_reads_the_same(store):
    values = store.read(slice(2, 5))
    sent = pickle.dumps(store)
    assert len(sent) < 2000
    np.testing.assert_array_equal(pickle.loads(sent).read(slice(2, 5)), values)


def test_threads_read_at_once(store):
    whole = store.read(slice(None))
    windows = [slice(i, i + 9) for i in range(28)]
    with ThreadPoolExecutor(4) as pool:
        for window, block in zip(windows, pool.map(store.read, windows), strict=True):
            np.testing.assert_array_equal(block, whole[window])


def test_an_unfinished_store_leaves_nothing(path, monkeypatch):
    def interrupted(store, first, codes):
        write_block(store, first, codes)
        raise KeyboardInterrupt

    write_block = TiledStore.write
    monkeypatch.setattr(TiledStore, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(path, *example())
    assert list(path.parent.iterdir()) == []


def test_an_error_keeps_the_older_store(store, path):
    before = contents(path)
    base = np.zeros((4, 5), np.float32)
    with pytest.raises(RuntimeError), draft(path, store.header, base, 24, BLOCK):
        raise RuntimeError
    assert contents(path) == before


def test_what_a_killed_run_left_is_removed_by_the_next(path):
    left = path.with_name("registered.zarr.part") / "frames" / "c"
    left.mkdir(parents=True)
    (left / "0").write_bytes(b"cut short")
    with pytest.raises(MissingFileError, match=r"registered\.zarr"):
        TiledStore.open(path)
    write(path, *example())
    assert [p.name for p in path.parent.iterdir()] == ["registered.zarr"]


def test_an_older_store_is_replaced(store, path):
    frames, base = example((5, 4, 6))
    assert write(path, frames, base).shape == TiledStore.open(path).shape == (5, 4, 6)


def test_a_folder_of_something_else_is_not_replaced(path):
    path.mkdir(parents=True)
    (path / "thesis.txt").write_text("years of work")
    with pytest.raises(OutputError, match="not replaced"):
        write(path, *example())
    assert (path / "thesis.txt").exists()


def test_a_full_disk_is_explained(path, monkeypatch):
    def full(self, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match=r"No space left .* free space"):
        write(path, *example())
    assert list(path.parent.iterdir()) == []


def test_a_store_of_another_version_is_refused(store):
    about = json.loads((store.path / "zarr.json").read_text())
    about["attributes"]["version"] = 99
    (store.path / "zarr.json").write_text(json.dumps(about))
    with pytest.raises(InputError, match="99"):
        TiledStore.open(store.path)


def test_a_missing_chunk_is_an_error_not_zeros(store):
    (store.path / "frames" / "c" / "1" / "0" / "0").unlink()
    with pytest.raises(InputError, match="missing"):
        store.read(slice(None))


@pytest.mark.parametrize(
    ("n_frames", "rate_hz", "bin_s", "expected"),
    [
        (1500, 30.0, 0.1, 3),
        (1500, 7.0, 0.1, 1),
        (1500, 30.0, 0.0, 1),
        (1500, None, 0.1, 1),
        (12_000, 30.0, 0.1, 4),
        (900_000, 30.0, 0.1, 30),
        (900_000, 30.0, 2.0, 60),
    ],
)
def test_bins_grow_with_the_recording_up_to_a_second(
    n_frames, rate_hz, bin_s, expected
):
    assert choose_bin(n_frames, rate_hz, bin_s) == expected


@pytest.mark.parametrize("bin_frames", [1, 2, 3, 5, 7, 16, 39, 100])
@pytest.mark.parametrize("field", [(64, 64), (512, 512), (300, 900), (2048, 2048)])
def test_blocks_are_whole_groups_of_whole_bins_in_little_memory(bin_frames, field):
    group, block = group_frames(bin_frames), block_frames(field, bin_frames)
    assert group % bin_frames == group % 2 == block % group == 0
    assert group >= 16
    assert block == group or (block <= 512 and 4 * block * np.prod(field) <= 135e6)
