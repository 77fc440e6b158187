"""The commands that work: a whole run, one stage again, another movie alike."""

from __future__ import annotations

from argparse import Namespace

from napari_cnmf.cli.computing import computing_of
from napari_cnmf.cli.console import say, working
from napari_cnmf.cli.plan import tell_plan
from napari_cnmf.cli.summary import summarise_run
from napari_cnmf.cnmf.proposals.propose import propose
from napari_cnmf.cnmf.proposals.resolve import disagreements
from napari_cnmf.compute import ProgressEvent, make_backend
from napari_cnmf.errors import ParameterError
from napari_cnmf.formats.results import Result, load_head
from napari_cnmf.pipeline.apply import apply_registration
from napari_cnmf.pipeline.folder import RunFolder
from napari_cnmf.pipeline.opening import opened
from napari_cnmf.pipeline.runner import rerun, run
from napari_cnmf.pipeline.stages import registered_movie, stage_named, summary_of
from napari_cnmf.recipe import Recipe


def run_movie(options: Namespace) -> None:
    """Find the cells of a movie."""
    computing, settings = computing_of(options)
    recipe = Recipe.load(options.recipe) if options.recipe else Recipe()
    recipe = recipe.with_settings(settings)
    backend = make_backend(computing, options.output)
    movie = opened(options.movie, recipe)
    tell_plan(movie, recipe, backend)
    begun: set[str] = set()
    with working() as work:

        def progress(event: ProgressEvent) -> None:
            begun.add(event.stage)
            work["progress"](event)

        result = run(
            movie,
            recipe,
            options.output,
            seeds=options.seeds,
            backend=backend,
            progress=progress,
            cancel=work["cancel"],
            overwrite=options.overwrite,
        )
    _tell_what_was_kept(result, begun)
    summarise_run(result, options.output)


def _tell_what_was_kept(result: Result, begun: set[str]) -> None:
    """Say which stages of a result were done by an earlier run."""
    names = [record.stage for record in result.stages]
    kept = [name for name in names if name not in begun]
    if kept == names:
        say("\nNothing to do: all stages are done, with these parameters.")
    elif kept:
        say(f"\nDone by an earlier run and kept: {', '.join(kept)}.")


def run_stage(options: Namespace) -> None:
    """Run one stage again on an existing result."""
    computing, settings = computing_of(options)
    stage, folder = stage_named(options.stage), RunFolder(options.folder)
    before = {record.stage for record in load_head(folder.result).stages}
    backend = make_backend(computing, folder.path)
    with working() as work:
        result = rerun(
            stage.name,
            folder.path,
            settings,
            seeds=options.seeds,
            backend=backend,
            **work,
        )
    dropped = [name for name in stage.outdates if name in before]
    if dropped:
        say(f"\nMade of the old outcome and dropped: {', '.join(dropped)}.")
    summarise_run(result, folder.path)


def print_proposals(options: Namespace) -> None:
    """Print what the registered movie of a result says of parameters."""
    computing, settings = computing_of(options)
    if settings:
        raise ParameterError(
            f"'{settings[0]}' is no matter of proposals, which are measured; only what "
            "says where to work can be set here (compute, dask, slurm)."
        )
    folder = RunFolder(options.folder)
    result = load_head(folder.result)
    movie, summary = registered_movie(folder, result), summary_of(result)
    parameters = Recipe.from_toml(result.recipe).cnmf()
    with make_backend(computing, folder.path) as backend, working() as work:
        proposals = propose(
            movie,
            summary,
            backend=backend,
            rise_s=parameters.rise_s,
            cancel=work["cancel"],
        )
    for proposal in proposals:
        certainty = "" if proposal.confident else ", a guess"
        say(f"{proposal.parameter}: {proposal.in_words}{certainty}")
        say(f"  {proposal.evidence}")
    for sentence in disagreements(parameters, proposals):
        say(f"\n{sentence}")


def apply(options: Namespace) -> None:
    """Register another movie as an earlier one was."""
    computing, settings = computing_of(options)
    backend = make_backend(computing, options.output)
    with working() as work:
        apply_registration(
            options.folder,
            options.movie,
            options.output,
            settings,
            register=options.register,
            backend=backend,
            **work,
        )
    say(f"Written: {options.output}")
