"""NWB: a TwoPhotonSeries or OnePhotonSeries of a file, read with h5py alone.

The schema of NWB (https://nwb-schema.readthedocs.io) orders an image series as frame,
x, y: the width comes before the height, so rows and columns are swapped here. Where
the series states its `dimension`, width and height, and its data plainly have the other
order, as numpy's users write them, they are taken as they are. A square series that
was written so appears mirrored at its diagonal; its cells are found all the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from napari_cnmf.errors import ChoiceError, InputError
from napari_cnmf.formats.readers.arrays import UM
from napari_cnmf.formats.readers.attributes import positive
from napari_cnmf.formats.readers.axes import view_of
from napari_cnmf.formats.readers.hdf5 import dataset_frames, opened
from napari_cnmf.formats.readers.registry import (
    OpenedFile,
    ReadOptions,
    register_reader,
)

RECORDED = ("TwoPhotonSeries", "OnePhotonSeries")
#: Registered movies, and those of converters that know no better.
OTHER = ("ImageSeries",)
TYPE = "neurodata_type"


@register_reader("NWB", (".nwb",), h5py.is_hdf5, can_crash=True)
def read_nwb(path: Path, options: ReadOptions) -> OpenedFile:
    """Open one NWB file.

    Parameters
    ----------
    path : Path
        The file.
    options : ReadOptions
        `dataset` is the name of a series, such as ``TwoPhotonSeries``, or its whole
        path; `plane` is heeded, too.
    """
    with opened(path) as file:
        series = _chosen_series(path.name, list(_series(file)), options.dataset)
        data = _data(path.name, series)
        axes = _axes(series, data)
        view, selection = view_of(path.name, axes, data.shape, options)
        source = dataset_frames(path, data, view)
        selection = ", ".join(filter(None, (series.name, selection)))
        return OpenedFile(source, _rate(series), _pixel_size(series), selection)


def _series(file: h5py.File) -> Iterator[h5py.Group]:
    """Yield the image series of a file, registered ones after the recorded."""
    found: list[h5py.Group] = []

    def look(_: str, item: h5py.Group | h5py.Dataset) -> None:
        if isinstance(item, h5py.Group) and _type(item) in RECORDED + OTHER:
            found.append(item)

    file.visititems(look)
    return iter(found)


def _type(group: h5py.Group) -> str:
    """Return what a group is in NWB."""
    return _text(group.attrs.get(TYPE, ""))


def _chosen_series(
    name: str, series: list[h5py.Group], wanted: str | None
) -> h5py.Group:
    """Return the series that was asked for, or the only one that was recorded."""
    listed = ", ".join(f"{s.name} ({_type(s)})" for s in series) or "none"
    if wanted is None:
        fitting = [s for s in series if _type(s) in RECORDED] or series
    else:
        ending = f"/{wanted.strip('/').removesuffix('/data')}"
        fitting = [s for s in series if s.name.endswith(ending)]
        fitting = [s for s in fitting if s.name == ending] or fitting
    if len(fitting) != 1:
        asked = "" if wanted is None else f" named {wanted!r}"
        raise ChoiceError(
            f"{name} holds {len(fitting)} image series{asked} where one is expected "
            f"(found: {listed}); "
            + ("choose one with dataset=NAME." if series else "open another file."),
            "dataset" if series else "",
        )
    return fitting[0]


def _data(name: str, series: h5py.Group) -> h5py.Dataset:
    """Return the frames of a series, or say where they are."""
    files = series.get("external_file")
    if files is not None and files.size:
        listed = ", ".join(_text(file) for file in np.ravel(files[()])[:5])
        raise InputError(
            f"{name} keeps the frames of {series.name} in other files ({listed}); open "
            "these instead."
        )
    data = series.get("data")
    if not isinstance(data, h5py.Dataset):
        raise InputError(
            f"{name} has no frames for {series.name}: they are a link to a file that "
            "is not there; put that file beside it under its old name."
        )
    if data.ndim not in (3, 4) or data.dtype.kind not in "iuf" or not data.size:
        raise InputError(
            f"{name} has frames {data.shape} of {data.dtype} in {series.name}, but a "
            "movie needs numbers on the axes frame, x, y (and z); choose another."
        )
    return data


def _axes(series: h5py.Group, data: h5py.Dataset) -> str:
    """Return the axes of a series: those of the schema unless it says otherwise."""
    stated = series.get("dimension")
    is_told = isinstance(stated, h5py.Dataset) and stated.size >= 2
    width_height = tuple(np.ravel(stated[()])[:2].tolist()) if is_told else ()
    first, second = data.shape[1:3]
    as_in_numpy = width_height == (second, first) != (first, second)
    return ("TYXZ" if as_in_numpy else "TXYZ")[: data.ndim]


def _rate(series: h5py.Group) -> float | None:
    """Return the frame rate, from the time stamps if it is not stated."""
    start = series.get("starting_time")
    if isinstance(start, h5py.Dataset):
        return positive(start.attrs.get("rate"))
    stamps = series.get("timestamps")
    if isinstance(stamps, h5py.Dataset) and stamps.ndim == 1 and stamps.size > 1:
        return positive((stamps.size - 1) / np.float64(stamps[-1] - stamps[0]))
    return None


def _pixel_size(series: h5py.Group) -> tuple[float, float] | None:
    """Return the pixel size (y, x) in um that the imaging plane states as (x, y)."""
    plane = series.get("imaging_plane")
    spacing = plane.get("grid_spacing") if isinstance(plane, h5py.Group) else None
    if not isinstance(spacing, h5py.Dataset) or spacing.size < 2:
        return None
    unit = _text(spacing.attrs.get("unit", "meters")).lower().removesuffix("s")
    width, height = (positive(n) for n in np.ravel(spacing[()])[:2])
    if width is None or height is None or unit not in UM:
        return None
    return height * UM[unit], width * UM[unit]


def _text(value: Any) -> str:
    """Return text that HDF5 may give as bytes."""
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
