"""Results of other programs, with their parameters in our words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from napari_cnmf.errors import ParameterError
from napari_cnmf.formats.exchange.caiman_results import STAGE, import_caiman, is_caiman
from napari_cnmf.formats.exchange.nwb_reading import import_nwb, is_nwb
from napari_cnmf.formats.exchange.suite2p import import_suite2p, plane_folder
from napari_cnmf.formats.results import Result, load
from napari_cnmf.pipeline.folder import RunFolder
from napari_cnmf.recipe import Recipe

#: Values by which CaImAn says that it was told nothing.
_UNSAID = {"data.dxy": [1, 1], "data.var_name_hdf5": "mov"}


def import_result(path: str | Path, *, frame_rate_hz: float | None = None) -> Result:
    """Read a result of ours or of another program.

    Parameters
    ----------
    path : path
        Folder of a run or its ``results.h5``; a file that CaImAn saved; a folder of
        suite2p's; an NWB file.
    frame_rate_hz : float, optional
        Frames per second, where the other program does not state it.

    Returns
    -------
    Result
        With the other program's parameters in the recipe, as far as they have an
        equivalent; the log says which have none.

    Raises
    ------
    MissingFileError
        If there is none.
    InputError
        If it is damaged, or of none of these programs.
    """
    path = Path(path)
    if is_caiman(path):
        return _with_recipe(import_caiman(path, frame_rate_hz=frame_rate_hz))
    if plane_folder(path) is not None:
        return import_suite2p(path)
    if path.is_file() and is_nwb(path):
        return import_nwb(path)
    return load(RunFolder(path).result if path.is_dir() else path)


def _with_recipe(result: Result) -> Result:
    """Take over CaImAn's parameters, all or none but the frame rate."""
    theirs = next(r.parameters for r in result.stages if r.stage == STAGE)
    stated = {
        group: {k: v for k, v in values.items() if _UNSAID.get(f"{group}.{k}") != v}
        for group, values in theirs.items()
    }
    try:
        recipe, unknown = Recipe.from_caiman(stated)
    except (ParameterError, TypeError, ValueError) as error:
        log = f"CaImAn's parameters are not taken over: {error}"
        return replace(result, log=log)
    rate = {"acquisition.frame_rate_hz": result.movie.frame_rate_hz}
    log = f"CaImAn's parameters without an equivalent: {', '.join(unknown) or 'none'}."
    return replace(result, recipe=recipe.with_settings(rate).to_toml(), log=log)
