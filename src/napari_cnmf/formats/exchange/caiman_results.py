"""CaImAn's result files: HDF5, as its ``CNMF.save`` writes them.

The file is CaImAn's object, attribute by attribute: a group ``estimates`` with the
symbols of `caiman_symbols`, groups of parameters, None as the text "NoneType", texts
as attributes (as datasets before CaImAn 1.9.9), and sparse matrices as groups. What is
written has the groups, names and types of CaImAn 1.12.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from napari_cnmf.components import Components
from napari_cnmf.errors import InputError, MissingFileError
from napari_cnmf.formats.atomic import replacing
from napari_cnmf.formats.exchange.caiman_layout import (
    plain,
    read_nodes,
    read_value,
    write_node,
)
from napari_cnmf.formats.exchange.caiman_symbols import from_symbols, to_symbols
from napari_cnmf.formats.exchange.caiman_verdicts import limits_of
from napari_cnmf.formats.guard import require_harmless
from napari_cnmf.formats.readers.hdf5 import new_file
from napari_cnmf.formats.results import MovieInfo, Result
from napari_cnmf.formats.tables import chosen_components
from napari_cnmf.movie import FileSpan
from napari_cnmf.movie.damage import named_damage
from napari_cnmf.provenance import StageRecord

#: The record of what CaImAn was run with bears this name.
STAGE = "CaImAn"

#: What is read of the estimates, and of those that were discarded.
_SYMBOLS = (
    *("dims", "A", "C", "S", "YrA", "F_dff", "b", "f", "b0", "sn", "bl", "neurons_sn"),
    *("lam", "g", "SNR_comp", "r_values", "cnn_preds", "ecc", "idx_components"),
    "discarded_components",
)
#: Estimates that CaImAn's object has besides; None after a fit.
_UNSET = (
    *("A_thr", "Ab", "Ab_dense", "AtA", "AtY_buf", "CC", "CY", "C_on", "Cf"),
    *("OASISinstances", "W", "Yr_buf", "b0", "center", "discarded_components"),
    *("ind_new", "mn", "noisyC", "psx", "rho_buf", "sv", "vr"),
)
#: For sentences about files that cannot be read.
_KIND, _REMEDY = "a result of CaImAn", "copy it again, or save it again in CaImAn"


def import_caiman(path: str | Path, *, frame_rate_hz: float | None = None) -> Result:
    """Read a result that CaImAn saved.

    Parameters
    ----------
    path : path
        Written by CaImAn's ``cnm.save``.
    frame_rate_hz : float, optional
        That of the file by default.

    Returns
    -------
    Result
        Components in CaImAn's order, with its verdicts, behind them those that it
        discarded. CaImAn's parameters are those of the only stage, "CaImAn"; of the
        recipe only the frame rate is set. It knows no shifts and no summary images.

    Raises
    ------
    MissingFileError
        If there is none.
    InputError
        If it is damaged, no result of CaImAn, or one of a volume; if the frame rate
        is neither stated nor given.

    See Also
    --------
    napari_cnmf.import_result : Takes over CaImAn's parameters, too.
    """
    path = Path(path)
    symbols, parameters = _read(path)
    data = parameters.get("data", {})
    rate = data.get("fr") if frame_rate_hz is None else frame_rate_hz
    if not isinstance(rate, int | float) or not 0 < rate < np.inf:
        raise InputError(
            f"{path.name} does not state its frame rate; give it as frame_rate_hz."
        )
    limits = parameters.get("quality")
    with named_damage(path.name, _KIND, _REMEDY):
        try:
            cells = from_symbols(symbols, frame_rate_hz=rate, limits=limits)
        except InputError as error:
            raise InputError(f"{path.name}: {error}") from error
        movie = _movie_info(cells, data)
    return Result(
        movie=movie,
        recipe=f"[acquisition]\nframe_rate_hz = {float(rate)}\n",
        components=cells,
        stages=(_record(parameters),),
        complete=True,
        versions={"caiman": str(data.get("caiman_version", "unknown"))},
    )


def is_caiman(path: str | Path) -> bool:
    """Whether a file is a result of CaImAn, by its content."""
    path = Path(path)
    if not path.is_file() or not h5py.is_hdf5(path):
        return False
    require_harmless(path, "hdf5")
    try:
        with h5py.File(path, "r") as file:
            return "A" in file.get("estimates", ())
    except (OSError, RuntimeError):
        return False


def export_caiman(
    result: Result, path: str | Path, *, accepted_only: bool = False
) -> None:
    """Write a result as CaImAn does, for its ``load_CNMF``.

    Parameters
    ----------
    result : Result
    path : path
        Usually ``.hdf5``; an older file is replaced.
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
    estimates: dict[str, Any] = dict.fromkeys(_UNSET) | to_symbols(cells)
    estimates["shifts"] = np.zeros(0)
    if estimates["cnn_preds"] is None:
        estimates["cnn_preds"] = np.zeros(0)
    if result.summary is not None:
        estimates["Cn"] = result.summary.correlation
    content = {
        "dims": cells.fov_shape,
        "dview": None,
        "estimates": estimates,
        "mmap_file": None,
        "params": _parameters_to_write(result, cells, len(estimates["f"])),
        "remove_very_bad_comps": False,
        "skip_refinement": False,
    }
    with replacing(Path(path)) as temporary, new_file(temporary) as file:
        for name, value in content.items():
            write_node(file, name, value)


