"""Where to work: the choice in one value, and the backend that follows from it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from napari_cnmf.compute.backend import Backend, SerialBackend
from napari_cnmf.compute.job_script import job_name
from napari_cnmf.compute.parameters import (
    ComputeParameters,
    DaskParameters,
    SlurmParameters,
)
from napari_cnmf.compute.threads import local_backend
from napari_cnmf.errors import ParameterError
from napari_cnmf.parameters import ParameterGroups

if TYPE_CHECKING:
    from napari_cnmf.compute.slurm import SlurmBackend


@dataclass(frozen=True, slots=True, kw_only=True)
class Computing(ParameterGroups):
    """Where and with how much to work; no result depends on it.

    Examples
    --------
    >>> where = Computing().with_settings(["compute.backend=slurm", "slurm.jobs=4"])
    >>> where.slurm.jobs
    4
    """

    compute: ComputeParameters = field(default_factory=ComputeParameters)
    dask: DaskParameters = field(default_factory=DaskParameters)
    slurm: SlurmParameters = field(default_factory=SlurmParameters)

    @classmethod
    def split(cls, settings: Iterable[str]) -> tuple[list[str], list[str]]:
        """Part settings that say where to work from those of the recipe.

        Parameters
        ----------
        settings : iterable of str
            As ``"group.name=value"``.

        Returns
        -------
        ours, others : list of str
        """
        names = {full_name.split(".")[0] for full_name in cls.known()}
        ours: list[str] = []
        others: list[str] = []
        for setting in settings:
            is_ours = setting.split(".")[0].strip() in names
            (ours if is_ours else others).append(setting)
        return ours, others


def make_backend(computing: Computing, folder: str | Path | None = None) -> Backend:
    """Return the backend that was chosen; it starts when its context is entered.

    Parameters
    ----------
    computing : Computing
    folder : path, optional
        Of the run: jobs on a cluster are known by it.

    Raises
    ------
    ParameterError
        If a package that it needs is not installed.
    """
    backend = _chosen(computing, folder)
    backend.memory_gb = computing.compute.memory_gb
    backend.cache_gb = computing.compute.cache_gb
    return backend


def trial_backend(computing: Computing, folder: Path) -> Backend:
    """Return the backend that was chosen, with one job beside those of a run."""
    if computing.compute.backend != "slurm":
        return make_backend(computing, folder)
    return slurm_backend(computing.with_settings({"slurm.jobs": 1}), folder, "test")


def _chosen(computing: Computing, folder: str | Path | None) -> Backend:
    """Return the backend of a name."""
    name, workers = computing.compute.backend, computing.compute.workers
    if name == "serial":
        return SerialBackend()
    if name == "threads":
        return local_backend(workers)
    if name == "dask":
        _require("dask", "distributed", "cloudpickle")
        from napari_cnmf.compute.cluster import DaskBackend

        return DaskBackend(computing.dask.address, computing.dask.scheduler_file)
    return slurm_backend(computing, folder)


def slurm_backend(
    computing: Computing, folder: str | Path | None = None, purpose: str = "run"
) -> SlurmBackend:
    """Return the backend that works in jobs of SLURM.

    Parameters
    ----------
    computing, folder
        As for `make_backend`.
    purpose : str
        Jobs of another purpose than "run" have another name, so that they do not end
        those of a run in the same folder.
    """
    _require("slurm", "distributed", "dask_jobqueue", "cryptography")
    from napari_cnmf.compute.slurm import SlurmBackend

    path = None if folder is None else Path(folder)
    return SlurmBackend(computing.slurm, path, job_name(path, purpose))


def _require(backend: str, *packages: str) -> None:
    """Refuse a backend whose packages are not installed."""
    missing = [package for package in packages if find_spec(package) is None]
    if missing:
        raise ParameterError(
            f"The backend '{backend}' needs {' and '.join(missing)}, which "
            f"{'is' if len(missing) == 1 else 'are'} not installed; install it with "
            'pip install "napari-cnmf[cluster]".'
        )
