"""A zarr (version 3) array on disk, written and read chunk by chunk.

Every zarr reader opens these arrays. They are written here directly because zarr's
own pipeline costs 1.0 ms more per 512 x 512 frame (1.6 instead of 0.6 ms) and 0.4 s of
import. Chunks are compressed with blosc: LZ4 after byte shuffling, which suits codes
whose high bytes hardly change; bit shuffling is no smaller there and takes longer
(0.32 instead of 0.20 ms a frame). All chunks of a block of frames are one file, a
shard: the chunks one after the other, then where each begins and how long it is.
Making a file for each of them took longer than compressing it, and recordings of hours
would have a hundred thousand files.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import SEEK_END
from math import ceil, prod
from pathlib import Path
from typing import BinaryIO

import imagecodecs
import numpy as np

from napari_cnmf.errors import InputError
from napari_cnmf.movie.damage import named_damage

_Window = tuple[slice, slice, slice]

PIXELS = ("uint16", "uint32", "float32")
#: Of a chunk, and of a frame; no movie comes near.
MAX_BYTES = 2**28
_KIND = "part of a registered movie", "register the movie again"

COMPRESSOR, LEVEL, SHUFFLE = "lz4", 5, "shuffle"


@dataclass(frozen=True)
class ChunkedArray:
    """An array (T, Y, X) in a folder.

    Attributes
    ----------
    path : Path
        The folder.
    shape, chunks : (int, int, int)
        Size of the array and of a chunk.
    pixel : str
        ``"uint16"``, ``"uint32"`` or ``"float32"``.
    """

    path: Path
    shape: tuple[int, int, int]
    chunks: tuple[int, int, int]
    pixel: str

    @property
    def dtype(self) -> np.dtype:
        """Type of a pixel, little-endian as on disk."""
        return np.dtype(self.pixel).newbyteorder("<")

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of chunks in a shard, which is one chunk long."""
        return ceil(self.shape[1] / self.chunks[1]), ceil(
            self.shape[2] / self.chunks[2]
        )

    def create(self) -> None:
        """Make the folder and write the description of the array."""
        blosc = {
            "typesize": self.dtype.itemsize,
            "cname": COMPRESSOR,
            "clevel": LEVEL,
            "shuffle": SHUFFLE,
            "blocksize": 0,
        }
        plain = {"name": "bytes", "configuration": {"endian": "little"}}
        sharding = {
            "chunk_shape": self.chunks,
            "codecs": [plain, {"name": "blosc", "configuration": blosc}],
            "index_codecs": [plain],
            "index_location": "end",
        }
        length, height, width = self.chunks
        n_rows, n_cols = self.grid
        shard = length, n_rows * height, n_cols * width
        about = {
            "zarr_format": 3,
            "node_type": "array",
            "shape": self.shape,
            "data_type": self.pixel,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": shard}},
            "chunk_key_encoding": {
                "name": "default",
                "configuration": {"separator": "/"},
            },
            "fill_value": 0,
            "codecs": [{"name": "sharding_indexed", "configuration": sharding}],
            "attributes": {},
        }
        self.path.mkdir(parents=True)
        (self.path / "zarr.json").write_text(json.dumps(about, indent=2))

    @classmethod
    def open(cls, path: Path) -> ChunkedArray:
        """Return the array that `create` described in a folder."""
        about = json.loads((path / "zarr.json").read_text())
        chunks = about["codecs"][0]["configuration"]["chunk_shape"]
        pixel = about["data_type"]
        _require_layout(about["shape"], chunks, pixel)
        return cls(path, tuple(about["shape"]), tuple(chunks), pixel)

    def write(self, first: int, block: np.ndarray) -> None:
        """Write the chunks of one block; blocks may be written in any order.

        Parameters
        ----------
        first : int
            First frame of the block, a multiple of the chunk length.
        block : ndarray (n, Y, X)
            A whole chunk's length, or what is left at the end.
        """
        _, height, width = self.chunks
        tile = np.zeros(self.chunks, self.dtype)
        index, offset, encoded = np.empty((*self.grid, 2), "<u8"), 0, []
        for row, col in np.ndindex(self.grid):
            top, left = row * height, col * width
            part = block[:, top : top + height, left : left + width]
            if part.shape != tile.shape:
                tile[...] = 0
            tile[: part.shape[0], : part.shape[1], : part.shape[2]] = part
            encoded.append(_encode(tile))
            index[row, col] = offset, len(encoded[-1])
            offset += len(encoded[-1])
        path = self._shard(first // self.chunks[0])
        path.parent.mkdir(parents=True, exist_ok=True)
        # Whoever writes it at the same time, for a worker thought lost, is no harm.
        temporary = path.with_name(f"{uuid.uuid4().hex}.part")
        try:
            temporary.write_bytes(b"".join([*encoded, index.tobytes()]))
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)

    def sync(self, first: int) -> None:
        """Wait until the chunks of one block are on the disk."""
        with self._shard(first // self.chunks[0]).open("rb+") as file:
            os.fsync(file.fileno())

    def holds(self, first: int) -> bool:
        """Whether the chunks of one block are there, as long as they should be."""
        try:
            with self._opened(first // self.chunks[0]) as (file, index):
                size = file.seek(0, SEEK_END)
        except (InputError, OSError, ValueError):
            return False
        return bool(index[-1, -1].sum() + index.nbytes == size)

    def extent(self, frames: slice, rows: slice, cols: slice) -> tuple[int, int, int]:
        """Return the shape of a block."""
        window = zip((frames, rows, cols), self.shape, strict=True)
        t, y, x = (len(range(*part.indices(length))) for part, length in window)
        return t, y, x

    def read(self, frames: slice, rows: slice, cols: slice) -> np.ndarray:
        """Return a block (n, y, x), freshly owned."""
        block = np.empty(self.extent(frames, rows, cols), self.pixel)
        for place, part in self.parts(frames, rows, cols):
            block[place] = part
        return block

    def parts(
        self, frames: slice, rows: slice, cols: slice
    ) -> Iterator[tuple[tuple[slice, slice, slice], np.ndarray]]:
        """Yield a block in parts: where each belongs in the block, and its pixels.

        The pixels are valid until the next part is asked for.
        """
        for place, inside, tile in self.tiles(frames, rows, cols):
            yield place, tile[inside]

    def tiles(
        self, frames: slice, rows: slice, cols: slice
    ) -> Iterator[tuple[_Window, _Window, np.ndarray]]:
        """Yield the chunks that a block needs.

        Each comes as its place in the block, the part of the chunk that is wanted,
        and the whole chunk, which is valid until the next is asked for.
        """
        tile = np.empty(self.chunks, self.dtype)
        ranges = zip((frames, rows, cols), self.shape, self.chunks, strict=True)
        along_t, along_y, along_x = (list(_cuts(*cut)) for cut in ranges)
        for t, to_t, from_t in along_t:
            name = str(self._shard(t))
            with named_damage(name, *_KIND), self._opened(t) as (file, index):
                for y, to_y, from_y in along_y:
                    for x, to_x, from_x in along_x:
                        _decode(file, index[y, x], tile)
                        yield (to_t, to_y, to_x), (from_t, from_y, from_x), tile

    def _shard(self, t: int) -> Path:
        """Return the file that holds the chunks of a block of frames."""
        return self.path / "c" / str(t) / "0" / "0"

    @contextmanager
    def _opened(self, t: int) -> Iterator[tuple[BinaryIO, np.ndarray]]:
        """Open a shard, and read where its chunks lie (rows, columns, 2)."""
        path, shape = self._shard(t), (*self.grid, 2)
        try:
            with path.open("rb", buffering=0) as file:
                file.seek(-8 * prod(shape), SEEK_END)
                yield file, np.frombuffer(file.read(), "<u8").reshape(shape)
        except FileNotFoundError as error:
            raise InputError(
                f"The file {path} of a registered movie is missing; the folder was "
                "changed after it was written: register the movie again."
            ) from error


def _require_layout(shape: list[int], chunks: list[int], pixel: str) -> None:
    """Refuse what `ChunkedArray.create` does not write, before it takes memory."""
    is_whole = all(type(n) is int and n >= 0 for n in (*shape, *chunks))
    if not (is_whole and len(shape) == len(chunks) == 3 and min(chunks) > 0):
        raise ValueError(f"chunks of {chunks} in an array of {shape}")
    if pixel not in PIXELS or max(prod(chunks), prod(shape[1:])) > MAX_BYTES // 4:
        raise ValueError(f"chunks of {chunks} {pixel} in an array of {shape}")


def _cuts(wanted: slice, length: int, size: int) -> Iterator[tuple[int, slice, slice]]:
    """Yield the chunks along one axis: number, place in the result, part of it."""
    start, stop, step = wanted.indices(length)
    while start < stop:
        chunk = start // size
        here = range(start, min(stop, (chunk + 1) * size), step)
        done = (start - wanted.indices(length)[0]) // step
        inside = slice(here[0] - chunk * size, here[-1] + 1 - chunk * size, step)
        yield chunk, slice(done, done + len(here)), inside
        start = here[-1] + step


def _encode(tile: np.ndarray) -> bytes | bytearray:
    """Compress one chunk; by a single thread, whose output is always the same."""
    return imagecodecs.blosc_encode(
        tile,  # type: ignore[arg-type] # it takes any buffer
        level=LEVEL,
        compressor=COMPRESSOR,
        shuffle=SHUFFLE,
        typesize=tile.itemsize,
        numthreads=1,
    )


def _decode(file: BinaryIO, place: np.ndarray, tile: np.ndarray) -> None:
    """Read and decompress one chunk into `tile`."""
    offset, size = place.tolist()
    file.seek(offset)
    data = file.read(size)
    # Blosc believes the lengths in its header, and would read beyond the data.
    n_bytes, _, n_packed = np.frombuffer(data, "<u4", 3, 4).tolist()
    if (n_bytes, n_packed) != (tile.nbytes, len(data)):
        raise ValueError("a chunk is not as long as it says")
    imagecodecs.blosc_decode(data, numthreads=1, out=tile.data.cast("B"))
