"""CaImAn's stores (.mmap): raw float32 whose shape and order are in the file's name.

``<base>_d1_<rows>_d2_<cols>_d3_<planes>_order_<C|F>_frames_<T>.mmap`` holds a matrix of
pixels by frames, the pixels counted down the columns: in order F a frame after another
(what motion correction writes), in order C a pixel's trace after another (what CNMF
works on). Either is read by offset. Reading frames of order C takes a small piece for
each pixel, so a long store of that order is slow to go through.

CaImAn's `save_memmap` with order F of a single file writes the bytes in order C all
the same, which nothing in the file tells: such a store looks scrambled here and there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_cnmf.errors import InputError
from napari_cnmf.formats.readers.axes import choose
from napari_cnmf.formats.readers.raw import PixelTraces, contiguous_frames
from napari_cnmf.formats.readers.registry import (
    OpenedFile,
    ReadOptions,
    register_reader,
)
from napari_cnmf.movie import FrameSource

_NAME = re.compile(
    r".*_d1_(\d+)_d2_(\d+)_d3_(\d+)_order_([CF])_frames_(\d+)_?\.mmap", re.IGNORECASE
)
_TYPE = np.dtype("<f4")


@dataclass(frozen=True, eq=False)
class TransposedFrames:
    """Frames of another source with rows and columns swapped."""

    source: FrameSource

    @property
    def shape(self) -> tuple[int, int, int]:
        """Frames, rows and columns (T, Y, X)."""
        n_frames, width, height = self.source.shape
        return n_frames, height, width

    @property
    def dtype(self) -> np.dtype:
        """Type of a pixel."""
        return self.source.dtype

    def read(
        self, frames: slice, rows: slice = slice(None), cols: slice = slice(None)
    ) -> np.ndarray:
        """Return a freshly owned block (n, y, x)."""
        block = self.source.read(frames, cols, rows)
        return np.ascontiguousarray(block.transpose(0, 2, 1))


@register_reader("CaImAn mmap", (".mmap",), Path.is_file)
def read_mmap(path: Path, options: ReadOptions) -> OpenedFile:
    """Open one store of CaImAn.

    Parameters
    ----------
    path : Path
        The file, with the name that CaImAn gave it.
    options : ReadOptions
        `plane` is heeded.
    """
    stated = _NAME.fullmatch(path.name)
    if stated is None:
        raise InputError(
            f"{path.name} does not tell the shape of the movie: CaImAn's stores have "
            "it in their name, which ends with _d1_ROWS_d2_COLUMNS_d3_1_order_C_"
            "frames_N.mmap; give the file its name back."
        )
    height, width, n_planes, n_frames = (int(stated[i]) for i in (1, 2, 3, 5))
    _require_size(path, n_frames * n_planes * height * width * _TYPE.itemsize)
    places, selection = choose(path.name, "Z", (n_planes,), options)
    plane = places["Z"]
    if stated[4].upper() == "C":
        start = plane * width * height * n_frames * _TYPE.itemsize
        stored = (width, height, n_frames)
        return OpenedFile(PixelTraces(path, start, stored, _TYPE), selection=selection)
    frames = contiguous_frames(path, 0, (n_frames * n_planes, width, height), _TYPE)
    chosen = frames.of(slice(plane, None, n_planes))
    return OpenedFile(TransposedFrames(chosen), selection=selection)


def _require_size(path: Path, promised: int) -> None:
    """Refuse a file that is not as long as its name says."""
    size = path.stat().st_size
    if size != promised or not promised:
        raise InputError(
            f"{path.name} has {size} bytes, but by its name it should have {promised}; "
            "it was renamed or cut short: copy it again, with the name CaImAn gave it."
        )
