"""The clearest components and the largest events."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from example_values import IDS, make_components, make_quality
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import find_peaks

from napari_cnmf.quality.highlights import LEAST_SWING, clearest, largest_events


def decayed(*events: tuple[int, float], n_frames: int = 200) -> np.ndarray:
    """Trace of events (frame, height) that decay within 10 frames."""
    trace = np.zeros(n_frames)
    for frame, height in events:
        trace[frame:] += height * np.exp(-np.arange(n_frames - frame) / 10)
    return trace.astype(np.float32)


def test_events_come_from_the_largest_to_the_smallest():
    trace = decayed((20, 3.0), (80, 5.0), (140, 1.0))
    assert largest_events(trace).tolist() == [80, 20, 140]


def test_ripples_on_a_burst_are_no_events():
    trace = decayed((20, 5.0), (22, 0.8))
    trace[40] += 0.2
    assert largest_events(trace).tolist() == [20]


@pytest.mark.parametrize("frame", [0, 199])
def test_events_cut_by_the_ends_count(frame: int):
    assert largest_events(decayed((frame, 2.0))).tolist() == [frame]


@pytest.mark.parametrize("n_frames", [0, 1, 50])
def test_a_silent_trace_has_no_events(n_frames: int):
    assert len(largest_events(np.zeros(n_frames, np.float32))) == 0


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=60, unique=True))
def test_events_are_the_peaks_of_sufficient_prominence(values: list[int]):
    trace = np.float32(values)
    prominence = max(LEAST_SWING * float(trace.max()), 1e-6)
    twins, _ = find_peaks(np.pad(trace, 1), prominence=prominence)
    assert sorted(largest_events(trace)) == (twins - 1).tolist()


def test_clearest_are_accepted_and_sorted_by_snr():
    quality = replace(
        make_quality(),
        snr=np.float32([3, 9, 5, 7]),
        flags=np.int32([0, 1, 0, 0]),
        manual=np.zeros(4, np.int8),
    )
    components = replace(make_components(), quality=quality)
    assert IDS[clearest(components, 2)].tolist() == [IDS[3], IDS[2]]


def test_clearest_before_the_evaluation_have_the_highest_peaks():
    components = make_components()
    noise = replace(components.trace_fit, noise=np.ones(len(IDS), np.float32))
    bare = replace(components, quality=None, trace_fit=noise)
    assert IDS[clearest(bare, 9)].tolist() == sorted(IDS, reverse=True)
