"""Room for large arrays: in memory up to a limit, in nameless files beyond it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from napari_cnmf.compute import SerialBackend, local_backend
from napari_cnmf.compute.scratch import Scratch, row_blocks
from napari_cnmf.errors import OutputError

SHAPE = (10, 100)
N_BYTES = 4 * 10 * 100


def is_mapped(array: np.ndarray) -> bool:
    """Whether an array lies in a file."""
    base: object = array
    while isinstance(base, np.ndarray):
        if isinstance(base, np.memmap):
            return True
        base = base.base
    return False


def test_arrays_lie_in_memory_until_the_limit_is_reached(tmp_path: Path):
    scratch = Scratch(tmp_path, 2 * N_BYTES)
    arrays = [scratch.empty(SHAPE) for _ in range(3)]
    assert [is_mapped(array) for array in arrays] == [False, False, True]
    assert all(array.dtype == np.float32 for array in arrays)


def test_an_array_that_is_given_up_makes_room(tmp_path: Path):
    scratch = Scratch(tmp_path, N_BYTES)
    first = scratch.empty(SHAPE)
    view = first[2:]
    del first
    assert is_mapped(scratch.empty(SHAPE))  # the view still needs it
    del view
    assert not is_mapped(scratch.empty(SHAPE))


def test_an_array_in_a_file_is_like_any_other(tmp_path: Path):
    array = Scratch(tmp_path, 0).empty(SHAPE, np.float64)
    array[...] = np.arange(1000).reshape(SHAPE)
    array[3] *= 2
    assert type(array) is np.ndarray
    assert array.sum() == np.arange(1000).sum() + np.arange(300, 400).sum()


def test_a_file_has_no_name_that_could_be_left_behind(tmp_path: Path):
    array = Scratch(tmp_path, 0).empty(SHAPE)
    assert is_mapped(array)
    assert list(tmp_path.iterdir()) == []


def test_an_array_without_values_needs_no_file(tmp_path: Path):
    assert Scratch(tmp_path, 0).empty((0, 100)).shape == (0, 100)


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="no place is reserved")
def test_a_full_disk_is_told_in_a_sentence(tmp_path: Path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OutputError, match=r"No space left.*allow more memory"):
        Scratch(tmp_path, 0).empty(SHAPE)


def test_a_backend_has_no_limit_unless_one_is_set(tmp_path: Path):
    backend = SerialBackend()
    assert not is_mapped(backend.empty((1000, 1000)))
    backend.scratch = Scratch(tmp_path, 0)
    assert is_mapped(backend.empty(SHAPE))
    assert not is_mapped(SerialBackend().empty(SHAPE))


@pytest.mark.parametrize("workers", [1, 2])
def test_a_backend_knows_what_memory_a_run_may_use(workers: int):
    assert local_backend(workers).memory_gb is None
    assert local_backend(workers, 4).memory_gb == 4


@pytest.mark.parametrize("shape", [(7, 400_000), (5, 10**7), (3000, 1000), (0, 9)])
def test_blocks_of_rows_cover_all_rows_once(shape: tuple[int, int]):
    rows = np.arange(shape[0])
    blocks = [rows[block] for block in row_blocks(shape)]
    np.testing.assert_array_equal(np.concatenate([rows[:0], *blocks]), rows)
    assert all(len(block) == 1 or len(block) * shape[1] <= 2**20 for block in blocks)
