"""What a run will use, before it begins: workers, memory, disk and time.

Memory is a base (Python, the libraries, compiled kernels), what each worker holds in
the stage that holds most, and what the driver keeps of the time bins. As many workers
are allowed as fit into the limit; traces take the memory that is left over and lie in
files beyond it (`napari_cnmf.compute.scratch`). The constants were measured, see
``docs/memory.md``; no result depends on them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil, pi, prod
from pathlib import Path

from napari_cnmf.cnmf.patches import solver_grid
from napari_cnmf.compute import Backend, ThreadBackend
from napari_cnmf.compute.memory import available_bytes
from napari_cnmf.compute.scratch import Scratch
from napari_cnmf.errors import ParameterError
from napari_cnmf.formats.results import MovieInfo
from napari_cnmf.movie.blocks import BATCH_BYTES, block_frames, choose_bin
from napari_cnmf.quality.events import tile_px
from napari_cnmf.recipe import Recipe

_GB = 10**9
_FLOAT = 4

#: Of what is available, where no limit is given: others work on this machine too.
_SHARE = 0.8
#: Of a limit, for what the formula does not know.
_RESERVE = 0.05
_BASE_BYTES = 330 * 10**6
#: Of the registered movie once it is compressed; 0.45 to 0.55 at usual noise.
_STORED_SHARE = 0.5
#: Footprints of a cell are this far apart, in areas of a cell body.
_AREAS_PER_CELL = 1.5

# CPU seconds per value: of a frame in the registration, of a frame in the passes for
# traces and scores, of a time bin in the search, of a trace that is demixed.
_REGISTER_S, _READ_S, _SEARCH_S, _DEMIX_S = 15e-9, 10e-9, 150e-9, 700e-9


@dataclass(frozen=True, slots=True)
class Budget:
    """What a run will use.

    Attributes
    ----------
    workers : int
        Tasks at a time.
    memory_bytes : int
        Of this process, pages of files aside.
    scratch_bytes : int
        What traces may take of it; the rest of them lies in files.
    disk_bytes : int
        In the run's folder, with what is there only while it runs.
    seconds : float
        Until everything is done, roughly.
    """

    workers: int
    memory_bytes: int
    scratch_bytes: int
    disk_bytes: int
    seconds: float

    @property
    def in_words(self) -> str:
        """One line for a terminal, a log or a window."""
        plural = "" if self.workers == 1 else "s"
        return (
            f"will use about {in_bytes(self.memory_bytes)} of memory, "
            f"{in_bytes(self.disk_bytes)} of disk and {_duration(self.seconds)} "
            f"with {self.workers} worker{plural}"
        )


@dataclass(frozen=True, slots=True)
class Load:
    """How large a movie is in what takes memory, disk and time.

    Attributes
    ----------
    shape : (int, int, int)
        Frames, rows and columns.
    bin_frames : int
        Frames of a time bin.
    patch_px, block_frames, template_frames : int
        Pixels of a patch, frames of a block, and of the sample for the template.
    n_traces, n_courses : int
        Cells to expect, and time courses of the background.
    """

    shape: tuple[int, int, int]
    bin_frames: int
    patch_px: int
    block_frames: int
    template_frames: int
    n_traces: int
    n_courses: int

    @classmethod
    def of(
        cls, shape: tuple[int, int, int], frame_rate_hz: float | None, recipe: Recipe
    ) -> Load:
        """Return that of a movie with a recipe."""
        n_frames, height, width = shape
        bins = choose_bin(n_frames, frame_rate_hz, recipe.store.bin_s)
        patches = solver_grid((height, width), n_frames // bins, recipe.patches)
        cnmf = recipe.cnmf()
        cell_px = _AREAS_PER_CELL * pi / 4 * cnmf.init.diameter_px**2
        courses = prod(ceil(n / cnmf.pitch_px) + 1 for n in (height, width))
        return cls(
            shape,
            bins,
            prod(patches[0].shape),
            min(n_frames, block_frames((height, width), bins)),
            min(n_frames, recipe.motion.template_frames),
            ceil(height * width / cell_px),
            courses,
        )

    @property
    def field_px(self) -> int:
        """Pixels of a frame."""
        return self.shape[1] * self.shape[2]

    @property
    def n_bins(self) -> int:
        """Time bins."""
        return self.shape[0] // self.bin_frames

    @property
    def row_bytes(self) -> int:
        """Size of one trace."""
        return _FLOAT * self.shape[0]

    @property
    def store_bytes(self) -> int:
        """Size of the registered movie: 16-bit codes and 32-bit bins, compressed."""
        per_value = 2 + (4 / self.bin_frames if self.bin_frames > 1 else 0)
        return int(_STORED_SHARE * per_value * prod(self.shape))

    @property
    def result_bytes(self) -> int:
        """Size of the result file: four traces of a cell, and the background's."""
        return (4 * self.n_traces + self.n_courses) * self.row_bytes

    @property
    def trace_bytes(self) -> int:
        """Traces at the time when most are there.

        Those of the result so far (but dF/F), and in the making those of the next,
        baselines, the equations and their solution.
        """
        return (9 * self.n_traces + 4 * self.n_courses) * self.row_bytes

    def memory_bytes(self, workers: int) -> int:
        """Memory without traces, in the stage that takes most."""
        stages = (
            self._sampling(),
            self._registering(workers),
            self._searching(workers),
            self._scoring(workers),
            self._tracing(workers),
        )
        return _BASE_BYTES + max(stages)

    def _sampling(self) -> int:
        """Frames for the template, in two copies."""
        return int(2.1 * self.template_frames * _FLOAT * self.field_px)

    def _registering(self, workers: int) -> int:
        """Blocks as read, as codes and compressed, some frames as floats, and sums."""
        block = 7 * self.block_frames * self.field_px
        batches = int(2.5 * BATCH_BYTES) + 100 * self.field_px
        sums = 116 * self.field_px
        return sums + workers * (block + batches + 2 * sums)

    def _searching(self, workers: int) -> int:
        """Patches in time bins, and the traces of all cells in these."""
        patch = int(2.4 * _FLOAT * self.patch_px * self.n_bins)
        return workers * patch + self._binned()

    def _scoring(self, workers: int) -> int:
        """Tiles in time bins, or blocks of whole frames."""
        tile = _FLOAT * min(tile_px(self.n_bins) ** 2, self.field_px) * self.n_bins
        block = 2 * _FLOAT * block_frames(self.shape[1:], 1) * self.field_px
        return workers * max(tile, block) + self._binned()

    def _tracing(self, workers: int) -> int:
        """Rows of traces with all that denoising or dF/F makes of them."""
        return workers * 60 * max(10**6, self.shape[0]) + self._binned()

    def _binned(self) -> int:
        """Traces of cells and background in time bins, in several copies."""
        return 5 * (self.n_traces + self.n_courses) * _FLOAT * self.n_bins

    def seconds(self, workers: int) -> float:
        """Time of a run on as many cores."""
        values = prod(self.shape)
        rows = (self.n_traces + self.n_courses) * self.shape[0]
        reading = (_REGISTER_S + _READ_S + _SEARCH_S / self.bin_frames) * values
        return 5 + reading / workers + _DEMIX_S * rows


