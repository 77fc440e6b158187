"""Fewer frames and pixels: means over spans of time and over areas.

Output i of an axis is the mean over [i / f, (i + 1) / f) of it, where f is the factor
and an input that lies partly inside counts by that part (area interpolation). What is
left over at the end is dropped, so that frame rate and pixel size follow f exactly.
Overlaps are counted in whole numbers and added up in a fixed order: a value does not
depend on which block was asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from napari_cnmf.errors import ParameterError
from napari_cnmf.movie.sources import WHOLE

if TYPE_CHECKING:
    from napari_cnmf.movie.movie import FrameSource

#: Of the pixels that are averaged at a time, as float32.
BLOCK_BYTES = 8 * 2**20
#: Any factor of three digits is exact; 0.3333 is a third.
_MAX_DENOMINATOR = 1000


@dataclass(frozen=True, slots=True)
class MeanAxis:
    """How one axis is averaged.

    Attributes
    ----------
    length : int
        Inputs.
    factor : Fraction
        Outputs for an input, at most 1.
    """

    length: int
    factor: Fraction

    def __len__(self) -> int:
        return int(self.length * self.factor)

    def begun_at(self, edge: int) -> int:
        """Return the first output that begins at an input, or after it."""
        numerator, denominator = self.factor.as_integer_ratio()
        return min(-(-edge * numerator // denominator), len(self))

    def inputs(self, outputs: range) -> slice:
        """Return the inputs that some consecutive outputs are means of."""
        numerator, denominator = self.factor.as_integer_ratio()
        last = -(-outputs.stop * denominator // numerator)
        return slice(outputs.start * denominator // numerator, last)

    def takers(self, index: int) -> Iterator[tuple[int, int]]:
        """Yield the outputs, at most two, that take some of an input, and how much.

        How much is counted in shares, of which an output has as many as the
        denominator of the factor says.
        """
        numerator, denominator = self.factor.as_integer_ratio()
        start, stop = index * numerator, (index + 1) * numerator
        for output in range(start // denominator, -(-stop // denominator)):
            low, high = output * denominator, (output + 1) * denominator
            yield output, min(high, stop) - max(low, start)

    def taken(self, outputs: range) -> tuple[np.ndarray, np.ndarray]:
        """Return the inputs (n, k) of some outputs, and their shares (n, k)."""
        numerator, denominator = self.factor.as_integer_ratio()
        low = np.arange(outputs.start, outputs.stop)[:, None] * denominator
        high = low + denominator
        most = (numerator + denominator - 2) // numerator + 1
        index = low // numerator + np.arange(most)
        inside = np.minimum(high, (index + 1) * numerator)
        shares = np.maximum(inside - np.maximum(low, index * numerator), 0)
        return np.minimum(index, (high - 1) // numerator), shares


@dataclass(frozen=True, eq=False)
class ResampledSource:
    """Means of the frames and pixels of another source, as float32.

    Attributes
    ----------
    source : FrameSource
        What is averaged.
    time, height, width : MeanAxis
        How.
    """

    source: FrameSource
    time: MeanAxis
    height: MeanAxis
    width: MeanAxis

    @classmethod
    def of(
        cls, source: FrameSource, space: Fraction, time: Fraction
    ) -> ResampledSource:
        """Average the rows and columns of a source alike."""
        n_frames, height, width = source.shape
        return cls(
            source,
            MeanAxis(n_frames, time),
            MeanAxis(height, space),
            MeanAxis(width, space),
        )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Frames, rows and columns (T, Y, X)."""
        return len(self.time), len(self.height), len(self.width)

    @property
    def dtype(self) -> np.dtype:
        """Type of a pixel."""
        return np.dtype(np.float32)

    def read(
        self, frames: slice, rows: slice = WHOLE, cols: slice = WHOLE
    ) -> np.ndarray:
        """Return a freshly owned block (n, y, x)."""
        parts = zip(self.shape, (frames, rows, cols), strict=True)
        t, y, x = (range(length)[part] for length, part in parts)
        block = np.empty((len(t), len(y), len(x)), np.float32)
        if block.size:
            inside = self.height.inputs(y), self.width.inputs(x)
            few = 1 if t.step > 1 else _few_frames(*inside)
            for first in range(0, len(t), few):
                piece = t[first : first + few]
                means = self._in_time(range(piece[0], piece[-1] + 1), *inside)
                means = _in_space(means, 1, self.height, y)
                block[first : first + few] = _in_space(means, 2, self.width, x)
        return block

    def _in_time(self, outputs: range, rows: slice, cols: slice) -> np.ndarray:
        """Return the means of frames, of some consecutive outputs."""
        inputs, few = self.time.inputs(outputs), _few_frames(rows, cols)
        height, width = rows.stop - rows.start, cols.stop - cols.start
        sums = np.zeros((len(outputs), height, width), np.float32)
        for first in range(inputs.start, inputs.stop, few):
            part = slice(first, min(first + few, inputs.stop))
            for t, frame in enumerate(self.source.read(part, rows, cols), first):
                for output, share in self.time.takers(t):
                    if output in outputs:
                        sums[output - outputs.start] += np.float32(share) * frame
        sums /= np.float32(self.time.factor.denominator)
        return sums


def as_factor(name: str, factor: float) -> Fraction:
    """Return a factor as the fraction that it stands for.

    Raises
    ------
    ParameterError
        If it is not above 0 and at most 1.
    """
    fraction = Fraction(0)
    if 0 < factor <= 1:
        fraction = Fraction(factor).limit_denominator(_MAX_DENOMINATOR)
    if not fraction:
        raise ParameterError(
            f"{name} is {factor}, but a movie is resampled by a factor of 0.001 to 1, "
            "such as 0.5 for half as many; give one of these."
        )
    return fraction


def _few_frames(rows: slice, cols: slice) -> int:
    """Return how many frames of some pixels are worked on at a time."""
    n_px = (rows.stop - rows.start) * (cols.stop - cols.start)
    return max(1, BLOCK_BYTES // (4 * n_px))


def _in_space(
    frames: np.ndarray, axis: int, means: MeanAxis, outputs: range
) -> np.ndarray:
    """Return the means along rows or columns, of frames that hold what they take."""
    if means.factor == 1:
        return frames
    index, shares = means.taken(outputs)
    index -= index[0, 0]
    along = (-1, 1) if axis == 1 else (-1,)
    weights = [part.reshape(along) for part in shares.T.astype(np.float32)]
    total = weights[0] * frames.take(index[:, 0], axis)
    for weight, chosen in zip(weights[1:], index.T[1:], strict=True):
        total += weight * frames.take(chosen, axis)
    total /= np.float32(means.factor.denominator)
    return total
