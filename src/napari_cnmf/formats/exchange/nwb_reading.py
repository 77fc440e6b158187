"""Cells and traces from NWB files: ours, neuroconv's, suite2p's and CaImAn's.

The file is read as plain HDF5, for which pynwb is not needed: the table of cells is the
one `PlaneSegmentation`, its traces are the `RoiResponseSeries` that refer to it, and
what they are is told by their names. Masks are (cell, x, y), as the schema has them.
CaImAn's are not: it flattens a field column by column and folds it row by row, which is
undone here.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import scipy.sparse as sp

from napari_cnmf.components import Background, Components, Quality, TraceFit
from napari_cnmf.errors import InputError, MissingFileError
from napari_cnmf.formats.exchange.foreign import (
    footprints_of,
    no_background,
    unfitted,
    unscored,
    with_verdict,
)
from napari_cnmf.formats.exchange.nwb_cells import (
    CellTable,
    by_cell,
    text_of,
    time_series,
    typed,
)
from napari_cnmf.formats.exchange.nwb_names import (
    COLUMNS,
    FIT_COLUMNS,
    IMAGES,
    PARAMETERS,
)
from napari_cnmf.formats.exchange.roi_means import RoiMeans, components_of
from napari_cnmf.formats.guard import require_harmless
from napari_cnmf.formats.readers.limits import MAX_FIELD_PX
from napari_cnmf.formats.results import MovieInfo, Result
from napari_cnmf.movie.damage import named_damage
from napari_cnmf.movie.images import SummaryImages
from napari_cnmf.movie.shifts import Shifts

_CAIMAN_SCORES = {
    "caiman_r_value": "r",
    "caiman_snr": "snr",
    "neuron_probability": "cnn",
}
_UM_PER = {"meters": 1e6, "micrometers": 1.0, "microns": 1.0, "um": 1.0}
_DECAY_S = 1.0  # of transients, where no one says


def is_nwb(path: Path) -> bool:
    """Whether a file is an NWB file, by its content."""
    if not path.is_file() or not h5py.is_hdf5(path):
        return False
    require_harmless(path, "hdf5")
    try:
        with h5py.File(path, "r") as file:
            return "nwb_version" in file.attrs
    except (OSError, RuntimeError):
        return False


def import_nwb(path: str | Path) -> Result:
    """Read cells and traces from an NWB file.

    Parameters
    ----------
    path : path

    Returns
    -------
    Result
        Of a file of ours, all but patch-wise shifts, origins and records. Where no
        denoised traces are stored the raw ones stand for them.

    Raises
    ------
    MissingFileError
        If there is no such file.
    InputError
        If it is damaged, or holds no cells or those of several planes.
    """
    path = Path(path)
    if not path.exists():
        raise MissingFileError(f"There is no file {path}; give the path of one.")
    if h5py.is_hdf5(path):
        require_harmless(path, "hdf5")
    with named_damage(path.name, "NWB with cells"), h5py.File(path, "r") as file:
        # Ends in an error at a damaged node, behind which nothing has been tried.
        file.visititems(lambda *_: None)
        return _result(CellTable(file, _table(file, path)), path)


def _result(cells: CellTable, path: Path) -> Result:
    """Build the result."""
    components, about = _components(cells, path), cells.about
    shape = (components.n_frames, *components.fov_shape)
    parameters = cells.file.get(f"scratch/{PARAMETERS}")
    movie = MovieInfo(
        shape,
        about.get("fingerprint", ""),
        frame_rate_hz=components.frame_rate_hz,
        pixel_size_um=_pixel_size_um(cells.table),
        dtype=about.get("dtype"),
    )
    result = Result(
        movie,
        "" if parameters is None else text_of(parameters),
        summary=_summary(cells.images()),
        shifts=_shifts(cells),
        components=components,
        seed=int(about.get("seed", 0)),
    )
    return replace(result, versions=about.get("versions", result.versions))


def _table(file: h5py.File, path: Path) -> h5py.Group:
    """Return the one table of cells."""
    tables = [
        table
        for table in typed(file, "PlaneSegmentation")
        if "background" not in table.name.lower()
    ]
    if len(tables) != 1:
        names = ", ".join(table.name for table in tables) or "none"
        raise InputError(
            f"{path.name} holds {len(tables)} tables of cells (PlaneSegmentation: "
            f"{names}) where one is expected; give a file with the cells of one plane."
        )
    return tables[0]


def _components(cells: CellTable, path: Path) -> Components:
    """Build the components; means with neuropil become demixed traces."""
    masks, norms, field_shape = _footprints(cells)
    found = {role: cells.traces(role) for role in ("raw", "denoised", "spikes", "dff")}
    raw, denoised = found["raw"], found["denoised"]
    neuropil = cells.traces("neuropil")
    if cells.is_caiman and raw is not None:
        denoised, raw = raw, _with_residuals(cells, raw)
    raw = denoised if raw is None else raw
    if raw is None:
        raise InputError(
            f"{path.name} holds cells but no fluorescence of theirs "
            "(RoiResponseSeries); export it with traces."
        )
    rate = _rate(cells)
    spikes = np.zeros_like(raw) if found["spikes"] is None else found["spikes"]
    if neuropil is not None:
        image = cells.images().get("mean", np.zeros(field_shape, np.float32))
        components = components_of(
            RoiMeans(raw, neuropil, spikes),
            masks,
            image.astype(np.float32),
            frame_rate_hz=rate,
            decay_s=_DECAY_S,
        )
    else:
        raw, spikes = norms * raw, norms * spikes
        smooth = raw if denoised is None else norms * denoised
        components = Components(
            footprints=masks,
            fov_shape=field_shape,
            denoised=smooth,
            residual_traces=raw - smooth,
            spikes=spikes,
            trace_fit=_trace_fit(cells, raw),
            background=_background(cells, field_shape, raw.shape[1]),
            pixel_noise=_pixel_noise(cells, field_shape),
            ids=np.arange(cells.n),
            frame_rate_hz=rate,
        )
    ids = np.asarray(cells.table["id"][()], np.int64)
    return replace(components, ids=ids, dff=found["dff"], quality=_quality(cells))


def _footprints(cells: CellTable) -> tuple[Any, np.ndarray, tuple[int, int]]:
    """Footprints, what traces are multiplied with (K, 1), and the field (Y, X)."""
    if "image_mask" in cells.table:
        pixels, weights, field_shape = _from_images(cells)
    else:
        pixels, weights, field_shape = _from_pixels(cells)
    n_pixels = field_shape[0] * field_shape[1]
    footprints, norms = footprints_of(pixels, weights, n_pixels)
    if cells.about:  # ours need no scaling: they come back as they were
        sizes = np.diff(footprints.indptr)
        order = np.concatenate([np.zeros(0, np.float32), *weights])
        footprints.data[:] = order[order > 0]
        norms = np.ones(len(sizes))
    return footprints, norms[:, None].astype(np.float32), field_shape


def _from_images(cells: CellTable) -> tuple[list[Any], list[Any], tuple[int, int]]:
    """Read masks that are images (K, X, Y)."""
    masks = cells.table["image_mask"]
    field_shape = (int(masks.shape[2]), int(masks.shape[1]))
    if cells.is_caiman:
        field_shape = (field_shape[1], field_shape[0])
    if not 0 < field_shape[0] * field_shape[1] <= MAX_FIELD_PX:
        raise ValueError(f"its masks have {field_shape[0]} x {field_shape[1]} px")
    pixels, weights = [], []
    for k in range(cells.n):
        mask = masks[k]
        image = _unfolded(mask) if cells.is_caiman else mask.T
        flat = image.ravel().astype(np.float32)
        pixels.append(np.flatnonzero(flat > 0))
        weights.append(flat[pixels[-1]])
    return pixels, weights, field_shape


def _unfolded(mask: np.ndarray) -> np.ndarray:
    """Undo that pixels counted column by column were laid out row by row."""
    return mask.ravel().reshape(mask.shape, order="F")


def _from_pixels(cells: CellTable) -> tuple[list[Any], list[Any], tuple[int, int]]:
    """Read masks that are lists of pixels (x, y, weight)."""
    images = cells.images()
    if not images:
        raise InputError(
            f"{Path(cells.file.filename).name} lists the pixels of its cells but holds "
            "no image that tells the size of the field; export it with summary images."
        )
    field_shape = next(iter(images.values())).shape
    table = cells.table["pixel_mask"][()]
    ends = cells.table["pixel_mask_index"][()].astype(np.int64)
    pixels, weights = [], []
    for part in np.split(table, ends[:-1]) if len(ends) else []:
        y, x = part["y"].astype(np.int64), part["x"].astype(np.int64)
        if np.any((y >= field_shape[0]) | (x >= field_shape[1])):
            raise ValueError("a mask lies outside of the images")
        pixels.append(y * field_shape[1] + x)
        weights.append(part["weight"].astype(np.float32))
    return pixels, weights, (int(field_shape[0]), int(field_shape[1]))


def _with_residuals(cells: CellTable, denoised: np.ndarray) -> np.ndarray:
    """Add CaImAn's residuals to its traces, if they are there."""
    found = [n for n in typed(cells.file, "TimeSeries") if n.name.endswith("residuals")]
    if not found:
        return denoised
    residuals = by_cell(found[0]["data"], cells.n)
    return denoised + residuals if residuals.shape == denoised.shape else denoised


