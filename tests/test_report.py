"""The report: a whole picture for any result, with nothing cut off or overlapping."""

from __future__ import annotations

from dataclasses import replace

import matplotlib
import numpy as np
import pytest
from example_values import (
    make_components,
    make_registration,
    make_result,
    make_shifts,
)
from matplotlib.axis import Tick
from matplotlib.image import imread
from matplotlib.text import Text

from napari_cnmf.errors import MissingStageError
from napari_cnmf.report.figure import draw_report, write_report
from napari_cnmf.report.motion import draw_motion_report
from napari_cnmf.report.strip import draw_strip
from napari_cnmf.report.traces import MAX_POINTS, thinned

FIELD = (60, 90)


def result_of(n_components: int, n_frames: int = 200, accepted: bool = True):
    """A result with components that are all accepted or all rejected."""
    components = make_components(np.arange(1, n_components + 1), FIELD, n_frames)
    limits = {"low SNR": 3.0, "low r value": 0.8}
    quality = replace(
        components.quality,
        flags=np.full(n_components, 0 if accepted else 0b100101, np.int32),
        manual=np.zeros(n_components, np.int8),
        limits=limits,
    )
    rng = np.random.default_rng(0)
    traces = rng.random((2, n_components, n_frames)).astype(np.float32)
    result = make_result(
        replace(
            components,
            quality=quality,
            denoised=traces[0],
            residual_traces=0.1 * traces[1],
            spikes=np.where(traces[1] > 0.9, traces[1], 0).astype(np.float32),
            dff=traces[0],
        )
    )
    image = rng.random(FIELD).astype(np.float32)
    summary = replace(result.summary, correlation=image)
    return replace(
        result, summary=summary, movie=replace(result.movie, shape=(n_frames, *FIELD))
    )


@pytest.mark.parametrize(
    ("n_components", "accepted"), [(0, True), (1, True), (40, True), (40, False)]
)
def test_no_text_is_cut_off_or_written_over_another(n_components, accepted):
    require_clear_texts(draw_report(result_of(n_components, accepted=accepted)))


@pytest.mark.parametrize("n_components", [0, 1, 40])
def test_no_text_of_the_small_picture_is_cut_off_or_covered(n_components):
    require_clear_texts(draw_strip(result_of(n_components)))


@pytest.mark.parametrize("kind", ["piecewise", "rigid"])
def test_no_text_of_the_motion_picture_is_cut_off_or_covered(kind):
    result = make_result()
    found, shifts = make_registration(200), make_shifts(200)
    found.flags[20:120:3] = 2
    if kind == "rigid":
        shifts = replace(shifts, patches=None, max_shift_px=1.1)
    figure = draw_motion_report(replace(result, registration=found, shifts=shifts))
    require_clear_texts(figure)


def require_clear_texts(figure) -> None:
    """Every text lies within the figure, and over no other."""
    figure.draw_without_rendering()
    texts = [(text.get_text(), text.get_window_extent()) for text in drawn(figure)]
    assert len(texts) > 10
    width, height = figure.bbox.size
    for i, (words, box) in enumerate(texts):
        assert 0 <= box.x0 <= box.x1 <= width, words
        assert 0 <= box.y0 <= box.y1 <= height, words
        for others, other in texts[:i]:
            assert not box.padded(-1.0).overlaps(other.padded(-1.0)), (words, others)


def drawn(figure) -> list[Text]:
    """All texts of the figure, but for the cells' numbers inside the image."""
    axes = [axis for part in figure.axes for axis in (part.xaxis, part.yaxis)]
    of_ticks = {tick.label1 for tick in figure.findobj(Tick)}
    of_ticks |= {tick.label2 for tick in figure.findobj(Tick)}
    texts = [text for text in figure.findobj(Text) if text not in of_ticks]
    for axis in axes:
        low, high = sorted(axis.get_view_interval())
        ticks = [t for t in axis.get_major_ticks() if low <= t.get_loc() <= high]
        texts += [tick.label1 for tick in ticks if axis.axes.axison]
    return [t for t in texts if t.get_text().strip() and str(t.get_color()) != "white"]


def test_the_file_has_its_full_size_and_replaces_an_older_one(tmp_path):
    path = tmp_path / "report.png"
    path.write_text("old")
    write_report(result_of(3), path)
    assert imread(path).shape[:2] == (1500, 2400)
    assert [file.name for file in tmp_path.iterdir()] == ["report.png"]


@pytest.mark.parametrize(
    "changes",
    [
        {"shifts": None},
        {"stages": ()},
        {"components": replace(make_components(field_shape=FIELD), quality=None)},
        {"components": replace(make_components(field_shape=FIELD), dff=None)},
    ],
    ids=["no shifts", "no times", "not evaluated", "no dff"],
)
def test_what_was_not_computed_is_left_out(changes):
    assert draw_report(replace(result_of(4, n_frames=20), **changes)).axes


def test_a_constant_movie_is_drawn():
    result = result_of(0)
    still = np.zeros(FIELD, np.float32)
    summary = replace(result.summary, correlation=still)
    shifts = replace(result.shifts, values=np.zeros((200, 2), np.float32), drift=None)
    draw_report(
        replace(result, summary=summary, shifts=shifts)
    ).draw_without_rendering()


def test_without_components_there_is_nothing_to_draw():
    with pytest.raises(MissingStageError, match="run the fit first"):
        draw_report(replace(make_result(), components=None))


def test_matplotlib_stays_as_the_user_has_it(tmp_path):
    before = dict(matplotlib.rcParams)
    write_report(result_of(2), tmp_path / "report.png")
    assert dict(matplotlib.rcParams) == before
    pyplot = matplotlib.sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or not pyplot.get_fignums()


@pytest.mark.parametrize("length", [1, 5, MAX_POINTS, 10 * MAX_POINTS + 7])
def test_a_thinned_trace_keeps_its_peaks_and_their_places(length):
    trace = np.random.default_rng(length).random(length)
    frames, values = thinned(trace)
    assert len(frames) <= MAX_POINTS
    np.testing.assert_array_equal(trace[frames], values)
    assert np.all(np.diff(frames) >= 0)
    span = -(-2 * length // MAX_POINTS)
    whole = trace[: length // span * span] if span > 2 else trace
    assert values.max() == whole.max()
    assert values.min() == whole.min()
