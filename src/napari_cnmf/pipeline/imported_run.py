"""The result of another program as the folder of a run, with or without its movie.

With the movie, which is stored as it is, summary images exist and the cells are scored
by it; the other program's verdict then stands as decided by hand wherever our rule
disagrees. Without it, everything is what the file says.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np

from napari_cnmf.components import Background, Components
from napari_cnmf.compute import Backend, Progress, local_backend, silent
from napari_cnmf.errors import InputError, MissingStageError, OutputError
from napari_cnmf.formats.exchange.foreign import with_verdict
from napari_cnmf.formats.exchange.suite2p import STAGE as SUITE2P
from napari_cnmf.formats.results import MovieInfo, Result, load, save
from napari_cnmf.movie import Movie
from napari_cnmf.pipeline.apply import apply_registration
from napari_cnmf.pipeline.automatic import measured
from napari_cnmf.pipeline.folder import RunFolder
from napari_cnmf.pipeline.importing import import_result
from napari_cnmf.pipeline.log import logged_to
from napari_cnmf.pipeline.opening import Paths, crop, opened
from napari_cnmf.pipeline.runner import rerun, run
from napari_cnmf.pipeline.stages import registered_movie, summary_of
from napari_cnmf.provenance import StageRecord, versions
from napari_cnmf.recipe import Recipe
from napari_cnmf.report.figure import write_report

logger = logging.getLogger(__name__)

#: Stages that the other program has done in its way.
_DONE = ("fit", "refit")
#: suite2p halves the counts of a uint16 movie as it reads it.
_HALVED, _NEARLY = 0.5, 0.02


def import_run(  # noqa: PLR0913 - all choices in one call, as for `run`
    path: str | Path,
    output: str | Path,
    settings: Mapping[str, Any] | Iterable[str] = (),
    *,
    movie: Movie | Paths | None = None,
    apply_shifts: bool = False,
    frame_rate_hz: float | None = None,
    overwrite: bool = False,
    backend: Backend | None = None,
    progress: Progress = silent,
    cancel: Event | None = None,
) -> Result:
    """Make the folder of a run from a result of CaImAn, suite2p or an NWB file.

    Parameters
    ----------
    path : path
        As for `import_result`.
    output : path
        Folder that `run` would have written.
    settings : mapping or iterable of str, optional
        Changes of the recipe, as for `Recipe.with_settings`.
    movie : Movie or paths, optional
        The movie that the cells were found in: registered, unless the shifts are to
        be applied.
    apply_shifts : bool
        Whether the movie is as it was recorded: it is moved back by the shifts that
        the result states.
    frame_rate_hz : float, optional
        Where the result does not state it.
    overwrite : bool
        Whether an older result in the folder is replaced.
    backend, progress, cancel
        As for `run`.

    Returns
    -------
    Result
        As in ``results.h5``.

    Raises
    ------
    InputError
        If the result cannot be read, or the movie is not of its size and length.
    MissingStageError
        If it holds no cells, or no shifts to apply.
    OutputError
        If the folder holds a result, or cannot be written to.
    CancelledError
        If it was cancelled.
    """
    folder = RunFolder(Path(output))
    _require_place(folder, overwrite)
    foreign = import_result(path, frame_rate_hz=frame_rate_hz)
    cells = _components(foreign)
    recipe = _recipe(foreign, settings)
    foreign = replace(foreign, recipe=recipe.to_toml())
    told = f"{len(cells)} components imported from {path}"
    if movie is None:
        with folder.claimed():
            folder.begin_afresh()
            return _kept(folder, _with_stages(foreign, ""), told)
    given = crop(opened(movie, recipe), recipe.input)
    _require_fit(given, foreign.movie, Path(path))
    work: dict[str, Any] = {"progress": progress, "cancel": cancel}
    work["backend"] = backend = backend or local_backend()
    with backend.lasting():
        if apply_shifts:
            with folder.claimed():
                folder.begin_afresh()
            apply_registration(foreign, given, folder.path, **work)
        else:
            run(
                given,
                recipe,
                folder.path,
                until="correct",
                overwrite=overwrite,
                **work,
            )
        _add_components(folder, foreign, told, backend, cancel)
        rerun("evaluate", folder.path, **work)
    result = _judged(folder, cells)
    folder.remove_unfinished()
    write_report(result, folder.report)
    return result


def _require_place(folder: RunFolder, overwrite: bool) -> None:
    """Refuse a folder whose result is to be kept."""
    folder.require_folder()
    if folder.result.exists() and not overwrite:
        raise OutputError(
            f"{folder.path} already holds a result, which is kept; choose another "
            "folder, or overwrite it on purpose (--overwrite)."
        )


def _recipe(foreign: Result, settings: Mapping[str, Any] | Iterable[str]) -> Recipe:
    """Return the other program's parameters as ours, for a movie that is registered."""
    still = {"motion.mode": "none"}
    if foreign.movie.frame_rate_hz is not None:
        still["acquisition.frame_rate_hz"] = str(foreign.movie.frame_rate_hz)
    told = [f"{name}={value}" for name, value in still.items()]
    return Recipe.from_toml(foreign.recipe).with_settings(told).with_settings(settings)


