"""Exports that need nothing but numpy or a spreadsheet: npz and CSV."""

from __future__ import annotations

import csv
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from napari_cnmf.components import Components
from napari_cnmf.errors import MissingStageError
from napari_cnmf.formats.atomic import replacing
from napari_cnmf.formats.results import Result
from napari_cnmf.movie.registration import Registration
from napari_cnmf.movie.shifts import Shifts


def export_npz(
    result: Result, path: str | Path, *, accepted_only: bool = False
) -> None:
    """Write the result as plain arrays, readable by ``numpy.load`` alone.

    The keys: ``A_data``, ``A_indices``, ``A_indptr``, ``A_shape`` (footprints as CSC,
    pixels x K), ``C`` (denoised, K x T), ``C_raw``, ``S`` (deconvolved), ``dff``,
    ``accepted`` (K bool), ``snr``, ``r_value`` (K), ``shifts`` (T x 2, px, how far the
    content moved, positive down and right), ``dims`` (Y, X), ``order`` ("C": pixel
    = y * X + x) and ``frame_rate`` (Hz). What was not computed is NaN, shifts zero.

    With summary images also ``valid`` (Y x X bool, pixels that hold data) and
    ``borders`` (4, rows and columns without data at the top, bottom, left, right);
    after a registration ``bad_frames`` (numbers of the frames that remain bad) and
    ``correlation_before``, ``correlation_after`` (T, of each frame with the template);
    after a piecewise one ``patch_shifts`` (T x P x 2, px, as ``shifts``) and
    ``patch_centers`` (P x 2; y, x).

    Parameters
    ----------
    result : Result
    path : path
        An older file is replaced.
    accepted_only : bool
        Whether rejected components are left out.

    Raises
    ------
    MissingStageError
        If there are no components yet.
    OutputError
        If the file cannot be written.
    """
    cells = chosen_components(result, accepted_only)
    unknown = np.full(len(cells), np.nan, np.float32)
    quality, shifts = cells.quality, result.shifts
    arrays: dict[str, Any] = {
        "A_data": cells.footprints.data,
        "A_indices": cells.footprints.indices,
        "A_indptr": cells.footprints.indptr,
        "A_shape": np.array(cells.footprints.shape),
        "C": cells.denoised,
        "C_raw": cells.raw,
        "S": cells.spikes,
        "dff": np.full_like(cells.denoised, np.nan) if cells.dff is None else cells.dff,
        "accepted": cells.accepted,
        "snr": unknown if quality is None else quality.snr,
        "r_value": unknown if quality is None else quality.r_value,
        "shifts": np.zeros((cells.n_frames, 2), np.float32)
        if shifts is None
        else shifts.values,
        "dims": np.array(cells.fov_shape),
        "order": np.array("C"),
        "frame_rate": np.array(cells.frame_rate_hz),
    }
    arrays |= _registration_arrays(result)
    with replacing(Path(path)) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)


def export_csv(
    result: Result, folder: str | Path, *, accepted_only: bool = False
) -> None:
    """Write the result as tables for a spreadsheet.

    ``traces_raw.csv``, ``traces_denoised.csv``, ``deconvolved.csv`` and ``dff.csv``
    (if computed) have a first column ``time_s`` and one column per cell, named by its
    id; ``cells.csv`` has one row per cell: centre, area, verdict and its reasons, notes
    and all quality values; ``motion.csv`` (if registered) has one row per frame: its
    shift, its correlation with the template before and after, and why it remains bad.
    Either all files are written or none.

    Parameters
    ----------
    result : Result
    folder : path
        Made if it is missing; older files of these names are replaced.
    accepted_only : bool
        Whether rejected components are left out.

    Raises
    ------
    MissingStageError
        If there are no components yet.
    OutputError
        If a file cannot be written.
    """
    cells = chosen_components(result, accepted_only)
    traces = {
        "traces_raw.csv": cells.raw,
        "traces_denoised.csv": cells.denoised,
        "deconvolved.csv": cells.spikes,
        "dff.csv": cells.dff,
    }
    tables: dict[str, Callable[[TextIO], None]] = {
        name: partial(_write_traces, cells, values)
        for name, values in traces.items()
        if values is not None
    }
    tables["cells.csv"] = partial(_write_cells, cells, result.movie.pixel_size_um)
    if result.shifts is not None:
        tables["motion.csv"] = partial(
            _write_motion, result.shifts, result.registration, cells.frame_rate_hz
        )
    with ExitStack() as renamed_at_the_end:
        for name, write in tables.items():
            path = renamed_at_the_end.enter_context(replacing(Path(folder) / name))
            with path.open("w", newline="", encoding="utf-8") as file:
                write(file)


