"""Room for large arrays: in memory up to a limit, in nameless files beyond it.

Traces of a recording of hours outgrow a laptop's memory. What passes the limit is a
memory map of a file without a name in the run's folder: the system moves its pages in
and out as they are needed, and frees it however the run ends, by a kill too.
"""

from __future__ import annotations

import os
import weakref
from itertools import count
from math import inf, prod
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO, Protocol

import numpy as np
from numpy.typing import DTypeLike

from napari_cnmf.errors import OutputError

# Values worked on together: few calls, and temporaries that are small beside a block
# of frames. As fast as 16 times as many, on 250 traces of 160,000 frames.
_AT_ONCE = 2**20


class Empty(Protocol):
    """Makes uninitialised arrays."""

    def __call__(
        self, shape: tuple[int, ...], dtype: DTypeLike = np.float32
    ) -> np.ndarray:
        """Return an array of a shape."""


def in_memory(shape: tuple[int, ...], dtype: DTypeLike = np.float32) -> np.ndarray:
    """Return an uninitialised array in memory."""
    return np.empty(shape, dtype)


class Scratch:
    """Makes large arrays that together take no more memory than a limit.

    Parameters
    ----------
    folder : Path, optional
        Where files are made; needed with a limit only.
    limit_bytes : float
        What arrays that are in use take in memory, at most.
    """

    def __init__(self, folder: Path | None = None, limit_bytes: float = inf) -> None:
        self.folder = folder
        self.limit_bytes = limit_bytes
        self._held: dict[int, int] = {}
        self._numbers = count()

    def empty(
        self, shape: tuple[int, ...], dtype: DTypeLike = np.float32
    ) -> np.ndarray:
        """Return an uninitialised array, in memory if it fits there.

        Raises
        ------
        OutputError
            If it belongs into a file and the disk is full.
        """
        n_bytes = prod(shape) * np.dtype(dtype).itemsize
        if sum(list(self._held.values())) + n_bytes > self.limit_bytes:
            return _mapped(shape, dtype, n_bytes, self.folder)
        array, number = np.empty(shape, dtype), next(self._numbers)
        self._held[number] = n_bytes
        weakref.finalize(array, self._held.pop, number)
        return array


class KeepsScratch:
    """What all backends share: room for the large arrays of a run.

    Attributes
    ----------
    memory_gb : float or None
        What a run may use on this machine; None leaves it a share of what is free.
    cache_gb : float
        What a run may leave in the cache of its folder.
    scratch : Scratch
        Without a limit, unless the run sets one.
    """

    memory_gb: float | None = None
    cache_gb = 10.0
    scratch = Scratch()

    def empty(
        self, shape: tuple[int, ...], dtype: DTypeLike = np.float32
    ) -> np.ndarray:
        """Return an uninitialised array, see `Scratch.empty`."""
        return self.scratch.empty(shape, dtype)


def row_blocks(shape: tuple[int, ...], at_most: int | None = None) -> list[slice]:
    """Cut the rows of a large array into those that are worked on together.

    Parameters
    ----------
    shape : tuple of int
        Of the array.
    at_most : int, optional
        Rows of a block, however short they are.
    """
    rows = max(1, _AT_ONCE // max(shape[1], 1))
    if at_most is not None:
        rows = min(rows, at_most)
    firsts = range(0, shape[0], rows)
    return [slice(first, min(first + rows, shape[0])) for first in firsts]


def _mapped(
    shape: tuple[int, ...], dtype: DTypeLike, n_bytes: int, folder: Path | None
) -> np.ndarray:
    """Return an array that lies in a file without a name."""
    try:
        with TemporaryFile(dir=folder) as file:
            _reserve(file, n_bytes)
            return np.asarray(np.memmap(file, dtype, "r+", shape=shape))
    except OSError as error:
        raise OutputError(
            f"Traces of {n_bytes / 1e9:.1f} GB do not fit into the memory that the run "
            f"may use, and cannot be kept in {folder} ({error.strerror}); free space "
            "there, or allow more memory."
        ) from error


def _reserve(file: BinaryIO, n_bytes: int) -> None:
    """Give a file its size; where a system can, with its place on the disk.

    Writing to a map for which there is no place would kill the process.
    """
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, n_bytes)
    else:
        file.truncate(n_bytes)