def plan(
    shape: tuple[int, int, int],
    frame_rate_hz: float | None,
    recipe: Recipe,
    workers: int,
    memory_gb: float | None = None,
) -> Budget:
    """Say what a run will use, and with how many workers it keeps to its memory.

    Parameters
    ----------
    shape : (int, int, int)
        Frames, rows and columns (T, Y, X) of the movie.
    frame_rate_hz : float or None
        Of the movie.
    recipe : Recipe
    workers : int
        Wanted.
    memory_gb : float, optional
        Limit; most of what is available by default.

    Returns
    -------
    Budget

    Raises
    ------
    ParameterError
        If not even one worker keeps to the limit that was given.
    """
    load = Load.of(shape, frame_rate_hz or 1.0, recipe)
    least = load.memory_bytes(1)
    if memory_gb is None:
        limit = max(_SHARE * available_bytes(), least)
    else:
        limit = (1 - _RESERVE) * memory_gb * _GB
        _require(least, limit, memory_gb, shape)
    while workers > 1 and load.memory_bytes(workers) > limit:
        workers -= 1
    needed = load.memory_bytes(workers)
    left = int(limit) - needed
    in_memory = min(left, load.trace_bytes)
    return Budget(
        workers=workers,
        memory_bytes=needed + in_memory,
        scratch_bytes=left,
        disk_bytes=load.store_bytes
        + 2 * load.result_bytes  # the old one stays until the new one is whole
        + load.trace_bytes
        - in_memory,
        seconds=load.seconds(workers),
    )


def plan_for(backend: Backend, movie: MovieInfo, recipe: Recipe) -> Budget:
    """Plan a run on a backend; workers elsewhere have memory of their own.

    Parameters and errors are those of `plan`.
    """
    workers = backend.workers if backend.here is backend else 1
    rate_hz = movie.frame_rate_hz or recipe.acquisition.frame_rate_hz
    backend.tasks_bytes = Load.of(movie.shape, rate_hz or 1.0, recipe).memory_bytes
    return plan(movie.shape, rate_hz, recipe, workers, backend.memory_gb)


def prepared(
    backend: Backend, movie: MovieInfo, recipe: Recipe, folder: Path
) -> Budget:
    """Plan a run on a backend, whose large arrays keep to the plan from now on."""
    budget = plan_for(backend, movie, recipe)
    backend.scratch = Scratch(folder, budget.scratch_bytes)
    return budget


@contextmanager
def within(budget: Budget, backend: Backend) -> Iterator[Backend]:
    """Enter a backend that has no more workers here than were planned."""
    if not isinstance(backend, ThreadBackend):
        with backend:
            yield backend
        return
    workers, backend.workers = backend.workers, budget.workers
    try:
        with backend:
            yield backend
    finally:
        backend.workers = workers


def _require(
    least: int, limit: float, memory_gb: float, shape: tuple[int, int, int]
) -> None:
    """Refuse a limit that one worker does not keep to."""
    if least <= limit:
        return
    needed_gb = ceil(10 * least / (1 - _RESERVE) / _GB) / 10
    raise ParameterError(
        f"The run may use {memory_gb:g} GB of memory, but a movie of {shape[0]} frames "
        f"of {shape[1]} x {shape[2]} px needs at least {needed_gb:g} GB, with one "
        "worker; allow as much (--memory), or crop or shorten the movie."
    )


def in_bytes(n_bytes: float) -> str:
    """Return a size in words."""
    if n_bytes < _GB / 10:
        return f"{max(1, round(n_bytes / 10**6))} MB"
    return f"{n_bytes / _GB:.1f} GB"


def _duration(seconds: float) -> str:
    """Return a rough time in words."""
    if seconds < 90:
        return f"{max(10, round(seconds, -1)):.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