def _require_fit(movie: Movie, wanted: MovieInfo, path: Path) -> None:
    """Refuse a movie that the cells cannot be of."""
    if movie.shape != wanted.shape:
        found, expected = (
            f"{t} frames of {y} x {x} px" for t, y, x in (movie.shape, wanted.shape)
        )
        raise InputError(
            f"The movie has {found}, but the cells in {path} are of one with "
            f"{expected}; give the movie that they were found in, uncropped."
        )


def _with_stages(foreign: Result, source: str) -> Result:
    """Record what need not be run; the stages' names say nothing of whose they are."""
    records = tuple(replace(record, source=source) for record in foreign.stages)
    names = {record.stage for record in records}
    done = (StageRecord(n, {}, source, versions()) for n in _DONE if n not in names)
    return replace(foreign, stages=(*records, *done), complete=True)


def _add_components(
    folder: RunFolder,
    foreign: Result,
    told: str,
    backend: Backend,
    cancel: Event | None,
) -> None:
    """Put the cells into the folder of the registered movie."""
    stored, cells = load(folder.result), _components(foreign)
    movie, summary = registered_movie(folder, stored), summary_of(stored)
    recipe = Recipe.from_toml(stored.recipe)
    with logged_to(folder.log), backend as workers:
        proposals = measured(movie, summary, recipe, backend=workers, cancel=cancel)
    if any(record.stage == SUITE2P for record in foreign.stages):
        scale = _scale(cells, summary.mean)
        if scale != 1:
            cells = _scaled(cells, scale)
            told += "; its values are doubled, as suite2p halves the counts of uint16"
    imported = _with_stages(foreign, movie.fingerprint)
    whole = replace(
        stored,
        components=replace(cells, pixel_noise=summary.noise),
        proposals=proposals,
        stages=(*stored.stages, *imported.stages),
    )
    _kept(folder, whole, told)


def _scale(cells: Components, mean: np.ndarray) -> float:
    """Factor to the movie's counts, seen where there are no cells."""
    bare = np.bincount(cells.footprints.indices, minlength=mean.size) == 0
    level = cells.background.constant.ravel()[bare].mean(dtype=np.float64)
    share = level / max(float(mean.ravel()[bare].mean(dtype=np.float64)), 1e-12)
    return 1 / _HALVED if abs(share - _HALVED) < _NEARLY * _HALVED else 1.0


def _scaled(cells: Components, scale: float) -> Components:
    """Multiply all that is in the movie's unit."""
    background, fit = cells.background, cells.trace_fit
    return replace(
        cells,
        denoised=cells.denoised * scale,
        residual_traces=cells.residual_traces * scale,
        spikes=cells.spikes * scale,
        trace_fit=replace(
            fit,
            noise=fit.noise * scale,
            penalty=fit.penalty * scale,
            baseline=fit.baseline * scale,
        ),
        background=Background(
            background.maps, background.traces * scale, background.constant * scale
        ),
    )


def _judged(folder: RunFolder, cells: Components) -> Result:
    """Let the other program's verdict stand beside our scores."""
    result = replace(load(folder.result), complete=True)
    scored = _components(result)
    if cells.quality is None or scored.quality is None:
        return _kept(folder, result, "it holds no verdicts: those of our rule stand")
    quality = with_verdict(scored.quality, cells.accepted)
    differ = int((quality.manual != 0).sum())
    result = replace(result, components=replace(scored, quality=quality))
    return _kept(folder, result, f"our rule disagrees with {differ} of the verdicts")


def _components(result: Result) -> Components:
    """Return the cells of a result."""
    if result.components is None:
        raise MissingStageError("The result holds no cells to import; find some first.")
    return result.components


def _kept(folder: RunFolder, result: Result, told: str) -> Result:
    """Write the result with the log so far, and its recipe."""
    with logged_to(folder.log):
        logger.info("%s", told)
    log = result.log + folder.log.read_text(encoding="utf-8")
    saved = save(replace(result, log=log), folder.result, overwrite=True)
    Recipe.from_toml(saved.recipe).save(folder.recipe)
    return saved
