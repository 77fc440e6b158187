"""`run`, all stages of a movie in order, and `rerun`, one of them again.

The result file is written anew after every stage, so whatever ends a run (an error, a
full disk, the user, the power) leaves the stages that were finished.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

from napari_cnmf.compute import Backend, Progress, ProgressEvent, local_backend, silent
from napari_cnmf.compute.backend import check_cancel
from napari_cnmf.errors import (
    CancelledError,
    InputError,
    OutputError,
    ParameterError,
)
from napari_cnmf.formats.results import MovieInfo, Result, load, save
from napari_cnmf.movie import Movie
from napari_cnmf.pipeline.folder import RunFolder
from napari_cnmf.pipeline.log import log_start, logged_to
from napari_cnmf.pipeline.opening import Paths, RunInput, needed_bytes, open_input
from napari_cnmf.pipeline.records import recorded, warn_of_oddities
from napari_cnmf.pipeline.stages import STAGES, Session, Stage, stage_named
from napari_cnmf.recipe import Recipe
from napari_cnmf.report import write_report

logger = logging.getLogger(__name__)


def run(
    movie: Movie | Paths,
    recipe: Recipe | None = None,
    output: str | Path = "cnmf",
    *,
    backend: Backend | None = None,
    progress: Progress = silent,
    cancel: Event | None = None,
    overwrite: bool = False,
) -> Result:
    """Run all stages on a movie and write what they find into a folder.

    Parameters
    ----------
    movie : Movie or paths
        A movie, a file, several files that follow one another, or a folder.
    recipe : Recipe, optional
        All parameters.
    output : path
        Folder for ``results.h5``, ``registered.zarr``, ``report.png``, ``run.log`` and
        ``recipe.toml``.
    backend : Backend, optional
        Where to work; all cores of this machine by default.
    progress : callable
        Told of every step.
    cancel : threading.Event, optional
        Ends the run once set; finished stages are kept.
    overwrite : bool
        Whether an older result in the folder is replaced.

    Returns
    -------
    Result
        As in ``results.h5``.

    Raises
    ------
    InputError, ParameterError
        If the movie cannot be used, before anything is written.
    OutputError
        If the folder cannot be written to, or the disk is full.
    CancelledError
        If it was cancelled.
    """
    recipe = recipe or Recipe()
    folder = RunFolder(Path(output))
    folder.require_free(overwrite)
    source = open_input(movie, recipe)
    folder.prepare(needed_bytes(source.movie, recipe))
    recipe.save(folder.recipe)
    result = Result(movie=MovieInfo.of(source.repaired), recipe=recipe.to_toml())
    with logged_to(folder.log), backend or local_backend() as workers:
        log_start(source, recipe, workers.workers)
        session = Session(folder, recipe, workers, progress, cancel, source)
        for stage in STAGES:
            if stage.name != "summarise":  # the registration did that in its pass
                result = _run_stage(stage, session, result)
        _finish(session, result)
    return result


def rerun(
    name: str,
    output: str | Path,
    settings: Mapping[str, Any] | Iterable[str] = (),
    *,
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
    backend, progress, cancel
        As for `run`.

    Returns
    -------
    Result
        What later stages had made of the old outcome is dropped.

    Raises
    ------
    ParameterError
        If a setting does not belong to this stage.
    MissingFileError, MissingStageError
        If what the stage works on is not there.
    InputError
        If the movie is not the one that the result is of.
    OutputError, CancelledError
        As for `run`; the result is then as it was before.
    """
    stage, folder = stage_named(name), RunFolder(Path(output))
    result = load(folder.result)
    folder.remove_leftovers()
    old = Recipe.from_toml(result.recipe)
    recipe = old.with_settings(settings)
    _require_own(stage, old, recipe)
    source = _same_movie(result, recipe) if name == "correct" else None
    with logged_to(folder.log), backend or local_backend() as workers:
        session = Session(folder, recipe, workers, progress, cancel, source)
        kept = tuple(r for r in result.stages if r.stage not in stage.outdates)
        result = replace(result, recipe=recipe.to_toml(), stages=kept)
        if source is not None:
            result = replace(result, movie=MovieInfo.of(source.repaired))
        result = _run_stage(stage, session, result)
        recipe.save(folder.recipe)
        _finish(session, result)
    return result


def _run_stage(stage: Stage, session: Session, result: Result) -> Result:
    """Run one stage, record it and save the result."""
    try:
        check_cancel(session.cancel)
        session.progress(ProgressEvent(stage.name, 0, 0, "", 0.0))
        started = time.perf_counter()
        result = stage.work(session, result)
        seconds = time.perf_counter() - started
        result = recorded(stage, session, result, seconds)
        logger.info("%s: %.2f s", stage.name, seconds)
        warn_of_oddities(stage, result)
        _save(session.folder, result)
    except CancelledError as error:
        logger.info("cancelled at %s", stage.name)
        reason = "The run was cancelled"
        raise CancelledError(_what_is_kept(reason, stage, session.folder)) from error
    except OutputError as error:
        logger.info("%s: %s", stage.name, error)
        reason = str(error).rstrip(".")
        raise OutputError(_what_is_kept(reason, stage, session.folder)) from error
    except Exception:
        logger.exception("%s failed", stage.name)
        raise
    return result


def _save(folder: RunFolder, result: Result) -> None:
    """Write the result file, with the log so far."""
    log = folder.log.read_text(encoding="utf-8")
    save(replace(result, log=log), folder.result, overwrite=True)


def _finish(session: Session, result: Result) -> None:
    """Draw the report, or remove one that shows what is no longer there."""
    if result.components is None:
        session.folder.report.unlink(missing_ok=True)
    else:
        write_report(result, session.folder.report)


def _what_is_kept(reason: str, stage: Stage, folder: RunFolder) -> str:
    """Add to why a run ended what is kept of it and how to go on."""
    if not folder.result.exists():
        return f"{reason}; no stage was finished, so run the movie again."
    return (
        f"{reason}; finished stages are kept, so go on with "
        f"'napari-cnmf {stage.name} {folder.path}'."
    )


def _require_own(stage: Stage, old: Recipe, new: Recipe) -> None:
    """Refuse to change parameters that belong to other stages."""
    before = old.to_dict()
    for group, values in new.to_dict().items():
        for name, value in values.items():
            full = f"{group}.{name}"
            if value != before[group][name] and not stage.accepts(full):
                owner = next(s.name for s in STAGES if s.accepts(full))
                raise ParameterError(
                    f"'{full}' does not belong to the stage '{stage.name}' but to "
                    f"'{owner}'; change it there."
                )


def _same_movie(result: Result, recipe: Recipe) -> RunInput:
    """Open the recorded movie of a result again."""
    if not result.movie.files:
        raise InputError(
            "The result is of a movie that came from no file, so it cannot be read "
            "again; start a new run with it."
        )
    return open_input([span.path for span in result.movie.files], recipe)
