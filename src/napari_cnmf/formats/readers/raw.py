"""Uncompressed frames at known places of a file, read by offset.

Each request seeks and reads just the bytes it needs into the array it returns. The
file is not mapped: pages of a mapping count as resident memory of the process, and
a bound on memory is promised. No file stays open between requests, so a source can
be pickled and used by several threads.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from io import FileIO
from itertools import pairwise
from math import prod
from pathlib import Path

import numpy as np

from napari_cnmf.errors import InputError

COLUMNS_AT_A_TIME = 16


def require_bytes(path: Path, ends: np.ndarray | int) -> None:
    """Refuse a file that is shorter than where its pieces end, in bytes."""
    size = path.stat().st_size
    end = ends if isinstance(ends, int) else int(ends.max(initial=0))
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
                    _fill(file, int(starts[run.start]), block[run])
            else:
                scratch = np.empty((shape[1], width), self.stored_dtype)
                for frame, start in zip(block, starts.tolist(), strict=True):
                    _fill(file, start, scratch)
                    frame[:] = scratch[:, cols]
        return _to_native(block)

    def of(self, frames: slice) -> RawFrames:
        """Return a part of the frames."""
        return replace(self, offsets=self.offsets[frames])


@dataclass(frozen=True, eq=False)
class PixelTraces:
    """A movie that lies uncompressed in a file, one pixel's trace after another.

    A block takes a piece of the file for each of its pixels, column by column.

    Attributes
    ----------
    path : Path
        The file.
    start : int
        Byte at which the first trace begins.
    stored_shape : (int, int, int)
        Columns, rows and frames (X, Y, T), in C order.
    stored_dtype : numpy.dtype
        Type of a pixel in the file, with its byte order.
    """

    path: Path
    start: int
    stored_shape: tuple[int, int, int]
    stored_dtype: np.dtype

    def __post_init__(self) -> None:
        nbytes = prod(self.stored_shape) * self.stored_dtype.itemsize
        require_bytes(self.path, self.start + nbytes)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Frames, rows and columns (T, Y, X)."""
        width, height, n_frames = self.stored_shape
        return n_frames, height, width

    @property
    def dtype(self) -> np.dtype:
        """Type of a pixel, in native byte order."""
        return self.stored_dtype.newbyteorder("=")

    def read(
        self, frames: slice, rows: slice = slice(None), cols: slice = slice(None)
    ) -> np.ndarray:
        """Return a freshly owned block (n, y, x)."""
        n_frames, height, width = self.shape
        t, y, x = range(n_frames)[frames], range(height)[rows], range(width)[cols]
        block = np.empty((len(t), len(y), len(x)), self.stored_dtype)
        if block.size:
            with FileIO(self.path) as file:
                # A few columns at a time: their transposition stays in the cache.
                for first in range(0, len(x), COLUMNS_AT_A_TIME):
                    part = slice(first, first + COLUMNS_AT_A_TIME)
                    traces = self._traces(file, t, y, x[part])
                    block[:, :, part] = traces.transpose(2, 1, 0)
        return _to_native(block)

    def _traces(self, file: FileIO, t: range, y: range, x: range) -> np.ndarray:
        """Return the traces (x, y, t) of some columns."""
        n_frames, height, _ = self.shape
        n_read, itemsize = t[-1] - t[0] + 1, self.stored_dtype.itemsize
        traces = np.empty((len(x) * len(y), n_read), self.stored_dtype)
        pixels = np.add.outer(np.array(x) * height, np.array(y)).reshape(-1)
        starts = self.start + (pixels * n_frames + t[0]) * itemsize
        for run in _runs(starts, n_read * itemsize):
            _fill(file, int(starts[run.start]), traces[run])
        return traces.reshape(len(x), len(y), n_read)[:, :, :: t.step]


def contiguous_frames(
    path: Path, start: int, shape: tuple[int, ...], stored_dtype: np.dtype
) -> RawFrames:
    """Return frames that lie one after the other from a byte of a file on."""
    n_frames, height, width = shape
    frame_bytes = height * width * stored_dtype.itemsize
    # Before an offset is noted for each: a header may promise any number of frames.
    require_bytes(path, start + n_frames * frame_bytes)
    offsets = start + np.arange(n_frames, dtype=np.int64) * frame_bytes
    return RawFrames(path, offsets, (height, width), stored_dtype)


def _fill(file: FileIO, start: int, out: np.ndarray) -> None:
    """Read a contiguous array from a place in the file."""
    view = out.reshape(-1).view(np.uint8).data
    file.seek(start)
    while view:
        # The system may hand over less than was asked for (2 GiB at most).
        count = file.readinto(view)
        if not count:
            raise InputError(
                f"{Path(str(file.name)).name} ends before byte {start + out.nbytes}: "
                "it was cut short after it had been opened; open it again."
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
