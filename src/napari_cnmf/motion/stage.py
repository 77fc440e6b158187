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
from napari_cnmf.motion.blockpass import BlockPass, Found, Tally
from napari_cnmf.motion.borders import seen_borders, valid_area, with_data
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
from napari_cnmf.movie.store import StoreHeader, draft
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
        Stops the stage once set; nothing is left at `path`.
    valid : ndarray (Y, X) of bool, optional
        Pixels that hold data.
    shifts : Shifts, optional
        Found before for these frames, in another channel: applied as they are.
    template : ndarray (Y, X), optional
        Of an earlier registration: the frames are registered to it.
    block : int, optional
        Frames of a block, whole groups (see `group_frames`); no result depends on
        it. The size of the field decides by default.

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
    with draft(path, header, plan.scale.base, movie.n_frames, block) as unfinished:
        work = BlockPass(movie, plan, unfinished)
        tally = _all_blocks(work, backend, progress, cancel)
        done = _correction(tally, work, parameters, summary, valid)
        if done.movie.left_out:  # which are known only now
            images = summarise(
                done.movie,
                summary,
                backend=backend,
                cancel=cancel,
                valid=done.summary.valid,
            )
            done = replace(done, summary=images)
        finished = unfinished.finish(path, tally.n_clipped)
    warn_of_clipping(tally.n_clipped, movie)
    return replace(done, movie=done.movie.with_(source=finished))


def _header(
    movie: Movie,
    plan: Plan,
    parameters: MotionParameters,
    store: StoreParameters,
    given: np.ndarray | None,
) -> StoreHeader:
    """Return what is known of the registered movie beforehand."""
    parts = [movie.fingerprint, repr(parameters), repr(store)]
    return StoreHeader(
        step=plan.scale.step,
        bin_frames=choose_bin(movie.n_frames, movie.frame_rate_hz, store.bin_s),
        fingerprint=fingerprint_of(
            *parts, *([] if given is None else [given.tobytes()])
        ),
        source_fingerprint=movie.fingerprint,
        frame_rate_hz=movie.frame_rate_hz,
        pixel_size_um=movie.pixel_size_um,
    )


def _all_blocks(
    work: BlockPass, backend: Backend, progress: Progress, cancel: Event | None
) -> Tally:
    """Work on all blocks of a movie."""
    n_frames, tally = work.movie.n_frames, Tally.empty(work.store)
    watch = Stopwatch(progress, "correct", n_frames, "frames")

    def collect(part: Tally) -> None:
        tally.merge(part)
        watch.advance(part.after.n_frames)

    firsts = range(0, n_frames, work.store.block_frames)
    backend.run(work, firsts, collect, cancel)
    return tally


def _correction(
    tally: Tally,
    work: BlockPass,
    parameters: MotionParameters,
    summary: SummaryParameters,
    valid: np.ndarray | None,
) -> Correction:
    """Judge what all blocks have given; the movie is still the draft."""
    plan, neighbours = work.plan, summary.neighbours
    movie = work.store.movie().with_(files=work.movie.files)
    if plan.alignment is None:
        images = tally.after.images(plan.scale, neighbours, valid)
        return Correction(movie, None, None, images)
    found = Found.joined(tally.found)
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
    left_out = registration.left_out
    borders = seen_borders(shifts, parameters.min_seen, left_out)
    seen = valid_area(with_data(registration.before), borders)
    images = tally.after.images(plan.scale, neighbours, seen)
    movie = movie.with_(left_out=left_out if parameters.leave_out_bad else ())
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
