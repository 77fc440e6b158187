"""The Shifts dock: what is plotted of a registration, and its cursor."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from widgets.moved_movies import BAD, GRID, make_moved

from napari_cnmf.widgets.docks.shifts import NOTHING, ShiftsWidget
from napari_cnmf.widgets.parts.shift_rows import KINDS, shift_rows
from napari_cnmf.widgets.session import session


@pytest.fixture
def workspace(viewer):
    return session(viewer).workspace


@pytest.fixture
def dock(viewer, qtbot) -> ShiftsWidget:
    widget = ShiftsWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Shifts", area="bottom")
    qtbot.waitUntil(widget.isVisible)
    return widget


def labels(dock: ShiftsWidget) -> list[str]:
    return [row.label for row in dock.plot.rows]


def test_without_a_registration_it_says_what_to_do(dock, workspace):
    assert dock.now.text() == NOTHING
    assert labels(dock) == []
    workspace.set_result(make_moved())
    assert labels(dock) == ["dy", "dx", "corr"]
    workspace.set_result(None)
    assert dock.now.text() == NOTHING


def test_boxes_choose_what_is_shown(dock, workspace):
    workspace.set_result(make_moved())
    dock.kinds["residual"].click()
    dock.kinds["correlation"].click()
    assert labels(dock) == ["dy", "dx", "resid"]


def test_a_patch_takes_the_place_of_the_band_of_all(dock, workspace):
    result = make_moved()
    workspace.set_result(result)
    assert dock.patch.maximum() == np.prod(GRID)
    assert dock.plot.rows[0].lanes[0].curves["patches"].shape == (60, 2)
    dock.patch.setValue(3)
    shown = dock.plot.rows[1].lanes[0].curves["patches"]
    np.testing.assert_array_equal(shown, result.shifts.patches.values[:, 2, 1])
    workspace.set_result(make_moved(piecewise=False))
    assert not dock.patch.isVisible()
    assert list(dock.plot.rows[0].lanes[0].curves) == ["frame"]


def test_cursor_and_frame_are_one(dock, workspace, qtbot):
    result = make_moved()
    workspace.set_result(result)
    scene = dock.session.scene
    scene.go_to_frame(40)
    qtbot.waitUntil(lambda: dock.plot.cursor_frame == 40)
    reasons = ", ".join(result.registration.reasons(40))
    assert dock.now.text().startswith("frame 40: dy ")
    assert dock.now.text().endswith(f"({reasons})")
    dock.plot.frame_asked.emit(12)
    assert scene.current_frame() == 12
    qtbot.waitUntil(lambda: dock.now.text().startswith("frame 12: "))
    assert "(" not in dock.now.text()


def test_bad_frames_are_marked(dock, workspace, monkeypatch):
    marked = []
    monkeypatch.setattr(dock.plot, "show_rows", lambda *args: marked.append(args[-1]))
    workspace.set_result(make_moved())
    assert marked[-1].tolist() == list(BAD)


def test_both_axes_have_one_scale():
    dy, dx = (row.lanes[0] for row in shift_rows(make_moved(), ["shifts"]))
    assert dy.high - dy.low == pytest.approx(dx.high - dx.low)
    for lane in (dy, dx):
        values = np.concatenate([v.ravel() for v in lane.curves.values()])
        assert lane.low - 1e-5 <= values.min() <= values.max() <= lane.high + 1e-5


def test_the_residual_of_a_bin_lasts_its_frames():
    result = make_moved(n_frames=60)
    values = np.arange(8, dtype=np.float32)
    found = replace(result.registration, residual_after=values)
    (row,) = shift_rows(replace(result, registration=found), ["residual"])
    expected = np.repeat(values, 8)[:60]
    np.testing.assert_array_equal(row.lanes[0].curves["after"], expected)


def test_frames_without_a_correlation_lie_at_the_foot():
    result = make_moved()
    values = result.registration.correlation_after.copy()
    values[5] = np.nan
    found = replace(result.registration, correlation_after=values)
    (row,) = shift_rows(replace(result, registration=found), ["correlation"])
    lane = row.lanes[0]
    assert lane.curves["after"][5] == np.float32(lane.low)
    assert np.isfinite(lane.place(lane.curves["after"])).all()


def test_rows_lie_below_each_other():
    rows = shift_rows(make_moved(), KINDS)
    for place, row in enumerate(rows):
        (lane,) = row.lanes
        assert -place - 1 < lane.bottom < lane.bottom + lane.height < -place
