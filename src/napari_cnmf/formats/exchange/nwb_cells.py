"""The table of cells of an NWB file, and what refers to it, read as plain HDF5."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np

from napari_cnmf.formats.exchange.nwb_names import PROVENANCE

#: A part of a series' path -> what it is; the first that fits counts, or else "raw".
_ROLES = {
    "background": "background",
    "neuropil": "neuropil",
    "baseline": "",
    "deconv": "spikes",
    "denoised": "denoised",
    "dfoverf": "dff",
    "dff": "dff",
    "df_over_f": "dff",
}
_CAIMAN_COLUMNS = frozenset({"r", "snr", "cnn", "keep", "accepted", "rejected"})


@dataclass(frozen=True, eq=False)
class CellTable:
    """A file and its table of cells."""

    file: h5py.File
    table: h5py.Group

    @property
    def n(self) -> int:
        """Number of cells."""
        return len(self.table["id"])

    @property
    def is_caiman(self) -> bool:
        """Whether CaImAn has written it."""
        return set(self.table) >= _CAIMAN_COLUMNS

    @property
    def about(self) -> dict[str, Any]:
        """What we have written of the movie and the rule; nothing in other's files."""
        text = self.file.get(f"scratch/{PROVENANCE}")
        return {} if text is None else dict(json.loads(text_of(text)))

    def column(self, *names: str) -> np.ndarray | None:
        """Return a column by any of its names, whatever their case."""
        found = {name.lower(): name for name in self.table}
        name = next((found[name] for name in names if name in found), None)
        return None if name is None else np.asarray(self.table[name][()])

    def images(self) -> dict[str, np.ndarray]:
        """All pictures of the file (Y, X) by their names."""
        found = typed(self.file, "GrayscaleImage")
        return {
            node.name.split("/")[-1]: np.asarray(node[()]).T
            for node in found
            if isinstance(node, h5py.Dataset) and node.ndim == 2
        }

    def series(self) -> dict[str, h5py.Group]:
        """Traces by what they are; the first of each kind."""
        found: dict[str, h5py.Group] = {}
        for node in typed(self.file, "RoiResponseSeries"):
            role = _role(node.name)
            if role == "background" or self._has(node):
                found.setdefault(role, node)
        return found

    def _has(self, series: h5py.Group) -> bool:
        """Whether a series is of the cells of this table."""
        return series["rois"].attrs.get("table") is None or (
            self.file[series["rois"].attrs["table"]] == self.table
        )

    def traces(self, role: str) -> np.ndarray | None:
        """Traces (K, T) float32 of one kind, None if there are none."""
        series = self.series().get(role)
        return None if series is None else by_cell(series["data"], self.n)


def by_cell(data: h5py.Dataset, n: int) -> np.ndarray:
    """Traces (K, T) of a dataset (T, K); some writers have it the other way round."""
    values = np.asarray(data[()], np.float32)
    if values.ndim == 1:
        values = values[:, None]
    if values.ndim != 2 or n not in values.shape:
        raise ValueError(f"{data.name} has the shape {data.shape} for {n} cells")
    return np.ascontiguousarray(values.T if values.shape[1] == n else values)


def _role(name: str) -> str:
    """Tell what a series is, by its path."""
    low = name.lower()
    return next((role for part, role in _ROLES.items() if part in low), "raw")


def time_series(file: h5py.File, name: str) -> h5py.Group | None:
    """Return a plain time series by its name."""
    found = (n for n in typed(file, "TimeSeries") if n.name.split("/")[-1] == name)
    return next(found, None)


def typed(file: h5py.File, kind: str) -> list[Any]:
    """All groups and datasets of an NWB type, in the order of their names."""
    found: list[Any] = []

    def look(_: str, node: Any) -> None:
        type_name = node.attrs.get("neurodata_type", b"")
        if type_name in (kind, kind.encode()):
            found.append(node)

    visit: Callable[..., Any] = file.visititems
    visit(look)
    return found


def text_of(dataset: h5py.Dataset) -> str:
    """Return the text of a dataset."""
    return str(dataset.asstr()[()])
