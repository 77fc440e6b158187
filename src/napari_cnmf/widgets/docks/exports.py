"""What can be written of a result: a table of labels, files and functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from napari_cnmf.formats.results import Result
from napari_cnmf.formats.tables import export_csv, export_npz
from napari_cnmf.recipe import Recipe

TABLES = ("cells", "traces_raw", "traces_denoised", "deconvolved", "dff", "motion")


def _write_report(result: Result, path: Path, _accepted_only: bool) -> None:
    """Write the picture of the run."""
    from napari_cnmf.report.figure import write_report  # matplotlib takes a second

    write_report(result, path)


def _write_outlines(result: Result, path: Path, accepted_only: bool) -> None:
    """Write the figure of the contours."""
    from napari_cnmf.report.outlines import write_outlines

    write_outlines(result, path, accepted_only=accepted_only)


def _write_npz(result: Result, path: Path, accepted_only: bool) -> None:
    """Write plain arrays."""
    export_npz(result, path, accepted_only=accepted_only)


def _write_csv(result: Result, path: Path, accepted_only: bool) -> None:
    """Write the tables, of which `path` is one."""
    export_csv(result, path.parent, accepted_only=accepted_only)


def _write_recipe(result: Result, path: Path, _accepted_only: bool) -> None:
    """Write the parameters that the result was found with."""
    Recipe.from_toml(result.recipe).save(path)


@dataclass(frozen=True)
class Export:
    """One thing to write: label, help, the files it makes and how."""

    label: str
    about: str
    files: tuple[str, ...]
    write: Callable[[Result, Path, bool], None]


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
        "Recipe (toml)",
        "The parameters that the result was found with",
        ("recipe.toml",),
        _write_recipe,
    ),
)
