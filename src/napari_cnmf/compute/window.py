"""A window of tasks in flight, whose results are collected in order.

So many tasks are under way or wait to be collected as the window is wide, however
many there are in all. Tasks that take less time than sending them travel together.
One that failed waits until the others in flight have ended, and is tried once more
alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import islice
from queue import Empty, SimpleQueue
from threading import Event
from typing import Any

from napari_cnmf.compute.backend import check_cancel, concerns_all, tell_of_second_try
from napari_cnmf.compute.remote import Done

#: Longest time until a cancelled run notices.
_GLANCE_S = 0.1

#: Tasks travel together if they take less than this, and so many at most.
_WORTH_SENDING_S, _MOST_TOGETHER = 0.05, 32


@dataclass(slots=True)
class _Flight:
    """One task on its way: its place in the order, and how it ended."""

    place: int
    task: Any
    is_second: bool = False
    result: Any = None
    error: Exception | None = None


class Window:
    """Hands tasks out and collects their results.

    Parameters
    ----------
    tasks : iterable
    submit : callable
        ``submit(tasks)`` returns the `Future` of what a few tasks give.
    width : callable
        Tasks under way or waiting to be collected, at most, at this moment.
    tend : callable
        Called at least every tenth of a second, to look after the workers.
    """

    def __init__(
        self,
        tasks: Iterable[Any],
        submit: Callable[[list[Any]], Future[Done]],
        width: Callable[[], int],
        tend: Callable[[], None],
    ) -> None:
        self._flights = (_Flight(place, task) for place, task in enumerate(tasks))
        self._submit = submit
        self._width = width
        self._tend = tend
        self._landed: SimpleQueue[tuple[list[_Flight], Future[Done]]] = SimpleQueue()
        self._n_flying = 0
        self._together = 1
        self._waiting: dict[int, _Flight] = {}
        self._again: deque[_Flight] = deque()
        self._next = 0
        self._is_exhausted = False

    def work_through(
        self,
        collect: Callable[[Any], None],
        failed: Callable[[Any, Exception], None] | None,
        cancel: Event | None,
    ) -> None:
        """Run all tasks; see `Backend.run`."""
        while self._is_working():
            check_cancel(cancel)
            self._land()
            while self._next in self._waiting:
                check_cancel(cancel)
                _hand_over(self._waiting.pop(self._next), collect, failed)
                self._next += 1

    def _is_working(self) -> bool:
        """Keep the workers busy; return whether anything is left."""
        self._tend()
        if not self._again:
            self._fill()
        elif not self._n_flying and self._width():
            self._send([self._again.popleft()])
        return bool(self._n_flying or self._again or not self._is_exhausted)

    def _fill(self) -> None:
        """Send off what there is room for."""
        room = self._width() * self._together
        while self._n_flying + len(self._waiting) < room and not self._is_exhausted:
            flights = list(islice(self._flights, self._together))
            if flights:
                self._send(flights)
            else:
                self._is_exhausted = True

    def _send(self, flights: list[_Flight]) -> None:
        """Send some tasks off together."""
        self._n_flying += len(flights)
        future = self._submit([flight.task for flight in flights])
        future.add_done_callback(lambda done: self._landed.put((flights, done)))

    def _land(self) -> None:
        """Take in what has ended, waiting for it a little."""
        try:
            flights, future = self._landed.get(timeout=_GLANCE_S)
            while True:
                self._n_flying -= len(flights)
                self._judge(flights, future)
                flights, future = self._landed.get_nowait()
        except Empty:
            return

    def _judge(self, flights: list[_Flight], future: Future[Done]) -> None:
        """Keep results until their turn; let what failed be tried again."""
        lost = future.exception()
        if lost is not None:
            for flight in flights:
                self._fail(flight, lost, alone=len(flights) == 1)
            return
        done = future.result()
        wanted = round(_WORTH_SENDING_S * len(flights) / max(done.seconds, 1e-9))
        self._together = min(max(wanted, 1), _MOST_TOGETHER)
        n_done = len(done.results)
        for flight, result in zip(flights, done.results, strict=False):
            flight.result = result
            self._waiting[flight.place] = flight
        if (error := done.error) is not None:
            self._fail(flights[n_done], error)
            self._again.extend(flights[n_done + 1 :])

    def _fail(self, flight: _Flight, error: BaseException, alone: bool = True) -> None:
        """Have a task tried again, or keep its second error until its turn."""
        if concerns_all(error) or not isinstance(error, Exception):
            raise error
        if flight.is_second:
            flight.error = error
            self._waiting[flight.place] = flight
            return
        tell_of_second_try(flight.task, error)
        flight.is_second = alone  # which of several has failed is not known
        self._again.append(flight)


def _hand_over(
    flight: _Flight,
    collect: Callable[[Any], None],
    failed: Callable[[Any, Exception], None] | None,
) -> None:
    """Collect a result, or tell of a failure."""
    if flight.error is None:
        collect(flight.result)
    elif failed is None:
        raise flight.error
    else:
        failed(flight.task, flight.error)
