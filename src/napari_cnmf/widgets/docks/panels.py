"""The Result movies dock: what the model says of the movie, to look at and to film."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

from napari.viewer import Viewer
from qtpy.QtWidgets import (
    QCheckBox,
    QDoubleSpinBox,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSpinBox,
    QWidget,
)

from napari_cnmf.compute import Progress
from napari_cnmf.errors import MissingStageError
from napari_cnmf.video import Clip, write_panels_mp4
from napari_cnmf.widgets.docks.dock import StageDock, heading
from napari_cnmf.widgets.jobs import Work
from napari_cnmf.widgets.views.playback import PlaybackBar
from napari_cnmf.widgets.views.resultviews import SINGLE, result_views

SWITCHES = {
    "accepted_only": ("Accepted cells only", "Else rejected cells are shown too"),
    "background": ("With background", "In the original and in the reconstruction"),
    "colour": ("A colour per cell", "In the reconstruction"),
    "contours": ("Contours", "Outlines of the cells on every panel"),
}
ABOUT = {
    "denoised": "Footprints times denoised traces, with the background if so ticked",
    "background": "What the model takes for background",
    "residual": "What the model leaves of the registered movie",
}


class PanelsWidget(StageDock):
    """Shows denoised, background and residual movies, and three panels side by side."""

    intro = (
        "What the model makes of the movie. Nothing is stored: frames are computed "
        "while they are shown."
    )

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self.views = result_views(napari_viewer)
        self.singles = {role: QCheckBox(role.capitalize()) for role in SINGLE}
        self.switches = {name: QCheckBox(text) for name, (text, _) in SWITCHES.items()}
        self.gain = _number(1.0, 100.0, 1.0)
        self.side = QPushButton("Original | reconstruction | residual")
        self.film = FilmBox()
        self._add_movies()
        self._add_switches()
        self.body.addWidget(heading("Play"))
        self.body.addWidget(PlaybackBar(napari_viewer))
        self.body.addWidget(heading("Film of the three panels"))
        self.body.addWidget(self.film)
        self.save = self.add_action(
            "Save mp4 ...", self._ask_film, lambda: self.views.lacks, "Write a film"
        )
        self.listen(self.views.changed, self._show)
        self.listen(self.workspace.result_changed, self._show)
        self._show()

    def write_film(self, path: Path) -> None:
        """Write what the panels show into an mp4 file, beside the window."""
        self.begin("Writing the film", self._filming(path), lambda _: self._tell(path))

    def _add_movies(self) -> None:
        """Add what can be shown."""
        self.body.addWidget(heading("Show over the field"))
        row = QHBoxLayout()
        for role, box in self.singles.items():
            box.setToolTip(ABOUT[role])
            box.clicked.connect(lambda shown, role=role: self._show_single(role, shown))
            row.addWidget(box)
        self.body.addLayout(row)
        self.body.addWidget(heading("Show side by side"))
        self.side.setCheckable(True)
        self.side.setToolTip("Three panels with one slider and one camera")
        self.side.clicked.connect(self._toggle_panels)
        self.body.addWidget(self.side)

    def _add_switches(self) -> None:
        """Add how it is shown."""
        self.body.addWidget(heading("How"))
        grid = QGridLayout()
        for place, (name, box) in enumerate(self.switches.items()):
            box.setToolTip(SWITCHES[name][1])
            box.clicked.connect(lambda on, name=name: self._set_view(**{name: on}))
            grid.addWidget(box, place // 2, place % 2)
        grid.addWidget(QLabel("Residual, times"), 2, 0)
        grid.addWidget(self.gain, 2, 1)
        self.gain.setToolTip("How strongly the residual is shown")
        self.gain.valueChanged.connect(lambda gain: self._set_view(residual_gain=gain))
        self.body.addLayout(grid)

    def _show_single(self, role: str, shown: bool) -> None:
        """Show one of the movies over the field, or take it away."""
        self._try(lambda: self.views.show_movie(role, shown))

    def _toggle_panels(self, shown: bool) -> None:
        """Show the panels, or leave them."""
        self._try(self.views.show_panels if shown else self.views.leave_panels)

    def _try(self, action: Any) -> None:
        """Do something; say what it lacks if it cannot be done."""
        self.say("")
        try:
            action()
        except MissingStageError as error:
            self.say(str(error), "error")
            self._show()

    def _set_view(self, **values: Any) -> None:
        """Show the movies in another way."""
        self.views.set_view(replace(self.views.view, **values))

    def _show(self) -> None:
        """Show what is shown, and what can be."""
        lacks = self.views.lacks
        for role, box in self.singles.items():
            box.setChecked(self.views.shows(role))
            box.setEnabled(not lacks)
        self.side.setChecked(self.views.side_by_side)
        self.side.setEnabled(not lacks)
        for name, box in self.switches.items():
            box.setChecked(getattr(self.views.view, name))
        self.gain.blockSignals(True)
        self.gain.setValue(self.views.view.residual_gain)
        self.gain.blockSignals(False)
        components = self.workspace.components
        if components is not None:
            self.film.set_length(components.n_frames)
        self.refresh()

    def _ask_film(self) -> None:
        """Ask where the film goes, and write it."""
        folder = self.workspace.folder
        start = str(folder.path / "panels.mp4") if folder is not None else "panels.mp4"
        name, _ = QFileDialog.getSaveFileName(self, "Save the film", start, "*.mp4")
        if name:
            self.write_film(Path(name).with_suffix(".mp4"))

    def _filming(self, path: Path) -> Work[None]:
        """Return the work that writes the film as it is now chosen."""
        movie, components = self.workspace.registered, self.workspace.components
        view, clip = self.views.view, self.film.clip
        if movie is None or components is None:
            raise MissingStageError(self.views.lacks)

        def work(progress: Progress, cancel: Event) -> None:
            write_panels_mp4(
                movie.source,
                components,
                view,
                path,
                clip,
                progress=progress,
                cancel=cancel,
            )

        return work

    def _tell(self, path: Path) -> None:
        """Say where the film is."""
        self.say(f"Wrote {path}.")


class FilmBox(QWidget):
    """Which frames are filmed, how fast and how large."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.stop, self.zoom = QSpinBox(), QSpinBox(), QSpinBox()
        self.speed = _number(0.1, 1000.0, 1.0)
        self.zoom.setRange(1, 8)
        self.zoom.setToolTip("Pixels of the film for one of the movie, along each side")
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        rows = (
            ("First frame", self.first),
            ("Frame to stop before", self.stop),
            ("Speed, times the true one", self.speed),
            ("Size, times the movie's", self.zoom),
        )
        for row, (label, box) in enumerate(rows):
            grid.addWidget(QLabel(label), row, 0)
            grid.addWidget(box, row, 1)
        grid.setColumnStretch(0, 1)

    def set_length(self, n_frames: int) -> None:
        """Offer all frames of a movie."""
        if self.stop.maximum() != n_frames:
            self.first.setRange(0, n_frames - 1)
            self.stop.setRange(1, n_frames)
            self.first.setValue(0)
            self.stop.setValue(n_frames)

    @property
    def clip(self) -> Clip:
        """What is filmed."""
        return Clip(
            self.first.value(), self.stop.value(), self.speed.value(), self.zoom.value()
        )


def _number(low: float, high: float, value: float) -> QDoubleSpinBox:
    """Make a box for a factor."""
    box = QDoubleSpinBox()
    box.setRange(low, high)
    box.setDecimals(1)
    box.setValue(value)
    return box
