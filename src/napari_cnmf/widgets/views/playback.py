"""Playing a movie at the speed it was recorded at, or some times faster.

Which frame is due follows from a clock, not from counting: where drawing takes
longer than a frame lasts, frames are left out and the speed stays right.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from weakref import WeakKeyDictionary

from napari.viewer import Viewer
from psygnal import Signal
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QWidget,
)

from napari_cnmf.widgets.lifetime import at_end, connect
from napari_cnmf.widgets.scene.scene import Scene
from napari_cnmf.widgets.session import Session, session
from napari_cnmf.widgets.settings import preference

SPEEDS = (1.0, 2.0, 5.0, 10.0)
SPEED_LIMITS = (0.01, 1000.0)
#: Of a movie that does not say its own.
ASSUMED_RATE_HZ = 30.0
KEY = "Alt-P"
#: The window draws and listens at least so long between two frames.
PAUSE_MS = 4


def due_frame(start: int, elapsed_s: float, frames_per_s: float, n_frames: int) -> int:
    """Frame to show after some time; the movie begins again at its end."""
    return int(start + elapsed_s * frames_per_s) % n_frames


def clock_text(frame: int, frame_rate_hz: float | None) -> str:
    """Time, if it is known, and number of a frame."""
    if not frame_rate_hz:
        return f"frame {frame:,}"
    minutes, seconds = divmod(frame / frame_rate_hz, 60)
    shown = f"{minutes:.0f} min {seconds:04.1f} s" if minutes else f"{seconds:.1f} s"
    return f"{shown}  \N{MIDDLE DOT}  frame {frame:,}"


class Player:
    """Steps through what a viewer shows, and can write the time on it.

    Parameters
    ----------
    scene : Scene
        Whose frames are shown one after another.
    now : callable
        The time in seconds.

    Attributes
    ----------
    speed : float
        How many times faster than recorded.
    """

    #: It has started or stopped, or its speed is another.
    changed = Signal()

    def __init__(
        self, scene: Scene, now: Callable[[], float] = time.perf_counter
    ) -> None:
        self._scene = scene
        self._now = now
        self._start, self._began = 0, 0.0
        self._timer = QTimer()
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._step)
        self.speed = float(preference("playback", "speed", 1.0))
        scene.frame_changed.connect(self._write_clock)

    @property
    def playing(self) -> bool:
        """Whether it runs."""
        return self._timer.isActive()

    @property
    def frames_per_s(self) -> float:
        """Frames that pass in a second, shown or left out."""
        return self.speed * (self._scene.workspace.frame_rate_hz or ASSUMED_RATE_HZ)

    @property
    def shows_clock(self) -> bool:
        """Whether time and frame are written on the canvas."""
        return bool(self._scene.viewer.canvas.overlays.text.visible)

    def start(self) -> None:
        """Play on from the frame that is shown."""
        if self._scene.n_frames > 1:
            self._set_clock()
            self._timer.start(0)
            self.changed.emit()

    def stop(self) -> None:
        """Stay at the frame that is shown."""
        with suppress(RuntimeError):  # when all ends, Qt deletes timers before docks
            self._timer.stop()
        self.changed.emit()

    def toggle(self) -> None:
        """Start, or stop."""
        (self.stop if self.playing else self.start)()

    def set_speed(self, speed: float) -> None:
        """Play some times faster than recorded."""
        low, high = SPEED_LIMITS
        self.speed = min(max(speed, low), high)
        self._set_clock()
        self.changed.emit()

    def show_clock(self, shown: bool) -> None:
        """Write time and frame on the canvas, or take them away."""
        self._scene.viewer.canvas.overlays.text.visible = shown
        self._write_clock()
        self.changed.emit()

    def _set_clock(self) -> None:
        """Count time from now and from the frame that is shown."""
        self._start, self._began = self._scene.current_frame(), self._now()

    def _step(self) -> None:
        """Show the frame that is due, and wait for the next."""
        rate, n_frames = self.frames_per_s, self._scene.n_frames
        frame = due_frame(self._start, self._now() - self._began, rate, n_frames)
        if frame != self._scene.current_frame():
            self._scene.go_to_frame(frame)
        passed = self._start + (self._now() - self._began) * rate
        wait_ms = round(1000 * (1 - passed % 1) / rate)
        self._timer.start(max(PAUSE_MS, wait_ms))

    def _write_clock(self) -> None:
        """Write what time it is in the movie."""
        if self.shows_clock:
            rate = self._scene.workspace.frame_rate_hz
            text = clock_text(self._scene.current_frame(), rate)
            self._scene.viewer.canvas.overlays.text.text = text


_PLAYERS: WeakKeyDictionary[Session, Player] = WeakKeyDictionary()


def player(viewer: Viewer) -> Player:
    """Return the player of a viewer, made at the first call; `KEY` toggles it."""
    owner = session(viewer)
    if owner not in _PLAYERS:
        made = _PLAYERS[owner] = Player(owner.scene)
        viewer.bind_key(KEY, lambda _: made.toggle(), overwrite=True)
    return _PLAYERS[owner]


class PlaybackBar(QWidget):
    """Button and speed of a viewer's player.

    Parameters
    ----------
    viewer : Viewer
    """

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self._player = player(viewer)
        self.button = QPushButton()
        self.button.setMinimumWidth(72)
        self.button.clicked.connect(self._player.toggle)
        self.speed = _speed_box()
        self.speed.textActivated.connect(self._set_speed)
        self.clock = QCheckBox("Time")
        self.clock.setToolTip("Write time and frame number on the movie")
        self.clock.toggled.connect(self._player.show_clock)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.button, QLabel("Speed"), self.speed, self.clock):
            layout.addWidget(widget)
        layout.addStretch()
        connect(self, self._player.changed, self._update)
        at_end(self, self._player.stop)
        self._update()

    def _set_speed(self, text: str) -> None:
        """Take over a speed that was chosen or typed; what is no number is ignored."""
        try:
            self._player.set_speed(float(text.strip(" x\N{MULTIPLICATION SIGN}")))
        except ValueError:
            self._update()

    def _update(self) -> None:
        """Show what the player does."""
        playing = self._player.playing
        self.button.setText("Pause" if playing else "Play")
        self.button.setToolTip(f"Key: {KEY}. Frames are left out to keep the speed.")
        self.speed.setCurrentText(f"\N{MULTIPLICATION SIGN} {self._player.speed:g}")
        self.clock.setChecked(self._player.shows_clock)


def _speed_box() -> QComboBox:
    """Make a box of the usual speeds, into which others can be typed."""
    box = QComboBox()
    box.setEditable(True)
    box.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
    box.addItems([f"\N{MULTIPLICATION SIGN} {speed:g}" for speed in SPEEDS])
    box.setToolTip("Times faster than recorded; another number can be typed")
    return box
