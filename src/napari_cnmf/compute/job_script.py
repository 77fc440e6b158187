"""What a job on SLURM is made of: our parameters in the words of dask-jobqueue.

Whatever is on auto is taken from dask's own configuration (jobqueue.yaml).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

from napari_cnmf.compute.parameters import SlurmParameters
from napari_cnmf.errors import ParameterError

#: Where neither we nor jobqueue.yaml are told.
_CORES, _GB_PER_CORE = 4, 4

#: What a job is given over what its tasks are estimated to take, and at least.
_SPARE, _LEAST_BYTES = 1.5, 10**9

#: A worker takes one task per core and starts no threads of its own. It neither
#: writes results to disk, from where they would be unpickled, nor waits for memory
#: that only its tasks could free.
_VARIABLES = {
    "NUMBA_NUM_THREADS": 1,
    "OMP_NUM_THREADS": 1,
    "OPENBLAS_NUM_THREADS": 1,
    "MKL_NUM_THREADS": 1,
    "DASK_DISTRIBUTED__WORKER__MEMORY__TARGET": False,
    "DASK_DISTRIBUTED__WORKER__MEMORY__SPILL": False,
    "DASK_DISTRIBUTED__WORKER__MEMORY__PAUSE": False,
}

#: Seconds after which a worker whose client does not answer ends.
_DEATH_S = 60


def job_name(folder: Path | None, purpose: str = "run") -> str:
    """Return the name of a run's jobs, which follows from its folder."""
    path = str((folder or Path()).resolve())
    return f"cnmf-{purpose}-{hashlib.sha256(path.encode()).hexdigest()[:8]}"


def cluster_options(
    parameters: SlurmParameters,
    name: str,
    folder: Path,
    memory_bytes: int,
) -> dict[str, Any]:
    """Return the arguments of `dask_jobqueue.SLURMCluster`.

    Parameters
    ----------
    parameters : SlurmParameters
    name : str
        Of the jobs.
    folder : Path
        For certificates and logs, seen by all nodes.
    memory_bytes : int
        Of a job, see `job_bytes`.
    """
    cores = parameters.cores or _configured("cores") or _CORES
    walltime = parameters.walltime or _configured("walltime")
    local = parameters.local_folder or _configured("local-directory")
    return {
        "queue": parameters.queue,
        "account": parameters.account,
        "walltime": walltime,
        "cores": cores,
        "processes": 1,
        "memory": f"{memory_bytes}B",
        "interface": parameters.interface,
        "job_name": name,
        "job_extra_directives": _directives(parameters.directives),
        "job_script_prologue": _prologue(parameters.prologue),
        "worker_extra_args": _worker_options(walltime),
        "death_timeout": _DEATH_S,
        "local_directory": local or "${TMPDIR:-/tmp}",
        "log_directory": str(folder),
        "scheduler_options": _scheduler_options(parameters),
        "silence_logs": False,
        **_security(parameters, folder),
    }


def job_bytes(
    parameters: SlurmParameters, tasks_bytes: Callable[[int], int] | None
) -> int:
    """Return the memory of a job: as told, or what its tasks take.

    Raises
    ------
    ParameterError
        If what was told is no size.
    """
    from dask.utils import parse_bytes

    memory = parameters.memory or _configured("memory")
    if memory is None:
        return _enough(parameters.cores or _configured("cores") or _CORES, tasks_bytes)
    try:
        return int(parse_bytes(memory))
    except ValueError as error:
        raise ParameterError(
            "The 'slurm.memory' parameter must be a number and its unit, such as 8GB. "
            f"Got '{memory}' instead."
        ) from error


def _enough(cores: int, tasks_bytes: Callable[[int], int] | None) -> int:
    """Return the memory of a job that follows from what its tasks take."""
    if tasks_bytes is None:
        return _GB_PER_CORE * 10**9 * cores
    return int(max(_SPARE * tasks_bytes(cores), _LEAST_BYTES))


