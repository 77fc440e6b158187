"""Which paths are results of other programs."""

from __future__ import annotations

from pathlib import Path

from napari_cnmf.errors import InputError
from napari_cnmf.formats.exchange.caiman_results import is_caiman
from napari_cnmf.formats.exchange.suite2p import plane_folder


def is_foreign(path: Path) -> bool:
    """Whether a path is for sure a result of CaImAn or suite2p, by its content."""
    if path.is_file():
        return is_caiman(path)
    try:
        return plane_folder(path) is not None
    except InputError:  # of several planes: opening it says what to do
        return True
