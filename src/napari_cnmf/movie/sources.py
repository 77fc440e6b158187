"""Where frames come from: arrays, chains of sources, parts of sources.

Every class here follows the contract of `FrameSource` in `movie.py`: slices arrive
with explicit bounds, and blocks leave in native byte order.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cnmf.errors import InputError

if TYPE_CHECKING:
    from napari_cnmf.movie.movie import FrameSource

logger = logging.getLogger(__name__)

WHOLE = slice(None)
PIXEL_TYPES = ("uint8", "uint16", "int16", "float32")


def bounded(name: str, index: slice, length: int, max_step: int | None = None) -> slice:
    """Return a slice with explicit bounds, refusing steps that a source cannot do."""
    start, stop, step = index.indices(length)
    if step < 1 or (max_step is not None and step > max_step):
        allowed = "1" if max_step == 1 else "at least 1"
        raise InputError(
            f"{name} has the step {step}, but the step must be {allowed}; "
            "take a slice without it."
        )
    return slice(start, max(start, stop), step)


class ArraySource:
    """Frames of a numpy array, or of anything that is indexed and shaped like one."""

    def __init__(self, array: Any) -> None:
        array = array if hasattr(array, "shape") else np.asarray(array)
        if len(array.shape) != 3:
            raise InputError(
                f"The array has the shape {tuple(array.shape)}, but a movie has three "
                "axes: frames, rows and columns; reshape it or choose a part of it."
            )
        self.array = array
        self.shape: tuple[int, int, int] = tuple(array.shape)
        self.dtype: np.dtype = np.dtype(array.dtype).newbyteorder("=")

    def read(
        self, frames: slice, rows: slice = WHOLE, cols: slice = WHOLE
    ) -> np.ndarray:
        """Return a block (n, y, x), a read-only view where that is possible."""
        block = np.asarray(self.array[frames, rows, cols], dtype=self.dtype).view()
        block.flags.writeable = False
        return block


class ConvertedSource:
    """Frames of another source, converted to float32 as they are read."""

    def __init__(self, source: FrameSource) -> None:
        self.source = source
        self.shape = source.shape
        self.dtype = np.dtype(np.float32)

    def read(
        self, frames: slice, rows: slice = WHOLE, cols: slice = WHOLE
    ) -> np.ndarray:
        """Return a block (n, y, x) of float32."""
        return self.source.read(frames, rows, cols).astype(np.float32)


def native(source: FrameSource, name: str) -> FrameSource:
    """Return a source of one of the pixel types that all stages work on.

    Those are uint8, uint16, int16 and float32, the types of cameras and digitisers;
    other real numbers become float32, exact for integers up to 2**24.
    """
    if source.dtype.name in PIXEL_TYPES:
        return source
    if source.dtype.kind not in "iuf":
        raise InputError(
            f"{name} holds {source.dtype.name} pixels, but a movie needs real numbers "
            f"({', '.join(PIXEL_TYPES)}); convert it first."
        )
    logger.info("%s holds %s pixels: read as float32", name, source.dtype.name)
    return ConvertedSource(source)


class ChainSource:
    """Several sources one after the other in time.

    Parameters
    ----------
    sources : sequence of FrameSource
        At least one; fields and pixel types must agree.
    names : sequence of str
        What to call each source in an error.
    """

    def __init__(self, sources: Sequence[FrameSource], names: Sequence[str]) -> None:
        for source, name in zip(sources, names, strict=True):
            _require_same_form(sources[0], names[0], source, name)
        self.sources = tuple(sources)
        self.edges = (0, *accumulate(source.shape[0] for source in sources))
        self.shape = (self.edges[-1], *sources[0].shape[1:])
        self.dtype = sources[0].dtype

    def read(
        self, frames: slice, rows: slice = WHOLE, cols: slice = WHOLE
    ) -> np.ndarray:
        """Return a block (n, y, x), put together from the sources it touches."""
        touched = list(self._touched(frames))
        if len(touched) == 1:
            source, part = touched[0]
            return source.read(part, rows, cols)
        lengths = zip(self.shape, (frames, rows, cols), strict=True)
        block = np.empty([len(range(n)[part]) for n, part in lengths], self.dtype)
        done = 0
        for source, part in touched:
            piece = source.read(part, rows, cols)
            block[done : done + len(piece)] = piece
            done += len(piece)
        return block

    def _touched(self, frames: slice) -> Iterator[tuple[FrameSource, slice]]:
        """Yield each source that holds wanted frames, with those frames."""
        start, stop, step = frames.indices(self.shape[0])
        i = int(np.searchsorted(self.edges, start, side="right")) - 1
        while start < stop:
            first, end = self.edges[i], self.edges[i + 1]
            wanted = range(start, min(stop, end), step)
            if wanted:
                part = slice(wanted[0] - first, wanted[-1] - first + 1, step)
                yield self.sources[i], part
                start = wanted[-1] + step
            i += 1


def _require_same_form(
    first: FrameSource, first_name: str, other: FrameSource, other_name: str
) -> None:
    """Refuse to chain sources whose fields or pixel types differ."""
    if (first.shape[1:], first.dtype) != (other.shape[1:], other.dtype):
        raise InputError(
            f"{first_name} has frames of {_form(first)}, but {other_name} has frames "
            f"of {_form(other)}; one recording needs the same size and type in all "
            "its files, so open these apart."
        )


def _form(source: FrameSource) -> str:
    """Return size and type of a source's frames in words."""
    return f"{source.shape[1]} x {source.shape[2]} {source.dtype.name}"


@dataclass(frozen=True, eq=False)
class SubsetSource:
    """Some frames, rows and columns of another source.

    Attributes
    ----------
    source : FrameSource
        The whole.
    frames, rows, cols : slice
        The part, with explicit bounds within the whole.
    """

    source: FrameSource
    frames: slice
    rows: slice
    cols: slice

    @cached_property
    def shape(self) -> tuple[int, int, int]:
        """Frames, rows and columns (T, Y, X) of the part."""
        t, y, x = (len(_range(part)) for part in (self.frames, self.rows, self.cols))
        return t, y, x

    @property
    def dtype(self) -> np.dtype:
        """Type of a pixel."""
        return self.source.dtype

    def read(
        self, frames: slice, rows: slice = WHOLE, cols: slice = WHOLE
    ) -> np.ndarray:
        """Return a block (n, y, x) of the part."""
        return self.source.read(
            _within(self.frames, frames),
            _within(self.rows, rows),
            _within(self.cols, cols),
        )


def _range(part: slice) -> range:
    """Return the indices of a slice with explicit bounds."""
    return range(part.start, part.stop, part.step)


def _within(outer: slice, inner: slice) -> slice:
    """Return the slice of the whole that `inner` takes of `outer`."""
    taken = _range(outer)[inner]
    return slice(taken.start, max(taken.start, taken.stop), taken.step)
