"""Progress of a stage, told to whoever listens; knows nothing of any interface."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class ProgressEvent:
    """One step of a stage.

    Attributes
    ----------
    stage : str
        Name of the stage, such as ``"correct"``.
    done, total : int
        Units finished, and all of them.
    unit : str
        What is counted, such as ``"frames"``.
    seconds : float
        Wall time since the stage began.
    payload : object
        What just became available, for live display: the footprints of a finished
        patch, for example. Usually None.
    """

    stage: str
    done: int
    total: int
    unit: str
    seconds: float
    payload: Any = None

    @property
    def rate(self) -> float:
        """Units a second so far."""
        return self.done / self.seconds if self.seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float:
        """Estimate of the time to the end of the stage, infinite if unknown."""
        return (self.total - self.done) / self.rate if self.rate > 0 else float("inf")


Progress = Callable[[ProgressEvent], None]


def silent(event: ProgressEvent) -> None:
    """Tell nobody."""


@dataclass(slots=True)
class Stopwatch:
    """Counts the units of one stage and reports each step."""

    progress: Progress
    stage: str
    total: int
    unit: str
    done: int = 0
    started: float = field(default_factory=time.perf_counter)

    def advance(self, units: int, payload: Any = None) -> None:
        """Add finished units and tell the listener."""
        self.done += units
        seconds = time.perf_counter() - self.started
        self.progress(
            ProgressEvent(
                self.stage, self.done, self.total, self.unit, seconds, payload
            )
        )
