"""Runs in jobs of a real SLURM: the same bytes, whatever happens to the jobs."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread

import dask
import numpy as np
import psutil
import pytest
from compute_tasks import ON_SLURM, Crowd, Diary
from small_runs import still_movie
from tiny_movies import recipe, write_tif

from napari_cnmf.compute import Backend, Computing, SerialBackend, make_backend
from napari_cnmf.errors import (
    CancelledError,
    LostWorkerError,
    ParameterError,
)
from napari_cnmf.formats.results import digest, load
from napari_cnmf.movie import blocks
from napari_cnmf.pipeline.batch import BatchProgress, Entry, run_batch
from napari_cnmf.pipeline.runner import run

pytestmark = [pytest.mark.slurm, pytest.mark.usefixtures("slurm")]

RATE = "acquisition.frame_rate_hz=30"


def on_slurm(folder: Path, *settings: str) -> Backend:
    folder.mkdir(exist_ok=True)
    return make_backend(Computing().with_settings([*ON_SLURM, *settings]), folder)


def squeue(*options: str) -> list[str]:
    return subprocess.run(
        ["squeue", "-h", *options], check=True, capture_output=True, text=True
    ).stdout.split()


def until(is_so: Callable[[], bool]) -> None:
    """Wait until something is so, for a minute at most."""
    end = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.1)


def at(place: int, act: Callable[[], object]) -> Callable[[int], None]:
    """Collect results, and do something once, at one of them."""

    def collect(result: int) -> None:
        if result == place:
            act()

    return collect


@pytest.fixture
def diary(tmp_path) -> Diary:
    return Diary(tmp_path / "diary")


@pytest.fixture(autouse=True)
def _queue_is_empty_at_the_end(slurm) -> Iterator[None]:
    yield
    assert squeue() == []


@pytest.fixture(scope="module")
def movie(tmp_path_factory) -> Path:
    pixels = still_movie(motion_sd_px=1.0).movie
    return write_tif(tmp_path_factory.mktemp("movie") / "movie.tif", pixels)


@pytest.fixture(scope="module")
def expected(movie, tmp_path_factory) -> str:
    """Digest of what the movie gives on this machine."""
    output = tmp_path_factory.mktemp("here")
    return digest(run(movie, recipe(RATE), output, backend=SerialBackend()))


# --- the same bytes ----------------------------------------------------------------


def test_a_run_gives_the_same_bytes_though_a_job_is_lost_midway(
    movie, expected, tmp_path, monkeypatch
):
    monkeypatch.setattr(blocks, "MAX_BLOCK", 36)  # several tasks for each stage
    lost: list[str] = []

    def progress(event) -> None:
        if event.stage == "correct" and event.done and not lost:
            lost.append(squeue("-t", "RUNNING", "-o", "%i")[0])
            subprocess.run(["scancel", lost[0]], check=True)

    output = tmp_path / "out"
    backend = on_slurm(output)
    result = run(movie, recipe(RATE), output, backend=backend, progress=progress)
    assert digest(result) == expected
    assert lost
    assert not list(output.glob("cnmf-*"))  # certificates are gone


def test_a_client_that_was_killed_leaves_no_jobs_and_the_run_goes_on(
    movie, expected, tmp_path
):
    output = tmp_path / "out"
    command = [Path(sys.executable).parent / "napari-cnmf", "run", movie]
    options = ["--output", output, "--set", RATE, *ON_SLURM]
    with subprocess.Popen([*command, *options], stderr=subprocess.DEVNULL) as client:
        until((output / "results.h5").exists)  # which holds the first stage
        client.send_signal(signal.SIGKILL)
    until(lambda: squeue() == [])  # the jobs notice by themselves
    stages: list[str] = []
    result = run(
        movie,
        recipe(RATE),
        output,
        backend=on_slurm(output),
        progress=lambda event: stages.append(event.stage),
    )
    assert digest(result) == digest(load(output / "results.h5")) == expected
    assert "correct" not in stages
    assert not list(output.glob("cnmf-*"))


# --- what happens to jobs ----------------------------------------------------------


def test_a_job_that_is_ended_is_replaced(tmp_path, diary):
    crowd = Crowd(diary, seconds=0.2)
    found: list[int] = []
    before: list[str] = []

    def lose() -> None:
        before.extend(squeue("-o", "%i"))
        subprocess.run(["scancel", before[0]], check=True)

    def collect(task: int) -> None:
        found.append(task)
        at(3, lose)(task)
        at(50, lambda: before.extend(squeue("-o", "%i")))(task)

    with on_slurm(tmp_path / "out") as backend:
        backend.run(crowd, range(60), collect)
        assert len(backend.jobs()) == 2
    assert found == list(range(60))
    assert len(set(before)) == 3
    assert list((tmp_path / "out" / "worker-logs").glob("*.err"))


def test_a_node_that_goes_down_is_done_without(tmp_path, diary):
    crowd = Crowd(diary, seconds=0.2)
    found: list[int] = []

    def down() -> None:
        scontrol("n1", "down", "reason=test")

    def collect(task: int) -> None:
        found.append(task)
        at(3, down)(task)

    try:
        with on_slurm(tmp_path / "out") as backend:
            backend.run(crowd, range(40), collect)
            assert {job.node for job in backend.jobs()} <= {"n2", ""}
    finally:
        scontrol("n1", "resume")
    assert found == list(range(40))


def scontrol(node: str, state: str, *options: str) -> None:
    change = [f"nodename={node}", f"state={state}", *options]
    subprocess.run(["scontrol", "update", *change], check=True)


def test_jobs_that_reach_their_time_limit_are_replaced_and_are_none_of_the_lost(
    tmp_path, diary
):
    found: list[int] = []
    seen: set[str] = set()

    def collect(task: int) -> None:
        found.append(task)
        seen.update(squeue("-o", "%i"))

    limit = ["--lifetime", "5s"]
    with (
        dask.config.set({"jobqueue.slurm.worker-extra-args": limit}),
        on_slurm(tmp_path / "out", "slurm.max_lost_jobs=0") as backend,
    ):
        backend.run(Crowd(diary, seconds=0.5), range(40), collect)
    assert found == list(range(40))
    assert len(seen) > 2


def test_a_time_limit_in_which_nothing_gets_done_is_a_sentence(tmp_path, diary):
    limit = ["--lifetime", "2s"]
    with (
        dask.config.set({"jobqueue.slurm.worker-extra-args": limit}),
        on_slurm(tmp_path / "out", "slurm.jobs=1") as backend,
        pytest.raises(LostWorkerError, match=r"slurm\.walltime"),
    ):
        backend.run(Crowd(diary, seconds=5), range(3), print)


def test_a_task_that_needs_too_much_memory_is_told_and_the_others_go_on(tmp_path):
    def hungry(task: int) -> int:
        if task == 2:
            np.ones(3_000_000_000, np.uint8)
        return task

    found: list[int] = []
    failures: dict[int, Exception] = {}
    with on_slurm(tmp_path / "out", "slurm.memory=1GB") as backend:
        backend.run(hungry, range(6), found.append, failed=failures.__setitem__)
    assert found == [0, 1, 3, 4, 5]
    assert list(failures) == [2]
    assert "slurm.memory" in str(failures[2])


def test_too_many_lost_jobs_end_the_run(tmp_path, diary):
    settings = ("slurm.max_lost_jobs=0", "slurm.jobs=1")

    def lose() -> None:
        subprocess.run(["scancel", *squeue("-o", "%i")], check=True)

    with (
        on_slurm(tmp_path / "out", *settings) as backend,
        pytest.raises(LostWorkerError, match="1 jobs were lost, the last one as CANC"),
    ):
        backend.run(Crowd(diary, seconds=0.2), range(60), at(3, lose))


def test_jobs_that_cannot_start_end_the_run_with_their_last_words(tmp_path):
    settings = ("slurm.jobs=1", "slurm.prologue=echo no such module >&2; exit 1")
    with (
        on_slurm(tmp_path / "out", *settings) as backend,
        pytest.raises(LostWorkerError, match="no such module"),
    ):
        backend.run(str, range(3), print)
    (log, *_) = (tmp_path / "out" / "worker-logs").glob("*.err")
    assert "no such module" in log.read_text()


def test_what_jobs_wait_for_is_told(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("napari_cnmf.compute.watch._WORTH_A_WORD_S", 0)
    cancel, told = Event(), []
    blocker = ["sbatch", "--exclusive", "--nodes=2", "--wrap", "sleep 300"]
    subprocess.run(blocker, check=True, capture_output=True, cwd=tmp_path)

    def look() -> None:
        until(lambda: "jobs wait in SLURM's queue: " in caplog.text)
        told.extend(backend.jobs())
        cancel.set()

    with on_slurm(tmp_path / "out") as backend:
        looking = Thread(target=look)
        looking.start()
        with pytest.raises(CancelledError):
            backend.run(str, range(3), print, cancel)
        looking.join()
    subprocess.run(["scancel", "--name=wrap"], check=True)
    until(lambda: squeue() == [])
    assert [job.state for job in told] == ["PENDING"] * 2


# --- cancelling, and those that came before -----------------------------------------


def test_cancelling_ends_long_tasks_and_leaves_an_empty_queue(tmp_path, diary):
    cancel = Event()
    crowd = Crowd(diary, seconds=600, first_s=0.01)
    with on_slurm(tmp_path / "out") as backend:
        with pytest.raises(CancelledError):
            backend.run(crowd, range(20), at(0, cancel.set), cancel)
        assert backend.jobs() == []
        n_begun = len(diary.of("begin"))
        backend.run(str, range(3), print)  # in new jobs
    assert diary.of("end") == [0]
    assert len(diary.of("begin")) == n_begun


def test_the_movies_of_a_batch_share_their_jobs(movie, expected, tmp_path):
    backend = on_slurm(tmp_path, "slurm.jobs=1")
    seen: set[str] = set()

    def note(change: BatchProgress) -> None:
        if change.step is not None:
            seen.update(squeue("-o", "%i"))

    entries = [Entry((movie,), tmp_path / f"out-{number}") for number in range(2)]
    run_batch(entries, recipe(RATE), tmp_path, backend=backend, progress=note)
    assert len(seen) == 1
    for entry in entries:
        assert digest(load(entry.output / "results.h5")) == expected


def test_jobs_of_an_earlier_client_are_ended(tmp_path):
    backend = on_slurm(tmp_path / "out")
    left = ["sbatch", "-J", backend.name, "--wrap", "sleep 300"]
    subprocess.run(left, check=True, capture_output=True, cwd=tmp_path)
    (earlier,) = squeue("-o", "%i")
    with backend:
        backend.run(str, range(3), lambda _: assert_gone(earlier))


def assert_gone(number: str) -> None:
    assert number not in squeue("-o", "%i")


# --- security ----------------------------------------------------------------------


def test_everything_listens_on_the_named_interface_and_talks_by_tls(tmp_path):
    from distributed import Client

    before = listening()
    with on_slurm(tmp_path / "out") as backend:
        backend.run(str, range(3), lambda _: None)
        ours = listening() - before
        address = backend.address
        assert address.startswith("tls://127.0.0.1:")
        with pytest.raises((OSError, TypeError)):
            Client(address, timeout=2, set_as_default=False)
        keys = list((tmp_path / "out").glob("cnmf-*/*.pem"))
        assert len(keys) == 3
        assert {path.stat().st_mode & 0o077 for path in keys} == {0}
    assert ours
    assert {address for address, _ in ours} == {"127.0.0.1"}


def listening() -> set[tuple[str, int]]:
    return {
        tuple(one.laddr)
        for one in psutil.net_connections("tcp")
        if one.status == psutil.CONN_LISTEN and is_python(one.pid)
    }


def is_python(pid: int | None) -> bool:
    try:
        return pid is not None and "python" in psutil.Process(pid).name()
    except psutil.NoSuchProcess:
        return False


def test_it_talks_in_the_clear_only_if_asked_to(tmp_path):
    with on_slurm(tmp_path / "out", "slurm.encrypted=false") as backend:
        backend.run(str, range(3), lambda _: None)
        assert backend.address.startswith("tcp://127.0.0.1:")


# --- what is refused beforehand ----------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("slurm.queue=nowhere", "SLURM refuses the jobs .*partition"),
        ("slurm.memory=9000GB", "SLURM refuses the jobs"),
        ("slurm.cores=999", "SLURM refuses the jobs"),
        ("slurm.walltime=soon", "slurm.walltime"),
        ("slurm.interface=ib7", "no network interface 'ib7'"),
    ],
)
def test_jobs_that_cannot_work_are_refused_in_a_sentence(tmp_path, setting, words):
    with pytest.raises(ParameterError, match=words), on_slurm(tmp_path, setting):
        pass
    assert not list(tmp_path.iterdir())
