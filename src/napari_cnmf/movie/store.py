"""The registered movie on disk: tiles that are quick to read along time.

A store is a zarr group of three arrays: `frames` (T, Y, X), 16-bit codes with value =
base + step x code; `base` (1, Y, X); and `binned` (T // b, Y, X), the exact sums of b
consecutive codes, each + 128 (b - 1). A chunk is one block of frames of a tile of
about 64 x 64 px, so that a patch is read through all time without the rest of the
field; the chunks of a block are one file. A store is written under a temporary name
and renamed when it is whole: one that was cut short is never found.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np

from napari_cnmf.errors import InputError, MissingFileError, OutputError
from napari_cnmf.movie.chunks import ChunkedArray
from napari_cnmf.movie.damage import named_damage
from napari_cnmf.movie.discard import discard
from napari_cnmf.movie.kernels import BIN_SHIFT, sum_bins, unpack
from napari_cnmf.movie.movie import WHOLE, Movie
from napari_cnmf.movie.scale import Scale

VERSION = 2
TILE_PX = 64


@dataclass(frozen=True)
class StoreHeader:
    """What is known of a registered movie.

    Attributes
    ----------
    step : float
        Of the codes, see `Scale`.
    bin_frames : int
        Frames of a bin of the binned copy.
    fingerprint, source_fingerprint : str
        Of the registered movie, and of the movie that it was made from.
    frame_rate_hz : float, optional
        Frames a second.
    pixel_size_um : (float, float), optional
        Height and width of a pixel (y, x).
    n_clipped : int
        Values that lay outside the range of the codes.
    version : int
        Of the format.
    """

    step: float
    bin_frames: int
    fingerprint: str
    source_fingerprint: str
    frame_rate_hz: float | None = None
    pixel_size_um: tuple[float, float] | None = None
    n_clipped: int = 0
    version: int = VERSION


@dataclass(frozen=True)
class TiledStore:
    """A registered movie on disk; a `FrameSource`, small enough to send anywhere.

    Attributes
    ----------
    path : Path
        The folder.
    header : StoreHeader
        What is known of the movie.
    base : ChunkedArray
        (1, Y, X), the values of code 0.
    frames : ChunkedArray
        (T, Y, X), the codes.
    binned : ChunkedArray
        (T // bin_frames, Y, X), from `sum_bins`; `frames` itself if a bin is one frame.
    """

    path: Path
    header: StoreHeader
    base: ChunkedArray
    frames: ChunkedArray
    binned: ChunkedArray

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a finished store.

        Raises
        ------
        MissingFileError
            If there is none.
        InputError
            If it is of another version or is no registered movie.
        """
        if not (path / "zarr.json").exists():
            raise MissingFileError(
                f"There is no registered movie in {path}; run the registration first."
            )
        with named_damage(str(path), "a registered movie", "register the movie again"):
            return cls._opened(path)

    @classmethod
    def _opened(cls, path: Path) -> Self:
        """Open a store that is there, but may be damaged."""
        about = json.loads((path / "zarr.json").read_text())["attributes"]
        if about.get("version") != VERSION:
            raise InputError(
                f"{path} is not a registered movie of version {VERSION}, but of "
                f"{about.get('version')}; register the movie again."
            )
        size = about["pixel_size_um"]
        about["pixel_size_um"] = None if size is None else tuple(size)
        header = StoreHeader(**about)
        frames, base = (ChunkedArray.open(path / name) for name in ("frames", "base"))
        one = header.bin_frames == 1
        binned = frames if one else ChunkedArray.open(path / "binned")
        store = cls(path, header, base, frames, binned)
        store._require_consistent()
        return store

    def _require_consistent(self) -> None:
        """Refuse a header or arrays that do not belong together."""
        header, (n_frames, *field) = self.header, self.frames.shape
        if type(header.bin_frames) is not int or not 0 < header.step < np.inf:
            raise ValueError(f"steps of {header.step}, bins of {header.bin_frames}")
        n_bins = n_frames // header.bin_frames
        if self.base.shape != (1, *field) or self.binned.shape != (n_bins, *field):
            raise ValueError("its arrays differ in size")
        self.movie()

    @property
    def shape(self) -> tuple[int, int, int]:
        """Frames, rows and columns (T, Y, X)."""
        return self.frames.shape

    @property
    def dtype(self) -> np.dtype:
        """Type of a pixel as read: float32."""
        return np.dtype(np.float32)

    @property
    def block_frames(self) -> int:
        """Frames of a chunk."""
        return self.frames.chunks[0]

    @cached_property
    def scale(self) -> Scale:
        """What a code stands for."""
        return Scale(self.base.read(WHOLE, WHOLE, WHOLE)[0], self.header.step)

    def read(
        self, frames: slice, rows: slice = WHOLE, cols: slice = WHOLE
    ) -> np.ndarray:
        """Return a block (n, y, x) of float32, freshly owned."""
        return self._values(self.frames, (frames, rows, cols), 1)

    def read_codes(
        self, frames: slice, rows: slice = WHOLE, cols: slice = WHOLE
    ) -> np.ndarray:
        """Return a block (n, y, x) of the stored codes, uint16."""
        return self.frames.read(frames, rows, cols)

    def read_binned(
        self, rows: slice = WHOLE, cols: slice = WHOLE, bins: slice = WHOLE
    ) -> np.ndarray:
        """Return time bins of some pixels, all of them or consecutive ones.

        Returns
        -------
        ndarray (n, y, x)
            float32, the mean of the frames of each bin; a last incomplete bin is
            left out.
        """
        window = bins, rows, cols
        return self._values(self.binned, window, self.header.bin_frames)

    def unpack(
        self,
        frames: slice,
        rows: slice,
        cols: slice,
        mean: np.ndarray,
        gain: np.ndarray,
    ) -> np.ndarray:
        """Return ``(frames - mean) * gain`` of a block, pixel-major.

        Parameters
        ----------
        frames, rows, cols : slice
            Consecutive frames, rows and columns.
        mean, gain : ndarray (y, x)
            float32, of these pixels.

        Returns
        -------
        ndarray (y * x, n)
            float32, time contiguous.
        """
        return self._unpacked(self.frames, (frames, rows, cols), 1, mean, gain)

    def unpack_binned(
        self, rows: slice, cols: slice, mean: np.ndarray, gain: np.ndarray
    ) -> np.ndarray:
        """Return ``(bins - mean) * gain`` of some pixels, pixel-major.

        As `unpack`, for all time bins of the pixels that `rows`, `cols`, `mean` and
        `gain` are of.
        """
        window = WHOLE, rows, cols
        length = self.header.bin_frames
        return self._unpacked(self.binned, window, length, mean, gain)

    def movie(self) -> Movie:
        """Return the registered movie."""
        header = self.header
        return Movie(
            self,
            header.frame_rate_hz,
            header.pixel_size_um,
            fingerprint=header.fingerprint,
        )

    def write(self, first: int, codes: np.ndarray) -> None:
        """Write one block of a draft, and its bins; from any thread, in any order.

        Parameters
        ----------
        first : int
            Its first frame, a multiple of `block_frames`.
        codes : ndarray (n, Y, X)
            uint16, a whole block or what is left at the end.
        """
        with explained(self.path):
            self.frames.write(first, codes)
            bins = self.header.bin_frames
            if bins > 1 and len(codes) >= bins:
                sums = np.empty((len(codes) // bins, *codes.shape[1:]), np.uint32)
                sum_bins(codes, bins, sums)
                self.binned.write(first // bins, sums)

    def sync(self, firsts: Iterable[int]) -> None:
        """Wait until some blocks are on the disk, named by their first frames."""
        with explained(self.path):
            for array, first in self._parts_of(firsts):
                array.sync(first)

    def holds(self, firsts: Iterable[int]) -> bool:
        """Whether some blocks are there, named by their first frames."""
        return all(array.holds(first) for array, first in self._parts_of(firsts))

    def _parts_of(self, firsts: Iterable[int]) -> Iterator[tuple[ChunkedArray, int]]:
        """Yield the arrays that some blocks are in, and where."""
        bins = self.header.bin_frames
        for first in firsts:
            yield self.frames, first
            if bins > 1 and self.shape[0] - first >= bins:
                yield self.binned, first // bins

    def finish(self, path: Path, n_clipped: int) -> TiledStore:
        """Give a draft its final name, in place of an older store, and return it."""
        with explained(path):
            for cut_short in self.path.rglob("*.part"):  # by a worker that was lost
                cut_short.unlink(missing_ok=True)
            _write_header(self.path, replace(self.header, n_clipped=n_clipped))
            discard(path)
            self.path.rename(path)
        return TiledStore.open(path)

    def __reduce__(self) -> tuple[Any, ...]:
        """Leave out what was read."""
        return type(self), (
            self.path,
            self.header,
            self.base,
            self.frames,
            self.binned,
        )

    def _unpacked(
        self,
        array: ChunkedArray,
        window: tuple[slice, slice, slice],
        length: int,
        mean: np.ndarray,
        gain: np.ndarray,
    ) -> np.ndarray:
        """Return a block of an array pixel-major, shifted and scaled."""
        n, height, width = array.extent(*window)
        out = np.empty((height, width, n), np.float32)
        base, step = self._line(window, length)
        scale, shift = step * gain, (base - mean) * gain
        for place, inside, tile in array.tiles(*window):
            starts = tuple(part.start for part in place)
            shape = tuple(part.stop - part.start for part in place)
            wanted = tuple(part.start for part in inside)
            unpack(tile, wanted, scale, shift, out, starts, shape)
        return out.reshape(height * width, n)

    def _line(
        self, window: tuple[slice, slice, slice], length: int
    ) -> tuple[np.ndarray, np.float32]:
        """Return base and step of the values of codes, or of their sums in bins."""
        step = self.header.step / length
        shift = np.float32(step * BIN_SHIFT * (length - 1))
        return self.scale.base[window[1:]] - shift, np.float32(step)

    def _values(
        self, array: ChunkedArray, window: tuple[slice, slice, slice], length: int
    ) -> np.ndarray:
        """Return a block of an array of bins of some length as values."""
        values = np.empty(array.extent(*window), np.float32)
        base, step = self._line(window, length)
        for place, part in array.parts(*window):
            # Three plain passes: numpy multiplies mixed types at half this speed.
            scaled = part.astype(np.float32)
            scaled *= step
            np.add(scaled, base[place[1:]], out=values[place])
        return values


def _write_header(path: Path, header: StoreHeader) -> None:
    """Write the description of the group, which makes a store whole."""
    about: dict[str, Any] = {"zarr_format": 3, "node_type": "group"}
    about["attributes"] = asdict(header)
    (path / "zarr.json").write_text(json.dumps(about, indent=2))


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn an error of the file system into a sentence that says what to do."""
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"The registered movie cannot be written to {path} ({error.strerror}); "
            "free space there or choose another output folder."
        ) from error
