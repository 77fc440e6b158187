"""The result file: everything that a run found, in one documented HDF5 file.

`Result` gathers the values of all stages that are done; `save` and `load` turn it
into a file and back. The layout is described in ``docs/results-file.md``; the file
opens without this package. A file is written anew after each stage and renamed when
it is whole, so what was computed is never lost and never half written.
"""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import h5py

from napari_cnmf.components import Components
from napari_cnmf.compute.kept import Failure
from napari_cnmf.compute.scratch import Empty, in_memory
from napari_cnmf.errors import (
    CnmfError,
    DamagedResultError,
    InputError,
    MissingFileError,
    OutputError,
)
from napari_cnmf.formats.atomic import replacing
from napari_cnmf.formats.curation import folded_in, with_curation
from napari_cnmf.formats.guard import require_harmless, trust
from napari_cnmf.formats.layout import read_leaves, write_leaves
from napari_cnmf.formats.previous import previous_path
from napari_cnmf.formats.readers.hdf5 import new_file
from napari_cnmf.leaves import Leaf, leaves, restored
from napari_cnmf.movie import FileSpan, Movie
from napari_cnmf.movie.images import SummaryImages
from napari_cnmf.movie.registration import Registration
from napari_cnmf.movie.shifts import Shifts
from napari_cnmf.proposal import Proposal
from napari_cnmf.provenance import StageRecord, versions
from napari_cnmf.provenance import digest as sha256

FORMAT = "napari-cnmf result"
VERSION = 1

#: Version -> what makes the leaves of a file of it those of the next version.
UPGRADES: dict[int, Callable[[dict[str, Leaf]], dict[str, Leaf]]] = {}

# What reading a file raises that was cut short or changed.
_DAMAGES = (LookupError, MemoryError, OSError, RuntimeError, TypeError, ValueError)

#: What differs between two runs that found the same: names, times, versions.
_CIRCUMSTANCES = (
    "movie/files",
    "recipe",
    "stages",
    "versions",
    "log",
)

#: Axes and unit of each array. "movie" stands for the unit of the movie's values.
AXES = {
    "shifts/values": ("frame, (y, x)", "px"),
    "shifts/template": ("y, x", "movie"),
    "shifts/drift": ("frame, (y, x)", "px"),
    "shifts/patches/values": ("frame, patch, (y, x)", "px"),
    "shifts/patches/centres": ("patch, (y, x)", "px"),
    "registration/before/mean": ("y, x", "movie"),
    "registration/before/maximum": ("y, x", "movie"),
    "registration/before/std": ("y, x", "movie"),
    "registration/before/correlation": ("y, x", "none"),
    "registration/before/noise": ("y, x", "movie"),
    "registration/before/valid": ("y, x", "none"),
    "registration/correlation_before": ("frame", "none"),
    "registration/correlation_after": ("frame", "none"),
    "registration/residual_before": ("bin", "px"),
    "registration/residual_after": ("bin", "px"),
    "registration/flags": ("frame", "none"),
    "summary/mean": ("y, x", "movie"),
    "summary/maximum": ("y, x", "movie"),
    "summary/std": ("y, x", "movie"),
    "summary/correlation": ("y, x", "none"),
    "summary/noise": ("y, x", "movie"),
    "summary/valid": ("y, x", "none"),
    "components/footprints/data": ("stored value", "none"),
    "components/footprints/indices": ("stored value", "pixel, y * X + x"),
    "components/footprints/indptr": ("component + 1", "none"),
    "components/denoised": ("component, frame", "movie"),
    "components/residual_traces": ("component, frame", "movie"),
    "components/spikes": ("component, frame", "movie per frame"),
    "components/dff": ("component, frame", "none"),
    "components/ids": ("component", "none"),
    "components/pixel_noise": ("y, x", "movie"),
    "components/trace_fit/ar": ("component, lag", "none"),
    "components/trace_fit/noise": ("component", "movie"),
    "components/trace_fit/penalty": ("component", "movie"),
    "components/trace_fit/baseline": ("component", "movie"),
    "components/origin/patch": ("component", "none"),
    "components/origin/rank": ("component", "none"),
    "components/origin/score": ("component", "none"),
    "components/origin/seed_yx": ("component, (y, x)", "px"),
    "components/origin/box": ("component, (y0, x0, y1, x1)", "px"),
    "components/origin/iterations": ("component", "none"),
    "components/origin/members": ("component", "none"),
    "components/background/maps/data": ("stored value", "movie"),
    "components/background/maps/indices": ("stored value", "pixel, y * X + x"),
    "components/background/maps/indptr": ("map + 1", "none"),
    "components/background/traces": ("map, frame", "none"),
    "components/background/constant": ("y, x", "movie"),
    "components/quality/snr": ("component", "none"),
    "components/quality/r_value": ("component", "none"),
    "components/quality/relative_area": ("component", "none"),
    "components/quality/soma_area": ("component", "none"),
    "components/quality/ring": ("component", "none"),
    "components/quality/edge": ("component", "none"),
    "components/quality/caiman_snr": ("component", "none"),
    "components/quality/caiman_r_value": ("component", "none"),
    "components/quality/fitness_raw": ("component", "none"),
    "components/quality/fitness_delta": ("component", "none"),
    "components/quality/eccentricity": ("component", "none"),
    "components/quality/size_px": ("component", "px"),
    "components/quality/neuron_probability": ("component", "none"),
    "components/quality/flags": ("component", "none"),
    "components/quality/notes": ("component", "none"),
    "components/quality/manual": ("component", "none"),
    "components/quality/event_images": ("component, y, x", "noise"),
    "components/quality/event_corners": ("component, (y, x)", "px"),
}


