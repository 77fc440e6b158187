"""What can be written of a result: a table of labels, files and functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from napari_cnmf.formats.results import Result
from napari_cnmf.formats.tables import export_csv, export_npz
from napari_cnmf.recipe import Recipe

TABLES = ("cells", "traces_raw", "traces_denoised", "deconvolved", "dff", "motion")
SUITE2P = ("stat", "F", "Fneu", "spks", "iscell", "ops")


@dataclass(frozen=True)
class Choices:
    """What counts for all that is written.

    Attributes
    ----------
    accepted_only : bool
        Whether rejected cells are left out.
    session_start : datetime, optional
        When the recording began.
    """

    accepted_only: bool = False
    session_start: datetime | None = None

    def of(self, result: Result) -> Result:
        """Return the result with the cells that are written."""
        return result.of_accepted() if self.accepted_only else result


def _write_report(result: Result, path: Path, _choices: Choices) -> None:
    """Write the picture of the run."""
    from napari_cnmf.report.figure import write_report  # matplotlib takes a second

    write_report(result, path)


def _write_outlines(result: Result, path: Path, choices: Choices) -> None:
    """Write the figure of the contours."""
    from napari_cnmf.report.outlines import write_outlines

    write_outlines(choices.of(result), path)


def _write_npz(result: Result, path: Path, choices: Choices) -> None:
    """Write plain arrays."""
    export_npz(choices.of(result), path)


def _write_csv(result: Result, path: Path, choices: Choices) -> None:
    """Write the tables, of which `path` is one."""
    export_csv(choices.of(result), path.parent)


def _write_caiman(result: Result, path: Path, choices: Choices) -> None:
    """Write what CaImAn's load_CNMF reads."""
    from napari_cnmf.formats.exchange.caiman_results import export_caiman

    export_caiman(choices.of(result), path)


def _write_suite2p(result: Result, path: Path, choices: Choices) -> None:
    """Write suite2p's files, of which `path` is one."""
    from napari_cnmf.formats.exchange.suite2p import export_suite2p

    export_suite2p(choices.of(result), path.parent)


def _write_nwb(result: Result, path: Path, choices: Choices) -> None:
    """Write an NWB file."""
    from napari_cnmf.formats.exchange.nwb_results import export_nwb

    if choices.session_start is not None:
        export_nwb(choices.of(result), path, session_start=choices.session_start)


def _write_mat(result: Result, path: Path, choices: Choices) -> None:
    """Write MATLAB's variables."""
    from napari_cnmf.formats.exchange.matlab import export_mat

    export_mat(choices.of(result), path)


def _write_rois(result: Result, path: Path, choices: Choices) -> None:
    """Write ImageJ's ROIs."""
    from napari_cnmf.report.imagej_rois import export_rois

    export_rois(choices.of(result), path)


def _write_recipe(result: Result, path: Path, _choices: Choices) -> None:
    """Write the parameters that the result was found with."""
    Recipe.from_toml(result.recipe).save(path)


@dataclass(frozen=True)
class Export:
    """One thing to write: label, help, the files it makes and how.

    Attributes
    ----------
    label, about : str
    files : tuple of str
        What it makes in the folder that is chosen.
    write : callable
        Gets the result, the first of its files, and `Choices`.
    is_dated : bool
        Whether it needs to know when the recording began.
    """

    label: str
    about: str
    files: tuple[str, ...]
    write: Callable[[Result, Path, Choices], None]
    is_dated: bool = False


EXPORTS = (
    Export(
        "Tables (csv)",
        "A row per cell, and one per frame of motion; traces with a column per cell",
        tuple(f"{name}.csv" for name in TABLES),
        _write_csv,
    ),
    Export(
        "Arrays (npz)",
        "Footprints, traces and verdicts for numpy",
        ("cells.npz",),
        _write_npz,
    ),
    Export("Report (png)", "The picture of the run", ("report.png",), _write_report),
    Export(
        "Contours (pdf)",
        "Contours of the cells on the correlation image",
        ("contours.pdf",),
        _write_outlines,
    ),
    Export(
        "CaImAn (hdf5)",
        "What its load_CNMF reads",
        ("caiman.hdf5",),
        _write_caiman,
    ),
    Export(
        "suite2p (folder)",
        "What its window opens",
        tuple(f"plane0/{name}.npy" for name in SUITE2P),
        _write_suite2p,
    ),
    Export(
        "NWB",
        "Neurodata Without Borders; needs the time at which the recording began",
        ("cells.nwb",),
        _write_nwb,
        is_dated=True,
    ),
    Export(
        "MATLAB (mat)",
        "Variables named as CaImAn's, counted from 1",
        ("cells.mat",),
        _write_mat,
    ),
    Export(
        "ImageJ ROIs (zip)",
        "Contours for the ROI Manager, with verdicts and reasons",
        ("rois.zip",),
        _write_rois,
    ),
    Export(
        "Recipe (toml)",
        "The parameters that the result was found with",
        ("recipe.toml",),
        _write_recipe,
    ),
)
