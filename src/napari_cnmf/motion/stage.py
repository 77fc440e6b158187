"""The stage `correct`: from the raw movie to the registered store, read once.

Sample frames give the template and the scale of the stored codes. Then each block of
frames is read, registered, turned into codes, summed for the summary images, binned
and written, all while it is in memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from threading import Event

import numpy as np

from napari_cnmf.compute import Backend, Progress, Stopwatch, silent
from napari_cnmf.compute.backend import check_cancel
from napari_cnmf.motion.parameters import MotionParameters
from napari_cnmf.motion.rigid import (
    Reference,
    apply_shifts,
    estimate_shifts,
    prepare_reference,
    search_limit,
)
from napari_cnmf.motion.template import build_template
from napari_cnmf.movie.blocks import block_frames, choose_bin, group_frames
from napari_cnmf.movie.fingerprint import fingerprint_of
from napari_cnmf.movie.images import SummaryImages
from napari_cnmf.movie.movie import Movie
from napari_cnmf.movie.parameters import StoreParameters
from napari_cnmf.movie.scale import Scale, choose_scale, runs_for_noise, sample_frames
from napari_cnmf.movie.shifts import Shifts
from napari_cnmf.movie.store import StoreHeader, TiledStore, draft
from napari_cnmf.summary.images import Accumulator
from napari_cnmf.summary.parameters import SummaryParameters
from napari_cnmf.summary.stage import encode, warn_of_clipping


@dataclass(frozen=True, eq=False)
class Correction:
    """What the registration gives.

    Attributes
    ----------
    movie : Movie
        The registered movie, on disk; its source is a `TiledStore`.
    shifts : Shifts or None
        How far each frame had moved; None if nothing was registered.
    summary : SummaryImages
        Images of the registered movie.
    """

    movie: Movie
    shifts: Shifts | None
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
    sample = sample_frames(movie, parameters.template_frames)
    check_cancel(cancel)
    template, reference = _template(sample, parameters)
    check_cancel(cancel)
    scale = _scale(sample, template, reference, store.noise_steps)
    del sample
    header = StoreHeader(
        step=scale.step,
        bin_frames=choose_bin(movie.n_frames, movie.frame_rate_hz, store.bin_s),
        fingerprint=fingerprint_of(movie.fingerprint, repr(parameters), repr(store)),
        source_fingerprint=movie.fingerprint,
        frame_rate_hz=movie.frame_rate_hz,
        pixel_size_um=movie.pixel_size_um,
    )
    block = block or block_frames(movie.field_shape, header.bin_frames)
    shifts: list[np.ndarray] = []
    sums = Accumulator.empty(movie.field_shape, group_frames(header.bin_frames))
    n_clipped = 0
    watch = Stopwatch(progress, "correct", movie.n_frames, "frames")

    def collect(part: _BlockResult) -> None:
        nonlocal n_clipped
        shifts.append(part.shifts)
        sums.merge(part.sums)
        n_clipped += part.n_clipped
        watch.advance(part.sums.n_frames)

    with draft(path, header, scale.base, movie.n_frames, block) as unfinished:
        work = _BlockPass(movie, reference, scale, unfinished)
        backend.run(work, range(0, movie.n_frames, block), collect, cancel)
        finished = unfinished.finish(path, n_clipped)
    warn_of_clipping(n_clipped, movie)
    return Correction(
        finished.movie().with_(files=movie.files),
        _shifts(shifts, template, parameters),
        sums.images(scale, summary.neighbours, valid),
    )


@dataclass(frozen=True, eq=False)
class _BlockResult:
    """What one block gives: shifts (n, 2), sums, and values that were clipped."""

    shifts: np.ndarray
    sums: Accumulator
    n_clipped: int


@dataclass(frozen=True, eq=False)
class _BlockPass:
    """The task of one block: read, register, encode, sum and write it."""

    movie: Movie
    reference: Reference | None
    scale: Scale
    store: TiledStore

    def __call__(self, first: int) -> _BlockResult:
        """Work on the block that begins with a frame."""
        last = min(first + self.store.block_frames, self.movie.n_frames)
        found: list[np.ndarray] = []

        def register(frames: np.ndarray) -> np.ndarray:
            if self.reference is None:
                return frames
            found.append(estimate_shifts(frames, self.reference))
            return apply_shifts(frames, found[-1])

        raw = self.movie.read(slice(first, last))
        codes, n_clipped = encode(raw, self.scale, register)
        del raw
        self.store.write(first, codes)
        group = group_frames(self.store.header.bin_frames)
        sums = Accumulator.empty(self.movie.field_shape, group)
        sums.add(codes)
        shifts = np.concatenate(found) if found else np.empty((0, 2), np.float32)
        return _BlockResult(shifts, sums, n_clipped)


def _template(
    sample: np.ndarray, parameters: MotionParameters
) -> tuple[np.ndarray, Reference | None]:
    """Return the image to register to, and that made ready if it is needed."""
    if parameters.mode == "none":
        return sample.mean(axis=0), None
    limit_px = parameters.max_shift_px
    template = build_template(sample, limit_px, parameters.template_iterations)
    return template, prepare_reference(template, limit_px)


def _scale(
    sample: np.ndarray,
    template: np.ndarray,
    reference: Reference | None,
    noise_steps: float,
) -> Scale:
    """Return the scale of the codes; motion must not pass for noise."""
    still = runs_for_noise(sample)
    if reference is not None:
        still = apply_shifts(still, estimate_shifts(still, reference))
    return choose_scale(sample, template, still, noise_steps)


def _shifts(
    parts: list[np.ndarray], template: np.ndarray, parameters: MotionParameters
) -> Shifts | None:
    """Return the shifts of all blocks, None if nothing was registered."""
    if parameters.mode == "none":
        return None
    limit_px = search_limit(parameters.max_shift_px, min(template.shape))
    return Shifts(np.concatenate(parts), template, limit_px)
