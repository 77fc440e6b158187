"""The table of a batch: a movie a line, as spreadsheets write it.

Everything in it is checked before anything runs, and all faults are told together:
the line, the column, what stands there, and what to do.
"""

from __future__ import annotations

import csv
import difflib
import io
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from operator import itemgetter
from pathlib import Path
from typing import TypeVar

from napari_cnmf.compute import Computing
from napari_cnmf.errors import CnmfError, InputError, MissingFileError
from napari_cnmf.pipeline.batch import Entry, beside, free_folder
from napari_cnmf.pipeline.opening import crop, opened, require_usable
from napari_cnmf.recipe import Recipe

T = TypeVar("T")

#: Columns that are no parameters.
MOVIE, OUTPUT, RECIPE, SEEDS = COLUMNS = ("movie", "output", "recipe", "seeds")

_DELIMITERS = ",;\t"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_DECIMAL_COMMA = re.compile(r"^([+-]?\d+),(\d+)$")
_TRUTH = {"TRUE": "true", "FALSE": "false"}


def read_table(
    path: Path,
    recipe: Recipe,
    settings: Sequence[str] = (),
    output: Path | None = None,
) -> list[Entry]:
    """Read a table of movies and check every line.

    Parameters
    ----------
    path : Path
        CSV with the columns ``movie``, ``output``, ``recipe``, ``seeds`` (all but the
        first may be missing) and any parameters, as ``group.name``. Paths are relative
        to its folder. An empty cell leaves the choice to the recipe.
    recipe : Recipe
        For lines that name none.
    settings : sequence of str
        Changes of the recipes that lines name, as for `Recipe.with_settings`; what a
        line says itself counts more.
    output : Path, optional
        Folder for the folders of all runs; each lies beside its movie otherwise.

    Returns
    -------
    list of Entry

    Raises
    ------
    MissingFileError
        If there is no table.
    InputError
        With all faults of the table, if there are any.
    """
    names, rows = _cells(path)
    check = _Check(path.absolute().parent, recipe, tuple(settings), output)
    check.header(names)
    if MOVIE not in names:
        check.fault(1, f"there is no column '{MOVIE}'; name the files in one")
        rows = []
    elif not rows:
        check.fault(2, "no movie is listed; write one into each line")
    for row in rows:
        check.reserve(row)
    entries = [check.entry(row) for row in rows]
    faults = [text for _, text in sorted(check.faults, key=itemgetter(0))]
    if faults:
        word = "faults" if len(faults) > 1 else "fault"
        head = f"{path.name} has {len(faults)} {word}, so nothing was run:"
        raise InputError("\n".join([head, *faults]))
    return entries


@dataclass(frozen=True)
class _Row:
    """Cells of a line that are not empty, by the names of their columns, if any."""

    line: int
    cells: dict[str, str]
    nameless: tuple[str, ...]


