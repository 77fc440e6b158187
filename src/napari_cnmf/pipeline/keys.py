"""Keys: what decides the outcome of a stage, and so which stages must be run.

The key of a stage is a digest of its name and version, of the key of the stage that it
works on, and of the parameters that it reads, as they stand in the recipe. The first
one begins with the movie's fingerprint. A stage whose key is that of its record need
not be run again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from napari_cnmf.formats.results import MovieInfo, Result
from napari_cnmf.provenance import StageRecord, digest
from napari_cnmf.recipe import Recipe

if TYPE_CHECKING:
    from napari_cnmf.pipeline.stages import Stage

Groups = dict[str, dict[str, Any]]


def chosen(groups: Groups, names: Sequence[str]) -> Groups:
    """Return some parameters, named as groups or by their full names."""
    found: Groups = {}
    for name in names:
        group, _, one = name.partition(".")
        values = {one: groups[group][one]} if one else groups[group]
        found[group] = found.get(group, {}) | values
    return found


def stage_key(stage: Stage, before: str, groups: Groups) -> str:
    """Key of a stage; "" if that of the stage before is.

    Parameters
    ----------
    stage : Stage
    before : str
        Key of the stage that it works on, or of the movie.
    groups : dict
        Parameters by group and name.
    """
    return before and digest(
        stage.name, stage.version, before, chosen(groups, stage.reads)
    )


def movie_key(movie: MovieInfo) -> str:
    """Key of a movie: what the first stage works on."""
    return digest(movie.fingerprint, movie.frame_rate_hz, movie.pixel_size_um)


def record_of(result: Result, stage: str) -> StageRecord | None:
    """Return the record of a stage, None if it was not run."""
    return next((r for r in result.stages if r.stage == stage), None)


def key_before(stage: Stage, result: Result) -> str:
    """Key of what a stage finds in a result to work on."""
    if not stage.after:
        return movie_key(result.movie)
    # What has taken the place of its input is its input now.
    again = record_of(result, stage.name) if stage.replaces else None
    record = again or record_of(result, stage.after)
    return "" if record is None else record.key


def outdated_stages(
    stages: Sequence[Stage], result: Result, recipe: Recipe
) -> list[Stage]:
    """Return the stages that must be run for a result to be that of a recipe.

    Parameters
    ----------
    stages : sequence of Stage
        All, in order.
    result : Result
        What is there, of the movie that is to be worked on.
    recipe : Recipe
    """
    held, groups = _held(stages, result), recipe.to_dict()
    wanted = {"": movie_key(result.movie)}
    for stage in stages:
        wanted[stage.name] = stage_key(stage, wanted[stage.after], groups)
    for stage in stages:
        if stage.replaces and held.get(stage.name) not in (None, wanted[stage.name]):
            held.pop(stage.after, None)  # what it found is no longer there
    outdated: list[Stage] = []
    for stage in stages:
        follows = any(stage.after == other.name for other in outdated)
        if follows or held.get(stage.name) != wanted[stage.name]:
            outdated.append(stage)
    included = {name for stage in outdated for name in stage.includes}
    return [stage for stage in outdated if stage.name not in included]


def _held(stages: Sequence[Stage], result: Result) -> dict[str, str]:
    """Keys of the stages that a result has the outcome of, by their names."""
    held = {record.stage: record.key for record in result.stages}
    parts = {stage.name: stage for stage in stages}
    for stage in stages:
        record = record_of(result, stage.name)
        if record is not None:
            for name in stage.includes:
                key = stage_key(parts[name], record.key, record.parameters)
                held.setdefault(name, key)
    return held
