"""Tasks that travel together, and what becomes of them."""

from __future__ import annotations

from concurrent.futures import Future

import pytest

from napari_cnmf.compute.remote import Done, Parcel, packed, perform
from napari_cnmf.compute.window import Window


class Post:
    """Does tasks when they are sent, and says that they took so long."""

    def __init__(self, function, seconds: float) -> None:
        self.parcel = Parcel(packed(function), "run")
        self.seconds = seconds
        self.sent: list[list[int]] = []

    def send(self, tasks: list[int]) -> Future[Done]:
        import cloudpickle

        self.sent.append(tasks)
        future: Future[Done] = Future()
        done = perform(self.parcel, cloudpickle.dumps(tasks))
        future.set_result(done._replace(seconds=self.seconds * len(tasks)))
        return future


def worked_through(post: Post, n_tasks: int, failed=None) -> list[int]:
    found: list[int] = []
    window = Window(range(n_tasks), post.send, lambda: 4, lambda: None)
    window.work_through(found.append, failed, None)
    return found


def test_quick_tasks_travel_together():
    post = Post(int, seconds=0.001)
    assert worked_through(post, 500) == list(range(500))
    assert len(post.sent) < 40
    assert max(map(len, post.sent)) == 32


def test_slow_tasks_travel_alone():
    post = Post(int, seconds=0.2)
    assert worked_through(post, 20) == list(range(20))
    assert max(map(len, post.sent)) == 1


def test_of_those_that_travel_together_only_the_one_that_fails_is_told():
    def work(task: int) -> int:
        if task % 50 == 17:
            raise LookupError(f"{task} is lost")
        return task

    post = Post(work, seconds=0.001)
    failures: dict[int, Exception] = {}
    found = worked_through(post, 200, failures.__setitem__)
    assert list(failures) == [17, 67, 117, 167]
    assert str(failures[67]) == "67 is lost"
    assert found == [k for k in range(200) if k not in failures]
    tried = [task for tasks in post.sent for task in tasks]
    assert tried.count(67) == 2


def test_tasks_are_taken_only_when_there_is_room():
    taken: list[int] = []

    def tasks():
        for task in range(1000):
            taken.append(task)
            yield task

    def collect(task: int) -> None:
        assert len(taken) <= task + 4 + 1

    post = Post(int, seconds=0.2)
    Window(tasks(), post.send, lambda: 4, lambda: None).work_through(
        collect, None, None
    )
    assert len(taken) == 1000


def test_an_error_of_two_kinds_survives_dasks_pickling():
    import distributed  # noqa: F401 - which brings it along

    from napari_cnmf.errors import MissingFileError

    def work(task: int) -> int:
        raise MissingFileError("gone")

    with pytest.raises(MissingFileError, match="gone"):
        worked_through(Post(work, 0.1), 3)
