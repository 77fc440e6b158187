"""Every reader keeps one contract, whatever the format."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from formats.recordings import FORMATS, recognisable, written

from napari_cnmf.formats import open_movie

SHAPE = (23, 34, 46)


@pytest.fixture(scope="class", params=FORMATS)
def kind(request):
    return FORMATS[request.param]


@pytest.fixture(scope="class")
def array(kind) -> np.ndarray:
    return recognisable(SHAPE, kind.dtype)


@pytest.fixture(scope="class")
def path(kind, array, tmp_path_factory) -> Path:
    """The file, in a folder and with a name that programs stumble over."""
    folder = tmp_path_factory.mktemp("reader") / "Zürich mice \u795e\u7d4c"
    folder.mkdir()
    return written(kind, folder, "a 1st r\u00e9cording", array)


@pytest.fixture(scope="class")
def movie(path):
    return open_movie(path)


def open_files() -> set[str]:
    """Files that this process holds open (Linux)."""
    held = set()
    for number in os.listdir("/proc/self/fd"):
        try:
            held.add(os.readlink(f"/proc/self/fd/{number}"))
        except OSError:
            continue
    return held


@contextmanager
def read_only(folder: Path):
    """Take away the right to write from a folder and all that is in it."""
    inside = [folder, *folder.rglob("*")]
    modes = [entry.stat().st_mode for entry in inside]
    for entry in inside:
        entry.chmod(0o555 if entry.is_dir() else 0o444)
    try:
        yield
    finally:
        for entry, mode in zip(inside, modes, strict=True):
            entry.chmod(mode)


def times_of_change(folder: Path) -> dict[Path, int]:
    return {entry: entry.stat().st_mtime_ns for entry in [folder, *folder.rglob("*")]}


def same_in_another_process(movie, expected: np.ndarray) -> bool:
    return bool(np.array_equal(movie.read(slice(3, 9)), expected))


class TestReader:
    def test_shape_and_type_are_those_that_were_written(self, movie, kind):
        assert movie.shape == SHAPE
        assert all(type(n) is int for n in movie.shape)
        assert movie.dtype == kind.dtype
        assert movie.dtype.isnative

    def test_every_pixel_is_where_it_was_written(self, movie, kind, array):
        frames = movie.read()
        assert frames.dtype == movie.dtype
        off = np.abs(frames.astype(float) - array)
        assert off.max() <= kind.tolerance
        for axis in range(3):
            steps = np.diff(frames.astype(float).mean(axis=tuple({0, 1, 2} - {axis})))
            np.testing.assert_allclose(steps.mean(), (3, 2, 1)[axis], atol=0.1)

    def test_any_frame_alone_is_that_of_reading_on(self, movie):
        frames = movie.read()
        order = np.random.default_rng(1).permutation(SHAPE[0])
        for t in order.tolist():
            np.testing.assert_array_equal(movie.read(slice(t, t + 1))[0], frames[t])

    @pytest.mark.parametrize(
        "window",
        [
            (slice(2, 23, 5), slice(9, 20), slice(None)),
            (slice(0, 23, 2), slice(None), slice(45, 46)),
            (slice(5, 19), slice(3, 4), slice(7, 31)),
            (slice(6, 6), slice(0, 5), slice(0, 5)),
            (slice(0, 5), slice(5, 5), slice(0, 5)),
        ],
        ids=str,
    )
    def test_a_part_is_that_of_the_whole_and_owned(self, movie, window):
        frames = movie.read()
        block = movie.read(*window)
        np.testing.assert_array_equal(block, frames[window])
        assert block.dtype == movie.dtype
        if block.flags.writeable:
            block[...] = 0
            np.testing.assert_array_equal(movie.read(*window), frames[window])

    def test_a_subset_of_frames_is_a_movie(self, movie):
        part = movie.subset(slice(4, 20, 3), slice(2, 30), slice(1, 40))
        expected = movie.read()[4:20:3, 2:30, 1:40]
        np.testing.assert_array_equal(part.read(), expected)

    def test_two_files_follow_one_another(self, movie, kind, array, path, tmp_path):
        later = written(kind, tmp_path, "later", array[:9])
        chain = open_movie([path, later])
        assert chain.shape == (SHAPE[0] + 9, *SHAPE[1:])
        assert [(f.first, f.stop) for f in chain.files] == [(0, 23), (23, 32)]
        across = chain.read(slice(20, 28))
        np.testing.assert_array_equal(across[:3], movie.read(slice(20, 23)))
        np.testing.assert_array_equal(across[3:], open_movie(later).read(slice(0, 5)))

    def test_what_the_file_tells_of_the_recording_is_read(self, movie, kind):
        assert movie.frame_rate_hz == pytest.approx(kind.frame_rate_hz)
        assert movie.pixel_size_um == pytest.approx(kind.pixel_size_um)

    @pytest.mark.skipif(sys.platform != "linux", reason="open files are listed there")
    def test_no_file_stays_open(self, path):
        before = open_files()
        movie = open_movie(path)
        movie.read(slice(0, 3))
        movie.read(slice(7, 9), slice(2, 5), slice(1, 3))
        inside = {name for name in open_files() - before if path.name in name}
        assert not inside

    def test_nothing_is_written_beside_or_into_the_file(self, path, movie):
        before = times_of_change(path.parent)
        with read_only(path.parent):
            again = open_movie(path)
            np.testing.assert_array_equal(again.read(), movie.read())
        assert times_of_change(path.parent) == before

    def test_threads_read_side_by_side(self, movie):
        frames = movie.read()
        starts = list(range(0, 20, 3)) * 4
        with ThreadPoolExecutor(4) as pool:
            blocks = pool.map(lambda t: movie.read(slice(t, t + 3)), starts)
            for t, block in zip(starts, blocks, strict=True):
                np.testing.assert_array_equal(block, frames[t : t + 3])

    def test_a_movie_that_was_read_can_be_pickled(self, movie):
        movie.read(slice(0, 1))
        again = pickle.loads(pickle.dumps(movie))
        assert again.fingerprint == movie.fingerprint
        np.testing.assert_array_equal(again.read(), movie.read())

    def test_another_process_reads_the_same(self, movie, other_process):
        expected = movie.read(slice(3, 9))
        assert other_process.apply(same_in_another_process, (movie, expected))


@pytest.fixture(scope="module")
def other_process():
    """One process for all formats, started anew rather than forked."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        yield pool