def _trace_fit(cells: CellTable, raw: np.ndarray) -> TraceFit:
    """Noise and kinetics: ours as written, others' measured."""
    known = {name: cells.column(name) for name in FIT_COLUMNS}
    if not cells.about or any(value is None for value in known.values()):
        return unfitted(raw)
    return TraceFit(**known)  # type: ignore[arg-type]


def _background(
    cells: CellTable, field_shape: tuple[int, int], n_frames: int
) -> Background:
    """Background of our own files; others' is not known."""
    found = no_background(field_shape, n_frames)
    if not cells.about:
        return found
    constant = cells.images()["background"]
    series = cells.series().get("background")
    if series is None:
        return replace(found, constant=constant)
    maps = CellTable(cells.file, cells.file[series["rois"].attrs["table"]])
    traces = by_cell(series["data"], maps.n)
    return Background(_maps(maps), traces, constant)


def _maps(cells: CellTable) -> Any:
    """Return the maps of the background, which need not be positive."""
    masks = cells.table["image_mask"]
    images = [masks[k].T.ravel() for k in range(cells.n)]
    return sp.csc_array(np.stack(images, axis=1).astype(np.float32))


def _pixel_noise(cells: CellTable, field_shape: tuple[int, int]) -> np.ndarray:
    """Noise of each pixel, if we have written it."""
    noise = cells.images().get("pixel_noise") if cells.about else None
    return np.zeros(field_shape, np.float32) if noise is None else noise