def _prologue(given: str | None) -> list[str]:
    """Return the first commands of a job."""
    ours = [f"export {name}={value}" for name, value in _VARIABLES.items()]
    return ours + (_parts(given) or _configured("job-script-prologue") or [])


def _directives(given: str | None) -> list[str]:
    """Return further options of sbatch; lost jobs are replaced by us."""
    theirs = _parts(given) or _configured("job-extra-directives") or []
    return ["--no-requeue", *theirs]


def _security(parameters: SlurmParameters, folder: Path) -> dict[str, Any]:
    """Return how workers and scheduler talk: by certificates made for this run.

    What the workers need of them lies in a folder that only this user can read.
    """
    if not parameters.encrypted:
        return {"protocol": "tcp://", "security": None}
    from distributed.security import Security

    security = Security.temporary()
    for name in ("tls_ca_file", "tls_worker_cert", "tls_worker_key"):
        path = folder / f"{name}.pem"
        path.touch(mode=0o600)
        path.write_text(getattr(security, name))
        setattr(security, name, str(path))
    return {"protocol": "tls://", "security": security}


def _scheduler_options(parameters: SlurmParameters) -> dict[str, Any]:
    """Return where the scheduler listens: at one address, dashboard here or nowhere."""
    from distributed.utils import get_ip, get_ip_interface

    interface = parameters.interface or _configured("interface")
    options = dict(_configured("scheduler-options") or {})
    options["dashboard"] = parameters.dashboard
    options["dashboard_address"] = "127.0.0.1:0"
    if "host" not in options:
        try:
            options["host"] = get_ip_interface(interface) if interface else get_ip()
        except ValueError as error:
            raise ParameterError(
                f"This machine has no network interface '{interface}' ({error}); "
                "correct slurm.interface."
            ) from error
    return options


def _worker_options(walltime: str | None) -> list[str]:
    """Return the options of a worker, which ends itself before SLURM ends its job."""
    options = [str(option) for option in _configured("worker-extra-args") or []]
    options += ["--no-dashboard", "--dashboard-address", "127.0.0.1:0"]
    limit_s = None if walltime is None else seconds_of(walltime)
    if limit_s is not None and "--lifetime" not in options:
        margin_s = min(max(limit_s / 10, 20), 600)
        options += ["--lifetime", f"{max(limit_s - margin_s, 1):.0f}s"]
        options += ["--lifetime-stagger", f"{margin_s / 2:.0f}s"]
    return options


def seconds_of(walltime: str) -> float | None:
    """Return the length of a time limit of SLURM, None if there is none.

    Raises
    ------
    ParameterError
        If it is not written in one of SLURM's ways.
    """
    if walltime.upper() in ("UNLIMITED", "INFINITE"):
        return None
    days, dash, rest = walltime.rpartition("-")
    try:
        parts = [int(part) for part in rest.split(":")]
        n_days = int(days) if dash else 0
    except ValueError:
        parts, n_days = [], 0
    if not 1 <= len(parts) <= 3:
        raise ParameterError(
            f"The 'slurm.walltime' parameter must be a time such as 02:00:00 or "
            f"1-12:00:00. Got '{walltime}' instead."
        )
    # Hours come first after days; else a single number is minutes, two go to seconds.
    if not dash and len(parts) < 3:
        parts.insert(0, 0)
    hours, minutes, seconds = (*parts, 0, 0)[:3]
    return ((n_days * 24 + hours) * 60 + minutes) * 60.0 + seconds


def _parts(text: str | None) -> list[str] | None:
    """Split a parameter at its semicolons."""
    if text is None:
        return None
    return [part.strip() for part in text.split(";") if part.strip()]


def _configured(name: str) -> Any:
    """Return a value of jobqueue.yaml."""
    import dask

    jobqueue()  # reads its configuration
    return dask.config.get(f"jobqueue.slurm.{name}", None)


def jobqueue() -> ModuleType:
    """Return dask-jobqueue, kept from taking over Ctrl-C when it is imported.

    In the thread of a window it could not, and would not be imported at all.
    """
    with patch("signal.signal", lambda *_: None):
        import dask_jobqueue

    return dask_jobqueue
