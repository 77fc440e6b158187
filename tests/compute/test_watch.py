"""When jobs that end are replaced, and when it is enough."""

from __future__ import annotations

from itertools import pairwise

import pytest

from napari_cnmf.compute.queue import Job
from napari_cnmf.compute.watch import JobWatch
from napari_cnmf.errors import LostWorkerError

SENT = {"1": "a", "2": "b"}


@pytest.fixture
def watch(tmp_path) -> JobWatch:
    found = JobWatch(n_jobs=2, max_lost=1, logs=tmp_path)
    found.has_workers()
    return found


def test_jobs_that_wait_or_run_have_not_ended(watch):
    assert watch.ended(SENT, [Job("1", "PENDING"), Job("2", "RUNNING")], 0) == []


@pytest.mark.parametrize("state", ["FAILED", "NODE_FAIL", "TIMEOUT", "OUT_OF_MEMORY"])
def test_a_lost_job_is_named_once_and_counted(watch, state):
    queue = [Job("1", "RUNNING"), Job("2", state)]
    assert watch.ended(SENT, queue, 0) == ["b"]
    assert watch.ended({"1": "a"}, queue, 0) == []
    assert watch.n_lost == 1


def test_a_job_that_slurm_has_forgotten_is_lost(watch):
    assert watch.ended(SENT, [Job("1", "RUNNING")], 0) == ["b"]
    assert watch.n_lost == 1


def test_one_whose_time_was_over_is_not_lost(watch):
    assert watch.ended(SENT, [Job("1", "COMPLETED"), Job("2", "RUNNING")], 5) == ["a"]
    assert watch.n_lost == 0


def test_one_lost_job_too_many_ends_the_run_with_the_last_words(watch, tmp_path):
    (tmp_path / "job.err").write_text("all was well\nno memory left\n")
    with pytest.raises(LostWorkerError, match=r"2 jobs were lost.*no memory left"):
        watch.ended(SENT, [], 0)


def test_time_limits_end_the_run_only_if_nothing_gets_done(watch):
    for number in range(10):
        done = Job(str(number), "COMPLETED")
        assert watch.ended({done.id: "a"}, [done], n_done=number) == ["a"]
    for number in range(10, 13):
        watch.ended({str(number): "a"}, [Job(str(number), "COMPLETED")], 9)
    with pytest.raises(LostWorkerError, match=r"slurm\.walltime"):
        watch.ended({"13": "a"}, [Job("13", "COMPLETED")], 9)


def test_jobs_that_end_before_any_worker_came_end_the_run_soon(tmp_path):
    watch = JobWatch(n_jobs=1, max_lost=100, logs=tmp_path)
    watch.ended({"1": "a"}, [Job("1", "FAILED")], 0)
    with pytest.raises(LostWorkerError, match="before any worker has reached"):
        watch.ended({"2": "a"}, [Job("2", "FAILED")], 0)


def test_the_queue_is_looked_at_ever_more_seldom(watch, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("napari_cnmf.compute.watch.time.monotonic", lambda: now[0])
    watch = JobWatch(n_jobs=2, max_lost=1, logs=watch._logs)
    looks = []
    for now[0] in range(200):
        if watch.is_due():
            looks.append(now[0])
    gaps = [b - a for a, b in pairwise(looks)]
    assert gaps == sorted(gaps)
    assert gaps[0] == 1
    assert gaps[-1] == 20