@dataclass(frozen=True)
class MovieInfo:
    """What is known of the movie that a result was made from.

    Attributes
    ----------
    shape : tuple of int
        Frames, rows and columns (T, Y, X).
    fingerprint : str
        Of its content, see `Movie`.
    files : tuple of FileSpan
        Which file holds which frames.
    frame_rate_hz : float, optional
    pixel_size_um : (float, float), optional
        Height and width of a pixel (y, x).
    dtype : str, optional
        Type of a pixel.
    """

    shape: tuple[int, int, int]
    fingerprint: str
    files: tuple[FileSpan, ...] = ()
    frame_rate_hz: float | None = None
    pixel_size_um: tuple[float, float] | None = None
    dtype: str | None = None

    @classmethod
    def of(cls, movie: Movie) -> MovieInfo:
        """Describe a movie."""
        return cls(
            movie.shape,
            movie.fingerprint,
            movie.files,
            movie.frame_rate_hz,
            movie.pixel_size_um,
            movie.dtype.name,
        )


@dataclass(frozen=True, eq=False)
class Result:
    """What a run has found so far; a stage that is not done has left None.

    Attributes
    ----------
    movie : MovieInfo
        The movie as it was read.
    recipe : str
        All parameters, in TOML.
    summary : SummaryImages, optional
        Of the registered movie.
    shifts : Shifts, optional
        None also if nothing was registered.
    registration : Registration, optional
        How well that went; None also if nothing was registered.
    components : Components, optional
        With quality and dF/F once these are computed.
    stages : tuple of StageRecord
        What was run, in order, and how long it took.
    complete : bool
        Whether all stages are done, and nothing failed.
    failures : tuple of Failure
        Parts of the movie that could not be worked on, and are left out.
    proposals : tuple of Proposal, optional
        What the registered movie said of parameters that were on auto; None if none
        was.
    decisions : dict, optional
        Id of a component -> decision by hand (1 or -1), from before a refit: the next
        evaluation takes them over.
    seed : int
        Of everything random.
    versions : dict
        Of Python and of the packages that decide the numbers.
    log : str
        What the run reported.
    """

    movie: MovieInfo
    recipe: str
    summary: SummaryImages | None = None
    shifts: Shifts | None = None
    registration: Registration | None = None
    components: Components | None = None
    stages: tuple[StageRecord, ...] = ()
    complete: bool = False
    failures: tuple[Failure, ...] = ()
    proposals: tuple[Proposal, ...] | None = None
    decisions: dict[str, int] | None = None
    seed: int = 0
    versions: dict[str, str] = field(default_factory=versions)
    log: str = ""

    def of_accepted(self) -> Result:
        """Return the same without rejected components."""
        cells = self.components
        if cells is None:
            return self
        return replace(self, components=cells.select(cells.accepted))