def chosen_components(result: Result, accepted_only: bool) -> Components:
    """Components to export."""
    if result.components is None:
        raise MissingStageError(
            "The result has no components to export yet; run the fit first."
        )
    cells = result.components
    return cells.select(cells.accepted) if accepted_only else cells


def _registration_arrays(result: Result) -> dict[str, np.ndarray]:
    """Return what the registration found besides the shifts of whole frames."""
    arrays: dict[str, np.ndarray] = {}
    summary, found, shifts = result.summary, result.registration, result.shifts
    if summary is not None:
        arrays |= {"valid": summary.valid, "borders": np.array(summary.borders)}
    if found is not None:
        arrays |= {
            "bad_frames": found.bad_frames,
            "correlation_before": found.correlation_before,
            "correlation_after": found.correlation_after,
        }
    if shifts is not None and shifts.patches is not None:
        arrays["patch_shifts"] = shifts.patches.values
        arrays["patch_centers"] = shifts.patches.centres
    return arrays


def _write_traces(cells: Components, values: np.ndarray, file: TextIO) -> None:
    """One line per frame: its time and each cell's value."""
    file.write(",".join(["time_s", *map(str, cells.ids)]) + "\r\n")
    # One format per line: five times faster than one per number.
    line = "%.4f" + ",%.6g" * len(cells) + "\r\n"
    for t, row in enumerate(values.T.tolist()):
        file.write(line % (t / cells.frame_rate_hz, *row))


def _write_cells(
    cells: Components, pixel_size_um: tuple[float, float] | None, file: TextIO
) -> None:
    """One line per cell; what is unknown is left empty."""
    quality = cells.quality
    places_um = cells.centres * (pixel_size_um or (np.nan, np.nan))
    columns: dict[str, np.ndarray] = {
        "id": cells.ids,
        "accepted": cells.accepted.astype(int),
        "reasons": np.array(
            [
                "; ".join(quality.reasons(k)) if quality else ""
                for k in range(len(cells))
            ]
        ),
        "y_px": cells.centres[:, 0],
        "x_px": cells.centres[:, 1],
        "y_um": places_um[:, 0],
        "x_um": places_um[:, 1],
        "area_px": cells.sizes_px,
    }
    if quality is not None:
        scores = {
            item.name: getattr(quality, item.name)
            for item in fields(quality)
            if "axis" in item.metadata
        }
        # Images have no place in a table.
        columns |= {k: v for k, v in scores.items() if v is not None and v.ndim == 1}
        columns["notes"] = np.array(
            ["; ".join(n.name for n in quality.noted(k)) for k in range(len(cells))]
        )
    _write_columns(columns, file)


def _write_motion(
    shifts: Shifts, found: Registration | None, frame_rate_hz: float, file: TextIO
) -> None:
    """One line per frame: when, how far it had moved, and how well it now fits."""
    frames = np.arange(len(shifts.values))
    columns: dict[str, np.ndarray] = {
        "frame": frames,
        "time_s": frames / frame_rate_hz,
        "dy_px": shifts.values[:, 0],
        "dx_px": shifts.values[:, 1],
    }
    if found is not None:
        columns |= {
            "correlation_before": found.correlation_before,
            "correlation_after": found.correlation_after,
            "reasons": np.array(
                ["; ".join(found.reasons(t)) for t in range(len(frames))]
            ),
        }
    _write_columns(columns, file)


def _write_columns(columns: dict[str, np.ndarray], file: TextIO) -> None:
    """Columns of the same length, below their names."""
    table = csv.writer(file)
    table.writerow(columns)
    table.writerows(zip(*map(_texts, columns.values()), strict=True))


def _texts(column: np.ndarray) -> list[str]:
    """Numbers with six digits, NaN as nothing."""
    if column.dtype.kind != "f":
        return [str(value) for value in column.tolist()]
    return ["" if np.isnan(value) else f"{value:.6g}" for value in column]
