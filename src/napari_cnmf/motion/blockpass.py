"""The pass over the frames, block by block: everything is done while one is in memory.

Each block is read, registered, turned into codes, summed for the summary images (as
recorded, too), compared with the template and written.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from napari_cnmf.motion.lines import correct_lines
from napari_cnmf.motion.metrics import match_frames
from napari_cnmf.motion.plan import Alignment, Plan
from napari_cnmf.motion.registrar import Motion, Target, joined, move_back
from napari_cnmf.movie.blocks import BATCH_BYTES, group_frames, run_frames
from napari_cnmf.movie.movie import Movie
from napari_cnmf.movie.store import TiledStore
from napari_cnmf.summary.images import Accumulator


class Found(NamedTuple):
    """What is found of frames, one by one.

    Attributes
    ----------
    motion : Motion
    before, after : ndarray
        (n, 2), correlation with the template and contrast, as recorded and registered.
    residual : ndarray
        (runs, 2) px, rms displacement of the means of runs, likewise.
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
class Tally:
    """What blocks have given so far.

    Attributes
    ----------
    before, after : Accumulator
        Sums over the frames as recorded (if they are registered), and as stored.
    found : list of Found
        In the order of the frames; empty if nothing is registered.
    n_clipped : int
        Values that lay outside the range of the codes.
    """

    before: Accumulator
    after: Accumulator
    found: list[Found] = field(default_factory=list)
    n_clipped: int = 0

    @classmethod
    def empty(cls, store: TiledStore) -> Tally:
        """Return that of no blocks of a store."""
        group = group_frames(store.header.bin_frames)
        shape = store.shape[1:]
        return cls(Accumulator.empty(shape, group), Accumulator.empty(shape, group))

    def merge(self, later: Tally) -> None:
        """Add what later blocks have given."""
        self.before.merge(later.before)
        self.after.merge(later.after)
        self.found += later.found
        self.n_clipped += later.n_clipped


@dataclass(frozen=True, eq=False)
class BlockPass:
    """The task of one block: read, register, encode, sum, compare and write it."""

    movie: Movie
    plan: Plan
    store: TiledStore

    @property
    def run(self) -> int:
        """Frames of a run, in whose mean the displacement that is left is measured."""
        group = group_frames(self.store.header.bin_frames)
        return run_frames(self.movie.field_shape, group)

    def __call__(self, first: int) -> Tally:
        """Work on the block that begins with a frame."""
        last = min(first + self.store.block_frames, self.movie.n_frames)
        raw = self.movie.read(slice(first, last))
        codes = np.empty(raw.shape, np.uint16)
        tally = Tally.empty(self.store)
        # Few frames at a time: float copies of the block would triple the memory.
        n_runs = max(1, BATCH_BYTES // (4 * self.run * raw[0].size))
        for start in range(0, len(raw), n_runs * self.run):
            batch = slice(start, start + n_runs * self.run)
            frames = raw[batch].astype(np.float32)
            if self.plan.alignment is not None:
                tally.before.add(self._codes(frames))
                numbers = first + start + np.arange(len(frames))
                frames, found = register(frames, numbers, self.plan.alignment, self.run)
                tally.found.append(found)
            tally.n_clipped += self.plan.scale.encode(frames, codes[batch])
        tally.after.add(codes)
        self.store.write(first, codes)
        return tally

    def _codes(self, frames: np.ndarray) -> np.ndarray:
        """Return the codes of frames (n, Y, X)."""
        codes = np.empty(frames.shape, np.uint16)
        self.plan.scale.encode(frames, codes)
        return codes


def register(
    frames: np.ndarray, numbers: np.ndarray, how: Alignment, run: int
) -> tuple[np.ndarray, Found]:
    """Register frames.

    Parameters
    ----------
    frames : ndarray
        (n, Y, X) float32, as recorded.
    numbers : ndarray
        (n,), of the frames.
    how : Alignment
    run : int
        Frames of a run, for the displacement that is left.

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
    residual = [_residual(f, run, how.target) for f in (lined, moved)]
    return moved, Found(motion, before, after, np.stack(residual, axis=1))


def _residual(frames: np.ndarray, run: int, target: Target) -> np.ndarray:
    """Rms displacement of the mean of each run of frames from the template."""
    starts = range(0, len(frames), run)
    means = [frames[start : start + run].mean(axis=0) for start in starts]
    fields = target.fields(np.array(means))
    rms: np.ndarray = np.sqrt((fields * fields).mean(axis=(1, 2)))
    return rms
