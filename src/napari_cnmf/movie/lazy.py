"""Frames that are worked out when they are asked for, indexed like an array.

What a viewer shows need not exist as an array: it needs a shape, a type of pixel and
an answer to an index. Integers and slices are turned into the block of frames, rows
and columns that is wanted, so that nothing else is read or computed.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from operator import index
from typing import Any

import numpy as np

WHOLE = slice(None)


class LazyFrames(ABC):
    """A movie (T, Y, X), perhaps with colours behind, computed on demand.

    Every one is a `FrameSource` too.

    Attributes
    ----------
    shape : tuple of int
        Frames, rows, columns, and 3 if in colour.
    dtype : numpy.dtype
        Type of a pixel.
    """

    shape: tuple[int, ...]
    dtype: np.dtype

    @abstractmethod
    def read(
        self, frames: slice, rows: slice = WHOLE, cols: slice = WHOLE
    ) -> np.ndarray:
        """Return a block (n, y, x); only `frames` may have a step."""

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of values."""
        return math.prod(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> np.ndarray:
        parts = list(key) if isinstance(key, tuple) else [key]
        if Ellipsis in parts:
            at = parts.index(Ellipsis)
            parts[at : at + 1] = [WHOLE] * (self.ndim - len(parts) + 1)
        parts += [WHOLE] * (3 - len(parts))
        frames, of_frames = _window(parts[0], self.shape[0])
        # Steps in time are worth not reading what lies between; in space they are not.
        if isinstance(of_frames, slice):
            step = of_frames.step
            frames = slice(frames.start, frames.stop, abs(step))
            of_frames = slice(None, None, 1 if step > 0 else -1)
        (rows, of_rows), (cols, of_cols) = map(_window, parts[1:3], self.shape[1:3])
        return self.read(frames, rows, cols)[(of_frames, of_rows, of_cols, *parts[3:])]


def _window(part: Any, length: int) -> tuple[slice, Any]:
    """Slice without a step that holds what is wanted, and where in it that is."""
    if not isinstance(part, slice):
        i = range(length)[index(part)]
        return slice(i, i + 1), 0
    wanted = range(length)[part]
    low, high = sorted((wanted[0], wanted[-1])) if wanted else (0, -1)
    return slice(low, high + 1), slice(None, None, wanted.step)
