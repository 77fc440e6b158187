"""Jobs run beside the window, tell all they must, and end when they are told to."""

from __future__ import annotations

import gc
import logging
import threading
import weakref

import pytest
from example_values import make_result
from napari.utils.notifications import notification_manager

from napari_cnmf.compute import ProgressEvent
from napari_cnmf.compute.backend import check_cancel
from napari_cnmf.errors import InputError
from napari_cnmf.widgets.jobs import Jobs
from napari_cnmf.widgets.session import session
from napari_cnmf.widgets.workspace import Workspace


@pytest.fixture
def jobs(qapp):
    jobs = Jobs(Workspace())
    yield jobs
    jobs.close()


def event(done: int, payload: object = None) -> ProgressEvent:
    return ProgressEvent("fit", done, 10**6, "patches", 1.0, payload)


def until_cancelled(progress, cancel):
    cancel.wait(30)
    check_cancel(cancel)


def notes() -> list[str]:
    return [str(note.message) for note in notification_manager.records]


def test_a_job_hands_its_value_over_in_the_gui_thread(jobs, qtbot):
    seen = []
    jobs.start(
        "count",
        lambda progress, cancel: threading.current_thread(),
        lambda thread: seen.append((thread, threading.current_thread())),
    )
    qtbot.waitUntil(lambda: bool(seen))
    ((worker, gui),) = seen
    assert gui is threading.main_thread()
    assert worker is not gui


def test_no_payload_is_lost_among_thousands_of_steps(jobs, qtbot):
    def work(progress, cancel):
        for k in range(20_000):
            progress(event(k, payload=k if k % 100 == 0 else None))

    steps: list[ProgressEvent] = []
    jobs.progressed.connect(steps.append)
    finish(jobs, qtbot, work)
    payloads = [step.payload for step in steps if step.payload is not None]
    assert payloads == list(range(0, 20_000, 100))
    assert len(steps) < 1000
    assert [step.done for step in steps] == sorted(step.done for step in steps)


def test_the_last_step_is_told(jobs, qtbot):
    steps: list[ProgressEvent] = []
    jobs.progressed.connect(steps.append)
    finish(jobs, qtbot, lambda progress, cancel: [progress(event(k)) for k in range(9)])
    assert steps[-1].done == 8


def test_a_result_goes_into_the_workspace_at_once(jobs, qtbot):
    result = make_result()
    finish(jobs, qtbot, lambda progress, cancel: progress(event(1, result)))
    assert jobs._workspace.result is result


def test_a_second_job_waits_for_the_first(jobs, qtbot):
    assert jobs.start("first", until_cancelled)
    assert not jobs.start("second", until_cancelled)
    assert "first is still running" in notes()[-1]
    jobs.cancel()
    qtbot.waitUntil(lambda: not jobs.running)
    assert jobs.start("second", lambda progress, cancel: None)
    qtbot.waitUntil(lambda: not jobs.running)


def test_cancelling_ends_with_that_outcome_and_no_value(jobs, qtbot):
    outcomes, values = [], []
    jobs.ended.connect(outcomes.append)
    jobs.start("wait", until_cancelled, values.append)
    jobs.cancel()
    qtbot.waitUntil(lambda: outcomes == ["cancelled"])
    assert not values


def test_an_error_of_ours_is_told_in_its_sentence(jobs, qtbot):
    def work(progress, cancel):
        raise InputError("The file is damaged; copy it again.")

    errors = []
    jobs.failed.connect(errors.append)
    assert finish(jobs, qtbot, work) == "failed"
    assert notes()[-1] == "The file is damaged; copy it again."
    assert isinstance(errors[0], InputError)


def test_a_surprise_is_one_sentence_and_its_traceback_is_logged(jobs, qtbot, caplog):
    def work(progress, cancel):
        raise ZeroDivisionError("by zero")

    with caplog.at_level(logging.ERROR, "napari_cnmf"):
        assert finish(jobs, qtbot, work) == "failed"
    assert "unexpected ZeroDivisionError (by zero)" in notes()[-1]
    assert "Traceback" not in notes()[-1]
    assert "Traceback" in caplog.text


def test_a_job_ends_even_if_its_value_cannot_be_shown(jobs, qtbot):
    def show(value):
        raise ValueError("cannot be shown")

    outcomes = []
    jobs.ended.connect(outcomes.append)
    with qtbot.captureExceptions() as caught:
        jobs.start("show", lambda progress, cancel: 1, show)
        qtbot.waitUntil(lambda: outcomes == ["done"])
    assert "cannot be shown" in str(caught[0][1])


def test_napari_knows_the_job_until_it_ends(viewer, qtbot):
    jobs = session(viewer).jobs
    tasks = viewer.window._task_status_manager
    jobs.start("Find cells", until_cancelled)
    assert tasks.get_status() == ["napari-worker: Executing Find cells"]
    jobs.cancel()
    qtbot.waitUntil(lambda: not jobs.running)
    assert not tasks.is_busy()


def test_closing_the_window_cancels_the_job_and_waits_for_it(viewer, qtbot):
    ended = threading.Event()

    def work(progress, cancel):
        cancel.wait(30)
        ended.set()

    session(viewer).jobs.start("wait", work)
    viewer.close()
    assert ended.is_set()


def test_a_viewer_is_not_kept_alive_by_its_job(make_napari_viewer, qtbot):
    viewer = make_napari_viewer()
    jobs = session(viewer).jobs
    finish(jobs, qtbot, lambda progress, cancel: None)
    former = weakref.ref(viewer)
    viewer.close()
    del viewer, jobs
    qtbot.waitUntil(lambda: gc.collect() >= 0 and former() is None)


def finish(jobs, qtbot, work) -> str:
    """Do a job; return how it ended."""
    outcomes: list[str] = []
    jobs.ended.connect(outcomes.append)
    jobs.start("job", work)
    qtbot.waitUntil(lambda: bool(outcomes))
    return outcomes[0]
