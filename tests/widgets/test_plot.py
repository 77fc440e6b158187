"""The plot of traces, by itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from example_values import make_components
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QColor, QImage, QMouseEvent, QWheelEvent
from qtpy.QtWidgets import QApplication

from napari_cnmf.colours import REJECTED
from napari_cnmf.report.lanes import KINDS, Lane
from napari_cnmf.report.lanes import rows as cell_rows
from napari_cnmf.widgets.parts.lane_axis import PlotRow
from napari_cnmf.widgets.parts.plot import PlotColours, TracePlot

RATE_HZ, N_FRAMES = 20.0, 400
END_S = (N_FRAMES - 1) / RATE_HZ


def wavy():
    """Components whose traces rise and fall."""
    components = make_components(n_frames=N_FRAMES)
    wave = 1 + np.sin(np.arange(N_FRAMES) / 9).astype(np.float32)
    return replace(components, denoised=np.outer(components.ids, wave).astype("f4"))


def rows(*args) -> list[PlotRow]:
    """Rows of some cells."""
    return [PlotRow.of_cell(row) for row in cell_rows(*args)]


@pytest.fixture
def plot(qtbot) -> TracePlot:
    """A plot of three cells, shown."""
    shown = TracePlot()
    qtbot.addWidget(shown)
    shown.resize(900, 400)
    shown.show()
    qtbot.waitExposed(shown)
    shown.show_rows(rows(wavy(), [0, 1, 2], KINDS), N_FRAMES, RATE_HZ)
    QApplication.processEvents()
    return shown


def viewport(plot: TracePlot):
    return plot.canvas.viewport()


def middle(plot: TracePlot) -> QPoint:
    return viewport(plot).rect().center()


def x_of(plot: TracePlot, frame: int) -> int:
    """Pixel of a frame."""
    view = plot.view
    return round(view.mapViewToScene(QPointF(frame / RATE_HZ, 0)).x())


def roll(plot: TracePlot, modifier=Qt.KeyboardModifier.NoModifier) -> None:
    """Turn the wheel over the middle of the plot."""
    place = QPointF(middle(plot))
    event = QWheelEvent(
        place,
        viewport(plot).mapToGlobal(place),
        QPoint(),
        QPoint(0, 480),
        Qt.MouseButton.NoButton,
        modifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(viewport(plot), event)


def drag(qtbot, plot: TracePlot, start: QPoint, stop: QPoint) -> None:
    """Drag the mouse with its left button."""
    left, kind = Qt.MouseButton.LeftButton, QEvent.Type
    steps = [(kind.MouseMove, start, False), (kind.MouseButtonPress, start, True)]
    steps += [(kind.MouseMove, start + (stop - start) * s, True) for s in (0.3, 0.6, 1)]
    steps += [(kind.MouseButtonRelease, stop, False)]
    for what, place, held in steps:
        point, button = QPointF(place), Qt.MouseButton.NoButton
        if what != kind.MouseMove:
            button = left
        buttons = left if held else Qt.MouseButton.NoButton
        there = QPointF(viewport(plot).mapToGlobal(place))
        event = QMouseEvent(
            what, point, there, button, buttons, Qt.KeyboardModifier.NoModifier
        )
        QApplication.sendEvent(viewport(plot), event)
        qtbot.wait(15)  # pyqtgraph leaves out moves that follow within 10 ms


def pixels(plot: TracePlot) -> np.ndarray:
    """(height, width, 4) uint8, as drawn: blue, green, red, alpha."""
    image = viewport(plot).grab().toImage().convertToFormat(QImage.Format.Format_ARGB32)
    data = image.constBits()
    if hasattr(data, "setsize"):
        data.setsize(image.sizeInBytes())
    return (
        np.frombuffer(data, np.uint8).reshape(image.height(), image.width(), 4).copy()
    )


def has_colour(plot: TracePlot, name: str) -> bool:
    """Whether something is drawn in exactly this colour."""
    colour = QColor(name)
    wanted = (colour.blue(), colour.green(), colour.red())
    return bool((pixels(plot)[..., :3] == wanted).all(axis=2).any())


def test_everything_is_in_view_at_first(plot):
    np.testing.assert_allclose(plot.span_s, (0, END_S), atol=1e-6)


def test_cells_are_drawn_in_their_colours_over_raw_in_grey(plot):
    for row in plot.rows:
        assert has_colour(plot, row.colour)
    assert has_colour(plot, "#565f6c")


def test_fewer_cells_leave_nothing_of_the_others(plot):
    other = plot.rows[1].colour
    plot.show_rows(rows(wavy(), [0], KINDS), N_FRAMES, RATE_HZ)
    assert has_colour(plot, plot.rows[0].colour)
    assert not has_colour(plot, other)


def test_the_wheel_zooms_in_time_and_a_double_click_shows_all_again(plot, qtbot):
    roll(plot)
    first, last = plot.span_s
    assert 0 < first < last < END_S
    left = Qt.MouseButton.LeftButton
    qtbot.mouseDClick(viewport(plot), left, pos=middle(plot))
    qtbot.mouseRelease(viewport(plot), left, pos=middle(plot))
    np.testing.assert_allclose(plot.span_s, (0, END_S), atol=1e-6)


def test_with_ctrl_the_wheel_leaves_the_time_alone(plot):
    before, ink = plot.span_s, pixels(plot)
    roll(plot, Qt.KeyboardModifier.ControlModifier)
    assert plot.span_s == before
    assert (pixels(plot) != ink).any()


def test_other_cells_are_shown_at_the_same_time(plot):
    plot.show_span(3.0, 5.0)
    plot.show_rows(rows(wavy(), [3], KINDS), N_FRAMES, RATE_HZ)
    np.testing.assert_allclose(plot.span_s, (3, 5))


def test_another_recording_is_shown_whole(plot):
    plot.show_span(3.0, 5.0)
    plot.show_rows(rows(make_components(), [0], KINDS), 20, RATE_HZ)
    np.testing.assert_allclose(plot.span_s, (0, 19 / RATE_HZ))


def test_a_click_asks_for_its_frame(plot, qtbot):
    with qtbot.waitSignal(plot.frame_asked) as asked:
        qtbot.mouseClick(viewport(plot), Qt.MouseButton.LeftButton, pos=middle(plot))
    assert abs(asked.args[0] - N_FRAMES / 2) < N_FRAMES / 10


def test_dragging_the_cursor_asks_for_frames(plot, qtbot):
    plot.set_cursor(200)
    asked = []
    plot.frame_asked.connect(asked.append)
    drag(qtbot, plot, QPoint(x_of(plot, 200), 100), QPoint(x_of(plot, 300), 100))
    assert abs(asked[-1] - 300) <= 3


def test_the_cursor_asks_nothing_when_it_is_set(plot):
    asked = []
    plot.frame_asked.connect(asked.append)
    plot.set_cursor(123)
    assert plot.cursor_frame == 123
    assert asked == []


def test_the_view_follows_a_cursor_that_leaves_it(plot):
    plot.show_span(1.0, 3.0)
    plot.set_cursor(200)
    first, last = plot.span_s
    assert first < 10 < last
    assert last - first == pytest.approx(2)


def test_another_theme_changes_background_and_grey(plot):
    plot.set_colours(PlotColours("#ffffff", "#000000", "#b0b0b1"))
    assert (pixels(plot)[0, 0, :3] == 255).all()
    assert has_colour(plot, "#b0b0b1")


def test_nothing_to_show_leaves_an_empty_plot(plot, qtbot):
    plot.show_rows([], 0, 1.0)
    plot.set_cursor(0)
    asked = []
    plot.frame_asked.connect(asked.append)
    qtbot.mouseClick(viewport(plot), Qt.MouseButton.LeftButton, pos=middle(plot))
    assert asked == []


def test_dff_without_meaning_is_not_drawn(plot):
    components = wavy()
    nothing = replace(components, dff=np.full_like(components.dff, np.nan))
    plot.show_rows(rows(nothing, [0], ["dff"]), N_FRAMES, RATE_HZ)
    assert len(plot.rows) == 1
    line = pixels(plot)[viewport(plot).height() // 3, 200:, :3]
    assert (line == line[0]).all()


def banded(low: float, high: float, n_frames: int = N_FRAMES) -> list[PlotRow]:
    """One row with a band between two values, of a range from 0 to 1."""
    band = np.tile(np.float32((low, high)), (n_frames, 1))
    lane = Lane("", -1.0, 1.0, 0.0, 1.0, {"patches": band})
    return [PlotRow("band", "#ff0000", (lane,))]


def test_a_band_fills_what_is_between_its_curves_in_grey(plot):
    plot.show_rows(banded(0.25, 0.5, 9000), 9000, RATE_HZ)
    view = plot.view.sceneBoundingRect().toRect()
    inside = pixels(plot)[view.top() : view.bottom(), view.left() + 50, :3]
    grey = QColor("#565f6c")
    shares = (inside == (grey.blue(), grey.green(), grey.red())).all(axis=1)
    filled = np.flatnonzero(shares) / len(shares)
    assert filled.min() == pytest.approx(0.5, abs=0.05)
    assert filled.max() == pytest.approx(0.75, abs=0.05)


def test_marked_frames_are_seen_through_all_rows(plot):
    plot.show_rows(banded(0, 0), N_FRAMES, RATE_HZ, np.array([100, 300]))
    ink = QColor(REJECTED)
    line = pixels(plot)[viewport(plot).height() // 3, :, :3].astype(int)
    reddish = np.flatnonzero(line[:, 2] - line[:, 0] > (ink.red() - ink.blue()) / 3)
    assert {int(x) for x in reddish} <= {
        x_of(plot, frame) + off for frame in (100, 300) for off in (-1, 0, 1)
    }
    assert len(reddish) >= 2
    plot.show_rows(banded(0, 0), N_FRAMES, RATE_HZ)
    line = pixels(plot)[viewport(plot).height() // 3, :, :3].astype(int)
    assert (line[:, 2] - line[:, 0] < 50).all()
