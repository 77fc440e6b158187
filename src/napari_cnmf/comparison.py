"""What differs between two results of the same field: cells, verdicts, parameters.

The cells are matched by their footprints (see `napari_cnmf.matching`); the raw traces
of each pair are correlated where both results have the same frames. What either result
does not know is left open.
"""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_cnmf.components import Components
from napari_cnmf.errors import MissingStageError
from napari_cnmf.formats.atomic import replacing
from napari_cnmf.formats.results import Result
from napari_cnmf.matching import Matching, State, match
from napari_cnmf.quality.criteria import looks_at_peaks
from napari_cnmf.quality.explain import explain
from napari_cnmf.recipe import Recipe

#: Of the table; a and b are the first and the second result.
COLUMNS = (
    *("state", "id_a", "id_b", "overlap", "distance_px", "trace_correlation"),
    *("snr_a", "snr_b", "accepted_a", "accepted_b", "why_a", "why_b"),
)
#: Done in every run of ours that has cells.
_OWN_STAGE = "fit"
#: Frame rates that differ by less are the same.
_SAME_RATE = 1e-3


@dataclass(frozen=True, slots=True)
class Link:
    """One row of a comparison; what is not known is None.

    Attributes
    ----------
    state : str
        One of `napari_cnmf.matching.STATES`.
    ids : tuple
        Of the cell in either result; None where there is none.
    overlap : float, optional
        Likeness of the footprints, 1 if they are the same.
    distance_px : float, optional
        Between their centres.
    correlation : float, optional
        Of the raw traces.
    snr : tuple
        In either result.
    accepted : tuple
        Of bool, in either result.
    """

    state: State
    ids: tuple[int | None, int | None]
    overlap: float | None
    distance_px: float | None
    correlation: float | None
    snr: tuple[float | None, float | None]
    accepted: tuple[bool | None, bool | None]

    @property
    def is_disputed(self) -> bool:
        """Whether one result accepts the cell and the other rejects it."""
        first, second = self.accepted
        return None not in self.accepted and first != second


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two results of the same field, and what became of each cell.

    Attributes
    ----------
    names : (str, str)
        What the results are called.
    results : (Result, Result)
        With components.
    matching : Matching
    links : tuple of Link
        The rows of `matching`.
    parameters : tuple of (str, str, str)
        Full name, value in the first and value in the second result of those that
        differ. Of a result that no run of ours has made only what it states counts.
    """

    names: tuple[str, str]
    results: tuple[Result, Result]
    matching: Matching
    links: tuple[Link, ...]
    parameters: tuple[tuple[str, str, str], ...]

    @property
    def cells(self) -> tuple[Components, Components]:
        """The components of both."""
        (a, b), (first, second) = self.names, self.results
        return _cells(a, first), _cells(b, second)

    @property
    def image(self) -> np.ndarray:
        """(Y, X) an image of the field that one of the results holds; else zeros."""
        for result in (self.results[1], self.results[0]):
            if result.summary is not None:
                for image in (result.summary.correlation, result.summary.mean):
                    if np.isfinite(image).any() and np.nanmax(image) > np.nanmin(image):
                        return image
        return np.zeros(self.cells[0].fov_shape, np.float32)

    @property
    def is_cell(self) -> np.ndarray:
        """(R,) bool: rows of which at least one result accepts the cell."""
        return np.array([True in link.accepted for link in self.links], bool)

    @property
    def disputed(self) -> list[int]:
        """Rows of which one result accepts the cell and the other rejects it."""
        return [row for row, link in enumerate(self.links) if link.is_disputed]

    @property
    def median_shift_px(self) -> tuple[float, float]:
        """How far (y, x) the second result lies from the first, by its pairs."""
        first, second = self.cells
        paired = [state in ("same", "moved") for state in self.matching.states]
        if not any(paired):
            return 0.0, 0.0
        i, j = self.matching.first[paired], self.matching.second[paired]
        y, x = np.median(second.centres[j] - first.centres[i], axis=0).tolist()
        return y, x

    def reasons(self, row: int) -> tuple[str, str]:
        """Why either result accepts or rejects the cell of a row; "" if not known."""
        positions = self.matching.first[row], self.matching.second[row]
        first, second = (
            explain(cells.quality, int(k)).sentence
            if k >= 0 and cells.quality is not None
            else ""
            for cells, k in zip(self.cells, positions, strict=True)
        )
        return first, second


def compare(
    first: Result, second: Result, names: tuple[str, str] = ("A", "B")
) -> Comparison:
    """Compare two results of the same field, cell by cell.

    Parameters
    ----------
    first, second : Result
        Of any program, see `napari_cnmf.pipeline.importing`.
    names : (str, str)
        What to call them.

    Returns
    -------
    Comparison

    Raises
    ------
    MissingStageError
        If one has no components.
    InputError
        If their fields differ in size.
    """
    a, b = _cells(names[0], first), _cells(names[1], second)
    matching = match(a, b)
    links = tuple(_links(matching, a, b))
    return Comparison(
        names, (first, second), matching, links, _parameters(first, second)
    )


def write_table(comparison: Comparison, path: Path) -> None:
    """Write one line per pair, or cell without a partner, as CSV.

    Parameters
    ----------
    comparison : Comparison
    path : Path
        An older file is replaced. What is not known is left empty.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    with (
        replacing(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as file,
    ):
        table = csv.writer(file)
        both = [
            f"{name}_{side}" for name in ("snr", "accepted", "why") for side in "ab"
        ]
        numbers = ["overlap", "distance_px", "trace_correlation"]
        table.writerow(["state", "id_a", "id_b", *numbers, *both])
        for row, link in enumerate(comparison.links):
            values = (link.overlap, link.distance_px, link.correlation, *link.snr)
            verdicts = ["" if kept is None else int(kept) for kept in link.accepted]
            table.writerow(
                [
                    link.state,
                    *link.ids,
                    *("" if value is None else f"{value:.4g}" for value in values),
                    *verdicts,
                    *comparison.reasons(row),
                ]
            )


def correlations(
    first: Components, second: Components, matching: Matching
) -> np.ndarray:
    """Correlate the raw traces of each pair.

    Returns
    -------
    ndarray
        (R,) float32; NaN without a pair, for a trace that is constant or not known,
        and everywhere if the results differ in their number of frames or frame rate.
    """
    found = np.full(len(matching.states), np.nan, np.float32)
    rates = first.frame_rate_hz, second.frame_rate_hz
    same_rate = np.isclose(*rates, rtol=_SAME_RATE, equal_nan=True)
    if first.n_frames != second.n_frames or not same_rate:
        return found
    for row in np.flatnonzero(matching.is_pair).tolist():
        i, j = int(matching.first[row]), int(matching.second[row])
        traces = first.raw_of(slice(i, i + 1))[0], second.raw_of(slice(j, j + 1))[0]
        x, y = (trace - trace.mean(dtype=np.float64) for trace in traces)
        size = np.sqrt((x @ x) * (y @ y))
        if size > 0:
            found[row] = x @ y / size
    return found


def _cells(name: str, result: Result) -> Components:
    """Return the components of a result, which must be there."""
    if result.components is None:
        raise MissingStageError(
            f"The result '{name}' has no components to compare yet; run the fit first."
        )
    return result.components


def _links(matching: Matching, a: Components, b: Components) -> Iterator[Link]:
    """Yield the rows."""
    sides = (a, matching.first), (b, matching.second)
    of_pairs = matching.overlap, matching.distance_px, correlations(a, b, matching)
    every = np.arange(len(matching.states))
    columns: list[list[Any]] = [_column(values, every) for values in of_pairs]
    for values in (lambda cells: cells.ids, _snr, lambda cells: cells.accepted):
        both = (_column(values(cells), places) for cells, places in sides)
        columns.append(list(zip(*both, strict=True)))
    overlap, distance, traces, ids, snr, accepted = columns
    for row, state in enumerate(matching.states):
        pair = overlap[row], distance[row], traces[row]
        yield Link(state, ids[row], *pair, snr[row], accepted[row])


def _column(values: np.ndarray, places: np.ndarray) -> list[Any]:
    """Values at some places, as Python's; None at -1 and for NaN."""
    plain = values.tolist()
    found = (plain[k] if k >= 0 else None for k in places.tolist())
    return [None if value != value else value for value in found]


def _snr(cells: Components) -> np.ndarray:
    """SNR (K,) that the rule in force looks at; NaN before the evaluation."""
    quality = cells.quality
    if quality is None:
        return np.full(len(cells), np.nan, np.float32)
    return quality.caiman_snr if looks_at_peaks(quality.rule) else quality.snr


def _parameters(first: Result, second: Result) -> tuple[tuple[str, str, str], ...]:
    """Full name and both values of the parameters that differ."""
    recipes = Recipe.from_toml(first.recipe), Recipe.from_toml(second.recipe)
    stated = _stated(first) & _stated(second)
    return tuple(
        found for found in recipes[0].differences(recipes[1]) if found[0] in stated
    )


def _stated(result: Result) -> set[str]:
    """Full names of the parameters that a result tells of.

    A run of ours has all of them; of another program at most those count that have an
    equivalent there.
    """
    known = Recipe.known()
    if any(record.stage == _OWN_STAGE for record in result.stages):
        return set(known)
    groups = tomllib.loads(result.recipe)
    given = {f"{group}.{name}" for group, values in groups.items() for name in values}
    return {name for name in given if known[name].metadata["caiman"] != "new"}
