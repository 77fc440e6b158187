"""The Save and export dock: what was found, the movie, and the recipe, as files."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

from napari.viewer import Viewer
from qtpy.QtCore import QUrl
from qtpy.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QWidget,
)

from napari_cnmf.colours import ACCEPTED
from napari_cnmf.compute import Progress, ProgressEvent
from napari_cnmf.compute.backend import check_cancel
from napari_cnmf.errors import CnmfError
from napari_cnmf.formats.exchange.caiman_parameters import read_caiman
from napari_cnmf.formats.movies import export_movie
from napari_cnmf.formats.results import save
from napari_cnmf.recipe import Recipe
from napari_cnmf.widgets.docks.dock import StageDock, heading, wrapped
from napari_cnmf.widgets.docks.exports import EXPORTS, Choices, Export
from napari_cnmf.widgets.docks.source import button
from napari_cnmf.widgets.jobs import Work
from napari_cnmf.widgets.running import NO_CELLS, lacks_registered


class ExportWidget(StageDock):
    """Saves the result, writes what others read, and loads and saves recipes."""

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self.boxes = [QCheckBox(export.label) for export in EXPORTS]
        self.accepted_only = QCheckBox("Accepted cells only")
        self.session_start = QLineEdit()
        self.folder = QLineEdit()
        self.done = wrapped("")
        self.done.setOpenExternalLinks(True)
        self._add_exports()
        self._add_recipe()
        self.body.addWidget(self.done)
        self.add_action(
            "Write files", self.write, self._lacks, "Write what is ticked above"
        )
        self.add_action(
            "Save result as ...", self._ask_result, self._lacks, "One file with all"
        )
        self.add_action(
            "Save movie as ...",
            self._ask_movie,
            lambda: lacks_registered(self.workspace),
            "Corrected movie (tif, h5), with the pixels of the recording's type",
        )
        self.listen(self.workspace.folder_changed, self._show_folder)
        self._show_folder()

    def write(self) -> None:
        """Write what is ticked, after asking if files are there already."""
        chosen = self._chosen()
        if not chosen:
            self.say("Tick what shall be written.", "error")
            return
        folder = Path(self.folder.text()).expanduser()
        names = [name for export in chosen for name in export.files]
        there = [name for name in names if (folder / name).exists()]
        if there and not self.ask(f"Replace {_listed(there)} in {folder}?"):
            return
        try:
            choices = self._choices(chosen)
        except CnmfError as error:
            self.show_failure(error)
            return
        work = self._writing(chosen, folder, choices)
        self.begin("Writing files", work, lambda n: self._tell(folder, f"{n} files"))

    def save_result(self, path: Path) -> None:
        """Write the result into a file of its own."""
        result = self.workspace.result

        def work(_progress: Progress, _cancel: Event) -> None:
            if result is not None:
                save(result, path, overwrite=True)

        self.begin(
            "Saving the result", work, lambda _: self._tell(path.parent, path.name)
        )

    def save_movie(self, path: Path) -> None:
        """Write the corrected movie in the type of the recording."""
        result, movie = self.workspace.result, self.workspace.registered

        def work(progress: Progress, cancel: Event) -> None:
            if result is not None and movie is not None:
                dtype = result.movie.dtype
                export_movie(movie, path, dtype=dtype, progress=progress, cancel=cancel)

        self.begin(
            "Saving the movie", work, lambda _: self._tell(path.parent, path.name)
        )

    def load_recipe(self, path: Path) -> None:
        """Take the parameters of a recipe file."""
        self._try(lambda: self._use(Recipe.load(path), f"Loaded {path.name}."))

    def save_recipe(self, path: Path) -> None:
        """Write the parameters of now into a recipe file."""
        recipe = self.workspace.recipe
        self._try(lambda: recipe.save(path))
        self._tell(path.parent, path.name)

    def load_caiman(self, path: Path) -> None:
        """Take over CaImAn's parameters."""

        def take() -> None:
            recipe, unknown = Recipe.from_caiman(read_caiman(path))
            left = (
                f" Without an equivalent here: {', '.join(unknown)}." if unknown else ""
            )
            self._use(recipe, f"Took over {path.name}.{left}")

        self._try(take)

    # The parts of the dock

    def _add_exports(self) -> None:
        """Add what can be written, and where to."""
        self.body.addWidget(heading("Write"))
        grid = QGridLayout()
        for place, (box, export) in enumerate(zip(self.boxes, EXPORTS, strict=True)):
            box.setToolTip(f"{export.about}: {', '.join(export.files)}")
            box.setChecked(place == 0)
            grid.addWidget(box, place // 2, place % 2)
        self.body.addLayout(grid)
        self.accepted_only.setToolTip("Leaves rejected cells out of all but the report")
        self.body.addWidget(self.accepted_only)
        self.body.addLayout(self._session_start_row())
        row = QHBoxLayout()
        row.addWidget(QLabel("Into"))
        row.addWidget(self.folder, 1)
        row.addWidget(button("Choose ...", self._ask_folder, "Folder for the files"))
        self.body.addLayout(row)

    def _session_start_row(self) -> QHBoxLayout:
        """Make the field for the time at which the recording began."""
        self.session_start.setPlaceholderText("2026-05-01T12:00:00+02:00")
        self.session_start.setToolTip("Date, time and time zone; NWB demands it")
        row = QHBoxLayout()
        row.addWidget(QLabel("Recording began"))
        row.addWidget(self.session_start, 1)
        for box, export in zip(self.boxes, EXPORTS, strict=True):
            if export.is_dated:
                self.session_start.setEnabled(False)
                box.toggled.connect(self.session_start.setEnabled)
        return row

    def _add_recipe(self) -> None:
        """Add what loads and saves recipes."""
        self.body.addWidget(heading("Recipe: all parameters of the docks"))
        row = QHBoxLayout()
        for label, slot, about in (
            ("Load ...", self._ask_recipe, "Take the parameters of a recipe file"),
            ("Save ...", self._ask_recipe_file, "Write the parameters of now"),
            (
                "From CaImAn ...",
                self._ask_caiman,
                "A dictionary in a JSON or Python file",
            ),
        ):
            row.addWidget(button(label, slot, about))
        self.body.addLayout(row)

    def _lacks(self) -> str:
        """Say what must be done before anything can be written."""
        return NO_CELLS if self.workspace.components is None else ""

    def _chosen(self) -> list[Export]:
        """Return what is ticked."""
        pairs = zip(self.boxes, EXPORTS, strict=True)
        return [export for box, export in pairs if box.isChecked()]

    def _choices(self, chosen: list[Export]) -> Choices:
        """Return what counts for all that is written.

        Raises
        ------
        ParameterError
            If something needs to know when the recording began, and that is no time.
        """
        start = None
        if any(export.is_dated for export in chosen):
            from napari_cnmf.formats.exchange.nwb_time import session_time

            start = session_time(self.session_start.text().strip())
        return Choices(self.accepted_only.isChecked(), start)

    def _show_folder(self) -> None:
        """Propose a folder within that of the results."""
        folder = self.workspace.folder
        path = Path.home() if folder is None else folder.path / "export"
        self.folder.setText(str(path))
        self.folder.setToolTip(str(path))

    def _writing(
        self, chosen: list[Export], folder: Path, choices: Choices
    ) -> Work[int]:
        """Return the work that writes files and returns their number."""
        result = self.workspace.result

        def work(progress: Progress, cancel: Event) -> int:
            started = time.perf_counter()
            written: set[Path] = set()
            for i, export in enumerate(chosen):
                check_cancel(cancel)
                seconds = time.perf_counter() - started
                progress(
                    ProgressEvent(export.label, i, len(chosen), "exports", seconds)
                )
                if result is not None:
                    folder.mkdir(parents=True, exist_ok=True)
                    export.write(result, folder / export.files[0], choices)
                written |= {path for n in export.files if (path := folder / n).exists()}
            return len(written)

        return work

    def _tell(self, folder: Path, what: str) -> None:
        """Say where something was written, with a link to the folder."""
        url = QUrl.fromLocalFile(str(folder.absolute())).toString()
        style = f"color: {ACCEPTED}"  # readable on both themes, unlike Qt's blue
        link = f'<a href="{url}" style="{style}">{folder}</a>'
        self.done.setText(f"Wrote {what} into {link}.")

    def _try(self, action: Callable[[], Any]) -> None:
        """Do something, and say what went wrong."""
        self.say("")
        self.done.setText("")
        try:
            action()
        except CnmfError as error:
            self.show_failure(error)

    def _use(self, recipe: Recipe, text: str) -> None:
        """Make a recipe the one of the docks."""
        self.workspace.set_recipe(recipe)
        self.say(text)

    # Dialogs

    def _ask_folder(self) -> None:
        """Ask for the folder of the files."""
        name = QFileDialog.getExistingDirectory(self, "Folder", self.folder.text())
        if name:
            self.folder.setText(name)

    def _ask_result(self) -> None:
        """Ask where the result goes, and save it; the dialog asks before replacing."""
        path = _file_to_write(self, "Save the result", "result.h5", "*.h5")
        if path is not None:
            self.save_result(path)

    def _ask_movie(self) -> None:
        """Ask where the corrected movie goes, and write it."""
        name, _ = QFileDialog.getSaveFileName(
            self, "Save the corrected movie", "corrected.tif", "Movie (*.tif *.h5)"
        )
        if name:
            self.save_movie(Path(name))

    def _ask_recipe(self) -> None:
        """Ask for a recipe and load it."""
        name, _ = QFileDialog.getOpenFileName(self, "Load a recipe", "", "*.toml")
        if name:
            self.load_recipe(Path(name))

    def _ask_recipe_file(self) -> None:
        """Ask where the recipe goes, and save it."""
        path = _file_to_write(self, "Save the recipe", "recipe.toml", "*.toml")
        if path is not None:
            self.save_recipe(path)

    def _ask_caiman(self) -> None:
        """Ask for CaImAn's parameters and take them over."""
        name, _ = QFileDialog.getOpenFileName(
            self, "CaImAn's parameters", "", "Dictionary (*.json *.py *.txt)"
        )
        if name:
            self.load_caiman(Path(name))


def _file_to_write(parent: QWidget, title: str, start: str, ending: str) -> Path | None:
    """Ask for a file to write; it gets the ending if it has another one."""
    name, _ = QFileDialog.getSaveFileName(parent, title, start, ending)
    return Path(name).with_suffix(ending.removeprefix("*")) if name else None


def _listed(names: list[str]) -> str:
    """Name a few files."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
