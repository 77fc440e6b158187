"""The axis below a histogram, and the limit that is dragged over it."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtGui import QColor

from napari_cnmf.colours import ACCEPTED, REJECTED
from napari_cnmf.widgets.parts.axis import Axis
from napari_cnmf.widgets.parts.histogram import Histogram

AMOUNT, CORRELATION = (0.0, 1000.0), (-1.0, 1.0)
SCORES = np.random.default_rng(0).lognormal(2.3, 0.8, 500).astype(np.float32)


@pytest.fixture
def histogram(qtbot):
    """Of scores whose limit is 8; shown, 300 px wide."""
    widget = Histogram(keeps_above=True, bounds=AMOUNT)
    qtbot.addWidget(widget)
    widget.resize(300, widget.sizeHint().height())
    widget.show_scores(SCORES, SCORES >= 8, 8.0)
    with qtbot.waitExposed(widget):
        widget.show()
    return widget


def test_outliers_do_not_stretch_the_axis():
    scores = np.append(np.linspace(0, 1, 500), 1e6)
    axis = Axis.around(scores, 0.5, CORRELATION)
    assert axis.high <= 1.0
    assert axis.share(1e6) == 1.0


def test_an_axis_shows_a_limit_far_from_the_scores():
    axis = Axis.around(np.linspace(5, 6, 100), 50.0, AMOUNT)
    assert axis.low < 5
    assert axis.high > 50


def test_only_amounts_over_magnitudes_are_logarithmic():
    wide = np.geomspace(1, 100, 200)
    assert Axis.around(wide, 8.0, AMOUNT).log
    assert not Axis.around(wide / 100, 0.8, CORRELATION).log
    assert not Axis.around(np.linspace(5, 10, 200), 8.0, AMOUNT).log


@pytest.mark.parametrize("log", [False, True])
def test_values_and_places_are_inverse(log):
    axis = Axis(1.0, 100.0, log)
    for share in (0.0, 0.31, 0.5, 1.0):
        assert axis.share(axis.value(share)) == pytest.approx(share, abs=0.006)


def test_no_value_lies_off_the_axis():
    axis = Axis(-1.0, 1.0)
    assert axis.value(-0.3) == -1.0
    assert axis.value(1.7) == 1.0


@pytest.mark.parametrize(
    "axis", [Axis(1, 100, log=True), Axis(-0.27, 0.31), Axis(0.8, 1.0), Axis(3, 9000)]
)
def test_ticks_are_a_few_round_values_on_the_axis(axis):
    ticks = axis.ticks()
    assert 3 <= len(ticks) <= 9
    assert all(axis.low <= tick <= axis.high for tick in ticks)
    assert all(float(f"{tick:.2g}") == pytest.approx(tick) for tick in ticks)


def test_an_axis_without_scores_lies_around_the_limit():
    axis = Axis.around(np.zeros(0), 2.5, AMOUNT)
    assert axis.low < 2.5 < axis.high


def test_bars_count_every_finite_score(histogram):
    scores = np.append(SCORES, [np.nan, 1e9]).astype(np.float32)
    passing = scores >= 8
    histogram.show_scores(scores, passing, 8.0)
    accepted, rejected = histogram.counts()
    assert accepted.sum() == passing.sum()
    assert (accepted + rejected).sum() == len(SCORES) + 1


def test_dragging_moves_all_the_while_and_releases_once(histogram, qtbot):
    moved, released = [], []
    histogram.moved.connect(moved.append)
    histogram.released.connect(released.append)
    start, end = (QPoint(round(histogram.x_of(value)), 40) for value in (8.0, 20.0))
    left = Qt.MouseButton.LeftButton
    qtbot.mousePress(histogram, left, pos=start)
    for x in range(start.x(), end.x(), 5):
        qtbot.mouseMove(histogram, QPoint(x, 40))
    qtbot.mouseMove(histogram, end)
    qtbot.mouseRelease(histogram, left, pos=end)
    assert len(moved) > 3
    assert moved == sorted(moved)
    assert released == [histogram.limit]
    assert histogram.limit == pytest.approx(20, rel=0.05)


def test_a_mouse_that_only_passes_moves_nothing(histogram, qtbot):
    qtbot.mouseMove(histogram, QPoint(100, 40))
    assert histogram.limit == 8.0


def test_the_axis_stays_while_the_limit_moves(histogram, qtbot):
    before = histogram.axis
    qtbot.mouseClick(histogram, Qt.MouseButton.LeftButton, pos=QPoint(2, 40))
    histogram.show_scores(SCORES, SCORES >= 1, histogram.limit)
    assert histogram.axis is before
    histogram.show_scores(SCORES, SCORES >= 500, 500.0)
    assert histogram.axis.high > 500


@pytest.mark.parametrize(
    ("key", "way"),
    [(Qt.Key.Key_Right, 1), (Qt.Key.Key_Left, -1), (Qt.Key.Key_PageUp, 1)],
)
def test_keys_move_the_limit(histogram, qtbot, key, way):
    released = []
    histogram.released.connect(released.append)
    qtbot.keyClick(histogram, key)
    assert (histogram.limit - 8.0) * way > 0
    assert released == [histogram.limit]


def test_other_keys_move_nothing(histogram, qtbot):
    released = []
    histogram.released.connect(released.append)
    qtbot.keyClick(histogram, Qt.Key.Key_Q)
    assert released == []


def test_a_movement_ends_when_the_focus_is_lost(histogram, qtbot):
    released = []
    histogram.released.connect(released.append)
    qtbot.keyPress(histogram, Qt.Key.Key_Right)
    histogram.clearFocus()
    qtbot.keyRelease(histogram, Qt.Key.Key_Right)
    assert len(released) == 1


def test_bars_are_drawn_in_the_colours_of_their_verdicts(histogram):
    picture = histogram.grab().toImage()
    colours = {
        picture.pixelColor(x, histogram.height() - 18).name()
        for x in range(picture.width())
    }
    assert {QColor(ACCEPTED).name(), QColor(REJECTED).name()} <= colours
