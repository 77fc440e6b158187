"""What every backend promises to the stages, whatever runs the tasks."""

from __future__ import annotations

import errno
import threading
import time
from contextlib import ExitStack

import numpy as np
import pytest
from compute_tasks import ON_SLURM, Crowd, Diary, Roots, blas_threads
from threadpoolctl import threadpool_limits

from napari_cnmf.compute import (
    Backend,
    Computing,
    SerialBackend,
    ThreadBackend,
    local_backend,
    make_backend,
)
from napari_cnmf.compute.backend import OneBlasThread
from napari_cnmf.compute.threads import available_cores
from napari_cnmf.errors import (
    CancelledError,
    MissingFileError,
    OutputError,
    ParameterError,
)

LOCAL = {
    "serial": SerialBackend,
    "1 thread": lambda: ThreadBackend(1),
    "2 threads": lambda: ThreadBackend(2),
    "4 threads": lambda: ThreadBackend(4),
}
NAMES = [*LOCAL, "dask", pytest.param("slurm", marks=pytest.mark.slurm)]


@pytest.fixture(params=NAMES, scope="module")
def made(request, tmp_path_factory) -> Backend:
    """A backend that was not entered."""
    if request.param == "dask":
        from napari_cnmf.compute.cluster import DaskBackend

        return DaskBackend(request.getfixturevalue("dask_cluster").scheduler_address)
    if request.param == "slurm":
        request.getfixturevalue("slurm")
        where = Computing().with_settings(ON_SLURM)
        return make_backend(where, tmp_path_factory.mktemp("run"))
    return LOCAL[request.param]()


@pytest.fixture(scope="module")
def backend(made) -> Backend:
    with made as opened:
        opened.run(str, range(2), lambda _: None)  # which waits for workers
        yield opened


@pytest.fixture
def diary(tmp_path) -> Diary:
    return Diary(tmp_path / "diary")


