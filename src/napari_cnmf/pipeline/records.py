"""What is written down about a stage that has run, and what the user is told of it."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np

from napari_cnmf.formats.results import Result
from napari_cnmf.movie.images import SummaryImages
from napari_cnmf.pipeline.doubts import doubts
from napari_cnmf.pipeline.keys import chosen, key_before, stage_key
from napari_cnmf.pipeline.stages import (
    STAGES,
    Session,
    Stage,
    registered_movie,
    stage_named,
)
from napari_cnmf.provenance import StageRecord, versions
from napari_cnmf.recipe import Recipe
from napari_cnmf.report.facts import (
    bad_frames_in_words,
    borders_in_words,
    motion_rows,
)

logger = logging.getLogger(__name__)

_MUCH_BORDER = 0.05  # of a side of the field


def recorded(stage: Stage, session: Session, result: Result, seconds: float) -> Result:
    """Return the result with a record of the stage that has just run."""
    failures = () if session.keep is None else tuple(session.keep.failures)
    groups = session.recipe.to_dict()
    record = StageRecord(
        stage.name,
        resolved_parameters(stage, session.recipe, result),
        _source(stage, session, result),
        versions(),
        seconds,
        "" if failures else stage_key(stage, key_before(stage, result), groups),
        datetime.now().astimezone().isoformat(timespec="seconds"),
    )
    outdated = {stage.name, *stage.outdates}
    stages = (*(r for r in result.stages if r.stage not in outdated), record)
    failures = (*(f for f in result.failures if f.stage not in outdated), *failures)
    # The registration also summarises, so that stage need not run by itself.
    done = {r.stage for r in stages} | {"summarise"}
    complete = done == {s.name for s in STAGES} and not failures
    return replace(result, stages=stages, complete=complete, failures=failures)


def resolved_parameters(stage: Stage, recipe: Recipe, result: Result) -> dict[str, Any]:
    """Return the parameters that decide a stage, with what "auto" stood for."""
    groups = recipe.to_dict()
    movie, cnmf = result.movie, recipe.cnmf(result.proposals or ())
    groups["acquisition"] |= {
        "frame_rate_hz": movie.frame_rate_hz,
        "pixel_size_um": movie.pixel_size_um,
        "decay_time_s": cnmf.decay_s,
        "rise_time_s": cnmf.rise_s,
    }
    groups["init"] = cnmf.init.to_dict()
    included = [stage_named(name) for name in stage.includes]
    return chosen(groups, [name for s in (stage, *included) for name in s.reads])


def _source(stage: Stage, session: Session, result: Result) -> str:
    """Fingerprint of the movie that a stage worked on."""
    if stage.name == "correct":
        return result.movie.fingerprint
    if stage.name == "dff":  # needs no movie, which may be gone by then
        return result.stages[-1].source
    return registered_movie(session.folder, result).fingerprint


def warn_of_oddities(stage: Stage, result: Result) -> None:
    """Tell what looks wrong in the outcome of a stage, and what may help."""
    if stage.name == "correct":
        _warn_of_movie(result)
    elif stage.name == "refit" and not _count(result):
        logger.warning(
            "no component was found; check init.neuron_half_size_px and the movie, or "
            "lower init.min_event_energy"
        )
    elif stage.name == "evaluate" and _count(result) and not _count(result, True):
        logger.warning(
            "all components were rejected; 'napari-cnmf info' lists the reasons, and "
            "'napari-cnmf evaluate' applies other limits in a moment"
        )
    elif stage.name == "evaluate" and result.components is not None:
        for doubt in doubts(result.components, Recipe.from_toml(result.recipe).cnmf()):
            logger.warning("%s", doubt)


def _warn_of_movie(result: Result) -> None:
    """Tell how the movie was registered, and what looks wrong with it."""
    for row in motion_rows(result):
        logger.info("%s: %s", *row)
    if result.summary is not None and not result.summary.std.any():
        logger.warning("the movie is constant: all its frames are the same")
    _warn_of_frames(result)
    if result.shifts is not None and result.summary is not None:
        _warn_of_borders(result.summary)


def _warn_of_frames(result: Result) -> None:
    """Tell of shifts that may be cut off, and of frames that remain bad."""
    shifts, found = result.shifts, result.registration
    if shifts is not None and shifts.n_at_limit:
        logger.warning(
            "%d frames have moved as far as the search goes (%g px); raise "
            "motion.max_shift_px",
            shifts.n_at_limit,
            shifts.max_shift_px,
        )
    if found is not None and len(found.bad_frames):
        logger.warning(
            "frames that remain bad after registration: %s; cells are searched for "
            "without them unless motion.leave_out_bad is false",
            bad_frames_in_words(found),
        )


def _warn_of_borders(summary: SummaryImages) -> None:
    """Tell of borders without data that take much of the field."""
    sides = np.repeat(summary.valid.shape, 2)
    if np.any(summary.borders > _MUCH_BORDER * sides):
        logger.warning(
            "motion leaves borders without data (%s), where no cells are found; a "
            "lower motion.min_seen keeps more of the field",
            borders_in_words(summary.borders),
        )


def _count(result: Result, accepted_only: bool = False) -> int:
    """Return the number of components."""
    if result.components is None:
        return 0
    return (
        int(result.components.accepted.sum())
        if accepted_only
        else len(result.components)
    )
