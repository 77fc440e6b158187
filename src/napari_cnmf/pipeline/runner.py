"""`run`, all stages of a movie in order, `rerun`, some again, `resume`, those left.

The result file is written anew after every stage, and a stage keeps what its tasks have
given. So whatever ends a run (an error, a full disk, the user, the power), the same run
goes on where it was, and ends with the same bytes.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from shutil import rmtree
from threading import Event
from typing import Any

import numpy as np
import scipy.sparse as sp

from napari_cnmf.compute import (
    Backend,
    Progress,
    ProgressEvent,
    SerialBackend,
    local_backend,
    silent,
)
from napari_cnmf.compute.backend import check_cancel
from napari_cnmf.errors import (
    CancelledError,
    InputError,
    OutputError,
    ParameterError,
)
from napari_cnmf.formats.previous import keep_previous
from napari_cnmf.formats.results import MovieInfo, Result, load, load_head, save
from napari_cnmf.movie import Movie
from napari_cnmf.pipeline.budget import prepared, within
from napari_cnmf.pipeline.cleaning import trim_cache
from napari_cnmf.pipeline.earlier import (
    earlier_result,
    require_sizes,
    require_unchanged,
)
from napari_cnmf.pipeline.folder import RunFolder
from napari_cnmf.pipeline.keys import outdated_stages
from napari_cnmf.pipeline.log import log_start, logged_to
from napari_cnmf.pipeline.opening import (
    Paths,
    needed_bytes,
    open_input,
)
from napari_cnmf.pipeline.records import recorded, warn_of_oddities
from napari_cnmf.pipeline.seeds import Seeds, checked_seeds, with_copy
from napari_cnmf.pipeline.stages import (
    STAGES,
    Session,
    Stage,
    has_movie,
    stages_between,
)
from napari_cnmf.recipe import Recipe
from napari_cnmf.report.figure import write_report
from napari_cnmf.report.motion import write_motion_report

logger = logging.getLogger(__name__)

_GO_ON = "what is finished is kept, and the same command goes on with it."


def run(  # noqa: PLR0913 - all choices of a run in one call
    movie: Movie | Paths,
    recipe: Recipe | None = None,
    output: str | Path = "cnmf",
    *,
    seeds: Seeds | None = None,
    until: str | None = None,
    backend: Backend | None = None,
    progress: Progress = silent,
    cancel: Event | None = None,
    overwrite: bool = False,
) -> Result:
    """Run the stages on a movie and write what they find into a folder.

    Given again with the same folder, it goes on: a stage that was done is run again
    only if a parameter that matters to it has changed, and one that was cut short goes
    on with what was done of it.

    Parameters
    ----------
    movie : Movie or paths
        A movie, a file, several files that follow one another, or a folder.
    recipe : Recipe, optional
        All parameters.
    output : path
        Folder for ``results.h5``, ``registered.zarr``, ``report.png``, ``run.log`` and
        ``recipe.toml``.
    seeds : ndarray, csc_array, Components or path, optional
        Cells to begin with instead of a search: labels (Y, X), points (n, 2) as rows
        and columns, footprints, an earlier result's accepted components, or a file of
        these. They are kept in the folder, as ``seeds-*.npz``.
    until : str, optional
        Name of the last stage; all of them by default. `resume` does the others.
    backend : Backend, optional
        Where to work; all cores of this machine by default.
    progress : callable
        Told of every step. At the end of each stage, when the result file holds it,
        the event's payload is the `Result` so far.
    cancel : threading.Event, optional
        Ends the run once set; what is finished is kept.
    overwrite : bool
        Whether to begin afresh, whatever is in the folder.

    Returns
    -------
    Result
        As in ``results.h5``.

    Raises
    ------
    InputError, ParameterError
        If the movie cannot be used, or its file has changed since it was worked on;
        before anything is written.
    OutputError
        If the folder cannot be written to or holds the result of another movie, or
        the disk is full.
    CancelledError
        If it was cancelled.
    """
    recipe = recipe or Recipe()
    folder = RunFolder(Path(output))
    last = stages_between("correct", until)[-1]
    folder.require_folder()
    source = open_input(movie, recipe, progress=progress, cancel=cancel)
    info = MovieInfo.of(source.repaired)
    backend = backend or local_backend()
    budget = prepared(backend, info, recipe, folder.path)
    chosen = STAGES[: STAGES.index(last) + 1]
    marks = _marks(seeds, chosen, recipe, folder, source.movie.field_shape)
    with folder.claimed():
        earlier = None
        if not overwrite:
            earlier = earlier_result(folder, info, recipe, backend.empty)
        folder.remove_leftovers()
        if marks is not None:
            recipe = with_copy(recipe, folder, marks)
        result = Result(movie=info, recipe=recipe.to_toml())
        if earlier is not None:
            result = replace(earlier, movie=result.movie, recipe=result.recipe)
        stages = [s for s in _outdated(result, recipe, folder) if s in chosen]
        if stages:
            begins = "correct" in {stage.name for stage in stages}
            least = needed_bytes(source.movie, recipe) if begins else 0
            folder.require_space(least, budget.disk_bytes)
        if earlier is None:
            (folder.begin_afresh if overwrite else folder.clear)()
            recipe.save(folder.recipe)
        place = backend if stages else SerialBackend()  # no jobs for nothing
        with logged_to(folder.log), within(budget, place) as workers:
            log_start(source, recipe, workers.workers)
            logger.info("%s", budget.in_words)
            session = Session(folder, recipe, workers, progress, cancel, source)
            return _work_through(
                stages, session, result if stages else earlier or result
            )


def rerun(  # noqa: PLR0913 - all choices of a run in one call
    name: str,
    output: str | Path,
    settings: Mapping[str, Any] | Iterable[str] = (),
    *,
    seeds: Seeds | None = None,
    until: str | None = None,
    movie: Movie | None = None,
    backend: Backend | None = None,
    progress: Progress = silent,
    cancel: Event | None = None,
) -> Result:
    """Run one stage again on the result in a folder, with other parameters if wanted.

    Parameters
    ----------
    name : str
        Of the stage.
    output : path
        Folder of a run.
    settings : mapping or iterable of str, optional
        Changes of the recipe, as for `Recipe.with_settings`.
    seeds : ndarray, csc_array, Components or path, optional
        Cells that 'fit' is to begin with, as for `run`; those kept in the folder are
        used again otherwise.
    until : str, optional
        Name of a later stage: those up to it are run too.
    movie : Movie, optional
        What `correct` registers, instead of the files that were recorded.
    backend, progress, cancel
        As for `run`.

    Returns
    -------
    Result
        What later stages had made of the old outcome is dropped. Decisions by hand
        are kept as long as components keep their ids.

    Raises
    ------
    ParameterError
        If a setting does not belong to the stages that are run, or seeds do not.
    MissingFileError, MissingStageError
        If what the stage works on is not there.
    InputError
        If the movie is not the one that the result is of, or the seeds do not fit.
    OutputError, CancelledError
        As for `run`; the result is then as it was before the unfinished stage.
    """
    stages, folder = stages_between(name, until or name), RunFolder(Path(output))
    head, backend = load_head(folder.result), backend or local_backend()
    old = Recipe.from_toml(head.recipe)
    recipe = old.with_settings(settings)
    budget = prepared(backend, head.movie, recipe, folder.path)
    _require_own(stages, old, recipe)
    with folder.claimed():
        result = load(folder.result, empty=backend.empty)
        folder.remove_leftovers()
        source = None
        if name == "correct":
            chosen = _recorded_movie(result) if movie is None else movie
            source = open_input(chosen, recipe, progress=progress, cancel=cancel)
            info = MovieInfo.of(source.repaired)
            if movie is None:
                require_unchanged(result.movie, info, recipe.input == old.input)
            result = replace(result, movie=info)
        least = 0 if source is None else needed_bytes(source.movie, recipe)
        folder.require_space(least, budget.disk_bytes)
        marks = _marks(seeds, stages, recipe, folder, result.movie.shape[1:])
        if marks is not None:
            recipe = with_copy(recipe, folder, marks)
        with logged_to(folder.log), within(budget, backend) as workers:
            session = Session(folder, recipe, workers, progress, cancel, source)
            result = replace(result, recipe=recipe.to_toml())
            return _work_through(stages, session, result)


def resume(
    output: str | Path,
    settings: Mapping[str, Any] | Iterable[str] = (),
    *,
    seeds: Seeds | None = None,
    until: str | None = None,
    backend: Backend | None = None,
    progress: Progress = silent,
    cancel: Event | None = None,
) -> Result:
    """Run the stages that a folder's result lacks: dropped, not run yet, or failed.

    Parameters
    ----------
    output, settings, seeds, until, backend, progress, cancel
        As for `rerun`; by default all stages are completed.

    Returns
    -------
    Result
        The one that is there, if nothing is left to do.

    Raises
    ------
    CnmfError
        As for `rerun`.
    """
    path = RunFolder(Path(output)).result
    result = load_head(path)
    require_sizes(result.movie)
    failed = {failure.stage for failure in result.failures}
    done = {record.stage for record in result.stages} - failed
    for stage in stages_between("correct", until):
        if stage.name not in done:
            return rerun(
                stage.name,
                output,
                settings,
                seeds=seeds,
                until=until or STAGES[-1].name,
                backend=backend,
                progress=progress,
                cancel=cancel,
            )
    return load(path)


def _outdated(result: Result, recipe: Recipe, folder: RunFolder) -> list[Stage]:
    """Return the stages to run; all if the registered movie is needed and not whole."""
    stages = outdated_stages(STAGES, result, recipe)
    names = {stage.name for stage in stages}
    if names <= {"dff"} or "correct" in names or has_movie(folder, result, recipe):
        return stages
    return list(stages_between("correct", None))


def _marks(
    seeds: Seeds | None,
    stages: Sequence[Stage],
    recipe: Recipe,
    folder: RunFolder,
    field_shape: tuple[int, int],
) -> np.ndarray | sp.csc_array | None:
    """Return the seeds to keep in the folder, None if these stages need none."""
    names = [stage.name for stage in stages]
    if seeds is None and not ("fit" in names and recipe.init.method == "seeded"):
        return None
    if "fit" not in names and names[0] != "correct":
        raise ParameterError(
            f"Seeds were given, but what is run ({', '.join(names)}) does not search "
            "for cells; run 'fit' with them."
        )
    return checked_seeds(seeds, recipe, folder, field_shape)


def _work_through(stages: Sequence[Stage], session: Session, result: Result) -> Result:
    """Run stages in order, and draw what they give."""
    for stage in stages:
        result = _run_stage(stage, session, result)
    if not stages:
        logger.info("nothing to do: all that was asked for is done")
    if result.complete:
        session.folder.remove_unfinished()
    trim_cache(session.folder, session.backend.cache_gb * 1e9)
    _draw(session, result, again=bool(stages))
    return result


def _run_stage(stage: Stage, session: Session, result: Result) -> Result:
    """Run one stage, record it and save the result."""
    keep = session.folder.keep(stage.name, stage.version)
    session = replace(session, keep=keep)
    try:
        check_cancel(session.cancel)
        session.progress(ProgressEvent(stage.name, 0, 0, "", 0.0))
        session.recipe.save(keep.unfinished / session.folder.recipe.name)
        started = time.perf_counter()
        result = stage.work(session, result)
        seconds = time.perf_counter() - started
        result = recorded(stage, session, result, seconds)
        logger.info("%s: %.2f s", stage.name, seconds)
        warn_of_oddities(stage, result)
        result = _saved(session.folder, result)
        if not keep.failures:  # otherwise the same run will try them once more
            rmtree(keep.unfinished, ignore_errors=True)
    except CancelledError as error:
        logger.info("cancelled at %s", stage.name)
        raise CancelledError(f"The run was cancelled; {_GO_ON}") from error
    except OutputError as error:
        logger.info("%s: %s", stage.name, error)
        raise OutputError(f"{str(error).rstrip('.')}; {_GO_ON}") from error
    except Exception:
        logger.exception("%s failed", stage.name)
        raise
    session.progress(ProgressEvent(stage.name, 0, 0, "", seconds, result))
    return result


def _saved(folder: RunFolder, result: Result) -> Result:
    """Write the result file, with the log so far, and its recipe; return the result."""
    log = folder.log.read_text(encoding="utf-8")
    keep_previous(folder.result)
    saved = save(replace(result, log=log), folder.result, overwrite=True)
    Recipe.from_toml(saved.recipe).save(folder.recipe)
    return saved


def _draw(session: Session, result: Result, again: bool) -> None:
    """Draw the pictures, or remove those that show what is no longer there."""
    pictures = (
        (result.registration, session.folder.motion_report, write_motion_report),
        (result.components, session.folder.report, write_report),
    )
    for shown, path, write in pictures:
        if shown is None:
            path.unlink(missing_ok=True)
        elif again or not path.exists():
            write(result, path)


def _require_own(stages: tuple[Stage, ...], old: Recipe, new: Recipe) -> None:
    """Refuse to change parameters that belong to other stages."""
    before = old.to_dict()
    for group, values in new.to_dict().items():
        for name, value in values.items():
            full = f"{group}.{name}"
            changed = value != before[group][name]
            if changed and not any(stage.accepts(full) for stage in stages):
                owner = next(s.name for s in STAGES if s.accepts(full))
                raise ParameterError(
                    f"'{full}' does not belong to the stage '{stages[0].name}' but to "
                    f"'{owner}'; change it there."
                )


def _recorded_movie(result: Result) -> list[str]:
    """Paths of the files that a result was made from."""
    if not result.movie.files:
        raise InputError(
            "The result is of a movie that came from no file, so it cannot be read "
            "again; start a new run with it."
        )
    return [span.path for span in result.movie.files]