def save(result: Result, path: str | Path, *, overwrite: bool = False) -> Result:
    """Write a result file; it appears under its name when it is whole.

    Decisions that lie beside an older file of the same evaluation are taken in, see
    `napari_cnmf.formats.curation`.

    Parameters
    ----------
    result : Result
    path : path
        Usually ``results.h5``; missing folders are made.
    overwrite : bool
        Whether an existing file is replaced.

    Returns
    -------
    Result
        As it was written.

    Raises
    ------
    OutputError
        If the file exists, or cannot be written; nothing is left behind then.
    """
    path = Path(path)
    if path.exists() and not overwrite:
        raise OutputError(
            f"{path} already exists and is kept; choose another place, or overwrite "
            "it on purpose (--overwrite)."
        )
    with (
        folded_in(result, path) as whole,
        replacing(path) as temporary,
        new_file(temporary) as file,
    ):
        _write(whole, file)
    trust(path, "hdf5")
    return whole


def load(path: str | Path, *, empty: Empty = in_memory) -> Result:
    """Read a result file, with the decisions that lie beside it.

    Parameters
    ----------
    path : path
    empty : callable
        Makes the arrays that traces are read into, see `Backend.empty`.

    Raises
    ------
    MissingFileError
        If there is none.
    InputError
        If it is of a newer version, or no result of this package.
    DamagedResultError
        If it is damaged; the sentence names the last good state, if there is one.
    """
    return with_curation(_read(Path(path), empty), path)


def load_head(path: str | Path) -> Result:
    """Read all of a result file but its components; raises as `load` does."""
    return _read(Path(path), in_memory, without="components")


def is_result(path: str | Path) -> bool:
    """Whether a file is a result of this package, by its content."""
    try:
        require_harmless(Path(path), "hdf5")
        with h5py.File(path, "r") as file:
            return bool(file.attrs.get("format") == FORMAT)
    except _DAMAGES:
        return False


def digest(result: Result) -> str:
    """SHA-256 over all arrays and parameters: two results with the same are equal.

    Times, versions, the log and the names of the files are left out.
    """
    parts = [leaf for leaf in leaves(result) if leaf[0] not in _CIRCUMSTANCES]
    return sha256(tomllib.loads(result.recipe), *itertools.chain(*parts))


def _read(path: Path, empty: Empty, without: str = "") -> Result:
    """Read a result file, possibly without one of its fields."""
    if not path.exists():
        raise MissingFileError(f"There is no result file {path}; run the movie first.")
    try:
        require_harmless(path, "hdf5")
        with h5py.File(path, "r") as file:
            version = _version(file, path)
            content = read_leaves(file, empty, without)
        for older in range(version, VERSION):
            content = UPGRADES[older](content)
        found: Result = restored(Result, content)
    except _DAMAGES as error:
        if isinstance(error, CnmfError):
            raise
        way_out, can_go_back = _way_out(path)
        raise DamagedResultError(
            f"{path} cannot be read as a result of napari-cnmf ({error}); it may be "
            f"damaged: {way_out}.",
            can_go_back,
        ) from error
    return found


def _way_out(path: Path) -> tuple[str, bool]:
    """Say what can be done about a damaged file, and whether one can go back."""
    previous = previous_path(path)
    if not previous.exists():
        return "copy it again, or run the movie again", False
    try:
        done = [record.stage for record in _read(previous, in_memory).stages]
    except InputError:
        return f"so is {previous.name}; copy them again, or run the movie again", False
    former = f"the whole result as it was before (after {', '.join(done)})"
    command = f"napari-cnmf restore {path.parent}"
    return (
        f"copy it again, or go back to {previous.name}, {former}, with '{command}'"
    ), True


def _write(result: Result, file: h5py.File) -> None:
    """Write every field, and what each array is."""
    file.attrs.update(format=FORMAT, version=VERSION)
    for dataset in write_leaves(result, file):
        about = AXES.get(dataset.name.lstrip("/"))
        if about is not None:
            dataset.attrs["axes"], dataset.attrs["unit"] = about


def _version(file: h5py.File, path: Path) -> int:
    """Return the version of a file; refuse those of others, and those to come."""
    if file.attrs.get("format") != FORMAT:
        raise InputError(
            f"{path} is an HDF5 file but no result of napari-cnmf; give the "
            "results.h5 that a run has written."
        )
    version = int(file.attrs["version"])
    if version > VERSION:
        raise InputError(
            f"{path} has version {version} of the result format, this napari-cnmf "
            f"reads up to {VERSION}; install a newer napari-cnmf."
        )
    return version
