"""What every initialiser returns: footprints, traces, and where each began.

An initialiser is called with a movie (pixels, T) float32, mean removed and in units of
each pixel's noise (zero where there is no data), the valid pixels (Y, X), its
parameters, and the most components to return. The seeds are kept with the result, so
that it can be told later why a cell was found.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from napari_cnmf.cnmf.parameters import InitParameters


@dataclass(frozen=True, eq=False)
class Seeds:
    """Where each component began, in the order of the search.

    Attributes
    ----------
    yx : ndarray
        (K, 2) int64, pixel of the field or patch.
    score : ndarray
        (K,) float32, what the seed was picked by: the method's own measure.
    boxes : ndarray
        (K, 4) int64, where the first fit looked: first row, first column, last row + 1,
        last column + 1.
    iterations : ndarray
        (K,) int64, rounds of the first fit.
    """

    yx: np.ndarray
    score: np.ndarray
    boxes: np.ndarray
    iterations: np.ndarray

    def __len__(self) -> int:
        return len(self.score)

    def select(self, which: np.ndarray) -> Seeds:
        """Keep the chosen ones."""
        return Seeds(
            self.yx[which],
            self.score[which],
            self.boxes[which],
            self.iterations[which],
        )


@dataclass(frozen=True, eq=False)
class Found:
    """What an initialiser found.

    Attributes
    ----------
    footprints : csc_array
        (pixels, K) float32 with sorted int32 indices, in units of the pixels' noise.
    traces : ndarray
        (K, T) float32.
    seeds : Seeds
    """

    footprints: sp.csc_array
    traces: np.ndarray
    seeds: Seeds

    def __len__(self) -> int:
        return len(self.traces)

    @classmethod
    def none(cls, n_pixels: int, n_bins: int) -> Found:
        """No component, in a movie of this size."""
        return cls(
            sp.csc_array((n_pixels, 0), dtype=np.float32),
            np.zeros((0, n_bins), np.float32),
            Seeds(
                yx=np.zeros((0, 2), np.int64),
                score=np.zeros(0, np.float32),
                boxes=np.zeros((0, 4), np.int64),
                iterations=np.zeros(0, np.int64),
            ),
        )

    @classmethod
    def joined(cls, parts: Sequence[Found]) -> Found:
        """One after another, as found in the same field and frames."""
        seeds = [part.seeds for part in parts]
        return cls(
            sp.hstack([part.footprints for part in parts], format="csc"),
            np.concatenate([part.traces for part in parts]),
            Seeds(
                yx=np.concatenate([part.yx for part in seeds]),
                score=np.concatenate([part.score for part in seeds]),
                boxes=np.concatenate([part.boxes for part in seeds]),
                iterations=np.concatenate([part.iterations for part in seeds]),
            ),
        )

    def select(self, which: np.ndarray) -> Found:
        """Keep the chosen ones."""
        return Found(
            self.footprints[:, which], self.traces[which], self.seeds.select(which)
        )


@dataclass(frozen=True, eq=False)
class Candidate:
    """One component as a search takes it out of the movie.

    Attributes
    ----------
    image : ndarray
        (rows, columns) float32, its footprint within its box.
    corner : tuple of int
        First row and column of the box.
    trace : ndarray
        (T,) float32.
    yx : tuple of int
        Pixel that it was found at.
    score : float
        What that pixel was picked by.
    iterations : int
        Rounds of the fit.
    """

    image: np.ndarray
    corner: tuple[int, int]
    trace: np.ndarray
    yx: tuple[int, int]
    score: float
    iterations: int


def gathered(
    candidates: Sequence[Candidate], field_shape: tuple[int, int], n_bins: int
) -> Found:
    """Put the candidates of a search together, in its order."""
    if not candidates:
        return Found.none(field_shape[0] * field_shape[1], n_bins)
    corners = np.array([one.corner for one in candidates], np.int64)
    sizes = np.array([one.image.shape for one in candidates], np.int64)
    seeds = Seeds(
        yx=np.array([one.yx for one in candidates], np.int64),
        score=np.array([one.score for one in candidates], np.float32),
        boxes=np.concatenate([corners, corners + sizes], axis=1),
        iterations=np.array([one.iterations for one in candidates], np.int64),
    )
    columns = [_column(one, field_shape) for one in candidates]
    traces = np.stack([one.trace for one in candidates])
    return Found(sp.hstack(columns, format="csc"), traces, seeds)


def _column(one: Candidate, field_shape: tuple[int, int]) -> sp.coo_array:
    """Lay a candidate's footprint out as a column (pixels, 1)."""
    y, x = np.nonzero(one.image)
    pixels = (y + one.corner[0]) * field_shape[1] + x + one.corner[1]
    shape = (field_shape[0] * field_shape[1], 1)
    index = pixels.astype(np.int32), np.zeros_like(pixels, np.int32)
    return sp.coo_array((one.image[y, x], index), shape=shape)


Initialiser = Callable[[np.ndarray, np.ndarray, InitParameters, int], Found]
