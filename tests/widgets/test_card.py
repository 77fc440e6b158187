"""The card of one cell, its images, its strip of frames, and values from a thread."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
from qtpy.QtCore import QObject, QPoint, Qt

from napari_cnmf.quality.parameters import QualityParameters
from napari_cnmf.quality.rule import apply_rule
from napari_cnmf.widgets.docks.card import Card
from napari_cnmf.widgets.latest import Latest
from napari_cnmf.widgets.parts.pixels import PixelImage
from napari_cnmf.widgets.parts.strip import FrameStrip


@pytest.fixture
def card(qtbot):
    widget = Card()
    qtbot.addWidget(widget)
    return widget


def shown(qtbot, widget):
    qtbot.addWidget(widget)
    with qtbot.waitExposed(widget):
        widget.show()
    return widget


def judged(found, **limits):
    components = found.components
    quality = apply_rule(components.quality, QualityParameters(**limits))
    return replace(components, quality=quality)


def test_a_card_shows_each_score_against_its_limit(card, found):
    cells = judged(found, min_snr=999.0)
    card.show_verdict(cells, cells.quality, 0)
    assert f"Cell {cells.ids[0]}" in card.title.text()
    assert "rejected" in card.title.text()
    assert f"SNR {cells.quality.snr[0]:.2f} &lt; 999" in card.title.text()
    assert "≥ 999" in card.table.text()
    assert "✗" in card.table.text()
    assert card.table.text().count("<tr>") == 8


def test_a_card_tells_a_decision_by_hand_from_the_rule(card, found):
    cells = judged(found, min_snr=999.0)
    manual = np.ones(len(cells), np.int8)
    card.show_verdict(cells, replace(cells.quality, manual=manual), 0)
    assert "accepted" in card.title.text()
    assert "by hand, against the rule" in card.title.text()


def test_a_card_tells_the_size_in_micrometres_if_it_can(card, found):
    cells = found.components
    size = int(cells.sizes_px[1])
    card.show_cell(cells, 1, np.arange(10), None)
    assert card.facts.text().startswith(f"{size} px,")
    card.show_cell(cells, 1, np.arange(10), (2.0, 3.0))
    assert card.facts.text().startswith(f"{size} px = {6 * size} µm²")


def test_footprint_and_mean_image_are_shown_alike(card, found):
    image = np.zeros((9, 9), np.float32)
    image[2:4, 5] = 1.0
    card.show_footprint(image, (1.0, 1.0))
    assert card.event_image.shown is None
    card.show_event(image)
    np.testing.assert_array_equal(card.footprint.shown, card.event_image.shown)


def test_an_empty_card_says_why(card, found):
    cells = found.components
    card.show_verdict(cells, cells.quality, 0)
    card.show_nothing("Select a cell.")
    assert card.title.text() == "Select a cell."
    assert card.table.isHidden() or not card.table.isVisibleTo(card)


def test_pixels_are_whole_upright_and_in_place(qtbot):
    image = np.zeros((10, 12), np.float32)
    image[1, 8] = 1.0
    widget = shown(qtbot, PixelImage(120))
    widget.show_image(image)
    picture = widget.grab().toImage()
    bright = [
        (x, y)
        for x in range(120)
        for y in range(10, 110)  # above and below there is no image
        if picture.pixelColor(x, y).lightness() > 200
    ]
    columns, rows = {x for x, _ in bright}, {y for _, y in bright}
    assert columns == set(range(80, 90))
    assert rows == set(range(20, 30))


def test_a_constant_image_is_shown(qtbot):
    widget = shown(qtbot, PixelImage())
    widget.show_image(np.full((5, 5), 3.0, np.float32), outlined=np.zeros((5, 5)))
    assert widget.shown.shape == (5, 5)
    widget.grab()


@pytest.mark.parametrize("um_per_px", [None, 0.001, 1.1, 500.0])
def test_a_scale_bar_is_drawn_if_a_round_one_fits(qtbot, um_per_px):
    widget = shown(qtbot, PixelImage(120))
    widget.show_image(np.eye(30, dtype=np.float32) * 0.5, um_per_px=um_per_px)
    picture = widget.grab().toImage()
    white = sum(picture.pixelColor(x, 114).lightness() > 250 for x in range(70, 115))
    assert (white > 8) == (um_per_px == 1.1)


def test_a_click_on_the_strip_chooses_the_nearest_frame(qtbot):
    strip = shown(qtbot, FrameStrip())
    strip.resize(200, 20)
    strip.set_frames(np.array([10, 11, 12, 80]), 100)
    chosen = []
    strip.chosen.connect(chosen.append)
    for frame in (0, 50, 99):
        pos = QPoint(int(strip.x_of(frame)), 10)
        qtbot.mouseClick(strip, Qt.MouseButton.LeftButton, pos=pos)
    assert chosen == [10, 80, 80]


def test_an_empty_strip_chooses_nothing(qtbot):
    strip = shown(qtbot, FrameStrip())
    with qtbot.assertNotEmitted(strip.chosen):
        qtbot.mouseClick(strip, Qt.MouseButton.LeftButton)
    strip.grab()


def test_only_the_last_value_asked_for_arrives(qtbot):
    owner = QObject()
    latest, arrived = Latest(owner), []
    latest.arrived.connect(arrived.append)
    gate = threading.Event()

    def slow() -> str:
        gate.wait(10)
        return "stale"

    latest.ask(slow)
    latest.ask(lambda: "overtaken")
    latest.ask(lambda: "wanted")
    gate.set()
    qtbot.waitUntil(lambda: bool(arrived))
    assert arrived == ["wanted"]


def test_a_value_that_was_forgotten_does_not_arrive(qtbot):
    owner = QObject()
    latest, arrived = Latest(owner), []
    latest.arrived.connect(arrived.append)
    latest.ask(lambda: "unwanted")
    latest.forget()
    latest.ask(lambda: "wanted")
    qtbot.waitUntil(lambda: bool(arrived))
    assert arrived == ["wanted"]


def test_an_error_arrives_in_place_of_the_value(qtbot):
    owner = QObject()
    latest, arrived = Latest(owner), []
    latest.arrived.connect(arrived.append)
    latest.ask(lambda: 1 / 0)
    qtbot.waitUntil(lambda: bool(arrived))
    assert isinstance(arrived[0], ZeroDivisionError)
