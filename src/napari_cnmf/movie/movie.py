"""The movie as a value: frames that are read on demand, and what is known of them.

A `Movie` is a `FrameSource` (anything that can hand out a block of frames) with its
frame rate, pixel size, the files it came from and a fingerprint of its content.
Nothing is read until `Movie.read` is called, and nothing is ever written.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Any, Protocol

import numpy as np

from napari_cnmf.errors import InputError
from napari_cnmf.movie.fingerprint import fingerprint_of, fingerprint_of_frames
from napari_cnmf.movie.sources import ArraySource, SubsetSource, bounded, native

WHOLE = slice(None)


class FrameSource(Protocol):
    """Something that hands out blocks of frames.

    The contract: `read` gives frames x rows x columns in native byte order, either
    freshly owned or as a read-only view; slices lie within the shape, a frame step
    of at least one is allowed, rows and columns have step one. Several threads may
    call `read` at once. A source can be pickled and holds no open file.
    """

    @property
    def shape(self) -> tuple[int, int, int]:
        """Frames, rows and columns (T, Y, X)."""

    @property
    def dtype(self) -> np.dtype:
        """Type of a pixel, in native byte order."""

    def read(
        self, frames: slice, rows: slice = WHOLE, cols: slice = WHOLE
    ) -> np.ndarray:
        """Return a block (n, y, x)."""


@dataclass(frozen=True)
class FileSpan:
    """The frames of a movie that one file holds.

    Attributes
    ----------
    path : str
        The file, as it was opened.
    first, stop : int
        Its frames are ``range(first, stop)`` of the movie.
    size_bytes : int
        Size of the file.
    """

    path: str
    first: int
    stop: int
    size_bytes: int

    @property
    def name(self) -> str:
        """Name of the file, without its folder."""
        return PurePath(self.path).name


@dataclass(frozen=True, eq=False)
class Movie:
    """A lazy movie (T, Y, X) with what is known about its acquisition.

    Attributes
    ----------
    source : FrameSource
        Hands out the frames.
    frame_rate_hz : float, optional
        Frames a second.
    pixel_size_um : (float, float), optional
        Height and width of a pixel (y, x).
    files : tuple of FileSpan
        Which file holds which frames; empty for an array.
    left_out : tuple of int
        Frames that hold nothing to rely on, in rising order: cells are not searched for
        in them and traces are interpolated there.
    fingerprint : str
        SHA-256 of the content as sampled: equal wherever the movie is copied to.
    """

    source: FrameSource
    frame_rate_hz: float | None = None
    pixel_size_um: tuple[float, float] | None = None
    files: tuple[FileSpan, ...] = ()
    left_out: tuple[int, ...] = ()
    fingerprint: str = field(kw_only=True)

    def __post_init__(self) -> None:
        for name in ("frame_rate_hz", "pixel_size_um"):
            value = getattr(self, name)
            if value is not None and not np.all(_positive(value)):
                raise InputError(
                    f"{name} is {value}, but it must be positive and finite; "
                    "give the right value, or None if it is unknown."
                )

    @classmethod
    def from_array(
        cls,
        array: Any,
        *,
        frame_rate_hz: float | None = None,
        pixel_size_um: tuple[float, float] | None = None,
    ) -> Movie:
        """Return a movie over an array, without copying it.

        Parameters
        ----------
        array : array-like (T, Y, X)
            Integers or floats; types other than uint8, uint16, int16 and float32
            are read as float32.
        frame_rate_hz, pixel_size_um
            As in `Movie`.
        """
        source = native(ArraySource(array), "the array")
        return cls(
            source,
            frame_rate_hz,
            pixel_size_um,
            fingerprint=fingerprint_of_frames(source),
        )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Frames, rows and columns (T, Y, X)."""
        return self.source.shape

    @property
    def dtype(self) -> np.dtype:
        """Type of a pixel."""
        return self.source.dtype

    @property
    def identity(self) -> tuple[Any, ...]:
        """What decides the pixels, and what is made of them."""
        return self.fingerprint, self.shape, self.frame_rate_hz, self.left_out

    @property
    def n_frames(self) -> int:
        """Number of frames T."""
        return self.shape[0]

    @property
    def field_shape(self) -> tuple[int, int]:
        """Rows and columns (Y, X)."""
        return self.shape[1:]

    @property
    def duration_s(self) -> float | None:
        """Length in seconds, or None if the frame rate is unknown."""
        return self.n_frames / self.frame_rate_hz if self.frame_rate_hz else None

    def read(
        self, frames: slice = WHOLE, rows: slice = WHOLE, cols: slice = WHOLE
    ) -> np.ndarray:
        """Return a block of the movie.

        Parameters
        ----------
        frames, rows, cols : slice
            As in numpy indexing; only `frames` may have a step.

        Returns
        -------
        ndarray (n, y, x)
            Freshly owned, or a read-only view: copy it before writing to it.
        """
        return self.source.read(*self._bounded(frames, rows, cols))

    def subset(
        self, frames: slice = WHOLE, rows: slice = WHOLE, cols: slice = WHOLE
    ) -> Movie:
        """Return the part of the movie that the slices choose, still lazily.

        A step in `frames` divides the frame rate. Parameters as in `read`.
        """
        window = self._bounded(frames, rows, cols)
        if window == self._bounded(WHOLE, WHOLE, WHOLE):
            return self
        taken, step = window[0], window[0].step
        numbers = range(taken.start, taken.stop, step)
        return replace(
            self,
            source=SubsetSource(self.source, *window),
            frame_rate_hz=self.frame_rate_hz and self.frame_rate_hz / step,
            files=tuple(span for f in self.files if (span := _seen_through(f, taken))),
            left_out=tuple(numbers.index(t) for t in self.left_out if t in numbers),
            fingerprint=fingerprint_of(self.fingerprint, *map(repr, window)),
        )

    def with_(self, **changes: Any) -> Movie:
        """Return the movie with some attributes replaced."""
        return replace(self, **changes)

    def _bounded(
        self, frames: slice, rows: slice, cols: slice
    ) -> tuple[slice, slice, slice]:
        """Return the three slices with explicit bounds, checked."""
        length, height, width = self.shape
        return (
            bounded("frames", frames, length),
            bounded("rows", rows, height, max_step=1),
            bounded("cols", cols, width, max_step=1),
        )


def _positive(value: float | tuple[float, float]) -> np.ndarray:
    """Return which of the numbers are positive and finite."""
    numbers = np.asarray(value, dtype=np.float64)
    return np.isfinite(numbers) & (numbers > 0)


def _seen_through(span: FileSpan, taken: slice) -> FileSpan | None:
    """Return a file's span among the taken frames, None if it has none of them."""
    total = len(range(taken.start, taken.stop, taken.step))
    first, stop = (
        min(max(-((taken.start - edge) // taken.step), 0), total)
        for edge in (span.first, span.stop)
    )
    return replace(span, first=first, stop=stop) if first < stop else None
