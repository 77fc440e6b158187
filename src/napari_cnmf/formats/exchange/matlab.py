"""MATLAB files: version 5, which every MATLAB and Octave opens.

Variables are named as CaImAn's and oriented as MATLAB's users expect: pixels column by
column, positions counted from 1, a row for each cell, texts as cells, parameters as
structures.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.io import savemat

from napari_cnmf.components import Components, Quality
from napari_cnmf.errors import OutputError
from napari_cnmf.formats.atomic import replacing
from napari_cnmf.formats.exchange.caiman_symbols import to_symbols
from napari_cnmf.formats.results import Result
from napari_cnmf.formats.tables import chosen_components

#: A variable of the format must be smaller, as its length has 32 bits.
MAX_BYTES = 2**31
#: Of `to_symbols`; the others have a form here that MATLAB knows better.
_SYMBOLS = ("A", "C", "S", "YrA", "F_dff", "b", "f", "bl", "neurons_sn", "lam", "g")


def export_mat(
    result: Result, path: str | Path, *, accepted_only: bool = False
) -> None:
    """Write the result as variables of MATLAB.

    Sparse ``A`` (pixels x K) and ``b`` (pixels x H), so that
    ``reshape(full(A(:, k)), dims)`` is a footprint; ``f`` (H x T); ``C``, ``C_raw``,
    ``S``, ``YrA`` and ``F_dff`` (K x T); ``bl``, ``neurons_sn``, ``lam`` (K x 1) and
    ``g``; ``sn``, ``Cn``, ``mean_image`` and ``max_image`` (Y x X); ``dims``,
    ``frame_rate``; ``id`` (K x 1), ``centers`` (K x 2; row and column from 1),
    ``accepted`` (K x 1 logical), ``reasons`` (K x 1 cell), ``quality`` (a structure of
    scores, K x 1 each); ``shifts`` (T x 2, px; down and right) and ``parameters`` (a
    structure of structures). What was not computed is empty.

    Parameters
    ----------
    result : Result
    path : path
        Usually ``.mat``; an older file is replaced.
    accepted_only : bool
        Whether rejected components are left out.

    Raises
    ------
    MissingStageError
        If there are no components yet.
    OutputError
        If the file cannot be written, or a variable is larger than the format allows.
    """
    path = Path(path)
    cells = chosen_components(result, accepted_only)
    variables = {
        name: _for_matlab(value) for name, value in _variables(result, cells).items()
    }
    for name, value in variables.items():
        _require_room(name, value, path)
    with replacing(path) as temporary:
        savemat(
            str(temporary),
            variables,
            appendmat=False,
            long_field_names=True,
            oned_as="column",
        )


def _variables(result: Result, cells: Components) -> dict[str, Any]:
    """All variables by name."""
    symbols, summary, quality = to_symbols(cells), result.summary, cells.quality
    n_cells = len(cells)
    reasons = [quality.reasons(k) if quality else [] for k in range(n_cells)]
    return {
        **{name: symbols[name] for name in _SYMBOLS},
        "Cn": None if summary is None else summary.correlation,
        "mean_image": None if summary is None else summary.mean,
        "max_image": None if summary is None else summary.maximum,
        "C_raw": cells.raw,
        "sn": cells.pixel_noise,
        "dims": np.array([cells.fov_shape], np.float64),
        "frame_rate": cells.frame_rate_hz,
        "id": cells.ids,
        "centers": cells.centres + 1.0,
        "accepted": cells.accepted,
        "reasons": _cell_column(["; ".join(texts) for texts in reasons]),
        "quality": None if quality is None else _scores(quality),
        "shifts": None if result.shifts is None else result.shifts.values,
        "parameters": tomllib.loads(result.recipe),
    }


def _scores(quality: Quality) -> dict[str, np.ndarray]:
    """Scores that were taken, one value per cell."""
    scores = {
        item.name: getattr(quality, item.name)
        for item in fields(quality)
        if "axis" in item.metadata
    }
    return {k: v for k, v in scores.items() if v is not None and v.ndim == 1}


def _cell_column(texts: list[str]) -> np.ndarray:
    """Texts as a column of cells (K x 1)."""
    column = np.empty((len(texts), 1), object)
    column[:, 0] = texts
    return column


def _for_matlab(value: Any) -> Any:
    """Give a value the type that MATLAB computes with."""
    if value is None:
        return np.zeros((0, 0))
    if isinstance(value, Mapping):
        return {name: _for_matlab(inner) for name, inner in value.items()}
    if isinstance(value, sp.csc_array):
        return value.astype(np.float64)  # it has no other sparse numbers
    return value


def _require_room(name: str, value: Any, path: Path) -> None:
    """Refuse a variable that the format cannot hold."""
    is_sparse = isinstance(value, sp.csc_array)
    parts = (value.data, value.indices) if is_sparse else (value,)
    if sum(getattr(part, "nbytes", 0) for part in parts) >= MAX_BYTES:
        raise OutputError(
            f"{path.name} cannot hold '{name}', which is larger than the 2 GB that the "
            "format allows; leave rejected cells out, or read results.h5 with MATLAB's "
            "h5read."
        )
