"""N5 movies: an array of a folder, read block by block.

N5 (https://github.com/saalfeldlab/n5) keeps a file ``attributes.json`` in the folder
of each array and each of its blocks, big-endian and compressed, in a file
``0/1/2``, whose names are its place on the axes. zarr no longer reads it, and it is
this simple. N5 counts the fastest axis first: its (x, y, t) is our (t, y, x).
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from napari_cnmf.formats.readers.arrays import (
    UM,
    Candidate,
    axes_by_length,
    chosen_array,
    is_movie,
    letters,
)
from napari_cnmf.formats.readers.attributes import (
    positive,
    stated_pixel_size,
    stated_rate,
)
from napari_cnmf.formats.readers.axes import View, view_of
from napari_cnmf.formats.readers.limits import require_few_chunks
from napari_cnmf.formats.readers.registry import (
    OpenedFile,
    ReadOptions,
    register_reader,
)
from napari_cnmf.movie.damage import named_damage

ATTRIBUTES = "attributes.json"
#: Names of N5's compressions among the codecs of numcodecs.
CODECS = {
    "gzip": "gzip",
    "bzip2": "bz2",
    "xz": "lzma",
    "zstd": "zstd",
    "zstandard": "zstd",
    "blosc": "blosc",
}
MAX_BLOCK_BYTES = 2**31


@dataclass(frozen=True)
class N5Array:
    """An N5 array, indexed like one of numpy with C order.

    Attributes
    ----------
    folder : Path
        Where its attributes are.
    shape, chunks : tuple of int
        Size of the array and of a block, slowest axis first.
    dtype : numpy.dtype
        Type of an element, in native byte order.
    compression : str
        N5's name of it.
    """

    folder: Path
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    dtype: np.dtype
    compression: str

    def __getitem__(self, index: tuple[int | slice, ...]) -> np.ndarray:
        """Return the elements at whole numbers and slices, one for each axis."""
        wanted = [
            range(n)[part] if isinstance(part, slice) else range(part, part + 1)
            for part, n in zip(index, self.shape, strict=True)
        ]
        out = np.zeros([len(part) for part in wanted], self.dtype)
        touched = [
            _pieces(part, block)
            for part, block in zip(wanted, self.chunks, strict=True)
        ]
        for pieces in product(*touched):
            block = self._block(tuple(place for place, _, _ in pieces))
            if block is not None:
                inside = tuple(part for _, _, part in pieces)
                out[tuple(part for _, part, _ in pieces)] = block[inside]
        singles = tuple(0 if isinstance(p, int) else slice(None) for p in index)
        return out[singles]

    def _block(self, place: tuple[int, ...]) -> np.ndarray | None:
        """Read one block, zeros where it is cut off; None if it was never written."""
        file = self.folder.joinpath(*map(str, reversed(place)))
        try:
            data = file.read_bytes()
        except FileNotFoundError:
            return None
        mode, n_axes = struct.unpack_from(">HH", data)
        stored = struct.unpack_from(f">{n_axes}I", data, 4)[::-1]
        fits = len(stored) == len(self.chunks) and all(
            n <= block for n, block in zip(stored, self.chunks, strict=True)
        )
        if mode not in (0, 1) or not fits:
            raise ValueError(f"block {file.name} has mode {mode} and size {stored}")
        header = 4 + 4 * n_axes + 4 * mode
        size = prod(stored) * self.dtype.itemsize
        content = self._decode(data[header:], size)
        block = np.zeros(self.chunks, self.dtype)
        big_endian = self.dtype.newbyteorder(">")
        values = np.frombuffer(content, big_endian, prod(stored)).reshape(stored)
        block[tuple(slice(n) for n in stored)] = values
        return block

    def _decode(self, data: bytes, size: int) -> Any:
        """Decompress a block of a known size."""
        if self.compression == "raw":
            return data
        if self.compression == "lz4":
            return b"".join(_lz4_blocks(data))
        import numcodecs

        out = np.empty(size, np.uint8)
        codec = numcodecs.get_codec({"id": CODECS[self.compression]})
        return codec.decode(data, out)


def _pieces(wanted: range, block: int) -> list[tuple[int, slice, slice]]:
    """Return, for each block on one axis: its number, where it goes, what of it."""
    if not wanted:
        return []
    pieces = []
    done = 0
    while done < len(wanted):
        number, first = divmod(wanted[done], block)
        inside = range(first, block, wanted.step)[: len(wanted) - done]
        part = slice(inside[0], inside[-1] + 1, wanted.step)
        pieces.append((number, slice(done, done + len(inside)), part))
        done += len(inside)
    return pieces


def _lz4_blocks(data: bytes) -> Iterator[bytes | bytearray]:
    """Yield what Java's LZ4BlockOutputStream wrote, piece by piece."""
    from imagecodecs import lz4_decode

    header = struct.Struct("<8sBIII")
    place = 0
    while place + header.size <= len(data):
        magic, token, packed, size, _ = header.unpack_from(data, place)
        if magic != b"LZ4Block" or size > MAX_BLOCK_BYTES:
            raise ValueError("a block is not LZ4")
        place += header.size
        piece = data[place : place + packed]
        place += packed
        yield piece if token & 0xF0 == 0x10 else lz4_decode(piece, out=size)


