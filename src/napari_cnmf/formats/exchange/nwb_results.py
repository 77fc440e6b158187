"""Results as NWB files (Neurodata Without Borders), written with pynwb.

The processing module ``ophys`` has the segmentation, the traces and the summary images
under the names that neuroconv gives them, so that its readers find them. As the schema
has it, masks are (cell, x, y) and images (x, y): x, the columns, comes first, and a
picture of a mask needs ``mask.T``. Traces are (time, cell). What NWB has no place for,
parameters and versions among it, is text in ``/scratch``.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
import scipy.sparse as sp

from napari_cnmf.components import Components, Quality
from napari_cnmf.errors import InputError, MissingStageError
from napari_cnmf.formats.atomic import replacing
from napari_cnmf.formats.exchange.nwb_names import (
    COLUMNS,
    FIT_COLUMNS,
    IMAGES,
    PARAMETERS,
    PROVENANCE,
    SERIES,
)
from napari_cnmf.formats.exchange.nwb_time import zoned
from napari_cnmf.formats.readers.hdf5 import new_file
from napari_cnmf.formats.results import Result

if TYPE_CHECKING:
    from pynwb import NWBFile, ProcessingModule
    from pynwb.ophys import ImageSegmentation, PlaneSegmentation

_UNKNOWN_SUBJECT = {"subject_id": "unknown", "sex": "U", "age": "P0D/"}


def export_nwb(
    result: Result,
    path: str | Path,
    *,
    session_start: datetime,
    identifier: str | None = None,
    session_description: str = "calcium imaging, analysed with napari-cnmf",
    subject: Mapping[str, str] | None = None,
) -> None:
    """Write a result as an NWB file.

    Parameters
    ----------
    result : Result
    path : path
        An older file is replaced.
    session_start : datetime
        When the recording began, with its time zone: NWB demands it, and only the user
        knows.
    identifier : str, optional
        Of the session, unique in the world; a random one by default.
    session_description : str
        What was recorded.
    subject : mapping, optional
        What is known of the animal: ``subject_id``, ``species`` (in Latin), ``sex``,
        ``age`` (such as P90D) and whatever else pynwb's ``Subject`` takes.

    Raises
    ------
    InputError
        If pynwb is not installed.
    ParameterError
        If the time has no zone.
    MissingStageError
        If there are no components yet.
    OutputError
        If the file cannot be written.
    """
    if result.components is None:
        raise MissingStageError(
            "The result has no components to export yet; run the fit first."
        )
    try:
        from pynwb import NWBHDF5IO, NWBFile
        from pynwb.file import Subject
    except ImportError as error:
        raise InputError(
            "NWB files need the package pynwb, which is not installed; get it with "
            'pip install "napari-cnmf[exchange]".'
        ) from error
    file = NWBFile(
        session_description=session_description,
        identifier=identifier or str(uuid4()),
        session_start_time=zoned(session_start),
        subject=Subject(**(_UNKNOWN_SUBJECT | dict(subject or {}))),
    )
    _add_results(file, result, result.components)
    with (
        replacing(Path(path)) as temporary,
        new_file(temporary) as raw,
        NWBHDF5IO(file=raw, mode="w") as writer,
    ):
        writer.write(file)


def _add_results(file: NWBFile, result: Result, cells: Components) -> None:
    """Fill an NWB file."""
    from pynwb.ophys import ImageSegmentation

    ophys = file.create_processing_module(
        "ophys", "registered movie, cells and traces, found by napari-cnmf"
    )
    segmentation = ImageSegmentation()
    ophys.add(segmentation)
    plane = _imaging_plane(file, result, cells)
    table = _cell_table(segmentation, plane, cells)
    _add_fluorescence(ophys, table, cells)
    if len(cells.background.traces):
        _add_background(ophys, segmentation, plane, cells)
    if cells.dff is not None:
        _add_dff(ophys, table, cells)
    ophys.add(_images(result, cells))
    if result.shifts is not None:
        ophys.add(_translation(result.shifts.values, cells.frame_rate_hz))
    file.add_scratch(
        result.recipe, name=PARAMETERS, description="of napari-cnmf, in TOML"
    )
    file.add_scratch(
        json.dumps(_provenance(result, cells)),
        name=PROVENANCE,
        description="movie, versions and rule of the verdict, in JSON",
    )


def _imaging_plane(file: NWBFile, result: Result, cells: Components) -> Any:
    """Describe what was imaged, as far as it is known."""
    from pynwb.ophys import OpticalChannel

    recipe = tomllib.loads(result.recipe).get("acquisition", {})
    size = result.movie.pixel_size_um
    spacing: dict[str, Any] = {}
    if size is not None:
        in_m = [size[1] * 1e-6, size[0] * 1e-6]
        spacing = {"grid_spacing": in_m, "grid_spacing_unit": "meters"}
    return file.create_imaging_plane(
        name="ImagingPlane",
        description="the plane that was imaged",
        optical_channel=OpticalChannel(
            name="OpticalChannel",
            description="fluorescence of the indicator; its wavelength is not known",
            emission_lambda=np.nan,
        ),
        device=file.create_device(
            name="Microscope", description="the microscope, not known any closer"
        ),
        excitation_lambda=np.nan,
        indicator=str(recipe.get("indicator", "unknown")),
        location="unknown",
        imaging_rate=float(cells.frame_rate_hz),
        **spacing,
    )


def _cell_table(
    segmentation: ImageSegmentation, plane: Any, cells: Components
) -> PlaneSegmentation:
    """Make the table of cells: masks, verdicts and scores."""
    columns: dict[str, tuple[str, Any]] = {
        "accepted": ("whether it counts as a cell", cells.accepted)
    }
    if cells.quality is not None:
        columns |= _quality_columns(cells.quality, len(cells))
    for name, about in FIT_COLUMNS.items():
        columns[name] = (about, np.asarray(getattr(cells.trace_fit, name)))
    return _plane_segmentation(
        segmentation,
        plane,
        "PlaneSegmentation",
        "footprints of cells, of unit norm",
        _masks(cells.footprints, cells.fov_shape),
        cells.ids,
        columns,
    )


def _quality_columns(quality: Quality, n: int) -> dict[str, tuple[str, Any]]:
    """Verdicts in words, and scores."""
    reasons = ["; ".join(quality.reasons(k)) for k in range(n)]
    columns: dict[str, tuple[str, Any]] = {
        "reasons": ("why the rule rejects it", np.array(reasons, dtype=object))
    }
    for name, about in COLUMNS.items():
        scores = getattr(quality, name)
        if scores is not None:
            columns[name] = (about, np.asarray(scores))
    return columns


def _plane_segmentation(
    segmentation: ImageSegmentation,
    plane: Any,
    name: str,
    about: str,
    masks: Any,
    ids: np.ndarray,
    columns: dict[str, tuple[str, Any]],
) -> PlaneSegmentation:
    """Make a table of regions."""
    from hdmf.common import VectorData
    from pynwb.ophys import PlaneSegmentation

    data = {"image_mask": ("(x, y) weights of its pixels", masks)} | columns
    table = PlaneSegmentation(
        name=name,
        description=about,
        imaging_plane=plane,
        id=ids.tolist(),
        columns=[
            VectorData(name=column, description=text, data=values)
            for column, (text, values) in data.items()
        ],
        colnames=list(data),
    )
    segmentation.add_plane_segmentation(table)
    return table


def _masks(footprints: sp.csc_array, field_shape: tuple[int, int]) -> Any:
    """Masks (K, X, Y), made one after another as they are written."""
    from hdmf.backends.hdf5 import H5DataIO
    from hdmf.data_utils import DataChunkIterator

    n, shape = footprints.shape[1], (field_shape[1], field_shape[0])
    if not n:
        return np.zeros((0, *shape), np.float32)

    def images() -> Iterator[np.ndarray]:
        for k in range(n):
            yield footprints[:, [k]].toarray().reshape(field_shape).T

    data = DataChunkIterator(
        images(), maxshape=(n, *shape), dtype=np.dtype(np.float32), buffer_size=1
    )
    return H5DataIO(data, compression="gzip", chunks=(1, *shape))


def _add_fluorescence(
    ophys: ProcessingModule, table: PlaneSegmentation, cells: Components
) -> None:
    """Add raw, denoised and deconvolved traces."""
    from pynwb.ophys import Fluorescence

    found = Fluorescence(name="Fluorescence")
    ophys.add(found)
    about = {
        "raw": "demixed traces with their noise: C + YrA in CaImAn's words",
        "denoised": "calcium without noise, above the baseline",
        "spikes": "deconvolved activity, in the unit of the traces per frame",
    }
    for name, series in SERIES.items():
        values, rate = getattr(cells, name), cells.frame_rate_hz
        found.add_roi_response_series(_series(series, about[name], values, table, rate))


def _add_background(
    ophys: ProcessingModule,
    segmentation: ImageSegmentation,
    plane: Any,
    cells: Components,
) -> None:
    """Add the maps of the background, and their traces."""
    from pynwb.ophys import Fluorescence

    background = cells.background
    maps = _plane_segmentation(
        segmentation,
        plane,
        "BackgroundPlaneSegmentation",
        "maps of the background",
        _masks(background.maps, cells.fov_shape),
        np.arange(len(background.traces)),
        {},
    )
    found = Fluorescence(name="BackgroundFluorescence")
    ophys.add(found)
    text = "traces of the maps of the background, which add up to it"
    found.add_roi_response_series(
        _series(SERIES["raw"], text, background.traces, maps, cells.frame_rate_hz)
    )


def _add_dff(
    ophys: ProcessingModule, table: PlaneSegmentation, cells: Components
) -> None:
    """Add traces over their baseline."""
    from pynwb.ophys import DfOverF

    found, rate = DfOverF(name="DfOverF"), cells.frame_rate_hz
    ophys.add(found)
    about = "change over baseline"
    found.add_roi_response_series(_series(SERIES["raw"], about, cells.dff, table, rate))


def _series(
    name: str, about: str, traces: Any, table: PlaneSegmentation, rate: float
) -> Any:
    """Traces (time, region) of all regions of a table."""
    from pynwb.ophys import RoiResponseSeries

    rows = table.create_roi_table_region(
        "all of the table", region=list(range(len(traces)))
    )
    return RoiResponseSeries(
        name=name,
        description=about,
        data=np.asarray(traces).T,
        rois=rows,
        unit="n.a.",
        rate=float(rate),
        starting_time=0.0,
    )


def _images(result: Result, cells: Components) -> Any:
    """Summary images, the still background and the noise of each pixel."""
    from pynwb.base import Images
    from pynwb.image import GrayscaleImage

    pictures = {
        "background": (cells.background.constant, "what does not change in time"),
        "pixel_noise": (cells.pixel_noise, "standard deviation of the pixel's noise"),
    }
    if result.summary is not None:
        for field, name in IMAGES.items():
            pictures[name] = (getattr(result.summary, field), f"{name} of the movie")
    if result.shifts is not None:
        text = "what frames were registered to"
        pictures["template"] = (result.shifts.template, text)
    return Images(
        name="SegmentationImages",
        description="summary images (x, y) of the registered movie",
        images=[
            GrayscaleImage(name=name, data=_turned(image), description=about)
            for name, (image, about) in pictures.items()
        ],
    )


def _turned(image: np.ndarray) -> np.ndarray:
    """Return an image (Y, X) as (X, Y)."""
    plain = image.astype(np.uint8) if image.dtype == bool else image
    return np.ascontiguousarray(plain.T)


def _translation(shifts: np.ndarray, rate: float) -> Any:
    """Give what frames were moved by, in NWB's words and order (x, y)."""
    from pynwb import TimeSeries

    return TimeSeries(
        name="xy_translation",
        description="x, y that align each frame: the opposite of how it had moved",
        data=-shifts[:, ::-1],
        unit="pixels",
        rate=float(rate),
        starting_time=0.0,
    )


def _provenance(result: Result, cells: Components) -> dict[str, Any]:
    """Gather what NWB has no place for."""
    movie, quality = result.movie, cells.quality
    return {
        "shape": movie.shape,
        "fingerprint": movie.fingerprint,
        "dtype": movie.dtype,
        "files": [span.name for span in movie.files],
        "max_shift_px": None if result.shifts is None else result.shifts.max_shift_px,
        "rule": None if quality is None else quality.rule,
        "limits": None if quality is None else quality.limits,
        "seed": result.seed,
        "versions": result.versions,
    }
