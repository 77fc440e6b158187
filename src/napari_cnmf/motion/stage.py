"""The stage `correct`: from the raw movie to the registered store, read once.

Sample frames give the template and the scale of the stored codes. Then each block of
frames is read, registered, turned into codes, summed for the summary images (as it was
recorded too), compared with the template, binned and written, all while it is in
memory.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event

import numpy as np

from napari_cnmf.compute import Backend, Progress, Stopwatch, silent
from napari_cnmf.compute.backend import check_cancel
from napari_cnmf.compute.kept import Keep
from napari_cnmf.motion.blockpass import BlockTally, Found
from napari_cnmf.motion.borders import seen_borders, valid_area, with_data
from napari_cnmf.motion.ledger import Ledger, unfinished_pass
from napari_cnmf.motion.metrics import flag_frames
from napari_cnmf.motion.parameters import MotionParameters
from napari_cnmf.motion.plan import Alignment, Plan, choose_plan
from napari_cnmf.motion.registrar import KnownMotion, LocalRegistrar
from napari_cnmf.motion.rigid import search_limit
from napari_cnmf.movie.blocks import block_frames, choose_bin
from napari_cnmf.movie.fingerprint import fingerprint_of
from napari_cnmf.movie.images import SummaryImages
from napari_cnmf.movie.movie import Movie
from napari_cnmf.movie.parameters import StoreParameters
from napari_cnmf.movie.registration import Registration
from napari_cnmf.movie.shifts import PatchShifts, Shifts, grid_centres
from napari_cnmf.movie.store import StoreHeader
from napari_cnmf.summary.parameters import SummaryParameters
from napari_cnmf.summary.stage import summarise, warn_of_clipping


@dataclass(frozen=True, eq=False)
class Correction:
    """What the registration gives.

    Attributes
    ----------
    movie : Movie
        The registered movie, on disk; its source is a `TiledStore`.
    shifts : Shifts or None
        How far each frame had moved; None if nothing was registered.
    registration : Registration or None
        How well that went; None likewise.
    summary : SummaryImages
        Images of the registered movie.
    """

    movie: Movie
    shifts: Shifts | None
    registration: Registration | None
    summary: SummaryImages


def correct(  # noqa: PLR0913 - a stage is told all it needs in one call
    movie: Movie,
    parameters: MotionParameters,
    *,
    path: str | Path,
    store: StoreParameters,
    summary: SummaryParameters,
    backend: Backend,
    progress: Progress = silent,
    cancel: Event | None = None,
    valid: np.ndarray | None = None,
    shifts: Shifts | None = None,
    template: np.ndarray | None = None,
    block: int | None = None,
    keep: Keep | None = None,
) -> Correction:
    """Register a movie, store it and summarise it.

    Parameters
    ----------
    movie : Movie
        Raw movie (T, Y, X) without missing values (see `movie.repair`).
    parameters : MotionParameters
        How to register.
    path : str or Path
        Folder of the registered movie; an older one is replaced when the new one is
        complete.
    store, summary : StoreParameters, SummaryParameters
        How to keep the movie, and how to summarise it.
    backend : Backend
        Where the blocks of frames are worked on.
    progress : callable
        Told after each block.
    cancel : threading.Event, optional
        Stops the stage once set; nothing appears at `path`.
    valid : ndarray (Y, X) of bool, optional
        Pixels that hold data.
    shifts : Shifts, optional
        Found before for these frames, in another channel: applied as they are.
    template : ndarray (Y, X), optional
        Of an earlier registration: the frames are registered to it.
    block : int, optional
        Frames of a block, whole groups (see `group_frames`); no result depends on
        it. The size of the field decides by default.
    keep : Keep, optional
        Where to keep what is needed to go on later. Frames of a block that cannot be
        read or registered are then left out; otherwise that is an error.

    Returns
    -------
    Correction

    Raises
    ------
    OutputError
        If the movie cannot be written.
    CancelledError
        If it was cancelled.
    """
    path = Path(path)
    check_cancel(cancel)
    plan = choose_plan(
        movie, parameters, store.noise_steps, known=shifts, template=template
    )
    check_cancel(cancel)
    given = template if shifts is None else shifts.values
    header = _header(movie, plan, parameters, store, given)
    block = block or block_frames(movie.field_shape, header.bin_frames)
    with unfinished_pass(movie, plan, path, header, block, keep) as ledger:
        _all_blocks(ledger, backend, progress, cancel, keep)
        done = _correction(ledger, parameters, summary, valid)
        if done.movie.left_out:  # which are known only now
            images = summarise(
                done.movie,
                summary,
                backend=backend,
                cancel=cancel,
                valid=done.summary.valid,
            )
            done = replace(done, summary=images)
        n_clipped = ledger.tally.n_clipped
        finished = ledger.work.store.finish(path, n_clipped)
    warn_of_clipping(n_clipped, movie)
    return replace(done, movie=done.movie.with_(source=finished))


def registered_fingerprint(
    movie: str,
    parameters: MotionParameters,
    store: StoreParameters,
    given: np.ndarray | None = None,
) -> str:
    """Fingerprint of what `correct` makes of the movie with a fingerprint.

    Parameters
    ----------
    movie : str
    parameters, store
        As for `correct`.
    given : ndarray, optional
        The template, or the shifts, that were known before.
    """
    known = [] if given is None else [given.tobytes()]
    return fingerprint_of(movie, repr(parameters), repr(store), *known)


def _header(
    movie: Movie,
    plan: Plan,
    parameters: MotionParameters,
    store: StoreParameters,
    given: np.ndarray | None,
) -> StoreHeader:
    """Return what is known of the registered movie beforehand."""
    return StoreHeader(
        step=plan.scale.step,
        bin_frames=choose_bin(movie.n_frames, movie.frame_rate_hz, store.bin_s),
        fingerprint=registered_fingerprint(movie.fingerprint, parameters, store, given),
        source_fingerprint=movie.fingerprint,
        frame_rate_hz=movie.frame_rate_hz,
        pixel_size_um=movie.pixel_size_um,
    )


def _all_blocks(
    ledger: Ledger,
    backend: Backend,
    progress: Progress,
    cancel: Event | None,
    keep: Keep | None,
) -> None:
    """Work on all blocks of a movie that were not worked on before."""
    work = ledger.work
    watch = Stopwatch(progress, "correct", work.movie.n_frames, "frames")
    lose = None if keep is None else keep.loser(len(work.firsts))

    def count(first: int) -> None:
        frames = work.frames(first)
        watch.advance(frames.stop - frames.start)

    def collect(part: BlockTally) -> None:
        ledger.add(part)
        count(part.first)

    def failed(first: int, error: Exception) -> None:
        if lose is None:
            raise error
        frames = work.frames(first)
        place = f"frames {frames.start} to {frames.stop - 1}"
        lose(place, error, frames.start, frames.stop)
        ledger.lose(first)
        count(first)

    for first in ledger.done:
        count(first)
    with ledger.written():
        backend.run(work, ledger.missing, collect, cancel, failed=failed)


def _correction(
    ledger: Ledger,
    parameters: MotionParameters,
    summary: SummaryParameters,
    valid: np.ndarray | None,
) -> Correction:
    """Judge what all blocks have given; the movie is still the draft."""
    work, tally, lost = ledger.work, ledger.tally, ledger.lost
    plan, neighbours = work.plan, summary.neighbours
    movie = work.store.movie().with_(files=work.movie.files)
    if plan.alignment is None or tally.found is None:
        images = tally.after.images(plan.scale, neighbours, valid)
        return Correction(movie.with_(left_out=tuple(lost)), None, None, images)
    found = tally.found
    shifts = _shifts(found, plan.alignment, parameters)
    registration = Registration(
        before=tally.before.images(plan.scale, neighbours, valid),
        correlation_before=found.before[:, 0],
        correlation_after=found.after[:, 0],
        residual_before=found.residual[:, 0],
        residual_after=found.residual[:, 1],
        bin_frames=work.run,
        flags=flag_frames(shifts, found.after),
    )
    bad = set(registration.left_out)
    borders = seen_borders(shifts, parameters.min_seen, tuple(sorted(bad | {*lost})))
    seen = valid_area(with_data(registration.before), borders)
    images = tally.after.images(plan.scale, neighbours, seen)
    left_out = {*lost, *(bad if parameters.leave_out_bad else ())}
    movie = movie.with_(left_out=tuple(sorted(left_out)))
    return Correction(movie, shifts, registration, images)


def _shifts(found: Found, how: Alignment, parameters: MotionParameters) -> Shifts:
    """Return the shifts of all frames."""
    motion, finder, template = found.motion, how.finder, how.target.template
    if isinstance(finder, KnownMotion):
        return replace(finder.shifts, template=template)
    shifts = Shifts(
        motion.shifts,
        template,
        search_limit(parameters.max_shift_px, max(template.shape)),
        line_offset_px=how.line_offset_px,
    )
    if motion.fields is not None:
        centres = grid_centres(finder.places)
        shifts = replace(shifts, patches=PatchShifts(motion.fields, centres))
    if isinstance(finder, LocalRegistrar):
        stretches = finder.stretch(np.arange(len(motion.shifts)))
        shifts = replace(shifts, drift=finder.drift[stretches])
    return shifts