def _read(path: Path) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Read estimates and parameters from a file."""
    if not path.exists():
        raise MissingFileError(f"There is no file {path}; give one that CaImAn saved.")
    require_harmless(path, "hdf5")
    with named_damage(path.name, _KIND, _REMEDY), h5py.File(path, "r") as file:
        # Ends in an error at a damaged node, behind which the child has tried nothing.
        file.visititems(lambda *_: None)
        if not isinstance(file.get("estimates"), h5py.Group):
            raise InputError(
                f"{path.name} is no result of CaImAn, as it has no group 'estimates'; "
                "give a file that its cnm.save wrote."
            )
        symbols = read_nodes(file["estimates"], _SYMBOLS)
        if symbols.get("dims") is None and "dims" in file:
            symbols["dims"] = read_value(file["dims"])
        return symbols, _parameters(file)


def _parameters(file: h5py.File) -> dict[str, dict[str, Any]]:
    """Read CaImAn's groups of parameters as plain values."""
    found: dict[str, dict[str, Any]] = {}
    for name, group in file.get("params", {}).items():
        if isinstance(group, h5py.Group):
            values = {k: v for k, v in group.items() if isinstance(v, h5py.Dataset)}
            found[name] = {key: plain(read_value(node)) for key, node in values.items()}
            found[name] |= {key: plain(text) for key, text in group.attrs.items()}
    return found


def _movie_info(cells: Components, data: Mapping[str, Any]) -> MovieInfo:
    """Describe the movie, of which CaImAn knows little."""
    names, sides = data.get("fnames") or [], np.unique(data.get("dxy") or 1)
    names = [names] if isinstance(names, str) else names
    # Which frames lie in which of several files is not known.
    spans = [FileSpan(name, 0, cells.n_frames, _size_bytes(name)) for name in names]
    is_square = len(sides) == 1 and sides[0] != 1  # 1 is what CaImAn assumes
    return MovieInfo(
        shape=(cells.n_frames, *cells.fov_shape),
        fingerprint="",
        files=tuple(spans) if len(spans) == 1 else (),
        frame_rate_hz=cells.frame_rate_hz,
        pixel_size_um=(float(sides[0]), float(sides[0])) if is_square else None,
    )


def _size_bytes(name: str) -> int:
    """Size of a file, 0 if it is elsewhere."""
    return Path(name).stat().st_size if Path(name).is_file() else 0


def _record(parameters: dict[str, dict[str, Any]]) -> StageRecord:
    """Keep what CaImAn was run with."""
    version = str(parameters.get("data", {}).get("caiman_version", "unknown"))
    return StageRecord(STAGE, parameters, "", {"caiman": version})


def _parameters_to_write(
    result: Result, cells: Components, rank: int
) -> dict[str, Any]:
    """CaImAn's parameters: its own if it made the result, else those that are known."""
    text = Path(__file__).with_name("caiman_defaults.json").read_text("utf-8")
    groups: dict[str, dict[str, Any]] = json.loads(text)
    records = [r.parameters for r in result.stages if r.stage == STAGE]
    ours = _our_parameters(result, cells)
    for group in ("init", "spatial", "temporal"):
        ours.setdefault(group, {})["nb"] = rank
    for group in {*groups, *ours, *(name for r in records for name in r)}:
        values = groups.setdefault(group, {})
        for record in records:
            values |= record.get(group, {})
        changed = ours.get(group, {}).items()
        values |= {k: v for k, v in changed if values.get(k) != v}
    return groups


def _our_parameters(result: Result, cells: Components) -> dict[str, dict[str, Any]]:
    """Name the parameters that CaImAn cannot do without as it does."""
    data: dict[str, Any] = {"fr": cells.frame_rate_hz, "dims": list(cells.fov_shape)}
    if result.movie.files:
        data["fnames"] = [span.path for span in result.movie.files]
    if result.movie.pixel_size_um is not None:
        data["dxy"] = list(result.movie.pixel_size_um)
    groups: dict[str, dict[str, Any]] = {"data": data}
    recipe = tomllib.loads(result.recipe)
    decay_s = recipe.get("acquisition", {}).get("decay_time_s")
    if isinstance(decay_s, float):
        data["decay_time"] = decay_s
    half_px = recipe.get("init", {}).get("neuron_half_size_px")
    if isinstance(half_px, float):
        groups["init"] = {"gSig": [round(half_px)] * 2}
    if cells.quality is not None:
        groups["quality"] = limits_of(cells.quality)
    return groups
