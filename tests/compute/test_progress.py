"""What a listener is told about a stage."""

from __future__ import annotations

import math

import pytest

from napari_cnmf.compute import ProgressEvent, Stopwatch, silent


def test_rate_and_time_left_follow_from_what_is_done():
    event = ProgressEvent("fit", done=30, total=90, unit="patches", seconds=10.0)
    assert event.rate == pytest.approx(3.0)
    assert event.seconds_left == pytest.approx(20.0)


@pytest.mark.parametrize(("done", "seconds"), [(0, 0.0), (0, 5.0), (4, 0.0)])
def test_the_time_left_is_unknown_before_anything_is_known(done, seconds):
    event = ProgressEvent("fit", done, 10, "patches", seconds)
    assert event.rate == 0
    assert math.isinf(event.seconds_left)


def test_nothing_is_left_at_the_end():
    event = ProgressEvent("fit", 10, 10, "patches", 2.0)
    assert event.seconds_left == 0


def test_a_stopwatch_reports_every_step():
    events: list[ProgressEvent] = []
    watch = Stopwatch(events.append, "correct", 100, "frames")
    watch.advance(36)
    watch.advance(64, payload="the last block")
    assert [(e.stage, e.done, e.total, e.unit) for e in events] == [
        ("correct", 36, 100, "frames"),
        ("correct", 100, 100, "frames"),
    ]
    assert [e.payload for e in events] == [None, "the last block"]
    assert 0 <= events[0].seconds <= events[1].seconds


def test_an_error_of_the_listener_reaches_the_stage():
    def listener(event: ProgressEvent) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Stopwatch(listener, "fit", 1, "patches").advance(1)


def test_silence_needs_no_listener():
    assert silent(ProgressEvent("fit", 1, 1, "patches", 1.0)) is None
