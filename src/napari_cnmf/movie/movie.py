"""The movie as a value: frames that are read on demand, and what is known of them.

A `Movie` is a `FrameSource` (anything that can hand out a block of frames) with its
frame rate, pixel size, the files it came from and a fingerprint of its content.
Nothing is read until `Movie.read` is called, and nothing is ever written.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import accumulate
from pathlib import PurePath
from typing import Any, Protocol

import numpy as np

from napari_cnmf.errors import InputError
from napari_cnmf.movie.fingerprint import fingerprint_of, fingerprint_of_frames
from napari_cnmf.movie.resampled import MeanAxis, ResampledSource, as_factor
from napari_cnmf.movie.sources import (
    ArraySource,
    ChainSource,
    SubsetSource,
    bounded,
    native,
)

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

    def subset_of_each(self, frames: slice) -> Movie:
        """Return the frames that a slice chooses of each file, one after another.

        Parameters
        ----------
        frames : slice
            Counted from the first frame of each file; a file that has none of them is
            left out. A movie that came from no file is taken as one.

        Raises
        ------
        InputError
            If nothing is left.
        """
        if len(self.files) < 2:
            return self.subset(frames)
        windows = [_within(file, frames) for file in self.files]
        kept = [(file, w) for file, w in zip(self.files, windows, strict=True) if w]
        if not kept:
            raise InputError(
                f"None of the {len(self.files)} files has any of the chosen frames; "
                "choose earlier ones."
            )
        return self._chained(*zip(*kept, strict=True))

    def _chained(
        self, files: tuple[FileSpan, ...], windows: tuple[range, ...]
    ) -> Movie:
        """Return some frames of each of some files."""
        _, height, width = self.shape
        field, step = (slice(0, height, 1), slice(0, width, 1)), windows[0].step
        parts = [slice(part.start, part.stop, step) for part in windows]
        edges = [0, *accumulate(map(len, windows))]
        spans = zip(files, edges, edges[1:], strict=False)
        numbers = np.concatenate([np.arange(t.start, t.stop, step) for t in windows])
        return replace(
            self,
            source=ChainSource(
                [SubsetSource(self.source, part, *field) for part in parts],
                [file.name for file in files],
            ),
            frame_rate_hz=self.frame_rate_hz and self.frame_rate_hz / step,
            files=tuple(replace(f, first=i, stop=j) for f, i, j in spans),
            left_out=tuple(np.flatnonzero(np.isin(numbers, self.left_out)).tolist()),
            fingerprint=fingerprint_of(self.fingerprint, *map(repr, parts)),
        )

    def resampled(self, *, space: float = 1.0, time: float = 1.0) -> Movie:
        """Return a movie of fewer, larger pixels and longer frames, still lazily.

        Parameters
        ----------
        space : float
            Pixels for each pixel along a side, above 0 and at most 1.
        time : float
            Frames for each frame, likewise; frame rate and pixel size follow.

        Returns
        -------
        Movie
            float32, int(T * time) frames of int(Y * space) x int(X * space) px: means
            over areas and spans of time (see `napari_cnmf.movie.resampled`). A frame
            belongs to the file in which it begins, and is left out if one of those
            that it is the mean of is.

        Raises
        ------
        ParameterError
            If a factor is not allowed.
        InputError
            If nothing is left.
        """
        in_space, in_time = as_factor("space", space), as_factor("time", time)
        if in_space == in_time == 1:
            return self
        source = ResampledSource.of(self.source, in_space, in_time)
        if not all(source.shape):
            raise InputError(
                f"Resampled by {space:g} in space and {time:g} in time, nothing is "
                f"left of {self.n_frames} frames of {self.field_shape[0]} x "
                f"{self.field_shape[1]} px; use factors that are closer to 1."
            )
        rate, size, axis = self.frame_rate_hz, self.pixel_size_um, source.time
        lost = {i for t in self.left_out for i, _ in axis.takers(t) if i < len(axis)}
        return replace(
            self,
            source=source,
            frame_rate_hz=rate and rate * float(in_time),
            pixel_size_um=size
            and (size[0] / float(in_space), size[1] / float(in_space)),
            files=tuple(span for f in self.files if (span := _seen_after(f, axis))),
            left_out=tuple(sorted(lost)),
            fingerprint=fingerprint_of(
                self.fingerprint, f"resampled {in_space} {in_time}"
            ),
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


def _seen_after(span: FileSpan, axis: MeanAxis) -> FileSpan | None:
    """Return a file's span among means of frames, None if none begins in it."""
    first, stop = axis.begun_at(span.first), axis.begun_at(span.stop)
    return replace(span, first=first, stop=stop) if first < stop else None


def _within(file: FileSpan, frames: slice) -> range:
    """Return the frames of a movie that a slice chooses of one of its files."""
    part = bounded("frames", frames, file.stop - file.first)
    return range(file.first, file.stop)[part]
