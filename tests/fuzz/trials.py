"""Opens damaged files in processes of its own and says what became of each.

A trial is good if the file opens and frames can be read, or if one of our own errors
says in one line what is wrong. Everything else is a fault: another error, a process
that dies or hangs or takes too much memory, a file that was made. Which trial a number
stands for depends on the specimen and the number alone. Only Linux can limit and
measure memory like this.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import resource
import shutil
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np

from fuzz.mutations import ANY
from fuzz.specimens import SPECIMENS, Specimen
from napari_cnmf.errors import CnmfError
from napari_cnmf.formats import guard

LIMIT_S = 10.0
LIMIT_BYTES = 2**30
FINE = ("opened", "refused")


@dataclass(frozen=True)
class Outcome:
    """What became of one trial.

    Attributes
    ----------
    specimen, number
        Which trial.
    verdict : str
        "opened", "refused", or a fault: "error", "made files", "died", "hung".
    detail : str
        The error.
    """

    specimen: str
    number: int
    verdict: str
    detail: str = ""

    @property
    def is_fine(self) -> bool:
        return self.verdict in FINE


def trials(
    names: Iterable[str], numbers: range, n_workers: int = 2, *, guarded: bool = True
) -> list[Outcome]:
    """Try mutants of some specimens, side by side."""
    todo = [(name, number) for name in names for number in numbers]
    shares = [iter(todo[i::n_workers]) for i in range(n_workers)]
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        workers = [
            _Worker(Path(folder) / str(i), s, guarded) for i, s in enumerate(shares)
        ]
        try:
            return sorted(_collected(workers), key=lambda o: (o.specimen, o.number))
        finally:
            for worker in workers:
                worker.end()


def counts(outcomes: Iterable[Outcome]) -> dict[str, Counter[str]]:
    """How often each verdict was given, by format."""
    found: dict[str, Counter[str]] = {}
    for outcome in outcomes:
        form = SPECIMENS[outcome.specimen].format
        found.setdefault(form, Counter())[outcome.verdict] += 1
    return found


def mutant(specimen: Specimen, number: int, good: Path, folder: Path) -> Path:
    """Write the mutant of a number into a folder, and return its path."""
    rng = np.random.default_rng([crc32(specimen.name.encode()), number])
    shutil.copytree(good.parent, folder, dirs_exist_ok=True)
    path = folder / good.name
    files = [p for p in sorted(folder.rglob("*")) if p.is_file() and p.stat().st_size]
    described = [p for p in files if p.name.endswith(specimen.headers)] or files
    for _ in range(int(rng.choice([1, 2], p=[0.8, 0.2]))):
        chosen = described if rng.random() < 0.6 else files
        target = chosen[int(rng.integers(len(chosen)))]
        mutations = (*ANY, *specimen.lies * 2)
        change = mutations[int(rng.integers(len(mutations)))]
        if data := target.read_bytes():
            target.write_bytes(change(data, rng))
    if len(files) > 1 and rng.random() < 0.05:
        files[int(rng.integers(len(files)))].unlink()
    if specimen.rename is not None and rng.random() < 0.4:
        path = path.rename(path.with_name(specimen.rename(path.name, rng)))
    return path


def attempt(specimen: Specimen, path: Path) -> tuple[str, str]:
    """Use one file, and judge what happens."""
    before = _listing(path.parent)
    try:
        specimen.use(path)
        verdict, detail = "opened", ""
    except CnmfError as error:
        verdict, detail = "refused", str(error)
        if not detail or "\n" in detail:
            verdict = "error"
    except BaseException as error:  # noqa: BLE001 # the very thing that is looked for
        verdict, detail = "error", f"{type(error).__name__}: {error}{_place(error)}"
    if made := _listing(path.parent) - before:
        return "made files", ", ".join(sorted(made))
    return verdict, detail


def serve(connection: Connection, folder: Path, guarded: bool) -> None:
    """Try what is asked for, until nothing more is; runs in a process of its own."""
    warnings.simplefilter("ignore")
    logging.disable()
    if not guarded:
        guard.can_start = lambda: False
    good: dict[str, Path] = {}
    connection.send(None)
    while (task := connection.recv()) is not None:
        name, number = task
        specimen, place = SPECIMENS[name], folder / name
        if name not in good:
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir(parents=True)
            good[name] = specimen.make(place)
            specimen.use(good[name])  # what it imports does not count as its memory
        with _scene(folder / "scene") as scene:
            connection.send(
                attempt(specimen, mutant(specimen, number, good[name], scene))
            )


@contextmanager
def _scene(folder: Path) -> Iterator[Path]:
    """An empty folder, to be worked in with little memory."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    os.chdir(folder)
    tempfile.tempdir = str(folder)
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (now + LIMIT_BYTES, most))
    try:
        yield folder
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


class _Worker:
    """A process that tries one file after the other; a new one where it was lost."""

    def __init__(
        self, folder: Path, share: Iterator[tuple[str, int]], guarded: bool
    ) -> None:
        self.folder, self.share, self.guarded = folder, share, guarded
        self.task: tuple[str, int] | None = None
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        arguments = (theirs, self.folder, self.guarded)
        self.process = context.Process(target=serve, args=arguments, daemon=True)
        self.process.start()
        theirs.close()
        self.started = time.monotonic() + LIMIT_S  # importing has its own time

    def next(self) -> bool:
        """Send the next trial; whether there was one."""
        self.task = next(self.share, None)
        self.connection.send(self.task)
        self.started = time.monotonic()
        return self.task is not None

    def lost(self, verdict: str) -> Outcome | None:
        """Replace the process, and say what it was doing."""
        self.process.kill()
        self.process.join()
        task, code = self.task, self.process.exitcode
        self.task = None
        self._start()
        return Outcome(*task, verdict, f"exit code {code}") if task else None

    def end(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.join()
        self.connection.close()


def _collected(workers: list[_Worker]) -> Iterator[Outcome]:
    """Yield the outcomes as they come in."""
    busy = {worker.connection: worker for worker in workers}
    while busy:
        ready = wait(list(busy), timeout=0.5)
        now = time.monotonic()
        for connection, worker in list(busy.items()):
            if connection in ready:
                outcome = _received(worker)
            elif now - worker.started > LIMIT_S:
                outcome = worker.lost("hung")
            else:
                continue
            del busy[connection]
            if outcome is not None:
                yield outcome
            was_lost = worker.task is None and outcome is not None
            if was_lost or worker.next():
                busy[worker.connection] = worker


def _received(worker: _Worker) -> Outcome | None:
    """Return what a worker reports: nothing when it has just started."""
    try:
        report: Any = worker.connection.recv()
    except (EOFError, ConnectionResetError):
        return worker.lost("died")
    if report is None or worker.task is None:
        return None
    return Outcome(*worker.task, *report)


def _listing(folder: Path) -> set[str]:
    """Names of all files in a folder."""
    return {str(p.relative_to(folder)) for p in folder.rglob("*")}


def _place(error: BaseException) -> str:
    """Where an error came from."""
    trace = error.__traceback__
    places = []
    while trace is not None:
        code = trace.tb_frame.f_code
        places.append(f"{Path(code.co_filename).name}:{trace.tb_lineno}")
        trace = trace.tb_next
    return f" [{' < '.join(places[:-6:-1])}]"
