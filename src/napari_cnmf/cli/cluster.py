"""The command `cluster`: try the workers, print a job's script, list the jobs."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from napari_cnmf.cli.computing import computing_of
from napari_cnmf.cli.console import columns, say, working
from napari_cnmf.compute import Computing
from napari_cnmf.compute.choose import slurm_backend, trial_backend
from napari_cnmf.compute.sight import require_sight
from napari_cnmf.errors import MissingFileError, ParameterError

if TYPE_CHECKING:
    from napari_cnmf.compute.slurm import SlurmBackend


def test(options: Namespace) -> None:
    """Start one worker and check that a run would work there."""
    computing = _computing(options)
    folder = options.folder or Path()
    if not folder.is_dir():
        raise MissingFileError(
            f"There is no folder {folder}; give one where results could be written."
        )
    for movie in options.movie:
        if not movie.exists():
            raise MissingFileError(f"There is no movie {movie}; correct its path.")
    with working() as work, trial_backend(computing, folder) as backend:
        say("The cluster takes our tasks; waiting for a worker ...")
        machine = require_sight(backend, options.movie, folder, work["cancel"])
        n_tasks = backend.workers
    say(f"The worker on {machine} runs our version and sees all files.")
    say(f"It works on {n_tasks} tasks at a time.")


def print_script(options: Namespace) -> None:
    """Print the script of a job, and submit nothing."""
    say(_slurm(options).script())


def list_jobs(options: Namespace) -> None:
    """List the jobs of a run."""
    jobs = _slurm(options).jobs()
    if not jobs:
        say(f"SLURM has no jobs of a run in {options.folder or Path()}.")
        return
    columns([(job.id, f"{job.state} {job.node}{job.reason}") for job in jobs])


def _computing(options: Namespace) -> Computing:
    """Return where to work: on SLURM unless said otherwise."""
    options.backend = options.backend or "slurm"
    computing, others = computing_of(options)
    if others:
        raise ParameterError(
            f"'{others[0]}' says nothing of where to work; only parameters of compute, "
            "dask and slurm can be set here."
        )
    return computing


def _slurm(options: Namespace) -> SlurmBackend:
    """Return the backend of a run in a folder, which is one of SLURM's."""
    options.backend = "slurm"
    return slurm_backend(_computing(options), options.folder)