def _quality(cells: CellTable) -> Quality | None:
    """Verdict and scores; None if the file says nothing of either."""
    about = cells.about
    accepted = cells.column("accepted", "iscell")
    if about:
        if about["rule"] is None:
            return None
        scores = {name: cells.column(name) for name in COLUMNS}
        known: dict[str, Any] = {k: v for k, v in scores.items() if v is not None}
        return Quality(**known, rule=about["rule"], limits=about["limits"])
    if accepted is None:
        return None
    quality = unscored(cells.n)
    if cells.is_caiman:
        theirs: dict[str, Any] = {
            ours: np.asarray(cells.column(name), np.float32)
            for ours, name in _CAIMAN_SCORES.items()
        }
        quality = replace(quality, **theirs)
    verdict = accepted.reshape(cells.n, -1)[:, 0] if cells.n else np.zeros(0)
    return with_verdict(quality, verdict > 0)


def _summary(images: dict[str, np.ndarray]) -> SummaryImages | None:
    """Summary images, if all are there."""
    if not set(IMAGES.values()) <= images.keys():
        return None
    found = {field: images[name] for field, name in IMAGES.items()}
    return SummaryImages(**(found | {"valid": found["valid"] > 0}))


def _shifts(cells: CellTable) -> Shifts | None:
    """How frames had moved, in our own files."""
    limit = cells.about.get("max_shift_px")
    if limit is None:
        return None
    moved = time_series(cells.file, "xy_translation")
    if moved is None:
        return None
    values = -moved["data"][()][:, ::-1]
    return Shifts(values.astype(np.float32), cells.images()["template"], limit)


def _rate(cells: CellTable) -> float:
    """Frame rate of the traces."""
    for series in cells.series().values():
        if "starting_time" in series:
            return float(series["starting_time"].attrs["rate"])
        if "timestamps" in series and len(series["timestamps"]) > 1:
            return float(1 / np.median(np.diff(series["timestamps"][()])))
    return float(cells.table["imaging_plane"]["imaging_rate"][()])


def _pixel_size_um(table: h5py.Group) -> tuple[float, float] | None:
    """Height and width of a pixel, if they are stated in a known unit."""
    spacing = table.get("imaging_plane/grid_spacing")
    if spacing is None or len(spacing) < 2:
        return None
    unit = spacing.attrs.get("unit", "meters")
    scale = _UM_PER.get(unit if isinstance(unit, str) else unit.decode())
    if scale is None:
        return None
    width, height = (round(float(side) * scale, 9) for side in spacing[:2])
    return height, width
