"""The commands that work: a whole run, one stage again, another movie alike."""

from __future__ import annotations

from argparse import Namespace

from napari_cnmf.cli.console import say, working
from napari_cnmf.cli.summary import summarise_run
from napari_cnmf.cnmf.proposals.propose import propose
from napari_cnmf.cnmf.proposals.resolve import disagreements
from napari_cnmf.compute import local_backend
from napari_cnmf.formats.results import load
from napari_cnmf.pipeline.apply import apply_registration
from napari_cnmf.pipeline.folder import RunFolder
from napari_cnmf.pipeline.runner import rerun, run
from napari_cnmf.pipeline.stages import registered_movie, stage_named, summary_of
from napari_cnmf.recipe import Recipe


def run_movie(options: Namespace) -> None:
    """Find the cells of a movie."""
    recipe = Recipe.load(options.recipe) if options.recipe else Recipe()
    recipe = recipe.with_settings(options.settings)
    backend = local_backend(options.workers)
    with working() as work:
        result = run(
            options.movie,
            recipe,
            options.output,
            seeds=options.seeds,
            backend=backend,
            overwrite=options.overwrite,
            **work,
        )
    summarise_run(result, options.output)


def run_stage(options: Namespace) -> None:
    """Run one stage again on an existing result."""
    stage, folder = stage_named(options.stage), RunFolder(options.folder)
    before = {record.stage for record in load(folder.result).stages}
    backend = local_backend(options.workers)
    with working() as work:
        result = rerun(
            stage.name,
            folder.path,
            options.settings,
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
    folder = RunFolder(options.folder)
    result = load(folder.result)
    movie, summary = registered_movie(folder, result), summary_of(result)
    parameters = Recipe.from_toml(result.recipe).cnmf()
    with local_backend(options.workers) as backend, working() as work:
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
    backend = local_backend(options.workers)
    with working() as work:
        apply_registration(
            options.folder,
            options.movie,
            options.output,
            options.settings,
            register=options.register,
            backend=backend,
            **work,
        )
    say(f"Written: {options.output}")
