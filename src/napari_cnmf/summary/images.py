"""Summary images from exact sums over the codes of a movie.

Blocks are summed on their own and merged in any order; being whole numbers, the sums
are the same to the last bit for any blocks and any number of workers. Only at the end
are they turned into means, variances and Pearson correlations, in float64. The
correlation image is the mean over the neighbours that exist, from the products with
four of them: the others are the same products seen from the other side.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from napari_cnmf.movie.images import SummaryImages
from napari_cnmf.movie.scale import Scale
from napari_cnmf.summary.kernels import add_block

#: Places (dy, dx) of the neighbours whose products are summed.
NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1))
#: A second difference of white noise has six times its variance.
BEND_VARIANCE = 6


@dataclass(slots=True)
class Accumulator:
    """Running sums of the codes of a movie.

    Attributes
    ----------
    sums : ndarray (7, Y, X)
        int64: codes, squares, products with the neighbours of `NEIGHBOURS`, squared
        second differences in time.
    maximum : ndarray (Y, X)
        uint16, the largest codes.
    group : int
        Frames of a group; second differences stay inside it.
    n_frames, n_bends : int
        Frames, and second differences of a pixel, summed so far.
    """

    sums: np.ndarray
    maximum: np.ndarray
    group: int
    n_frames: int = 0
    n_bends: int = 0

    @classmethod
    def empty(cls, field_shape: tuple[int, int], group: int) -> Self:
        """Return the sums of no frames."""
        sums = np.zeros((7, *field_shape), np.int64)
        return cls(sums, np.zeros(field_shape, np.uint16), group)

    def add(self, codes: np.ndarray) -> None:
        """Add a block (n, Y, X) of uint16 codes that begins with a group."""
        add_block(codes, self.group, self.sums, self.maximum)
        self.n_frames += len(codes)
        groups, rest = divmod(len(codes) // 2 * 2, self.group)
        self.n_bends += groups * (self.group - 2) + max(rest - 2, 0)

    def merge(self, other: Accumulator) -> None:
        """Add what another one has summed."""
        self.sums += other.sums
        np.maximum(self.maximum, other.maximum, out=self.maximum)
        self.n_frames += other.n_frames
        self.n_bends += other.n_bends

    def images(
        self, scale: Scale, neighbours: int = 8, valid: np.ndarray | None = None
    ) -> SummaryImages:
        """Return the images of the frames summed so far.

        Parameters
        ----------
        scale : Scale
            What a code stands for.
        neighbours : {8, 4}
            Neighbours of a pixel in the correlation image.
        valid : ndarray (Y, X) of bool, optional
            Pixels that hold data; all by default. The others have noise and
            correlation 0 and are nobody's neighbours.
        """
        if valid is None:
            valid = np.ones(self.maximum.shape, bool)
        mean = self.sums[0] / max(self.n_frames, 1)
        variance = self.sums[1] / max(self.n_frames, 1) - mean * mean
        deviation = np.sqrt(np.maximum(variance, 0))
        noise = np.sqrt(self.sums[6] / (BEND_VARIANCE * max(self.n_bends, 1)))
        largest = scale.base + scale.step * self.maximum.astype(np.float64)
        return SummaryImages(
            mean=(scale.base + scale.step * mean).astype(np.float32),
            maximum=largest.astype(np.float32),
            std=(scale.step * deviation).astype(np.float32),
            correlation=self._correlation(mean, deviation, neighbours, valid),
            noise=(scale.step * noise * valid).astype(np.float32),
            valid=valid,
        )

    def _correlation(
        self,
        mean: np.ndarray,
        deviation: np.ndarray,
        neighbours: int,
        valid: np.ndarray,
    ) -> np.ndarray:
        """Return the mean Pearson correlation with the neighbours that exist."""
        total = np.zeros(mean.shape)
        count = np.zeros(mean.shape)
        for place, products in zip(NEIGHBOURS, self.sums[2:6], strict=True):
            if neighbours == 4 and all(place):
                continue
            here, there = _pair(place)
            both = deviation[here] * deviation[there]
            covariance = products[here] / max(self.n_frames, 1)
            covariance -= mean[here] * mean[there]
            exists = valid[here] & valid[there]
            pearson = np.divide(
                covariance, both, out=np.zeros(both.shape), where=exists & (both > 0)
            )
            for side in (here, there):
                total[side] += pearson
                count[side] += exists
        return (total / np.maximum(count, 1)).astype(np.float32)


def _pair(place: tuple[int, int]) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return the pixels that have a neighbour at a place, and those neighbours."""
    down, right = place
    rows = slice(None, -down or None), slice(down, None)
    cols = slice(None, -right or None), slice(right, None)
    if right < 0:
        cols = slice(-right, None), slice(None, right)
    return (rows[0], cols[0]), (rows[1], cols[1])
