"""What the docks run: stages of the pipeline as jobs, and what they would replace.

Whatever runs writes into a folder, so that nothing is lost; where there is none yet,
one beside the movie is taken. An older result is kept until its stage is done again.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import Any, TypeVar

import numpy as np

from napari_cnmf.cnmf.proposals.propose import propose
from napari_cnmf.compute import Backend, Progress, ProgressEvent, make_backend
from napari_cnmf.errors import CnmfError, MissingStageError
from napari_cnmf.formats.results import Result, load
from napari_cnmf.formats.seeds import copy_name
from napari_cnmf.parameters import AUTO
from napari_cnmf.pipeline.batch import beside
from napari_cnmf.pipeline.folder import RunFolder
from napari_cnmf.pipeline.runner import rerun, run
from napari_cnmf.pipeline.stages import STAGES, stages_between
from napari_cnmf.proposal import Proposal
from napari_cnmf.recipe import Recipe
from napari_cnmf.widgets.jobs import Work
from napari_cnmf.widgets.settings import preference
from napari_cnmf.widgets.workspace import Workspace

T = TypeVar("T")

NO_MOVIE = "Open a movie first (Movie)."
NO_REGISTERED = "Correct the motion first (Motion)."
NO_CELLS = "Find cells first (CNMF)."


def lacks_movie(workspace: Workspace) -> str:
    """Say what must be done before motion can be corrected, "" if nothing."""
    recorded = workspace.result is not None and workspace.result.movie.files
    return "" if workspace.movie is not None or recorded else NO_MOVIE


def lacks_registered(workspace: Workspace) -> str:
    """Say what must be done before the registered movie can be worked on."""
    if workspace.registered is not None:
        return ""
    return lacks_movie(workspace) or NO_REGISTERED


def lacks_cells(workspace: Workspace) -> str:
    """Say what must be done before cells can be worked on."""
    return lacks_registered(workspace) or (NO_CELLS if not workspace.components else "")


def lacks_recorded(workspace: Workspace) -> str:
    """Say that the movie as recorded is not open, if so."""
    return "" if workspace.movie is not None else NO_MOVIE


def is_done(workspace: Workspace, stage: str) -> bool:
    """Whether the result holds the outcome of a stage."""
    result = workspace.result
    if result is None:
        return False
    done = {record.stage for record in result.stages}
    # The registration makes the summary images as well.
    return stage in done or (stage == "summarise" and "correct" in done)


def stage_work(workspace: Workspace, first: str, until: str) -> Work[Result]:
    """Return the work that runs some stages with the workspace's values of now.

    Parameters
    ----------
    workspace : Workspace
        Has a folder.
    first, until : str
        Names of the first and the last stage.
    """
    seeds = _marked(workspace, first, until)
    movie, recipe = workspace.movie, workspace.recipe
    folder, backend = _place(workspace)

    def work(progress: Progress, cancel: Event) -> Result:
        options: dict[str, Any] = {
            "seeds": seeds,
            "until": until,
            "backend": backend,
            "progress": progress,
            "cancel": cancel,
        }
        if movie is not None and first == "correct" and not folder.result.exists():
            return run(movie, recipe, folder.path, **options)
        if first == "correct":
            options["movie"] = movie
        settings = settings_of(recipe, first, until)
        return rerun(first, folder.path, settings, **options)

    return known(workspace, backend, work)


@dataclass(frozen=True)
class CutShort:
    """A run that was cut short: by Cancel, an error, a closed window, the power.

    Attributes
    ----------
    stage : str
        What it was doing.
    recipe : Recipe
        Its parameters.
    """

    stage: str
    recipe: Recipe


def cut_short(folder: RunFolder | None) -> CutShort | None:
    """Return the run in a folder that was cut short, None if there is none."""
    if folder is None:
        return None
    for stage in STAGES:
        for note in folder.unfinished.glob(f"{stage.name}-*/{folder.recipe.name}"):
            with suppress(CnmfError):
                return CutShort(stage.name, Recipe.load(note))
    return None


def going_on_work(workspace: Workspace, cut: CutShort) -> Work[Result]:
    """Return the work that takes up a run where it was cut short, and finishes it."""
    movie, last = workspace.movie, STAGES[-1].name
    folder, backend = _place(workspace)

    def work(progress: Progress, cancel: Event) -> Result:
        if folder.result.exists():  # to be seen at once
            found = load(folder.result)
            progress(ProgressEvent(cut.stage, 0, 0, "", 0.0, found))
        options: Any = {"backend": backend, "progress": progress, "cancel": cancel}
        if movie is not None:
            return run(movie, cut.recipe, folder.path, **options)
        settings = settings_of(cut.recipe, cut.stage, last)
        return rerun(cut.stage, folder.path, settings, until=last, **options)

    return known(workspace, backend, work)


def known(workspace: Workspace, backend: Backend, work: Work[T]) -> Work[T]:
    """Return work of which the workspace knows, while it is done, where it is done."""

    def known_work(progress: Progress, cancel: Event) -> T:
        workspace.backend = backend
        try:
            return work(progress, cancel)
        finally:
            workspace.backend = None

    return known_work


def _place(workspace: Workspace) -> tuple[RunFolder, Backend]:
    """Folder of a run that begins, and where it works."""
    if workspace.folder is None:
        raise MissingStageError("There is no folder for the results; choose one.")
    backend = make_backend(workspace.computing, workspace.folder.path)
    return workspace.folder, backend


def _marked(workspace: Workspace, first: str, until: str) -> np.ndarray | None:
    """Cells that are marked in the viewer, if these stages begin with them.

    The recipe names the copy that the run will make of them.
    """
    names = [stage.name for stage in stages_between(first, until)]
    init = workspace.recipe.init
    if workspace.seeds is None or init.method != "seeded" or "fit" not in names:
        return None
    marks = workspace.seeds()
    init = replace(init, seeds=copy_name(marks))
    workspace.set_recipe(replace(workspace.recipe, init=init))
    return marks


def proposing_work(workspace: Workspace) -> Work[tuple[Proposal, ...]]:
    """Return the work that lets the registered movie propose parameters."""
    movie, result = workspace.registered, workspace.result
    rise_s = workspace.recipe.cnmf().rise_s
    if movie is None or result is None or result.summary is None:
        raise MissingStageError(NO_REGISTERED)
    summary = result.summary
    # A matter of seconds: not worth a job on a cluster.
    here = make_backend(workspace.computing).here

    def work(_progress: Progress, cancel: Event) -> tuple[Proposal, ...]:
        with here as backend:
            return propose(
                movie, summary, backend=backend, rise_s=rise_s, cancel=cancel
            )

    return work


def settings_of(recipe: Recipe, first: str, until: str) -> dict[str, object]:
    """All parameters that may be changed when some stages run again."""
    stages = stages_between(first, until)
    return {
        f"{group}.{name}": AUTO if value is None else value
        for group, values in recipe.to_dict().items()
        for name, value in values.items()
        if any(stage.accepts(f"{group}.{name}") for stage in stages)
    }


def usual_folder(workspace: Workspace, name: str = "movie") -> RunFolder:
    """Folder for the results of the open movie, if none was chosen.

    It lies beside the movie's file, or below the user's home folder.

    Parameters
    ----------
    workspace : Workspace
    name : str
        What to call a movie that is in no file.
    """
    ending = preference("results", "folder_ending", "-cnmf")
    if workspace.movie is None:
        raise MissingStageError(NO_MOVIE)
    if not workspace.movie.files:
        plain = re.sub(r"\W+", "-", name).strip("-") or "movie"
        return RunFolder(Path.home() / (plain + ending))
    file = Path(workspace.movie.files[0].path).absolute()
    return RunFolder(beside(file, ending=ending))


def losses(workspace: Workspace, first: str) -> str:
    """Say what is replaced if the stages from `first` on run, "" if nothing.

    Later stages that only take a moment to run again are no loss.
    """
    if first not in ("correct", "fit"):
        return ""
    components = workspace.components
    if components is None:
        return _loss_on_disk(workspace) if first == "correct" else ""
    text = f"the {len(components)} components found so far"
    quality = workspace.quality
    decided = 0 if quality is None else int((quality.manual != 0).sum())
    if decided:
        text += f" and {decided} decisions made by hand"
    return text


def _loss_on_disk(workspace: Workspace) -> str:
    """Say which result lies in the folder without being open."""
    folder = workspace.folder
    if workspace.result is None and folder is not None and folder.result.exists():
        return f"the result in {folder.path}"
    return ""


def changes(workspace: Workspace, first: str, until: str) -> dict[str, tuple]:
    """Parameters of some stages that differ from those of the result.

    Those that later stages accept as well are left to these.

    Returns
    -------
    dict
        Value in the result and value of now, by full name; empty without a result.
    """
    if workspace.result is None:
        return {}
    before = settings_of(Recipe.from_toml(workspace.result.recipe), first, until)
    now = settings_of(workspace.recipe, first, until)
    later = stages_between(until, None)[1:]
    return {
        name: (before[name], value)
        for name, value in now.items()
        if value != before[name] and not any(stage.accepts(name) for stage in later)
    }
