"""Tasks in jobs of our own on a SLURM cluster.

The scheduler runs in this process; each job is one worker with a thread per core. Jobs
are known by their name, which follows from the run's folder: so those that an earlier
client left are found and ended, and the queue is empty when the backend is left. What
SLURM or the limits take is replaced, up to a limit.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from napari_cnmf.compute.cluster import ClusterBackend, Sender, our_dask
from napari_cnmf.compute.job_script import cluster_options, job_bytes, jobqueue
from napari_cnmf.compute.parameters import SlurmParameters
from napari_cnmf.compute.queue import Job, end_jobs, jobs_named, require_acceptable
from napari_cnmf.compute.watch import JobWatch
from napari_cnmf.errors import CancelledError, OutputError, ParameterError

if TYPE_CHECKING:
    from dask_jobqueue.slurm import SLURMCluster
    from distributed import Client

logger = logging.getLogger(__name__)

#: SLURM tells which jobs have ended. Dask would end jobs whose workers were lost after
#: a while, by a name that another job may have by then.
_NEVER_LOST = {"distributed.deploy.lost-worker-timeout": "365 days"}

#: Seconds that running tasks get to end by themselves.
_GRACE_S = 2.0


class SlurmBackend(ClusterBackend):
    """Runs tasks in jobs that it submits to SLURM.

    Parameters
    ----------
    parameters : SlurmParameters
    folder : Path, optional
        Of the run: takes the logs of workers that failed.
    name : str
        Of the jobs.
    """

    def __init__(
        self, parameters: SlurmParameters, folder: Path | None, name: str
    ) -> None:
        super().__init__()
        self._parameters = parameters
        self._folder = folder
        self.name = name
        self._shared = _shared_folder(parameters, folder) / name

    @property
    def dashboard_link(self) -> str | None:
        """Address of the dashboard on this machine, None if it is off."""
        if not self._parameters.dashboard or self._started is None:
            return None
        return str(self._cluster.dashboard_link)

    def jobs(self) -> list[Job]:
        """Return the jobs, with what they do or wait for."""
        return [job for job in jobs_named(self.name) if not job.has_ended]

    def script(self) -> str:
        """Return the script of a job, without submitting it."""
        with our_dask(), ExitStack() as stack:
            return str(self._cluster_of(stack).job_script())

    def _open(self, stack: ExitStack) -> Client:
        """Start the scheduler and submit the jobs."""
        import dask
        from distributed import Client

        stack.enter_context(dask.config.set(_NEVER_LOST))
        end_jobs(self.name)
        self._cluster = self._cluster_of(stack)
        require_acceptable(self._cluster.job_script())
        self._watch = JobWatch(
            self._parameters.jobs, self._parameters.max_lost_jobs, self._shared
        )
        stack.push(self._gather_logs)
        stack.callback(end_jobs, self.name)
        self._cluster.scale(jobs=self._parameters.jobs)
        client = Client(self._cluster, set_as_default=False, direct_to_workers=True)
        return stack.enter_context(client)

    def _suffices(self) -> bool:
        """Whether the jobs have as much memory as tasks now need."""
        return job_bytes(self._parameters, self.tasks_bytes) <= self._job_bytes

    def _cluster_of(self, stack: ExitStack) -> SLURMCluster:
        """Start a scheduler whose workers will be jobs."""
        stack.enter_context(_folder_of_run(self._shared))
        self._job_bytes = job_bytes(self._parameters, self.tasks_bytes)
        options = cluster_options(
            self._parameters, self.name, self._shared, self._job_bytes
        )
        return stack.enter_context(jobqueue().SLURMCluster(**options))

    def _tend(self) -> None:
        """Replace jobs that were lost, and say what others wait for."""
        wanted = self._parameters.jobs
        if self._threads:
            self._watch.has_workers()
        if len(self._threads) >= wanted or not self._watch.is_due():
            return
        submitted = {
            job.job_id: name for name, job in list(self._cluster.workers.items())
        }
        ended = self._watch.ended(submitted, jobs_named(self.name), self._n_done)
        if ended:
            self._cluster.sync(self._cluster.scale_down, ended)
        if len(submitted) - len(ended) < wanted:
            self._cluster.scale(jobs=wanted)

    def _stop(self, sender: Sender) -> None:
        """Take back what was sent, and end the jobs if their tasks take long."""
        if not sender.stop(_GRACE_S):
            end_jobs(self.name)

    def _gather_logs(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """Keep the logs of the workers if the run failed, or jobs were lost."""
        if self._folder is None or isinstance(error, CancelledError):
            return
        if error is not None or self._watch.n_lost:
            kept = self._folder / "worker-logs"
            others = shutil.ignore_patterns("*.pem")
            with suppress(OSError):  # a full disk must not hide why the run failed
                shutil.copytree(self._shared, kept, ignore=others, dirs_exist_ok=True)
                logger.info("logs of the workers are in %s", kept)


def _shared_folder(parameters: SlurmParameters, folder: Path | None) -> Path:
    """Return where certificates and logs go: job scripts take no spaces in paths."""
    if parameters.shared_folder is not None:
        return Path(parameters.shared_folder).resolve()
    beside = (folder or Path()).resolve()
    return Path.home() if _has_space(beside) else beside


def _has_space(path: Path) -> bool:
    """Whether a path has a space in it."""
    return any(letter.isspace() for letter in str(path))


@contextmanager
def _folder_of_run(path: Path) -> Iterator[None]:
    """Make the folder for certificates and logs, for this user's eyes only."""
    if _has_space(path):
        raise ParameterError(
            f"The folder for the jobs' certificates and logs, {path}, has a space in "
            "its name, which job scripts do not take; set slurm.shared_folder to "
            "another one that all nodes see."
        )
    shutil.rmtree(path, ignore_errors=True)  # of a client that was killed
    try:
        path.mkdir(mode=0o700, parents=True)
    except OSError as error:
        raise OutputError(
            f"The folder {path} for the jobs' certificates and logs cannot be made "
            f"({error.strerror}); set slurm.shared_folder to one that can."
        ) from error
    try:
        yield
    finally:
        shutil.rmtree(path, ignore_errors=True)
