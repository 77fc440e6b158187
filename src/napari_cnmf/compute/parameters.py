"""Where a run works: on this machine, on a running dask cluster, or on SLURM.

These parameters are no part of a recipe, because no result depends on them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from napari_cnmf.parameters import Parameters, param


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputeParameters(Parameters):
    """Where to compute, and with how much."""

    group: ClassVar[str] = "compute"

    backend: str = param(
        "threads",
        "'threads' uses this machine's cores, 'serial' one of them, 'dask' a running "
        "dask cluster, 'slurm' jobs of its own on a SLURM cluster.",
        choices=("threads", "serial", "dask", "slurm"),
        caiman="setup_cluster(backend)",
    )
    workers: int | None = param(
        None,
        "Tasks at a time on this machine. Auto takes all cores, or those of the SLURM "
        "allocation that the run was started in.",
        low=1,
        high=1024,
        caiman="setup_cluster(n_processes)",
    )
    memory_gb: float | None = param(
        None,
        "Memory that a run may use on this machine; it works in smaller pieces, with "
        "fewer workers and with traces on disk, to keep to it. Auto takes most of what "
        "is free.",
        unit="GB",
        low=0.5,
        high=100_000,
    )
    cache_gb: float = param(
        10.0,
        "What the folder 'cache' of a result may hold once a run is done: searches "
        "that another run with other parameters need not make again. What is oldest "
        "is removed first.",
        unit="GB",
        low=0.0,
        high=100_000,
        advanced=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DaskParameters(Parameters):
    """Which running dask cluster to use."""

    group: ClassVar[str] = "dask"

    address: str | None = param(
        None, "Address of its scheduler, such as tls://10.0.0.1:8786."
    )
    scheduler_file: str | None = param(
        None, "File that its scheduler wrote (dask scheduler --scheduler-file)."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SlurmParameters(Parameters):
    """Which jobs to submit to SLURM; auto is what dask's own configuration says."""

    group: ClassVar[str] = "slurm"

    queue: str | None = param(None, "Partition that the jobs are submitted to.")
    account: str | None = param(None, "Account that they are charged to.")
    walltime: str | None = param(None, "Time limit of a job, as HH:MM:SS.")
    cores: int | None = param(None, "Cores of a job.", low=1, high=1024)
    memory: str | None = param(
        None, "Memory of a job, such as 8GB. Auto follows from what the tasks need."
    )
    jobs: int = param(2, "Jobs that work at the same time.", low=1, high=10_000)
    interface: str | None = param(
        None, "Network interface that jobs reach this machine by, such as ib0."
    )
    directives: str | None = param(
        None,
        "Further options of sbatch, separated by ';', such as "
        "--constraint=avx2;--exclusive.",
        advanced=True,
    )
    prologue: str | None = param(
        None,
        "Commands that a job begins with, separated by ';', such as module load "
        "python.",
    )
    shared_folder: str | None = param(
        None,
        "Folder that all nodes see, for job scripts' certificates and logs. Auto "
        "takes the run's own folder.",
        advanced=True,
    )
    local_folder: str | None = param(
        None, "Folder on each node for temporary files, such as /tmp.", advanced=True
    )
    encrypted: bool = param(
        True,
        "Whether workers and scheduler talk by TLS, with certificates made for each "
        "run. Turn it off only on a network that you trust.",
        advanced=True,
    )
    dashboard: bool = param(
        False,
        "Whether dask's dashboard runs; it can be opened on this machine only.",
        advanced=True,
    )
    max_lost_jobs: int = param(
        20,
        "Jobs that may be lost and replaced before the run gives up.",
        low=0,
        high=100_000,
        advanced=True,
    )