class TestBackend:
    def test_results_are_collected_in_the_order_of_the_tasks(self, backend, diary):
        crowd = Crowd(diary, first_s=0.1)
        backend.run(crowd, iter(range(40)), crowd.collect)
        assert diary.of("collect") == list(range(40))
        assert sorted(diary.of("begin")) == list(range(40))

    def test_only_so_many_results_wait_to_be_collected(self, backend, diary):
        crowd = Crowd(diary, seconds=0.06, first_s=0.2)
        backend.run(crowd, range(12), crowd.collect)
        steps = {"begin": 1, "collect": -1}
        in_flight = np.cumsum([steps.get(what, 0) for what, _ in diary.entries()])
        assert in_flight.max() <= 2 * backend.workers

    def test_collecting_is_never_concurrent(self, backend):
        inside = threading.Lock()

        def collect(result: str) -> None:
            assert inside.acquire(blocking=False)
            time.sleep(0.0005)
            inside.release()

        backend.run(str, range(20), collect)

    def test_sums_are_the_same_to_the_last_bit(self, backend):
        numbers = np.random.default_rng(0).lognormal(0, 5, (30, 50)).astype(np.float32)
        total, expected = np.zeros((2, 50), np.float32)
        for row in numbers:
            expected += np.sqrt(row)
        backend.run(Roots(numbers), range(30), total.__iadd__)
        assert total.tobytes() == expected.tobytes()

    @pytest.mark.parametrize("is_writeable", [True, False])
    def test_arrays_can_be_written_to_where_they_could_be_before(
        self, backend, is_writeable
    ):
        table = np.ones((2, 3), np.float32)
        table.flags.writeable = is_writeable
        seen: list[bool] = []
        backend.run(lambda _: table.flags.writeable, range(2), seen.append)
        assert seen == [is_writeable] * 2
        found: list[np.ndarray] = []
        backend.run(Roots(table), range(2), found.append)
        assert all(row.flags.writeable for row in found)

    def test_no_tasks_are_no_work(self, backend, diary):
        crowd = Crowd(diary)
        backend.run(crowd, [], crowd.collect)
        assert list(diary.entries()) == []

    def test_tasks_are_handed_over_as_they_are(self, backend):
        tasks = [(slice(0, 1), slice(1, 2)), [1, 2], {"a": 1}, None, "gather", {3}]
        seen: list[object] = []
        backend.run(lambda task: task, tasks, seen.append)
        assert seen == tasks
        assert [type(s) for s in seen] == [type(t) for t in tasks]

    def test_a_task_that_failed_is_tried_once_more(self, backend, diary):
        crowd = Crowd(diary, failing=(3, 7), times=1, seconds=0.06)
        backend.run(crowd, range(10), crowd.collect, failed=crowd.failed)
        assert diary.of("collect") == list(range(10))
        assert sorted(diary.of("begin")) == sorted([*range(10), 3, 7])
        assert diary.of("failed") == []

    def test_the_second_try_is_alone(self, backend, diary):
        crowd = Crowd(diary, failing=(3,), times=1, seconds=0.06)
        backend.run(crowd, range(10), crowd.collect)
        entries = [(what, k) for what, k in diary.entries() if what in ("begin", "end")]
        second = len(entries) - 1 - entries[::-1].index(("begin", 3))
        assert entries[second + 1] == ("end", 3)
        before = [what for what, _ in entries[:second]]
        assert before.count("begin") == before.count("end")

    def test_what_fails_twice_is_told_in_its_turn_and_the_others_go_on(
        self, backend, diary
    ):
        crowd = Crowd(diary, failing=(0, 5), seconds=0.06)
        errors: list[str] = []

        def failed(task: int, error: Exception) -> None:
            crowd.failed(task, error)
            errors.append(str(error))

        backend.run(crowd, range(8), crowd.collect, failed=failed)
        told = [(w, k) for w, k in diary.entries() if w in ("collect", "failed")]
        expected = ["failed", *["collect"] * 4, "failed", *["collect"] * 2]
        assert told == list(zip(expected, range(8), strict=True))
        assert diary.of("begin").count(5) == 2
        assert errors == ["found nothing"] * 2

    def test_the_error_of_a_task_is_raised_when_no_task_runs_any_more(
        self, backend, diary
    ):
        crowd = Crowd(diary, failing=(5,), seconds=0.06)
        with pytest.raises(LookupError, match="found nothing"):
            backend.run(crowd, range(40), crowd.collect)
        assert crowd.running() == 0
        collected = diary.of("collect")
        assert collected == list(range(len(collected)))
        assert len(collected) <= 5
        begun = len(diary.of("begin"))
        time.sleep(0.1)
        assert len(diary.of("begin")) == begun < 40

    @pytest.mark.parametrize(
        "error",
        [
            (OutputError, "no room"),
            (ParameterError, "too many"),
            (MissingFileError, "gone"),
            (OSError, errno.ENOSPC, "No space left on device"),
        ],
    )
    def test_what_concerns_all_tasks_is_raised_at_once(self, backend, diary, error):
        crowd = Crowd(diary, failing=(1,), error=error, seconds=0.06)
        with pytest.raises(error[0], match=error[-1]):
            backend.run(crowd, range(40), crowd.collect, failed=crowd.failed)
        assert diary.of("begin").count(1) == 1
        assert diary.of("failed") == []
        assert crowd.running() == 0

    def test_an_error_while_collecting_is_raised(self, backend):
        def collect(result: str) -> None:
            raise LookupError("nowhere to put it")

        with pytest.raises(LookupError, match="nowhere"):
            backend.run(str, range(5), collect)

    def test_a_cancelled_run_begins_no_further_task(self, backend, diary):
        cancel = threading.Event()
        crowd = Crowd(diary, seconds=0.06)

        def collect(result: int) -> None:
            crowd.collect(result)
            if result == 2:
                crowd.diary.note("cancel", 0)
                cancel.set()

        with pytest.raises(CancelledError):
            backend.run(crowd, range(60), collect, cancel)
        assert crowd.running() == 0
        assert diary.of("collect") == [0, 1, 2]
        n_entries = len(list(diary.entries()))
        names = [what for what, _ in diary.entries()]
        # What was on its way may have begun just then.
        assert names[names.index("cancel") :].count("begin") <= 2 * backend.workers
        time.sleep(0.1)
        assert len(list(diary.entries())) == n_entries

    def test_a_run_cancelled_beforehand_begins_no_task(self, backend, diary):
        cancel = threading.Event()
        cancel.set()
        crowd = Crowd(diary)
        with pytest.raises(CancelledError):
            backend.run(crowd, range(5), crowd.collect, cancel)
        assert diary.of("begin") == []

    def test_it_can_be_used_again_after_an_error(self, backend, diary):
        cancel = threading.Event()
        cancel.set()
        crowd = Crowd(diary)
        with pytest.raises(CancelledError):
            backend.run(crowd, range(5), crowd.collect, cancel)
        backend.run(crowd, range(5), crowd.collect)
        assert diary.of("collect") == list(range(5))

    def test_small_work_on_data_in_memory_is_done_here(self, backend):
        here, lock = [], threading.Lock()  # a lock cannot be sent anywhere

        def work(task: int) -> int:
            with lock:
                here.append(task)
            return task

        backend.here.run(work, range(5), lambda _: None)
        assert sorted(here) == list(range(5))

    def test_linear_algebra_uses_one_thread_inside(self, backend):
        seen: list[set[int]] = []
        backend.run(blas_threads, range(4), seen.append)
        assert seen == [{1}] * 4

    def test_it_may_be_entered_again_inside(self, backend):
        found: list[str] = []
        with backend as again:
            again.run(str, range(2), found.append)
        backend.run(str, range(2), found.append)
        assert found == ["0", "1"] * 2


