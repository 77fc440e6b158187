"""The commands that work: a whole run, one stage again, another movie alike."""

from __future__ import annotations

from argparse import Namespace

from napari_cnmf.cli.console import say, working
from napari_cnmf.cli.summary import summarise_run
from napari_cnmf.compute import local_backend
from napari_cnmf.formats.results import load
from napari_cnmf.pipeline.apply import apply_registration
from napari_cnmf.pipeline.folder import RunFolder
from napari_cnmf.pipeline.runner import rerun, run
from napari_cnmf.pipeline.stages import stage_named
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
            stage.name, folder.path, options.settings, backend=backend, **work
        )
    dropped = [name for name in stage.outdates if name in before]
    if dropped:
        say(f"\nMade of the old outcome and dropped: {', '.join(dropped)}.")
    summarise_run(result, folder.path)


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
