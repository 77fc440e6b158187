"""Functions for the tests of backends, which can be sent to other processes.

What they do is written into a file, line by line: a short line that is appended is
written at once, whichever process does it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_info

#: Two small jobs on the SLURM that tests start.
ON_SLURM = (
    "compute.backend=slurm",
    "slurm.jobs=2",
    "slurm.cores=1",
    "slurm.memory=2GB",
    "slurm.walltime=00:10:00",
    "slurm.interface=lo",
)


@dataclass(frozen=True)
class Diary:
    """A file of what happened, in order."""

    path: Path

    def note(self, what: str, task: int) -> None:
        line = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(line, f"{what} {task}\n".encode())
        os.close(line)

    def entries(self) -> Iterator[tuple[str, int]]:
        for line in self.path.read_text().splitlines() if self.path.exists() else ():
            what, task = line.split()
            yield what, int(task)

    def of(self, what: str) -> list[int]:
        return [task for name, task in self.entries() if name == what]


@dataclass(frozen=True)
class Crowd:
    """Tasks that note when they begin and end."""

    diary: Diary
    seconds: float = 0.001
    first_s: float = 0.0
    failing: tuple[int, ...] = ()
    error: tuple[type[Exception], *tuple[object, ...]] = (LookupError, "found nothing")
    times: int = 1_000

    def __call__(self, task: int) -> int:
        self.diary.note("begin", task)
        try:
            # The first task may be slow, so that the others could overtake it.
            time.sleep(self.first_s if task == 0 and self.first_s else self.seconds)
            if (
                task in self.failing
                and self.diary.of("begin").count(task) <= self.times
            ):
                kind, *arguments = self.error
                raise kind(*arguments)
            return task
        finally:
            self.diary.note("end", task)

    def collect(self, result: int) -> None:
        self.diary.note("collect", result)

    def failed(self, task: int, error: Exception) -> None:
        self.diary.note("failed", task)

    def running(self) -> int:
        return len(self.diary.of("begin")) - len(self.diary.of("end"))


@dataclass(frozen=True)
class Roots:
    """Square roots of the rows of a table, which is sent along."""

    table: np.ndarray

    def __call__(self, row: int) -> np.ndarray:
        return np.sqrt(self.table[row])


def blas_threads(_: object = None) -> set[int]:
    return {
        library["num_threads"]
        for library in threadpool_info()
        if library["user_api"] == "blas"
    }


@dataclass(frozen=True)
class Deadly:
    """One task ends the process that it runs in."""

    diary: Diary
    deadly: int
    times: int = 1_000

    def __call__(self, task: int) -> int:
        self.diary.note("begin", task)
        if task == self.deadly and self.diary.of("begin").count(task) <= self.times:
            os._exit(1)
        time.sleep(0.06)
        return task


class Opened:
    """A function that notes each time it is unpickled."""

    def __init__(self, diary: Diary) -> None:
        self.diary = diary

    def __setstate__(self, state: dict[str, Diary]) -> None:
        self.__dict__ = state
        self.diary.note("opened", os.getpid())

    def __call__(self, task: int) -> int:
        time.sleep(0.06)
        return task


def new_pages(n_arrays: int) -> int:
    """Pages that the system hands out while arrays of 4 MB come and go."""
    import resource

    def handed_out() -> int:
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

    np.ones(2**20, np.float32)
    before = handed_out()
    for _ in range(n_arrays):
        np.ones(2**20, np.float32)
    return handed_out() - before
