"""The Batch dock: many movies, one after the other, while napari shows another one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from napari.viewer import Viewer
from qtpy.QtCore import QUrl
from qtpy.QtWidgets import QComboBox, QFileDialog, QHBoxLayout, QLabel, QVBoxLayout

from napari_cnmf.colours import ACCEPTED
from napari_cnmf.compute import make_backend
from napari_cnmf.errors import InputError
from napari_cnmf.formats.readers.registry import readable_suffixes
from napari_cnmf.pipeline.batch import PAGE, Entry
from napari_cnmf.pipeline.batch_table import read_table
from napari_cnmf.pipeline.folder import RunFolder
from napari_cnmf.recipe import Recipe
from napari_cnmf.widgets import opening
from napari_cnmf.widgets.docks.batch_list import batch_list
from napari_cnmf.widgets.docks.batch_row import BatchRow
from napari_cnmf.widgets.docks.dock import StageDock, wrapped
from napari_cnmf.widgets.docks.source import TakesFiles, button, calling, show_result
from napari_cnmf.widgets.running import known

TABLE = ".csv"
_DOCKS, _FILE = "those of the docks", "of a recipe file ..."


class BatchWidget(TakesFiles, StageDock):
    """Lists movies, runs them, and shows how each is going."""

    intro = (
        "Finds the cells of many movies, one after the other; one that fails does not "
        "stop the others. Drop movies here, or a table with a movie a line."
    )

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self.list = batch_list(self.session)
        self.rows: list[BatchRow] = []
        self.parameters = QComboBox()
        self.overview = wrapped("")
        self.overview.setOpenExternalLinks(True)
        self._add_controls()
        self._places = QVBoxLayout()
        self._places.setSpacing(4)
        self.body.addLayout(self._places)
        self.body.addWidget(self.overview)
        self.add_action("Start", self.start, self._lacks, "Run all movies of the list")
        self.listen(self.list.listed, self._show_rows)
        self.listen(self.list.stepped, self._show_row)
        for signal in (self.session.jobs.started, self.session.jobs.ended):
            self.listen(signal, self._show_busy)
        self._show_recipe_file()
        self._show_rows()

    def open_paths(self, paths: Sequence[Path]) -> None:
        """Add movies to the list, each a file or a folder, and those of tables."""
        self.say("")
        self.list.add_movies([p for p in paths if p.suffix.lower() != TABLE])
        for path in paths:
            if path.suffix.lower() == TABLE:
                self._read(path)

    def load_recipe(self, path: Path) -> None:
        """Take the parameters of a recipe file."""
        self.list.recipe = (path.name, Recipe.load(path))
        self._show_recipe_file()

    def start(self) -> None:
        """Run all movies of the list."""
        backend = make_backend(self.workspace.computing, self.list.folder)
        work = self.list.work(self._recipe, backend)
        self.begin("Batch", known(self.workspace, backend, work))

    def open_result(self, place: int) -> None:
        """Show in the viewer what was found in a movie."""
        outcome = self.list.lines[place].outcome
        if outcome.findings is not None:
            file = RunFolder(outcome.folder).result
            work = calling(opening.opened_result, file)
            self.begin("Opening the result", work, self._take_result)

    def _add_controls(self) -> None:
        """Add what lists movies, and the choice of their parameters."""
        row = QHBoxLayout()
        for label, slot, about in (
            ("Movies ...", self._ask_movies, "Each file is a movie of its own"),
            ("Folder ...", self._ask_folder, "All files of a folder are one movie"),
            ("Table ...", self._ask_table, "CSV with a movie a line, and parameters"),
            ("Clear", self.list.clear, "Empty the list; results are kept"),
        ):
            row.addWidget(button(label, slot, about))
        self.clear = row.itemAt(row.count() - 1).widget()
        self.body.addLayout(row)
        row = QHBoxLayout()
        row.addWidget(QLabel("Parameters"))
        row.addWidget(self.parameters, 1)
        self.parameters.activated.connect(self._choose_parameters)
        self.body.addLayout(row)

    def _lacks(self) -> str:
        """Say what must be done before the batch can begin."""
        return "" if self.list.lines else "Add movies first."

    def _read(self, table: Path) -> None:
        """Read and check a table beside the window."""

        def take(entries: list[Entry]) -> None:
            self.list.add_table(table, entries)

        self.begin("Checking the table", calling(read_table, table, self._recipe), take)

    def _take_result(self, opened: opening.Opened) -> None:
        """Show what was found in a movie."""
        try:
            self.say(show_result(self.session, opened))
        except InputError as error:
            self.say(str(error), "error")

    @property
    def _recipe(self) -> Recipe:
        """Parameters of movies that have none of their own."""
        return (
            self.workspace.recipe if self.list.recipe is None else self.list.recipe[1]
        )

    def _choose_parameters(self, place: int) -> None:
        """Take the parameters of the docks, or ask for a file."""
        if place == 0:
            self.list.recipe = None
        elif place == self.parameters.count() - 1:
            name, _ = QFileDialog.getOpenFileName(self, "Load a recipe", "", "*.toml")
            if name:
                self._press(lambda: self.load_recipe(Path(name)))
        self._show_recipe_file()

    def _show_recipe_file(self) -> None:
        """Show where the parameters come from."""
        chosen = self.list.recipe
        names = [] if chosen is None else [f"of {chosen[0]}"]
        self.parameters.clear()
        self.parameters.addItems([_DOCKS, *names, _FILE])
        self.parameters.setCurrentIndex(len(names))

    def _show_rows(self) -> None:
        """Show the movies of the list."""
        for row in self.rows:
            row.hide()
            row.deleteLater()
        self.rows = [BatchRow(line) for line in self.list.lines]
        for place, row in enumerate(self.rows):
            row.opened.connect(partial(self.open_result, place))
            row.removed.connect(partial(self.list.remove, place))
            self._places.addWidget(row)
        self._show_overview()
        self._show_busy()
        self.refresh()

    def _show_row(self, place: int) -> None:
        """Show what has changed of a movie."""
        self.rows[place].show_line(self.list.lines[place])
        self._show_overview()

    def _show_busy(self, *_: str) -> None:
        """Let the list be as it is while it is worked on."""
        is_free = not self.session.jobs.running
        self.clear.setEnabled(is_free)
        for row in self.rows:
            row.remove.setEnabled(is_free)

    def _show_overview(self) -> None:
        """Lead to the page of all movies, if there is one."""
        page = self.list.folder / PAGE
        if not (self.list.lines and page.exists()):
            self.overview.setText("")
            return
        address = QUrl.fromLocalFile(str(page)).toString()
        style = f"color: {ACCEPTED}"  # readable on both themes, unlike Qt's blue
        link = f'<a href="{address}" style="{style}">{page.name}</a>'
        self.overview.setText(f"All movies with their pictures: {link}")

    def _ask_movies(self) -> None:
        """Ask for movies."""
        endings = " ".join(f"*{suffix}" for suffix in readable_suffixes())
        names, _ = QFileDialog.getOpenFileNames(
            self, "Add movies", "", f"Movies ({endings})"
        )
        self.open_paths([Path(name) for name in names])

    def _ask_folder(self) -> None:
        """Ask for a folder whose files are one movie."""
        name = QFileDialog.getExistingDirectory(self, "Add a folder of movie files")
        if name:
            self.open_paths([Path(name)])

    def _ask_table(self) -> None:
        """Ask for a table of movies."""
        name, _ = QFileDialog.getOpenFileName(self, "Add a table", "", f"*{TABLE}")
        if name:
            self.open_paths([Path(name)])
