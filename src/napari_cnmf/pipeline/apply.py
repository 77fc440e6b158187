"""What a registration found, applied to another movie.

Another channel, or another file of the same frames, is moved back by the shifts that
were found. Frames that were recorded later are registered to the template that was
found, so that their cells lie where those of the first recording do. Either becomes
the folder of a run whose first stage is done, or a tif or HDF5 file.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

from napari_cnmf.compute import Backend, Progress, local_backend, silent
from napari_cnmf.errors import (
    InputError,
    MissingStageError,
    OutputError,
    ParameterError,
)
from napari_cnmf.formats import open_movie
from napari_cnmf.formats.movies import (
    export_movie,
    is_movie_file,
    require_expendable,
)
from napari_cnmf.formats.results import MovieInfo, Result, load_head, save
from napari_cnmf.motion.stage import Correction, correct
from napari_cnmf.movie import FileSpan, Movie, repair
from napari_cnmf.movie.discard import discard
from napari_cnmf.movie.shifts import Shifts
from napari_cnmf.pipeline.folder import RunFolder
from napari_cnmf.pipeline.log import log_start, logged_to
from napari_cnmf.pipeline.opening import (
    Paths,
    RunInput,
    crop,
    needed_bytes,
    opened,
)
from napari_cnmf.pipeline.records import recorded, warn_of_oddities
from napari_cnmf.pipeline.stages import Session, stage_named
from napari_cnmf.recipe import Recipe

#: Groups of parameters that are those of the other movie.
SETTINGS = ("acquisition", "input", "store")


def apply_registration(  # noqa: PLR0913 - all choices in one call, as for `run`
    registered: Result | str | Path,
    movie: Movie | Paths,
    output: str | Path,
    settings: Mapping[str, Any] | Iterable[str] = (),
    *,
    register: bool = False,
    backend: Backend | None = None,
    progress: Progress = silent,
    cancel: Event | None = None,
) -> Movie:
    """Move another movie back by the shifts that a run found, or register it alike.

    Parameters
    ----------
    registered : Result or path
        The result, or the folder, of the run that registered the first movie.
    movie : Movie or paths
        The other movie, as for `run`: another channel or file of the same frames.
    output : path
        A file that ends with .tif or .h5, in the type of the other movie; or a folder
        for ``registered.zarr``, ``results.h5``, ``recipe.toml`` and ``run.log``, where
        `resume` and `rerun` can go on.
    settings : mapping or iterable of str, optional
        Changes of the first movie's recipe, such as ``{"input.channel": 1}``; of the
        groups acquisition, input and store.
    register : bool
        Register the frames to the template of the first movie, with its parameters,
        instead: for frames recorded later, any number of them, all of them by default.
    backend, progress, cancel
        As for `run`.

    Returns
    -------
    Movie
        The registered movie, on disk.

    Raises
    ------
    MissingStageError
        If there are no shifts to apply.
    InputError, ParameterError
        If the movie cannot be used, or is not of the size or length of the first.
    OutputError, CancelledError
        As for `run`.
    """
    output = Path(output)
    if not isinstance(registered, Result):
        registered = load_head(RunFolder(Path(registered)).result)
    shifts = _shifts(registered)
    recipe = _recipe(registered, settings, register)
    source = _opened(movie, recipe, registered, register, progress, cancel)
    require_expendable(output, source.movie.files + registered.movie.files)
    known = {"template": shifts.template} if register else {"shifts": shifts}
    write = _write_file if is_movie_file(output) else _write_folder
    with backend or local_backend() as workers:
        session = Session(RunFolder(output), recipe, workers, progress, cancel, source)
        return write(session, source, partial(_corrected, session, source, known))


def _shifts(result: Result) -> Shifts:
    """Return the shifts of a result."""
    if result.shifts is None:
        raise MissingStageError(
            f"{_name(result.movie.files)} was not registered (motion.mode is 'none'), "
            "so there are no shifts to apply; run 'correct' with another mode first."
        )
    return result.shifts


def _recipe(
    result: Result, settings: Mapping[str, Any] | Iterable[str], register: bool
) -> Recipe:
    """Return the recipe of the first movie, changed for the other one."""
    old = Recipe.from_toml(result.recipe)
    if register:  # which frames were wanted of the first recording says nothing here
        old = old.with_settings({"input.first_frame": 0, "input.last_frame": "auto"})
    recipe = old.with_settings(settings)
    for name, *_ in recipe.differences(old):
        if name.split(".")[0] not in SETTINGS:
            raise ParameterError(
                f"'{name}' is decided by the registration that is applied; only "
                f"parameters of {', '.join(SETTINGS)} can be set here."
            )
    return recipe


def _opened(
    movie: Movie | Paths,
    recipe: Recipe,
    result: Result,
    register: bool,
    progress: Progress,
    cancel: Event | None,
) -> RunInput:
    """Open the other movie; what its file does not state is as in the first."""
    first = result.movie
    chosen = crop(opened(movie, recipe), recipe.input)
    chosen = chosen.with_(
        frame_rate_hz=chosen.frame_rate_hz or first.frame_rate_hz,
        pixel_size_um=chosen.pixel_size_um or first.pixel_size_um,
    )
    _require_fit(chosen, first, register)
    limit = recipe.input.max_missing
    repaired, missing = repair(chosen, limit, progress=progress, cancel=cancel)
    return RunInput(chosen, repaired, missing)


def _require_fit(movie: Movie, first: MovieInfo, register: bool) -> None:
    """Refuse a movie that the shifts, or the template, cannot be those of."""
    name, first_name = _name(movie.files), _name(first.files)
    (height, width), (n_frames, *wanted) = movie.field_shape, first.shape
    if [height, width] != wanted:
        raise InputError(
            f"{name} has frames of {height} x {width} px, but {first_name}, whose "
            f"registration is applied, has {wanted[0]} x {wanted[1]} px; give a movie "
            "of the same field, cropped alike (input.top and so on)."
        )
    if not register and movie.n_frames != n_frames:
        raise InputError(
            f"{name} has {movie.n_frames} frames, but {first_name}, whose shifts are "
            f"applied, has {n_frames}; give a movie of the same frames, or register "
            "this one to the template of the first (--register, register=True)."
        )


def _name(files: tuple[FileSpan, ...]) -> str:
    """Return what to call a movie."""
    if not files:
        return "The movie from memory"
    more = f" and {len(files) - 1} more" if len(files) > 1 else ""
    return files[0].name + more


def _corrected(
    session: Session, source: RunInput, known: dict[str, Any], path: Path
) -> Correction:
    """Move the movie back, or register it, into a store."""
    recipe = session.recipe
    return correct(
        source.repaired,
        recipe.motion,
        path=path,
        store=recipe.store,
        summary=recipe.summary,
        valid=source.missing.valid,
        **known,
        **session.compute,
    )


def _write_file(
    session: Session, source: RunInput, corrected: Callable[[Path], Correction]
) -> Movie:
    """Write the registered movie as a tif or HDF5 file, by way of a store."""
    path = session.folder.path
    store = path.with_name(f"{path.name}.zarr.part")
    try:
        export_movie(
            corrected(store).movie,
            path,
            dtype=source.movie.dtype.name,
            progress=session.progress,
            cancel=session.cancel,
        )
    finally:
        discard(store)
    return open_movie(path)


def _write_folder(
    session: Session, source: RunInput, corrected: Callable[[Path], Correction]
) -> Movie:
    """Make the folder of a run whose first stage is done."""
    folder, recipe = session.folder, session.recipe
    if folder.result.exists():
        raise OutputError(
            f"{folder.path} already holds a result, which is kept; choose another "
            "folder."
        )
    with folder.claimed():
        folder.remove_leftovers()
        folder.require_space(needed_bytes(source.movie, recipe))
        folder.clear()
        recipe.save(folder.recipe)
        with logged_to(folder.log):
            log_start(source, recipe, session.backend.workers)
            started = time.perf_counter()
            done = corrected(folder.movie)
            result = Result(
                MovieInfo.of(source.repaired),
                recipe.to_toml(),
                done.summary,
                done.shifts,
                done.registration,
            )
            stage, seconds = stage_named("correct"), time.perf_counter() - started
            result = recorded(stage, session, result, seconds)
            # `run` would register the movie by itself: to it, nothing is done yet.
            own = tuple(replace(record, key="") for record in result.stages)
            result = replace(result, stages=own)
            warn_of_oddities(stage, result)
            save(result, folder.result)
    return done.movie
