"""The Movie dock: which recording is analysed, which part of it, and where to.

A movie comes from a layer, from files (several are one recording) or from an earlier
result. It is opened beside the window; nothing but a few sampled frames is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from napari.layers import Layer
from napari.viewer import Viewer
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QCheckBox

from napari_cnmf.errors import ChoiceError, DamagedResultError, InputError
from napari_cnmf.movie import Movie
from napari_cnmf.movie.display import binned_preview
from napari_cnmf.movie.parameters import InputParameters
from napari_cnmf.pipeline.folder import RunFolder
from napari_cnmf.widgets import opening
from napari_cnmf.widgets.docks.dock import StageDock, heading, wrapped
from napari_cnmf.widgets.docks.source import (
    ChoiceBox,
    FolderBox,
    SourceBox,
    TakesFiles,
    adopt,
    button,
    calling,
    show_result,
)
from napari_cnmf.widgets.docks.subset import FIELDS, SubsetBox
from napari_cnmf.widgets.hooks import result_file
from napari_cnmf.widgets.running import usual_folder
from napari_cnmf.widgets.views.playback import PlaybackBar

PREVIEW = "preview"
PREVIEW_BIN_S = 1.0

Source: TypeAlias = Layer | Sequence[Path]
T = TypeVar("T")


class MovieWidget(TakesFiles, StageDock):
    """Opens a movie, shows what it is, and chooses the part of it to analyse."""

    intro = "Choose a recording, or drop its files here."

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self._source: Source = ()
        self._choice: InputParameters | None = None
        self._damaged: RunFolder | None = None
        self._add_source(napari_viewer)
        names = ("frame_rate_hz", "pixel_size_um", "indicator")
        self.add_form("acquisition", names, "Acquisition")
        self.add_form("input", FIELDS, "Part to use")
        self.subset = SubsetBox(napari_viewer, lambda text: self.say(text, "error"))
        self.body.addWidget(self.subset)
        self.body.addWidget(heading("Results folder"))
        self.folder = FolderBox(self.workspace)
        self.folder.result_chosen.connect(self.open_result)
        self.body.addWidget(self.folder)
        self._add_playback(napari_viewer)
        self.listen(self.workspace.movie_changed, self._show_movie)
        self.listen(self.workspace.recipe_changed, self._show_part)
        self.listen(self.workspace.folder_changed, self.folder.show_folder)
        self.listen(self.workspace.result_changed, self.folder.show_folder)
        self._show_movie()
        self._use_the_only_one()

    def open_layer(self, layer: Layer) -> None:
        """Use a layer of the viewer as the movie."""
        self._open(layer)

    def open_paths(self, paths: Sequence[Path]) -> None:
        """Open a result, or one recording: a file, several files or a folder."""
        file = result_file(paths[0]) if len(paths) == 1 else None
        if file is None:
            self._open(paths)
        else:
            self.open_result(file)

    def open_result(self, file: Path) -> None:
        """Open what an earlier run found, and its movie if it is still there."""
        self.say("")
        self.go_back.hide()
        self._damaged = RunFolder(file.parent)
        self.begin(
            "Opening the result",
            calling(opening.opened_result, file),
            self._take_result,
        )

    def open_former(self) -> None:
        """Go back from a damaged result to that before its last stage."""
        self.say("")
        self.go_back.hide()
        if self._damaged is not None:
            self.begin(
                "Opening the result",
                calling(opening.former_result, self._damaged),
                self._take_result,
            )

    def _open(self, source: Source, choice: InputParameters | None = None) -> None:
        """Open a movie beside the window."""
        self.say("")
        self._source, self._choice = source, choice
        self.begin(
            "Opening the movie",
            calling(opening.movie_from, source, choice),
            self._take_movie,
        )

    def _take_movie(self, movie: Movie) -> None:
        """Make an opened movie the one that is analysed."""
        layer = self._source if isinstance(self._source, Layer) else None
        adopt(self.session.scene, layer, movie)
        recipe = opening.recipe_for(movie, self.workspace.recipe, self._choice)
        self.workspace.set_recipe(recipe)
        self.workspace.set_movie(movie)
        name = "movie" if layer is None else layer.name
        self.workspace.set_folder(usual_folder(self.workspace, name))

    def _take_result(self, opened: opening.Opened) -> None:
        """Show an opened result and its movie."""
        try:
            self.say(show_result(self.session, opened))
        except InputError as error:
            self.say(str(error), "error")

    def show_failure(self, error: Exception) -> None:
        """Show what is wrong, and the choice or the way back that there is."""
        super().show_failure(error)
        if isinstance(error, DamagedResultError):
            self.go_back.setVisible(error.can_go_back)
        if isinstance(error, ChoiceError) and error.parameter:
            self.choice.ask(error.parameter, self._choice or InputParameters())

    def _add_source(self, viewer: Viewer) -> None:
        """Add where movies come from, the choice within files, and what is open."""
        self.source = SourceBox(viewer)
        self.source.layers.chosen.connect(self.open_layer)
        self.source.paths_chosen.connect(self.open_paths)
        self.source.result_chosen.connect(self.open_result)
        self.choice = ChoiceBox()
        self.choice.chosen.connect(lambda choice: self._open(self._source, choice))
        self.about = wrapped("")
        self.about.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.go_back = button(
            "Go back to the state before",
            self.open_former,
            "Opens the result as it was before its last stage; the damaged file stays",
        )
        self.go_back.hide()
        for widget in (self.source, self.choice, self.go_back, self.about):
            self.body.addWidget(widget)

    def _add_playback(self, viewer: Viewer) -> None:
        """Add the player, and the preview of long movies."""
        self.body.addWidget(heading("Play"))
        self.playback = PlaybackBar(viewer)
        self.body.addWidget(self.playback)
        self.preview = QCheckBox(f"Preview: averages of {PREVIEW_BIN_S:g} s")
        self.preview.setToolTip("Shows a long movie quickly and with less noise")
        self.preview.toggled.connect(self._show_preview)
        self.body.addWidget(self.preview)

    def _use_the_only_one(self) -> None:
        """Use the layer that says it is a movie, if nothing is open yet."""
        found = [la for la in self.source.layers.images if _says_movie(la)]
        free = self.workspace.movie is None and self.workspace.result is None
        if free and len(found) == 1 and not self.session.jobs.running:
            self.open_layer(found[0])

    def _show_movie(self) -> None:
        """Show what is open."""
        movie = self.workspace.movie
        self.choice.clear()
        self.source.layers.show_used()
        self.preview.setChecked(False)
        for widget in (self.subset, self.playback, self.preview):
            widget.setEnabled(movie is not None)
        form = self.forms["acquisition"]
        size = None if movie is None else movie.pixel_size_um
        form.show_auto("frame_rate_hz", None if movie is None else movie.frame_rate_hz)
        form.show_auto("pixel_size_um", None if size is None else size[0])
        self.about.setToolTip("" if movie is None else _files(movie))
        self._show_part()
        self.folder.show_folder()

    def _show_part(self) -> None:
        """Show what the movie is by what is known now, and how much of it is used."""
        movie, part = self.workspace.recorded, self.workspace.recipe.input
        lines = ["No movie is open."] if movie is None else opening.description(movie)
        self.about.setText("<br>".join(lines))
        text = "" if movie is None else opening.part_in_words(movie, part)
        self.subset.summary.setText(text)

    def _show_preview(self, shown: bool) -> None:
        """Show averages in time over the movie, or take them away."""
        scene, movie = self.session.scene, self.workspace.movie
        layer = scene.layer("movie")
        if not shown or movie is None or layer is None:
            scene.remove(PREVIEW)
            return
        frames: Any = binned_preview(movie, PREVIEW_BIN_S)
        per_bin = frames.source.bin_frames
        seconds, *pixel = layer.scale
        about: dict[str, Any] = {
            "name": "preview",
            "contrast_limits": layer.contrast_limits,
            "scale": (per_bin * seconds, *pixel),
            # The middle of a bin's frames is where the bin lies in time.
            "translate": ((per_bin - 1) / 2 * seconds, 0, 0),
            "units": layer.units,
            "axis_labels": layer.axis_labels,
        }
        scene.put((frames, about, "image"), PREVIEW)


def _says_movie(layer: Layer) -> bool:
    """Whether a layer's metadata call it a movie, as sample data and readers do."""
    return opening.MOVIE in layer.metadata or "frame_rate_hz" in layer.metadata


def _files(movie: Movie) -> str:
    """Names of the first files of a movie."""
    names = [span.path for span in movie.files]
    more = [f"and {len(names) - 20} more"] if len(names) > 20 else []
    return "\n".join([*names[:20], *more])