class _Check:
    """Turns rows into entries, and collects what is wrong with them."""

    def __init__(
        self,
        base: Path,
        recipe: Recipe,
        settings: tuple[str, ...],
        output: Path | None,
    ) -> None:
        self.faults: list[tuple[int, str]] = []
        self._known = (*COLUMNS, *Recipe.known())
        self._base, self._recipe, self._settings = base, recipe, settings
        self._output = output
        self._taken: dict[Path, int] = {}

    def fault(self, line: int, text: str, column: str = "") -> None:
        """Note what is wrong."""
        place = f"line {line}, column '{column}'" if column else f"line {line}"
        self.faults.append((line, f"  {place}: {text.rstrip('.')}."))

    def header(self, names: Sequence[str]) -> None:
        """Check the names of the columns."""
        for name, n in Counter(filter(None, names)).items():
            if n > 1:
                self.fault(1, "it stands there twice; keep one of them", name)
            if name in Computing.known():
                text = "where to compute is the same for all movies; give it to the"
                self.fault(1, f"{text} command instead (--set {name}=...)", name)
            elif name not in self._known:
                near = difflib.get_close_matches(name, self._known, n=1, cutoff=0.5)
                hint = f"perhaps '{near[0]}' is meant" if near else "take it away"
                self.fault(1, f"there is no such column or parameter; {hint}", name)

    def reserve(self, row: _Row) -> None:
        """Note the folder that a line chooses; no other line may have it."""
        if OUTPUT in row.cells:
            folder = self._folder(row.cells[OUTPUT])
            if folder in self._taken:
                other = f"{folder} is the folder of line {self._taken[folder]} already"
                self.fault(row.line, f"{other}; choose another one", OUTPUT)
            self._taken.setdefault(folder, row.line)

    def entry(self, row: _Row) -> Entry:
        """Check a line, and return its movie."""
        n_faults = len(self.faults)
        for cell in row.nameless:
            text = f"'{cell}' stands below no name of a column; name it in line 1"
            self.fault(row.line, text)
        movie = self._files(row, MOVIE)
        if not movie:
            self.fault(row.line, "it is empty; name the file of the movie", MOVIE)
        output = self._output_of(row, movie)
        if output in movie:
            text = f"{output} is the folder of the movie itself; choose another one"
            self.fault(row.line, text, OUTPUT)
        seeds = self._files(row, SEEDS)
        settings = (
            self._tried(row, name, partial(_setting, name))
            for name in row.cells
            if name in self._known and name not in COLUMNS
        )
        entry = Entry(
            movie,
            output,
            self._tried(row, RECIPE, self._load),
            tuple(filter(None, settings)),
            seeds[0] if seeds else None,
        )
        if len(self.faults) == n_faults:
            self._tried(row, MOVIE, lambda _: _require_usable(entry, self._recipe))
        return entry

    def _output_of(self, row: _Row, movie: tuple[Path, ...]) -> Path:
        """Return the folder that a line chooses, or one that is free."""
        if OUTPUT in row.cells or not movie:
            return self._folder(row.cells.get(OUTPUT, ""))
        folder = free_folder(beside(movie[0], self._output), self._taken)
        self._taken[folder] = row.line
        return folder

    def _folder(self, cell: str) -> Path:
        """Return the path of an output."""
        return (self._output or self._base).absolute() / cell

    def _files(self, row: _Row, column: str) -> tuple[Path, ...]:
        """Return the files of a cell."""
        cells = filter(None, map(str.strip, row.cells.get(column, "").split(";")))
        paths = tuple(self._base / Path(cell).expanduser() for cell in cells)
        for path in paths:
            if not path.exists():
                text = f"{path} does not exist; check its name and folder"
                self.fault(row.line, text, column)
        return paths

    def _load(self, cell: str) -> Recipe:
        """Load the recipe of a line."""
        recipe = Recipe.load(self._base / Path(cell).expanduser())
        return recipe.with_settings(self._settings)

    def _tried(self, row: _Row, column: str, act: Callable[[str], T]) -> T | None:
        """Do something with a cell, unless it is empty, and note what is wrong."""
        cell = row.cells.get(column)
        try:
            return None if cell is None else act(cell)
        except CnmfError as error:
            self.fault(row.line, str(error), column)
            return None


def _setting(name: str, cell: str) -> str:
    """Return a cell as a setting that is allowed."""
    setting = f"{name}={cell}"
    Recipe().with_settings([setting])
    return setting


def _require_usable(entry: Entry, recipe: Recipe) -> None:
    """Open the movie of a line, and refuse what would fail later."""
    parameters = entry.parameters(recipe)
    movie = crop(opened(entry.movie, parameters), parameters.input)
    require_usable(movie, parameters)


def _cells(path: Path) -> tuple[list[str], list[_Row]]:
    """Return the names of the columns of a table, and its lines."""
    text = _text(path)
    head = text.lstrip().partition("\n")[0]
    delimiter = max(_DELIMITERS, key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    lines, above = [], 0
    try:
        for cells in reader:
            lines.append((above + 1, [cell.strip() for cell in cells]))
            above = reader.line_num
    except csv.Error as error:
        raise InputError(
            f"{path.name} is no table of text ({error}); save it as CSV."
        ) from error
    (_, heads), *filled = [line for line in lines if any(line[1])] or [(1, [])]
    names = [head.lower() for head in heads]
    return names, [_row(line, names, cells, delimiter) for line, cells in filled]


def _row(line: int, names: list[str], cells: list[str], delimiter: str) -> _Row:
    """Put the cells of a line below the names of the columns."""
    pairs = [pair for pair in zip_longest(names, cells, fillvalue="") if pair[1]]
    named = {
        name: _plain(cell, delimiter) if "." in name else cell
        for name, cell in pairs
        if name
    }
    return _Row(line, named, tuple(cell for name, cell in pairs if not name))


def _plain(cell: str, delimiter: str) -> str:
    """Write a number or a truth value as a recipe does."""
    if delimiter == ";":  # the decimal comma is why a spreadsheet takes this one
        cell = _DECIMAL_COMMA.sub(r"\1.\2", cell)
    return _TRUTH.get(cell, cell)


def _text(path: Path) -> str:
    """Read a file, in whichever code a spreadsheet has written it."""
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise MissingFileError(f"There is no table {path}.") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}).") from error
    if content.startswith(_UTF_16):
        return content.decode("utf-16", errors="replace")
    if b"\0" in content:
        raise InputError(
            f"{path.name} is no text, as a table must be; save the sheet as CSV and "
            "give that instead."
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:  # Excel's plain CSV under Windows
        return content.decode("cp1252", errors="replace")
