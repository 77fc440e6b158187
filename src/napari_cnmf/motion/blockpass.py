"""The pass over the frames, block by block: everything is done while one is in memory.

Each block is read, registered, turned into codes, summed for the summary images (as
recorded, too), compared with the template and written.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import NamedTuple

import numpy as np

from napari_cnmf.motion.lines import correct_lines
from napari_cnmf.motion.metrics import match_frames
from napari_cnmf.motion.plan import Alignment, Plan
from napari_cnmf.motion.registrar import Motion, Target, joined, move_back
from napari_cnmf.movie.blocks import BATCH_BYTES, group_frames, run_frames
from napari_cnmf.movie.movie import Movie
from napari_cnmf.movie.scale import CENTRE_CODE
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

    def room_for(self, n_frames: int, n_runs: int) -> Found:
        """Return one of the same kind for more frames, of which nothing is found."""
        shifts, fields = self.motion
        many = None if fields is None else _zeros(n_frames, fields)
        return Found(
            Motion(_zeros(n_frames, shifts), many),
            _zeros(n_frames, self.before),
            _zeros(n_frames, self.after),
            _zeros(n_runs, self.residual),
        )

    def put(self, first: int, first_run: int, part: Found) -> None:
        """Put in what was found of the frames, and runs, from a first one on."""
        frames = slice(first, first + len(part.before))
        runs = slice(first_run, first_run + len(part.residual))
        self.motion.shifts[frames] = part.motion.shifts
        if self.motion.fields is not None:
            self.motion.fields[frames] = part.motion.fields
        self.before[frames], self.after[frames] = part.before, part.after
        self.residual[runs] = part.residual


def _zeros(n: int, like: np.ndarray) -> np.ndarray:
    """Return n rows of zeros like those of an array."""
    return np.zeros((n, *like.shape[1:]), like.dtype)


class BlockTally(NamedTuple):
    """What one block has given.

    Attributes
    ----------
    first : int
        Its first frame.
    before, after : Accumulator
        Sums over the frames as recorded (if they are registered), and as stored.
    found : Found or None
        None if nothing is registered.
    n_clipped : int
        Values that lay outside the range of the codes.
    """

    first: int
    before: Accumulator
    after: Accumulator
    found: Found | None
    n_clipped: int


@dataclass(slots=True)
class Tally:
    """What blocks have given so far.

    Attributes
    ----------
    before, after : Accumulator
        As in `BlockTally`, over all blocks that were added.
    added : ndarray of bool
        (blocks,), which these are.
    found : Found or None
        Of all frames; zero where no block was added.
    n_clipped : int
    """

    before: Accumulator
    after: Accumulator
    added: np.ndarray
    found: Found | None = None
    n_clipped: int = 0

    @classmethod
    def empty(cls, work: BlockPass) -> Tally:
        """Return that of no blocks of a pass."""
        return cls(*work.sums(), np.zeros(len(work.firsts), bool))

    def add(self, part: BlockTally, work: BlockPass) -> None:
        """Add what a block of a pass has given."""
        self.before.merge(part.before)
        self.after.merge(part.after)
        self.n_clipped += part.n_clipped
        self.added[part.first // work.store.block_frames] = True
        if part.found is not None:
            if self.found is None:
                n_frames = work.movie.n_frames
                self.found = part.found.room_for(n_frames, ceil(n_frames / work.run))
            self.found.put(part.first, part.first // work.run, part.found)


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

    @property
    def firsts(self) -> range:
        """First frame of each block."""
        return range(0, self.movie.n_frames, self.store.block_frames)

    def frames(self, first: int) -> slice:
        """Return the frames of the block that begins with a frame."""
        return slice(first, min(first + self.store.block_frames, self.movie.n_frames))

    def sums(self) -> tuple[Accumulator, Accumulator]:
        """Return the sums over no frames, as recorded and as stored."""
        group = group_frames(self.store.header.bin_frames)
        shape = self.movie.field_shape
        return Accumulator.empty(shape, group), Accumulator.empty(shape, group)

    def __call__(self, first: int) -> BlockTally:
        """Work on the block that begins with a frame."""
        raw = self.movie.read(self.frames(first))
        codes = np.empty(raw.shape, np.uint16)
        (before, after), n_clipped = self.sums(), 0
        parts: list[Found] = []
        # Few frames at a time: float copies of the block would triple the memory.
        n_runs = max(1, BATCH_BYTES // (4 * self.run * raw[0].size))
        for start in range(0, len(raw), n_runs * self.run):
            batch = slice(start, start + n_runs * self.run)
            frames = raw[batch].astype(np.float32)
            if self.plan.alignment is not None:
                before.add(self._codes(frames))
                numbers = first + start + np.arange(len(frames))
                frames, found = register(frames, numbers, self.plan.alignment, self.run)
                parts.append(found)
            n_clipped += self.plan.scale.encode(frames, codes[batch])
        after.add(codes)
        self.store.write(first, codes)
        found_here = Found.joined(parts) if parts else None
        return BlockTally(first, before, after, found_here, n_clipped)

    def fill(self, first: int) -> None:
        """Write the block that begins with a frame, and cannot be had: the template."""
        frames = self.frames(first)
        shape = frames.stop - frames.start, *self.movie.field_shape
        self.store.write(first, np.full(shape, CENTRE_CODE, np.uint16))

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
