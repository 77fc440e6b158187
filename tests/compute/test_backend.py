"""What every backend promises to the stages, whatever runs the tasks."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from napari_cnmf.compute import Backend, SerialBackend, ThreadBackend, local_backend
from napari_cnmf.errors import CancelledError, ParameterError

BACKENDS = {
    "serial": SerialBackend,
    "1 thread": lambda: ThreadBackend(1),
    "2 threads": lambda: ThreadBackend(2),
    "4 threads": lambda: ThreadBackend(4),
}


def blas_threads() -> set[int]:
    return {
        library["num_threads"]
        for library in threadpool_info()
        if library["user_api"] == "blas"
    }


class Crowd:
    """Counts the tasks that are running, begun and collected."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.running = 0
        self.begun: list[int] = []
        self.collected: list[int] = []
        self.most_in_flight = 0

    def __call__(self, task: int) -> int:
        with self.lock:
            self.running += 1
            self.begun.append(task)
            in_flight = len(self.begun) - len(self.collected)
            self.most_in_flight = max(self.most_in_flight, in_flight)
        try:
            return self.work(task)
        finally:
            with self.lock:
                self.running -= 1

    def work(self, task: int) -> int:
        # The first task is the slowest, so that the others could overtake it.
        time.sleep(0.03 if task == 0 else 0.0005)
        return task

    def collect(self, result: int) -> None:
        with self.lock:
            self.collected.append(result)


@pytest.mark.parametrize("name", BACKENDS)
class TestBackend:
    @pytest.fixture
    def backend(self, name) -> Backend:
        with BACKENDS[name]() as opened:
            yield opened

    def test_results_are_collected_in_the_order_of_the_tasks(self, backend):
        crowd = Crowd()
        backend.run(crowd, iter(range(40)), crowd.collect)
        assert crowd.collected == list(range(40))
        assert sorted(crowd.begun) == list(range(40))

    def test_only_so_many_results_wait_to_be_collected(self, backend):
        crowd = Crowd()
        backend.run(crowd, range(40), crowd.collect)
        assert crowd.most_in_flight <= 2 * backend.workers

    def test_collecting_is_never_concurrent(self, backend):
        inside = threading.Lock()

        def collect(result: int) -> None:
            assert inside.acquire(blocking=False)
            time.sleep(0.0005)
            inside.release()

        backend.run(Crowd(), range(20), collect)

    def test_sums_are_the_same_to_the_last_bit(self, backend):
        numbers = np.random.default_rng(0).lognormal(0, 5, (30, 50)).astype(np.float32)
        total, expected = np.zeros((2, 50), np.float32)
        for row in numbers:
            expected += np.sqrt(row)
        backend.run(lambda k: np.sqrt(numbers[k]), range(30), total.__iadd__)
        assert total.tobytes() == expected.tobytes()

    def test_no_tasks_are_no_work(self, backend):
        crowd = Crowd()
        backend.run(crowd, [], crowd.collect)
        assert crowd.begun == crowd.collected == []

    def test_tasks_are_handed_over_as_they_are(self, backend):
        tasks = [(slice(0, 1), slice(1, 2)), [1, 2], {"a": 1}, None, "gather", {3}]
        seen: list[object] = []
        backend.run(lambda task: task, tasks, seen.append)
        assert seen == tasks
        assert [type(s) for s in seen] == [type(t) for t in tasks]

    def test_the_error_of_a_task_is_raised_when_no_task_runs_any_more(self, backend):
        class Failing(Crowd):
            def work(self, task: int) -> int:
                if task == 5:
                    raise LookupError("task 5 found nothing")
                time.sleep(0.005)
                return task

        crowd = Failing()
        with pytest.raises(LookupError, match="task 5 found nothing"):
            backend.run(crowd, range(40), crowd.collect)
        assert crowd.running == 0
        assert crowd.collected == list(range(len(crowd.collected)))
        assert len(crowd.collected) <= 5
        begun = len(crowd.begun)
        time.sleep(0.02)
        assert len(crowd.begun) == begun < 40

    def test_an_error_while_collecting_is_raised(self, backend):
        def collect(result: int) -> None:
            raise LookupError("nowhere to put it")

        with pytest.raises(LookupError, match="nowhere"):
            backend.run(Crowd(), range(5), collect)

    def test_a_cancelled_run_begins_no_further_task(self, backend):
        cancel = threading.Event()
        late: list[int] = []

        class Watching(Crowd):
            def work(self, task: int) -> int:
                if cancel.is_set():
                    late.append(task)
                time.sleep(0.002)
                return task

        def collect(result: int) -> None:
            crowd.collect(result)
            if result == 2:
                cancel.set()

        crowd = Watching()
        with pytest.raises(CancelledError):
            backend.run(crowd, range(60), collect, cancel)
        assert crowd.running == 0
        assert crowd.collected == [0, 1, 2]
        # Another worker may have been about to begin when the event was set.
        assert len(late) < backend.workers

    def test_a_run_cancelled_beforehand_begins_no_task(self, backend):
        cancel = threading.Event()
        cancel.set()
        crowd = Crowd()
        with pytest.raises(CancelledError):
            backend.run(crowd, range(5), crowd.collect, cancel)
        assert crowd.begun == []

    def test_it_can_be_used_again_after_an_error(self, backend):
        cancel = threading.Event()
        cancel.set()
        crowd = Crowd()
        with pytest.raises(CancelledError):
            backend.run(crowd, range(5), crowd.collect, cancel)
        backend.run(crowd, range(5), crowd.collect)
        assert crowd.collected == list(range(5))

    def test_linear_algebra_uses_one_thread_inside_and_as_before_outside(self, name):
        with threadpool_limits(2, user_api="blas"):
            before = blas_threads()
            inside: list[set[int]] = []
            with BACKENDS[name]() as backend:
                backend.run(lambda _: blas_threads(), range(4), inside.append)
            assert inside == [{1}] * 4
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


@pytest.mark.parametrize("workers", [0, -2])
def test_a_backend_without_workers_is_refused(workers):
    with pytest.raises(ParameterError, match=f"Got {workers} instead"):
        ThreadBackend(workers)
