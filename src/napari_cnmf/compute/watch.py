"""An eye on the jobs of a run: which have ended, why, and when it is enough."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from napari_cnmf.compute.queue import Job
from napari_cnmf.errors import LostWorkerError

logger = logging.getLogger(__name__)

#: Seconds between two looks at the queue: at first, and in the end. Those who run
#: clusters do not like it to be asked often.
_SOON_S, _SELDOM_S = 1.0, 20.0

#: Seconds after which a job that waits is worth a word.
_WORTH_A_WORD_S = 5.0

#: Last lines of a worker's log that are told.
_TAIL = 3


class JobWatch:
    """Counts the jobs that end, and gives up when they are too many.

    Parameters
    ----------
    n_jobs : int
        That work at the same time.
    max_lost : int
        Jobs that may be lost.
    logs : Path
        Folder of the workers' logs.
    """

    def __init__(self, n_jobs: int, max_lost: int, logs: Path) -> None:
        self._n_jobs = n_jobs
        self._max_lost = max_lost
        self._logs = logs
        self.n_lost = 0
        self._n_idle_ends = 0
        self._n_done = 0
        self._had_workers = False
        self._names: dict[str, str] = {}
        self._pause_s = _SOON_S
        self._next_s = self._started_s = time.monotonic()
        self._told = ""

    def is_due(self) -> bool:
        """Whether it is time to look at the queue again: ever more seldom."""
        if time.monotonic() < self._next_s:
            return False
        self._next_s = time.monotonic() + self._pause_s
        self._pause_s = min(self._pause_s * 1.5, _SELDOM_S)
        return True

    def ended(
        self, submitted: Mapping[str, str], queue: Iterable[Job], n_done: int
    ) -> list[str]:
        """Return the names of workers whose jobs have ended since the last look.

        Parameters
        ----------
        submitted : mapping
            Name of the worker of each job that was submitted.
        queue : iterable of Job
        n_done : int
            Tasks that have been done so far.

        Raises
        ------
        LostWorkerError
            If too many were lost, or all end before they have done anything.
        """
        jobs = {job.id: job for job in queue}
        self._names.update(submitted)
        if n_done > self._n_done:
            self._n_done, self._n_idle_ends = n_done, 0
        ended: list[str] = []
        for number in list(self._names):
            job = jobs.get(number, Job(number, "GONE"))
            if job.has_ended or job.state == "GONE":
                ended.append(self._names.pop(number))
                self._count(job)
        self._tell_of_waiting(jobs.values())
        return ended

    def has_workers(self) -> None:
        """Note that workers are there."""
        self._had_workers = True
        self._pause_s = _SOON_S

    def _count(self, job: Job) -> None:
        """Count a job that has ended; one whose time was over is none of the lost."""
        if job.state == "COMPLETED":
            self._n_idle_ends += 1
        else:
            self.n_lost += 1
            logger.warning("job %s was lost (%s) and is replaced", job.id, job.state)
        self._pause_s = _SOON_S
        if not self._had_workers and self.n_lost + self._n_idle_ends > self._n_jobs:
            raise LostWorkerError(
                f"The jobs end ({job.state}) before any worker has reached this "
                "process; correct slurm.interface, slurm.prologue or the environment "
                f"of the jobs.{self._last_words()}"
            )
        if self.n_lost > self._max_lost:
            raise LostWorkerError(
                f"{self.n_lost} jobs were lost, the last one as {job.state} "
                f"(slurm.max_lost_jobs is {self._max_lost}); give jobs more memory or "
                f"time, or leave out bad nodes.{self._last_words()}"
            )
        if self._n_idle_ends > 2 * self._n_jobs:
            raise LostWorkerError(
                f"{self._n_idle_ends} jobs have reached their time limit one after "
                "the other without finishing any task; raise slurm.walltime."
            )

    def _tell_of_waiting(self, jobs: Iterable[Job]) -> None:
        """Say what jobs wait for, if they do for long and it is news."""
        reasons = sorted({job.reason for job in jobs if job.state == "PENDING"})
        said = ", ".join(reason for reason in reasons if reason)
        if time.monotonic() > self._started_s + _WORTH_A_WORD_S and said != self._told:
            self._told = said
            if said:
                logger.warning("jobs wait in SLURM's queue: %s", said)

    def _last_words(self) -> str:
        """Last lines of the newest log of a worker."""
        written = [log for log in self._logs.glob("*.err") if log.stat().st_size]
        if not written:
            return ""
        newest = max(written, key=lambda log: log.stat().st_mtime)
        lines = newest.read_text(errors="replace").strip().splitlines()[-_TAIL:]
        return " The last one's log ends: " + " / ".join(line.strip() for line in lines)