@pytest.mark.parametrize("name", LOCAL)
def test_linear_algebra_is_as_before_outside(name):
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        with LOCAL[name]() as backend, backend:
            assert blas_threads() == {1}
        assert blas_threads() == before == {2}


def test_several_threads_work_at_a_time():
    met = threading.Barrier(3)
    with ThreadBackend(3) as backend:
        # Passes only if all three tasks are running at once.
        backend.run(lambda _: met.wait(timeout=10), range(3), lambda _: None)


@pytest.mark.parametrize(("workers", "kind"), [(1, SerialBackend), (3, ThreadBackend)])
def test_one_local_worker_is_the_plain_backend(workers, kind):
    backend = local_backend(workers)
    assert type(backend) is kind
    assert backend.workers == workers


def test_all_cores_that_the_process_may_use_are_used_by_default(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 3, 5}, raising=False)
    assert ThreadBackend().workers == 3


@pytest.mark.parametrize(
    ("variables", "cores"),
    [
        ({}, 8),
        ({"SLURM_NTASKS": "2", "SLURM_CPUS_PER_TASK": "3"}, 6),
        ({"SLURM_CPUS_PER_TASK": "4"}, 4),
        ({"SLURM_NTASKS": "64"}, 8),
        ({"SLURM_NTASKS": "8", "SLURM_CPUS_ON_NODE": "5"}, 5),
        ({"SLURM_NTASKS": "", "SLURM_CPUS_PER_TASK": "many"}, 8),
    ],
)
def test_inside_an_allocation_its_cores_are_used(monkeypatch, variables, cores):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)), raising=False)
    for name in ("SLURM_NTASKS", "SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert available_cores() == cores


@pytest.mark.parametrize("workers", [0, -2])
def test_a_backend_without_workers_is_refused(workers):
    with pytest.raises(ParameterError, match=f"Got {workers} instead"):
        ThreadBackend(workers)


# --- what lasts from run to run ------------------------------------------------------


class Counting(OneBlasThread):
    """Counts how often it was started and ended."""

    def __init__(self) -> None:
        self.started = self.ended = 0
        self.enough = True

    def _start(self, stack: ExitStack) -> None:
        self.started += 1
        stack.callback(self._count_end)

    def _count_end(self) -> None:
        self.ended += 1

    def _suffices(self) -> bool:
        return self.enough


def test_what_was_started_lasts_as_long_as_it_is_told_to():
    backend = Counting()
    with backend.lasting():
        for _ in range(3):
            with backend, backend:
                assert (backend.started, backend.ended) == (1, 0)
    assert (backend.started, backend.ended) == (1, 1)
    with backend:
        assert backend.started == 2
    assert backend.ended == 2


def test_it_is_started_anew_after_an_error_or_for_a_larger_run():
    backend = Counting()
    with backend.lasting():
        with pytest.raises(ValueError, match="lost"), backend:
            raise ValueError("lost")
        assert backend.ended == 1
        with backend:
            backend.enough = False
        with backend:
            assert (backend.started, backend.ended) == (3, 2)
