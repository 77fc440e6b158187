"""The pass over the frames, block by block: everything is done while one is in memory.

Each block is read, registered, turned into codes, summed for the summary images (as
recorded, too), compared with the template and written.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from napari_cnmf.motion.lines import correct_lines
from napari_cnmf.motion.metrics import match_frames
from napari_cnmf.motion.plan import Alignment, Plan
from napari_cnmf.motion.registrar import Motion, Target, joined, move_back
from napari_cnmf.movie.blocks import group_frames
from napari_cnmf.movie.movie import Movie
from napari_cnmf.movie.store import TiledStore
from napari_cnmf.summary.images import Accumulator

BATCH_BYTES = 16 * 2**20


class Found(NamedTuple):
    """What is found of frames, one by one.

    Attributes
    ----------
    motion : Motion
    before, after : ndarray
        (n, 2), correlation with the template and contrast, as recorded and registered.
    residual : ndarray
        (groups, 2) px, rms displacement of the means of groups, likewise.
    """

    motion: Motion
    before: np.ndarray
    after: np.ndarray
    residual: np.ndarray

    @classmethod
    def joined(cls, parts: list[Found]) -> Found:
        """Return what was found of several runs of frames, one after the other."""
        motions, *others = zip(*parts, strict=True)
        return cls(joined(motions), *map(np.concatenate, others))


@dataclass(slots=True)
class Sums:
    """Sums over the frames as recorded (if they are registered), and as stored."""

    before: Accumulator
    after: Accumulator

    @classmethod
    def empty(cls, field_shape: tuple[int, int], bin_frames: int) -> Sums:
        """Return the sums of no frames."""
        group = group_frames(bin_frames)
        return cls(*(Accumulator.empty(field_shape, group) for _ in range(2)))

    def merge(self, other: Sums) -> None:
        """Add what another one has summed."""
        self.before.merge(other.before)
        self.after.merge(other.after)


@dataclass(frozen=True, eq=False)
class BlockPass:
    """The task of one block: read, register, encode, sum, compare and write it."""

    movie: Movie
    plan: Plan
    store: TiledStore

    def __call__(self, first: int) -> tuple[Sums, list[Found], int]:
        """Work on the block that begins with a frame."""
        last = min(first + self.store.block_frames, self.movie.n_frames)
        raw = self.movie.read(slice(first, last))
        codes = np.empty(raw.shape, np.uint16)
        sums = Sums.empty(self.movie.field_shape, self.store.header.bin_frames)
        found: list[Found] = []
        n_clipped = 0
        # Few frames at a time: float copies of the block would triple the memory.
        few = max(1, BATCH_BYTES // (4 * sums.after.group * raw[0].size))
        for start in range(0, len(raw), few * sums.after.group):
            batch = slice(start, start + few * sums.after.group)
            frames = raw[batch].astype(np.float32)
            if self.plan.alignment is not None:
                sums.before.add(self._codes(frames))
                numbers = first + start + np.arange(len(frames))
                frames, rest = register(
                    frames, numbers, self.plan.alignment, sums.after.group
                )
                found.append(rest)
            n_clipped += self.plan.scale.encode(frames, codes[batch])
        sums.after.add(codes)
        self.store.write(first, codes)
        return sums, found, n_clipped

    def _codes(self, frames: np.ndarray) -> np.ndarray:
        """Return the codes of frames (n, Y, X)."""
        codes = np.empty(frames.shape, np.uint16)
        self.plan.scale.encode(frames, codes)
        return codes


def register(
    frames: np.ndarray, numbers: np.ndarray, how: Alignment, group: int
) -> tuple[np.ndarray, Found]:
    """Register frames.

    Parameters
    ----------
    frames : ndarray
        (n, Y, X) float32, as recorded.
    numbers : ndarray
        (n,), of the frames.
    how : Alignment
    group : int
        Frames of a group, for the residual displacement.

    Returns
    -------
    moved : ndarray
        (n, Y, X) float32.
    found : Found
    """
    lined = correct_lines(frames, how.line_offset_px)
    motion = how.finder.find(lined, numbers)
    moved = move_back(lined, motion, how.finder.places, how.target.template)
    before, after = (match_frames(f, how.pattern) for f in (frames, moved))
    residual = [_residual(f, group, how.target) for f in (lined, moved)]
    return moved, Found(motion, before, after, np.stack(residual, axis=1))


def _residual(frames: np.ndarray, group: int, target: Target) -> np.ndarray:
    """Rms displacement of the mean of each group of frames from the template."""
    starts = range(0, len(frames), group)
    means = [frames[start : start + group].mean(axis=0) for start in starts]
    fields = target.fields(np.array(means))
    rms: np.ndarray = np.sqrt((fields * fields).mean(axis=(1, 2)))
    return rms
