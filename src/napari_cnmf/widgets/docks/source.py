"""Where a movie comes from: a layer of the viewer, files, or an earlier result.

These widgets only ask; they tell by their signals what was chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event
from typing import Any, TypeVar

from napari.layers import Image, Layer
from napari.viewer import Viewer
from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_cnmf.compute import Progress
from napari_cnmf.formats.readers.registry import natural_key, readable_suffixes
from napari_cnmf.movie import Movie
from napari_cnmf.movie.parameters import InputParameters
from napari_cnmf.pipeline.folder import RunFolder
from napari_cnmf.widgets.docks.dock import wrapped
from napari_cnmf.widgets.jobs import Work
from napari_cnmf.widgets.lifetime import connect
from napari_cnmf.widgets.opening import MOVIE, Opened, folder_in_words
from napari_cnmf.widgets.parts.form import Form
from napari_cnmf.widgets.scene.scene import ROLE, Scene
from napari_cnmf.widgets.session import Session
from napari_cnmf.widgets.workspace import Workspace

T = TypeVar("T")

HINT = "choose a layer"
CHOICES = ("dataset", "channel", "plane")


class TakesFiles(QWidget):
    """A widget that opens the files and folders that are dropped onto it."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.setAcceptDrops(True)

    def open_paths(self, paths: Sequence[Path]) -> None:
        """Open what was dropped, in natural order."""
        raise NotImplementedError

    def dragEnterEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Take files and folders."""
        if event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Open what was dropped."""
        paths = [Path(url.toLocalFile()) for url in event.mimeData().urls()]
        event.acceptProposedAction()
        self.open_paths(sorted(paths, key=natural_key))


class LayerList(QComboBox):
    """The image layers of a viewer that are not made by us, always up to date."""

    #: The `Image` layer that the user has chosen.
    chosen = Signal(object)

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self.setToolTip("Image layers of the viewer: frames, rows and columns")
        policy = QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        self.setSizeAdjustPolicy(policy)  # else a long name widens the dock
        self._viewer_layers = viewer.layers
        events = viewer.layers.events
        for emitter in (events.inserted, events.removed, events.renamed):
            connect(self, emitter, self._fill)
        self.activated.connect(self._choose)
        self._fill()

    @property
    def images(self) -> list[Image]:
        """The layers to choose from."""
        return [
            layer
            for layer in self._viewer_layers
            if isinstance(layer, Image) and layer.metadata.get(ROLE, "movie") == "movie"
        ]

    def _fill(self, _event: Any = None) -> None:
        """List the layers; the one in use is the current one."""
        images = self.images
        self.clear()
        self.addItem(f"{HINT} ..." if images else "no image layers")
        self.addItems([layer.name for layer in images])
        self.setEnabled(bool(images))
        self.show_used()

    def show_used(self) -> None:
        """Let the layer that shows the movie be the current one."""
        used = [i for i, layer in enumerate(self.images, 1) if ROLE in layer.metadata]
        self.setCurrentIndex(used[0] if used else 0)

    def _choose(self, place: int) -> None:
        """Tell which layer was chosen."""
        if place > 0:
            self.chosen.emit(self.images[place - 1])


class SourceBox(QWidget):
    """List of layers, and buttons that ask for files."""

    #: A list of `Path`.
    paths_chosen = Signal(object)
    #: The `Path` of a result.
    result_chosen = Signal(object)

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self.layers = LayerList(viewer)
        row = QHBoxLayout()
        row.addWidget(QLabel("Layer"))
        row.addWidget(self.layers, 1)
        layout.addLayout(row)
        buttons = QHBoxLayout()
        for label, slot, about in (
            ("Files ...", self._ask_files, "Several files are one recording"),
            ("Folder ...", self._ask_folder, "All movie files of a folder, in order"),
            ("Result ...", self._ask_result, "The results.h5 of an earlier run"),
        ):
            buttons.addWidget(button(label, slot, about))
        layout.addLayout(buttons)

    def _ask_files(self) -> None:
        """Ask for movie files."""
        endings = " ".join(f"*{suffix}" for suffix in readable_suffixes())
        names, _ = QFileDialog.getOpenFileNames(
            self, "Open a movie", "", f"Movies ({endings})"
        )
        if names:
            self.paths_chosen.emit([Path(name) for name in names])

    def _ask_folder(self) -> None:
        """Ask for a folder of movie files."""
        name = QFileDialog.getExistingDirectory(self, "Open a folder of movie files")
        if name:
            self.paths_chosen.emit([Path(name)])

    def _ask_result(self) -> None:
        """Ask for a result."""
        name, _ = QFileDialog.getOpenFileName(
            self, "Open a result", "", "Results (*.h5)"
        )
        if name:
            self.result_chosen.emit(Path(name))