@dataclass(frozen=True, eq=False)
class N5Frames:
    """Frames of an N5 array.

    Attributes
    ----------
    name : str
        Of the file, for messages.
    array : N5Array
        The array.
    view : View
        Where the movie lies in it.
    """

    name: str
    array: N5Array
    view: View

    @cached_property
    def shape(self) -> tuple[int, int, int]:
        """Frames, rows and columns (T, Y, X)."""
        return self.view.shape(self.array.shape)

    @property
    def dtype(self) -> np.dtype:
        """Type of a pixel, in native byte order."""
        return self.array.dtype

    def read(
        self, frames: slice, rows: slice = slice(None), cols: slice = slice(None)
    ) -> np.ndarray:
        """Return a freshly owned block (n, y, x)."""
        with named_damage(self.name, "N5"):
            block = self.view.take(self.array, frames, rows, cols)
        return np.ascontiguousarray(block)


def is_n5(path: Path) -> bool:
    """Whether a folder is an N5 group or array."""
    return (path / ATTRIBUTES).is_file()


@register_reader("N5", (".n5",), is_n5)
def read_n5(path: Path, options: ReadOptions) -> OpenedFile:
    """Open one N5 folder.

    Parameters
    ----------
    path : Path
        The folder.
    options : ReadOptions
        All are heeded; `dataset` is the name of an array.
    """
    candidates = list(_candidates(path, ""))
    found = chosen_array(path.name, candidates, options.dataset)
    view, selection = view_of(path.name, found.axes, found.array.shape, options)
    selection = ", ".join(filter(None, (found.name, selection)))
    require_few_chunks(path.name, found.array, view)
    source = N5Frames(path.name, found.array, view)
    return OpenedFile(source, found.frame_rate_hz, found.pixel_size_um, selection)


def _candidates(folder: Path, name: str) -> Iterator[Candidate]:
    """Yield the arrays at and below a folder that can be a movie."""
    attributes = _attributes(folder)
    if "dimensions" in attributes:
        array = _array(folder, attributes)
        if is_movie(array.shape, array.dtype):
            yield _with_axes(name, array, attributes)
        return
    inside = sorted(child for child in folder.iterdir() if child.is_dir())
    # Of an image with smaller copies of itself, s0 is the one of full size.
    full = [child for child in inside if child.name == "s0"]
    for child in full or inside:
        yield from _candidates(child, f"{name}/{child.name}".strip("/"))


def _attributes(folder: Path) -> dict[str, Any]:
    """Return the attributes of a folder, none if it has no such file."""
    file = folder / ATTRIBUTES
    attributes = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    if not isinstance(attributes, dict):
        raise ValueError(f"{ATTRIBUTES} is no object")  # noqa: TRY004 (a file's content)
    return attributes


def _array(folder: Path, attributes: Mapping[str, Any]) -> N5Array:
    """Return the array that the attributes describe."""
    compression = attributes.get("compression", attributes.get("compressionType"))
    if isinstance(compression, dict):
        compression = compression["type"]
    if compression not in {"raw", "lz4", *CODECS}:
        raise ValueError(f"the compression is {compression!r}")
    shape = tuple(map(int, reversed(attributes["dimensions"])))
    blocks = tuple(map(int, reversed(attributes["blockSize"])))
    dtype = np.dtype(str(attributes["dataType"]))
    usable = len(shape) == len(blocks) and min(*shape, *blocks, 2**62) >= 0
    if not usable or not 0 < prod(blocks) * dtype.itemsize <= MAX_BLOCK_BYTES:
        raise ValueError(f"the size is {shape} and that of blocks {blocks}")
    return N5Array(folder, shape, blocks, dtype, compression)


def _with_axes(name: str, array: N5Array, attributes: Mapping[str, Any]) -> Candidate:
    """Return an array with its axes, frame rate and pixel size where they are told."""
    named = list(attributes.get("axes") or ())[::-1]
    axes = letters(named, len(array.shape)) or axes_by_length(array.shape)
    size = stated_pixel_size(attributes) or _pixel_resolution(attributes)
    return Candidate(name, array, axes, stated_rate(attributes), size)


def _pixel_resolution(attributes: Mapping[str, Any]) -> tuple[float, float] | None:
    """Return the pixel size (y, x) in um as the N5 viewer keeps it."""
    stated = attributes.get("pixelResolution")
    if not isinstance(stated, dict) or len(stated.get("dimensions") or ()) < 2:
        return None
    um = UM.get(str(stated.get("unit")).lower(), 0.0)
    width, height = (positive(n) for n in stated["dimensions"][:2])
    if not um or width is None or height is None:
        return None
    return height * um, width * um
