"""Uncompressed frames at known places of a file, read by offset.

Each request seeks and reads just the bytes it needs into the array it returns. The
file is not mapped: pages of a mapping count as resident memory of the process, and
a bound on memory is promised. No file stays open between requests, so a source can
be pickled and used by several threads.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from io import FileIO
from itertools import pairwise
from pathlib import Path

import numpy as np

from napari_cnmf.errors import InputError


def require_bytes(path: Path, ends: np.ndarray) -> None:
    """Refuse a file that is shorter than where its pieces end, in bytes."""
    size, end = path.stat().st_size, int(ends.max(initial=0))
    if size < end:
        raise InputError(
            f"{path.name} is truncated: it has {size} bytes, but its header promises "
            f"at least {end}; copy or save it again."
        )


@dataclass(frozen=True, eq=False)
class RawFrames:
    """Frames that lie uncompressed in a file.

    Attributes
    ----------
    path : Path
        The file.
    offsets : ndarray (T,) of int64
        Where each frame begins, in bytes.
    field_shape : (int, int)
        Rows and columns (Y, X) of a frame; a row is contiguous, rows follow on.
    stored_dtype : numpy.dtype
        Type of a pixel in the file, with its byte order.
    """

    path: Path
    offsets: np.ndarray
    field_shape: tuple[int, int]
    stored_dtype: np.dtype

    def __post_init__(self) -> None:
        require_bytes(self.path, self.offsets + self.frame_bytes)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Frames, rows and columns (T, Y, X)."""
        return (len(self.offsets), *self.field_shape)

    @property
    def dtype(self) -> np.dtype:
        """Type of a pixel, in native byte order."""
        return self.stored_dtype.newbyteorder("=")

    @property
    def frame_bytes(self) -> int:
        """Size of one frame in the file."""
        return self.field_shape[0] * self.row_bytes

    @property
    def row_bytes(self) -> int:
        """Size of one row in the file."""
        return self.field_shape[1] * self.stored_dtype.itemsize

    def read(
        self, frames: slice, rows: slice = slice(None), cols: slice = slice(None)
    ) -> np.ndarray:
        """Return a freshly owned block (n, y, x)."""
        height, width = self.field_shape
        first_row, stop_row, _ = rows.indices(height)
        starts = self.offsets[frames] + first_row * self.row_bytes
        shape = (len(starts), max(stop_row - first_row, 0))
        block = np.empty((*shape, len(range(width)[cols])), self.stored_dtype)
        with FileIO(self.path) as file:
            if block.shape[2] == width:
                for run in _runs(starts, block[:1].nbytes):
                    self._fill(file, int(starts[run.start]), block[run])
            else:
                scratch = np.empty((shape[1], width), self.stored_dtype)
                for frame, start in zip(block, starts.tolist(), strict=True):
                    self._fill(file, start, scratch)
                    frame[:] = scratch[:, cols]
        return _to_native(block)

    def _fill(self, file: FileIO, start: int, out: np.ndarray) -> None:
        """Read a contiguous array from a place in the file."""
        view = out.reshape(-1).view(np.uint8).data
        file.seek(start)
        while view:
            # The system may hand over less than was asked for (2 GiB at most).
            count = file.readinto(view)
            if not count:
                raise InputError(
                    f"{self.path.name} ends before byte {start + out.nbytes}: it was "
                    "cut short after it had been opened; open it again."
                )
            view = view[count:]


def _runs(starts: np.ndarray, size: int) -> Iterator[slice]:
    """Yield the ranges of pieces of `size` bytes that lie one after the other."""
    breaks = np.flatnonzero(np.diff(starts) != size) + 1
    edges = [0, *breaks.tolist(), len(starts)]
    for first, stop in pairwise(edges):
        if first < stop:
            yield slice(first, stop)


def _to_native(block: np.ndarray) -> np.ndarray:
    """Return an array in native byte order, swapped in place."""
    if block.dtype.isnative:
        return block
    return block.byteswap(inplace=True).view(block.dtype.newbyteorder("="))
