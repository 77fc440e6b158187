"""The stages in order: what decides each of them, what it works on and gives.

A stage takes the result so far and returns a new one. Running a stage again drops
what later stages had made of its old outcome.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import chain
from threading import Event
from typing import Any

from napari_cnmf.baseline import dff
from napari_cnmf.cnmf.fit import fit
from napari_cnmf.cnmf.refit import refit
from napari_cnmf.components import Components
from napari_cnmf.compute import Backend, Progress
from napari_cnmf.compute.kept import Keep
from napari_cnmf.errors import InputError, MissingStageError, ParameterError
from napari_cnmf.formats.curation import with_curation
from napari_cnmf.formats.results import Result
from napari_cnmf.motion.stage import correct, registered_fingerprint
from napari_cnmf.movie import Movie
from napari_cnmf.movie.images import SummaryImages
from napari_cnmf.movie.store import TiledStore
from napari_cnmf.pipeline.automatic import measured
from napari_cnmf.pipeline.decisions import with_decisions
from napari_cnmf.pipeline.folder import RunFolder
from napari_cnmf.pipeline.keys import key_before, record_of, stage_key
from napari_cnmf.pipeline.opening import RunInput, require_room
from napari_cnmf.pipeline.seeds import masks_of
from napari_cnmf.proposal import Proposal
from napari_cnmf.quality.rule import SCORED_BY
from napari_cnmf.quality.stage import evaluate, judged
from napari_cnmf.recipe import Recipe
from napari_cnmf.summary.stage import summarise


@dataclass(frozen=True)
class Session:
    """What all stages of one run share.

    Attributes
    ----------
    folder : RunFolder
    recipe : Recipe
    backend : Backend
    progress : callable
    cancel : threading.Event or None
    source : RunInput or None
        The movie as recorded; only the stage `correct` needs it.
    keep : Keep or None
        Where the stage that is run keeps what it needs to go on later.
    """

    folder: RunFolder
    recipe: Recipe
    backend: Backend
    progress: Progress
    cancel: Event | None
    source: RunInput | None = None
    keep: Keep | None = None

    @property
    def compute(self) -> dict[str, Any]:
        """Where a stage works, whom it tells and who stops it."""
        return {
            "backend": self.backend,
            "progress": self.progress,
            "cancel": self.cancel,
        }


@dataclass(frozen=True)
class Stage:
    """One stage of a run.

    Attributes
    ----------
    name : str
    work : callable
        ``work(session, result) -> result``.
    settings : tuple of str
        Parameters that may be changed when it runs again: groups or full names.
    reads : tuple of str
        Parameters that decide its outcome, likewise.
    after : str
        Name of the stage whose outcome it works on; "" for the movie.
    outdates : tuple of str
        Later stages whose outcome is worth nothing once this one has run again.
    includes : tuple of str
        Later stages that it does on the way.
    replaces : bool
        Whether its outcome takes the place of what it works on.
    version : int
        Raised when the outcome changes for the same input and parameters.
    """

    name: str
    work: Callable[[Session, Result], Result]
    settings: tuple[str, ...]
    reads: tuple[str, ...]
    after: str = ""
    outdates: tuple[str, ...] = ()
    includes: tuple[str, ...] = ()
    replaces: bool = False
    version: int = 1

    def accepts(self, parameter: str) -> bool:
        """Whether a parameter, by its full name, may be changed for this stage."""
        return parameter in self.settings or parameter.split(".")[0] in self.settings


def _correct(session: Session, result: Result) -> Result:
    """Register the movie and summarise it, in one pass."""
    source, recipe = session.source, session.recipe
    if source is None:
        raise MissingStageError("The registration needs the movie; open it first.")
    done = correct(
        source.repaired,
        recipe.motion,
        path=session.folder.movie,
        store=recipe.store,
        summary=recipe.summary,
        valid=source.missing.valid,
        keep=session.keep,
        **session.compute,
    )
    return replace(
        result,
        shifts=done.shifts,
        registration=done.registration,
        summary=done.summary,
        components=None,
        proposals=None,
        decisions=None,
    )


def _summarise(session: Session, result: Result) -> Result:
    """Summarise the registered movie again."""
    movie = registered_movie(session.folder, result)
    valid = None if result.summary is None else result.summary.valid
    images = summarise(movie, session.recipe.summary, valid=valid, **session.compute)
    return replace(result, summary=images)


def _fit(session: Session, result: Result) -> Result:
    """Find the components."""
    movie, summary = registered_movie(session.folder, result), summary_of(result)
    recipe, field_shape = session.recipe, movie.field_shape
    proposals = _measured(session, movie, summary)
    parameters = recipe.cnmf(proposals or ())
    require_room(parameters.init, field_shape)
    measured_too = replace(recipe, init=parameters.init)
    masks = masks_of(measured_too, session.folder, field_shape)
    found = fit(
        movie, summary, parameters, masks=masks, keep=session.keep, **session.compute
    )
    return replace(result, components=found, proposals=proposals, decisions=None)


def _refit(session: Session, result: Result) -> Result:
    """Update footprints and traces over the whole field."""
    movie, summary = registered_movie(session.folder, result), summary_of(result)
    if result.proposals is None:  # nothing was on auto when the cells were found
        result = replace(result, proposals=_measured(session, movie, summary))
    parameters = session.recipe.cnmf(result.proposals or ())
    found = refit(
        movie,
        summary,
        _components(result),
        parameters,
        keep=session.keep,
        **session.compute,
    )
    # Read now: something may have been decided while the stage was working.
    latest = with_curation(result, session.folder.result)
    return with_decisions(replace(result, components=found), latest)


def _evaluate(session: Session, result: Result) -> Result:
    """Score the components, unless only limits changed; decide which are cells."""
    movie, summary = registered_movie(session.folder, result), summary_of(result)
    components, recipe = _components(result), session.recipe
    recorded = None if result.registration is None else result.registration.before
    if _has_scores(recipe, result):
        scored = judged(components, summary, recipe.quality, recorded=recorded)
    else:
        scored = evaluate(
            movie,
            summary,
            components,
            recipe.quality,
            diameter_px=recipe.cnmf(result.proposals or ()).init.diameter_px,
            recorded=recorded,
            **session.compute,
        )
    latest = with_curation(result, session.folder.result)
    return with_decisions(replace(result, components=scored), latest)


def _has_scores(recipe: Recipe, result: Result) -> bool:
    """Whether a result holds the scores that a recipe gives, by whatever limits."""
    stage, record = stage_named("evaluate"), record_of(result, "evaluate")
    if record is None or _components(result).quality is None:
        return False
    groups = recipe.to_dict()
    now, then = groups["quality"], record.parameters["quality"]
    groups["quality"] = then | {name: now[name] for name in SCORED_BY}
    return record.key == stage_key(stage, key_before(stage, result), groups) != ""


def _dff(session: Session, result: Result) -> Result:
    """Relate the traces to their baseline."""
    found = dff(_components(result), session.recipe.dff, **session.compute)
    return replace(result, components=found)


_FACTORISATION = ("patches", "init", "spatial", "background", "merge", "temporal")
_KINETICS = (
    "acquisition.indicator",
    "acquisition.decay_time_s",
    "acquisition.rise_time_s",
)

STAGES = (
    Stage(
        "correct",
        _correct,
        settings=("acquisition", "input", "store", "motion", "summary"),
        reads=(
            "acquisition.frame_rate_hz",
            "acquisition.pixel_size_um",
            "input",
            "store",
            "motion",
        ),
        outdates=("summarise", "fit", "refit", "evaluate", "dff"),
        includes=("summarise",),
    ),
    Stage(
        "summarise",
        _summarise,
        settings=("summary",),
        reads=("summary",),
        after="correct",
    ),
    Stage(
        "fit",
        _fit,
        settings=(*_KINETICS, *_FACTORISATION),
        reads=("acquisition", *_FACTORISATION),
        after="correct",
        outdates=("refit", "evaluate", "dff"),
    ),
    Stage(
        "refit",
        _refit,
        settings=(*_KINETICS, *_FACTORISATION),
        reads=("acquisition", *_FACTORISATION),
        after="fit",
        outdates=("evaluate", "dff"),
        replaces=True,
    ),
    Stage(
        "evaluate",
        _evaluate,
        settings=("quality",),
        reads=("quality", "init"),
        after="refit",
    ),
    Stage("dff", _dff, settings=("dff",), reads=("dff",), after="refit"),
)


def stage_named(name: str) -> Stage:
    """Return a stage by its name.

    Raises
    ------
    ParameterError
        If there is none of that name.
    """
    known = {stage.name: stage for stage in STAGES}
    if name not in known:
        raise ParameterError(
            f"There is no stage '{name}'; the stages are {', '.join(known)}."
        )
    return known[name]


def stages_between(first: str, last: str | None) -> tuple[Stage, ...]:
    """Return the stages from one to another, to the end if `last` is None.

    Raises
    ------
    ParameterError
        If a name is unknown, or the last stage comes before the first.
    """
    start = STAGES.index(stage_named(first))
    stop = STAGES.index(stage_named(last or STAGES[-1].name)) + 1
    if stop <= start:
        raise ParameterError(
            f"The stage '{last}' comes before '{first}'; end with a later one."
        )
    chosen = STAGES[start:stop]
    # The registration also summarises, in its one pass.
    return tuple(s for s in chosen if first != "correct" or s.name != "summarise")


def registered_movie(folder: RunFolder, result: Result) -> Movie:
    """Open the registered movie of a result.

    Raises
    ------
    MissingFileError
        If there is none.
    InputError
        If it is not the one that the result was made from.
    """
    movie = (
        TiledStore.open(folder.movie)
        .movie()
        .with_(files=result.movie.files, left_out=_left_out(result))
    )
    sources = {r.source for r in result.stages if r.stage != "correct"}
    if sources and movie.fingerprint not in sources:
        raise InputError(
            f"{folder.movie} is not the movie that the components in {folder.result} "
            "were found in; run 'correct' again."
        )
    return movie


def has_movie(folder: RunFolder, result: Result, recipe: Recipe) -> bool:
    """Whether the registered movie is there, whole, and what a recipe makes."""
    try:
        store = TiledStore.open(folder.movie)
    except (InputError, KeyError, OSError, TypeError):
        return False
    wanted = registered_fingerprint(
        result.movie.fingerprint, recipe.motion, recipe.store
    )
    firsts = range(0, store.shape[0], store.block_frames)
    return store.header.fingerprint == wanted and store.holds(firsts)


def summary_of(result: Result) -> SummaryImages:
    """Return the summary images, which `correct` gives.

    Raises
    ------
    MissingStageError
        If there are none.
    """
    if result.summary is None:
        raise MissingStageError(
            "The result holds no summary images yet; run 'correct' first."
        )
    return result.summary


def _left_out(result: Result) -> tuple[int, ...]:
    """Numbers of the frames that hold no data, or were registered badly."""
    lost = (
        range(failure.first_frame, failure.stop_frame)
        for failure in result.failures
        if failure.stage == "correct"
    )
    frames = set(chain.from_iterable(lost))
    chosen = Recipe.from_toml(result.recipe).motion.leave_out_bad
    if chosen and result.registration is not None:
        frames |= set(result.registration.left_out)
    return tuple(sorted(frames))


def _measured(
    session: Session, movie: Movie, summary: SummaryImages
) -> tuple[Proposal, ...] | None:
    """Measure what is on auto, if anything is."""
    backend, cancel = session.backend, session.cancel
    return measured(movie, summary, session.recipe, backend=backend, cancel=cancel)


def _components(result: Result) -> Components:
    """Return the components, which `fit` gives."""
    if result.components is None:
        raise MissingStageError("The result holds no components yet; run 'fit' first.")
    return result.components