class ChoiceBox(QWidget):
    """Asks which movie of a file is meant; hidden while there is no question."""

    #: `InputParameters` with the choice.
    chosen = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.form: Form | None = None
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self.button = button("Open this one", self._choose, "Open the file again")
        self._layout.addWidget(self.button)
        self.hide()

    def ask(self, name: str, known: InputParameters) -> None:
        """Ask for a dataset, channel or plane, beside those that are known."""
        self.clear()
        self.form = Form(
            known, [field for field in CHOICES if _asked(field, name, known)]
        )
        self._layout.insertWidget(0, self.form)
        self.show()

    def clear(self) -> None:
        """Take the question away."""
        self.hide()
        if self.form is not None:
            self._layout.removeWidget(self.form)
            self.form.deleteLater()
            self.form = None

    def _choose(self) -> None:
        """Tell what was chosen."""
        if self.form is not None:
            self.chosen.emit(self.form.value)


class FolderBox(QWidget):
    """Where results go, and what lies there already."""

    #: The `Path` of a result that shall be opened.
    result_chosen = Signal(object)

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self._workspace = workspace
        self.path = QLineEdit()
        self.path.setPlaceholderText("beside the movie")
        self.path.editingFinished.connect(self._take)
        self.lies_there = wrapped("")
        self.open = button(
            "Open it", self._open, "Go on with the result that lies here"
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        choose = button("Choose ...", self._ask, "Where results go")
        for left, right in ((self.path, choose), (self.lies_there, self.open)):
            row = QHBoxLayout()
            row.addWidget(left, 1)
            row.addWidget(right)
            layout.addLayout(row)
        self.show_folder()

    def show_folder(self) -> None:
        """Show the folder of the workspace and what lies in it."""
        folder, result = self._workspace.folder, self._workspace.result
        self.path.setText("" if folder is None else str(folder.path))
        self.lies_there.setText("" if folder is None else folder_in_words(folder))
        there = folder is not None and folder.result.exists()
        self.open.setVisible(there and result is None)
        if there and result is not None:
            self.lies_there.setText("The open result lies here.")

    def _take(self) -> None:
        """Use the folder that was typed."""
        text = self.path.text().strip()
        self._workspace.set_folder(RunFolder(Path(text).expanduser()) if text else None)
        self.show_folder()

    def _ask(self) -> None:
        """Ask for a folder."""
        name = QFileDialog.getExistingDirectory(
            self, "Folder for results", self.path.text()
        )
        if name:
            self._workspace.set_folder(RunFolder(Path(name)))

    def _open(self) -> None:
        """Open the result that lies there."""
        if self._workspace.folder is not None:
            self.result_chosen.emit(self._workspace.folder.result)


def button(label: str, slot: Any, about: str) -> QPushButton:
    """Make a button with a tooltip."""
    made = QPushButton(label)
    made.setToolTip(about)
    made.clicked.connect(lambda: slot())
    return made


def calling(function: Callable[..., T], *values: Any) -> Work[T]:
    """Return work that calls a function; it is too short to tell of its progress."""

    def work(_progress: Progress, _cancel: Event) -> T:
        return function(*values)

    return work


def show_result(session: Session, opened: Opened) -> str:
    """Show an opened result and its movie; return what is to be said of them.

    Raises
    ------
    InputError
        If its movie is gone, and the open one has another size.
    """
    if opened.movie is not None:
        adopt(session.scene, None, opened.movie)
        session.workspace.set_movie(opened.movie)
    session.workspace.open_result(opened.result, opened.folder)
    files = opened.result.movie.files
    if opened.movie is None and files:
        return f"The recorded movie is no longer at {files[0].path}."
    return ""


def adopt(scene: Scene, layer: Layer | None, movie: Movie) -> None:
    """Let the scene show a movie in a layer of the user's, or in one of its own.

    A layer of the user's that showed the former movie is left as it is.
    """
    former = scene.layer("movie")
    if former is not None and former is not layer:
        if MOVIE in former.metadata:
            del former.metadata[ROLE]
        else:
            scene.remove("movie")
    if layer is not None:
        layer.metadata.update({ROLE: "movie", MOVIE: movie})


def _asked(field: str, name: str, known: InputParameters) -> bool:
    """Whether a field belongs to the question."""
    return field == name or getattr(known, field) is not None
