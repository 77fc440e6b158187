"""The state of a result before its last stage, kept beside it.

When a result file is replaced, the older one stays as ``results.previous.h5``, by a
hard link: no byte is copied. So if the file is found damaged later (a failing disk, a
copy that was cut short), there is a whole one to go back to.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from napari_cnmf.errors import MissingFileError
from napari_cnmf.formats.curation import curation_path


def previous_path(results_path: str | Path) -> Path:
    """Return where the former state of a result file lies: ``results.previous.h5``."""
    path = Path(results_path)
    return path.with_name(f"{path.stem}.previous{path.suffix}")


def damaged_path(results_path: str | Path) -> Path:
    """Return where a damaged file is laid aside: ``results.damaged.h5``."""
    path = Path(results_path)
    return path.with_name(f"{path.stem}.damaged{path.suffix}")


def keep_previous(results_path: str | Path) -> None:
    """Keep a result file that is about to be replaced, with the decisions beside it.

    Where files cannot have two names (FAT, some network drives) nothing is kept.
    """
    path = Path(results_path)
    former = previous_path(path)
    for present, kept in ((path, former), (curation_path(path), curation_path(former))):
        kept.unlink(missing_ok=True)
        with suppress(OSError):  # also if there is nothing to keep
            os.link(present, kept)


def restore_previous(results_path: str | Path) -> Path:
    """Put the former state of a result in the place of one that is damaged.

    Returns
    -------
    Path
        Where the damaged file lies now.

    Raises
    ------
    MissingFileError
        If there is no former state.
    """
    path = Path(results_path)
    former, aside = previous_path(path), damaged_path(path)
    if not former.exists():
        raise MissingFileError(
            f"There is no {former.name} in {path.parent} to go back to; copy the "
            "result again, or run the movie again."
        )
    if path.exists():
        path.replace(aside)
    former.replace(path)
    curation_path(path).unlink(missing_ok=True)
    with suppress(FileNotFoundError):
        curation_path(former).replace(curation_path(path))
    return aside
