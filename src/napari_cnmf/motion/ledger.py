"""The pass over the frames, kept so that it can be gone on with.

What a block gives is as large as the block, so it is not kept by itself: every few
seconds the sums over all blocks so far are written, once these blocks are on the disk.
Whoever goes on takes up the draft of the registered movie and these sums, and works
on the other blocks. As the sums are of whole numbers, the outcome is the same.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from napari_cnmf.compute.kept import Keep, load_kept, save_kept, shelf
from napari_cnmf.errors import OutputError
from napari_cnmf.leaves import digest_of
from napari_cnmf.motion.blockpass import BlockPass, BlockTally, Tally
from napari_cnmf.motion.plan import Plan
from napari_cnmf.movie.draft import draft, left_draft, new_draft
from napari_cnmf.movie.movie import Movie
from napari_cnmf.movie.store import StoreHeader

#: Between two writings; more where these would take more than a twentieth of the time.
INTERVAL_S = 5.0
_TIMES_COST = 20.0


class Ledger:
    """What the blocks of a pass have given so far.

    Parameters
    ----------
    work : BlockPass
    tally : Tally
        Of the blocks that were worked on before.
    file : Path, optional
        Where it is kept; nowhere by default.
    """

    def __init__(self, work: BlockPass, tally: Tally, file: Path | None = None) -> None:
        self.work = work
        self.tally = tally
        self.lost: list[int] = []
        self._file = file
        self._new: list[int] = []
        self._written_s = time.monotonic()
        self._cost_s = 0.0

    @property
    def done(self) -> list[int]:
        """First frames of the blocks that are in the tally."""
        return [self.work.firsts[i] for i in np.flatnonzero(self.tally.added)]

    @property
    def missing(self) -> list[int]:
        """First frames of the blocks that are not."""
        return [self.work.firsts[i] for i in np.flatnonzero(~self.tally.added)]

    def add(self, part: BlockTally) -> None:
        """Add what a block has given; write the tally now and then."""
        self.tally.add(part, self.work)
        self._new.append(part.first)
        patience_s = max(INTERVAL_S, _TIMES_COST * self._cost_s)
        if time.monotonic() > self._written_s + patience_s:
            self.write()

    def lose(self, first: int) -> None:
        """Do without the block that begins with a frame."""
        self.work.fill(first)
        frames = self.work.frames(first)
        self.lost += range(frames.start, frames.stop)

    def write(self) -> None:
        """Write the tally, if it has a file and has changed."""
        if self._file is None or not self._new:
            return
        started = time.monotonic()
        self.work.store.sync(self._new)
        save_kept(self._file, self.tally, sync=True)
        self._new.clear()
        self._written_s = time.monotonic()
        self._cost_s = self._written_s - started

    @contextmanager
    def written(self) -> Iterator[None]:
        """Write the tally in the end if blocks are missing, whatever the reason."""
        try:
            yield
        except BaseException:
            with suppress(OutputError):  # what was written before is good, too
                self.write()
            raise
        if self.lost:
            self.write()


@contextmanager
def unfinished_pass(
    movie: Movie,
    plan: Plan,
    path: Path,
    header: StoreHeader,
    block: int,
    keep: Keep | None,
) -> Iterator[Ledger]:
    """Give a pass over a movie to go on with, or a new one.

    Parameters
    ----------
    movie, plan, header
        What is registered, and how.
    path : Path
        Where the registered movie will be.
    block : int
        Frames of a block.
    keep : Keep or None
        Without it nothing is left if the context ends with an error.
    """
    given = path, header, plan.scale.base, movie.n_frames, block
    if keep is None:
        with draft(*given) as store:
            work = BlockPass(movie, plan, store)
            yield Ledger(work, Tally.empty(work))
        return
    file = _file(movie, plan, header, block, keep)
    ledger = _left(movie, plan, path, header, block, file)
    if ledger is None:
        work = BlockPass(movie, plan, new_draft(*given))
        ledger = Ledger(work, Tally.empty(work), file)
    yield ledger


def _file(
    movie: Movie, plan: Plan, header: StoreHeader, block: int, keep: Keep
) -> Path:
    """Return where the tally of a pass is kept."""
    digest = digest_of(movie, plan, header, block)
    return shelf(keep.unfinished, "tally", digest) / "tally.npz"


def _left(
    movie: Movie, plan: Plan, path: Path, header: StoreHeader, block: int, file: Path
) -> Ledger | None:
    """Return the pass that a run left which was cut short, if it is of use."""
    tally = load_kept(file, Tally)
    if tally is None:
        return None
    store = left_draft(path, header, movie.shape, block)
    if store is None:
        return None
    ledger = Ledger(BlockPass(movie, plan, store), tally, file)
    return ledger if store.holds(ledger.done) else None
