"""Playing at the true speed."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cnmf.movie import Movie
from napari_cnmf.widgets.session import session
from napari_cnmf.widgets.views import playback
from napari_cnmf.widgets.views.playback import (
    PlaybackBar,
    clock_text,
    due_frame,
    player,
)

RATE_HZ = 20.0


@pytest.fixture
def shown(viewer):
    """A viewer that shows a movie of 200 frames at 20 Hz."""
    frames = np.random.default_rng(0).random((200, 16, 20), np.float32)
    movie = Movie.from_array(frames, frame_rate_hz=RATE_HZ)
    session(viewer).workspace.set_movie(movie)
    return viewer


def test_frames_are_left_out_rather_than_late():
    assert due_frame(10, 0.0, 30.0, 100) == 10
    assert due_frame(10, 0.5, 30.0, 100) == 25
    assert due_frame(90, 1.0, 30.0, 100) == 20


def test_the_clock_says_time_and_frame():
    assert clock_text(1234, None) == "frame 1,234"
    assert clock_text(30, 20.0) == "1.5 s  ·  frame 30"
    assert clock_text(2500, 20.0) == "2 min 05.0 s  ·  frame 2,500"


def test_it_plays_as_fast_as_the_clock_says(shown, qtbot):
    """The clock is ours: each look at it is 0.1 s later."""
    ticks = iter(np.arange(0, 1000, 0.1))
    seen: list[int] = []
    scene = session(shown).scene
    scene.frame_changed.connect(seen.append)
    plays = playback.Player(scene, now=lambda: float(next(ticks)))
    plays.set_speed(5.0)
    plays.start()
    qtbot.waitUntil(lambda: len(seen) > 3)
    plays.stop()
    # Two looks a step: 0.2 s at five times 20 Hz are 20 frames.
    assert np.all(np.diff(seen) % 200 == 20)


def test_button_key_and_speed_belong_to_the_same_player(shown, qtbot):
    bars = PlaybackBar(shown), PlaybackBar(shown)
    for bar in bars:
        qtbot.addWidget(bar)
    bars[0].button.click()
    assert player(shown).playing
    assert [bar.button.text() for bar in bars] == ["Pause", "Pause"]
    shown.keymap[_key()](shown)
    assert not player(shown).playing
    bars[0].speed.setCurrentText("3.5")
    bars[0].speed.textActivated.emit("3.5")
    assert player(shown).frames_per_s == 3.5 * RATE_HZ
    assert bars[1].speed.currentText() == "\N{MULTIPLICATION SIGN} 3.5"


def _key():
    from app_model.types import KeyBinding

    return KeyBinding.from_str(playback.KEY)


def test_a_speed_that_is_no_number_is_forgotten(shown, qtbot):
    bar = PlaybackBar(shown)
    qtbot.addWidget(bar)
    bar.speed.textActivated.emit("fast")
    assert bar.speed.currentText() == "\N{MULTIPLICATION SIGN} 1"


def test_time_and_frame_are_written_on_the_canvas(shown, qtbot):
    bar = PlaybackBar(shown)
    qtbot.addWidget(bar)
    text = shown.canvas.overlays.text
    assert not text.visible
    bar.clock.setChecked(True)
    session(shown).scene.go_to_frame(30)
    assert text.visible
    assert text.text == "1.5 s  ·  frame 30"


def test_closing_the_bar_stops_the_movie(shown, qtbot):
    bar = PlaybackBar(shown)
    bar.button.click()
    bar.deleteLater()
    qtbot.waitUntil(lambda: not player(shown).playing)


def test_without_a_movie_nothing_plays(viewer):
    player(viewer).start()
    assert not player(viewer).playing
