"""Compressed or tiled TIFF frames, decoded one by one as they are asked for.

The place of every strip and tile is noted when the file is opened; a request reads
and decodes just those that overlap the wanted rows. tifffile's decoder of a page is a
pure function that releases the interpreter lock, so threads decode side by side.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from napari_cnmf.formats.readers.raw import require_bytes
from napari_cnmf.movie.damage import named_damage


@dataclass(frozen=True, eq=False)
class EncodedFrames:
    """Frames of a TIFF that have to be decoded.

    Attributes
    ----------
    path : Path
        The file.
    page : int
        A page of the file that says how all of them are encoded.
    offsets, sizes : ndarray (T, n) of int64
        Place of each frame's n strips or tiles, in bytes.
    field_shape : (int, int)
        Rows and columns (Y, X) of a frame.
    dtype : numpy.dtype
        Type of a pixel, in native byte order.
    """

    path: Path
    page: int
    offsets: np.ndarray
    sizes: np.ndarray
    field_shape: tuple[int, int]
    dtype: np.dtype

    def __post_init__(self) -> None:
        require_bytes(self.path, self.offsets + self.sizes)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Frames, rows and columns (T, Y, X)."""
        return (len(self.offsets), *self.field_shape)

    def read(
        self, frames: slice, rows: slice = slice(None), cols: slice = slice(None)
    ) -> np.ndarray:
        """Return a freshly owned block (n, y, x)."""
        height, width = self.field_shape
        wanted_rows = range(height)[rows]
        numbers = range(len(self.offsets))[frames]
        shape = (len(numbers), len(wanted_rows), len(range(width)[cols]))
        block = np.empty(shape, self.dtype)
        frame = np.zeros(self.field_shape, self.dtype)
        with named_damage(self.path.name, "TIFF"), FileIO(self.path) as file:
            for out, t in zip(block, numbers, strict=True):
                self._decode_into(frame, file, t, wanted_rows)
                out[:] = frame[rows, cols]
        return block

    def _decode_into(
        self, frame: np.ndarray, file: FileIO, t: int, wanted_rows: range
    ) -> None:
        """Decode the strips and tiles of a frame that overlap the wanted rows."""
        for k, (top, left, bottom) in enumerate(self._places):
            if top >= wanted_rows.stop or bottom <= wanted_rows.start:
                continue
            file.seek(self.offsets[t, k])
            data = file.read(self.sizes[t, k])
            with named_damage(f"Frame {t} of {self.path.name}", "TIFF"):
                piece = self._decode(data, k)[0][0, :, :, 0]
            target = frame[top:bottom, left : left + piece.shape[1]]
            target[:] = piece[: target.shape[0], : target.shape[1]]

    @cached_property
    def _decode(self) -> Callable[[bytes | None, int], Any]:
        """Decoder of one strip or tile; the file is open only while it is made."""
        with tifffile.TiffFile(self.path, _multifile=False) as tif:
            return tif.pages[self.page].aspage().decode

    @cached_property
    def _places(self) -> list[tuple[int, int, int]]:
        """Top row, left column and end row of each strip or tile."""
        places = []
        for k in range(self.offsets.shape[1]):
            _, (_, _, top, left, _), (_, rows, _, _) = self._decode(None, k)
            places.append((top, left, top + rows))
        return places

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the decoder, which cannot be pickled and is made again."""
        return {k: v for k, v in vars(self).items() if not k.startswith("_")}
