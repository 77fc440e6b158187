"""Zarr movies, version 2 and 3: an array of a folder, plain or OME-NGFF.

The axes come from OME-NGFF (whose level 0 is the movie, whatever smaller copies there
are), else from the names of the dimensions (version 3, xarray); without any, an array
of three axes is frames, rows and columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from napari_cnmf.formats.readers.arrays import (
    SECONDS,
    UM,
    Candidate,
    axes_by_length,
    chosen_array,
    is_movie,
    letters,
)
from napari_cnmf.formats.readers.attributes import (
    positive,
    stated_pixel_size,
    stated_rate,
)
from napari_cnmf.formats.readers.axes import View, view_of
from napari_cnmf.formats.readers.limits import require_few_chunks
from napari_cnmf.formats.readers.registry import (
    OpenedFile,
    ReadOptions,
    register_reader,
)
from napari_cnmf.movie.damage import named_damage

SIGNS = ("zarr.json", ".zgroup", ".zarray", ".zmetadata")
NGFF_BEFORE_AXES = "TCZYX"


@dataclass(frozen=True, eq=False)
class ZarrFrames:
    """Frames of a zarr array.

    Attributes
    ----------
    path : Path
        The folder.
    array : str
        Name of the array within it.
    shape : (int, int, int)
        Frames, rows and columns (T, Y, X).
    dtype : numpy.dtype
        Type of a pixel, in native byte order.
    view : View
        Where the movie lies in the array.
    """

    path: Path
    array: str
    shape: tuple[int, int, int]
    dtype: np.dtype
    view: View

    def read(
        self, frames: slice, rows: slice = slice(None), cols: slice = slice(None)
    ) -> np.ndarray:
        """Return a freshly owned block (n, y, x)."""
        with named_damage(self.path.name, "zarr"):
            block = self.view.take(self._array, frames, rows, cols)
        return np.ascontiguousarray(block, dtype=self.dtype)

    @cached_property
    def _array(self) -> Any:
        """The array; zarr opens its files anew for every chunk."""
        import zarr

        return zarr.open_array(self.path, path=self.array, mode="r")

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is found again."""
        return {k: v for k, v in vars(self).items() if not k.startswith("_")}


def is_zarr(path: Path) -> bool:
    """Whether a folder is a zarr group or array."""
    return any((path / sign).is_file() for sign in SIGNS)


@register_reader("zarr", (".zarr",), is_zarr)
def read_zarr(path: Path, options: ReadOptions) -> OpenedFile:
    """Open one zarr folder.

    Parameters
    ----------
    path : Path
        The folder.
    options : ReadOptions
        All are heeded; `dataset` is the name of an array, or of an OME-NGFF image.
    """
    import zarr

    candidates = list(_candidates(zarr.open(path, mode="r"), ""))
    found = chosen_array(path.name, candidates, options.dataset)
    view, selection = view_of(path.name, found.axes, found.array.shape, options)
    require_few_chunks(path.name, found.array, view)
    dtype = np.dtype(found.array.dtype).newbyteorder("=")
    shape = view.shape(found.array.shape)
    source = ZarrFrames(path, found.name, shape, dtype, view)
    selection = ", ".join(filter(None, (found.name, selection)))
    return OpenedFile(source, found.frame_rate_hz, found.pixel_size_um, selection)


def _candidates(node: Any, name: str) -> Iterator[Candidate]:
    """Yield the arrays at and below a node that can be a movie."""
    import zarr

    attributes = dict(node.attrs)
    if isinstance(node, zarr.Array):
        if is_movie(node.shape, node.dtype):
            yield _plain_array(node, name, attributes)
        return
    images = attributes.get("ome", attributes).get("multiscales")
    if images:
        yield _level_0(node, name, images[0])
        return
    for key, child in node.members():
        yield from _candidates(child, f"{name}/{key}".strip("/"))


def _plain_array(array: Any, name: str, attributes: Mapping[str, Any]) -> Candidate:
    """Return an array with the axes that its dimensions are named after."""
    named = getattr(array.metadata, "dimension_names", None)
    named = named or attributes.get("_ARRAY_DIMENSIONS") or ()
    n_axes = len(array.shape)
    axes = letters(named, n_axes) or axes_by_length(array.shape)
    rate, size = stated_rate(attributes), stated_pixel_size(attributes)
    return Candidate(name, array, axes, rate, size)


def _level_0(group: Any, name: str, image: Mapping[str, Any]) -> Candidate:
    """Return the array of full size of an OME-NGFF image."""
    level = image["datasets"][0]
    array = group[level["path"]]
    stated = image.get("axes") or NGFF_BEFORE_AXES
    about = [axis if isinstance(axis, dict) else {"name": axis} for axis in stated]
    n_axes = len(array.shape)
    axes = letters([axis.get("name", "") for axis in about], n_axes)
    axes = axes or axes_by_length(array.shape)
    steps = np.ones(n_axes)
    for transform in _transforms(level) + _transforms(image):
        if transform.get("type") == "scale":
            steps *= np.asarray(transform["scale"], dtype=float)
    units = {a: about[i].get("unit") for i, a in enumerate(axes)}
    step = dict(zip(axes, steps.tolist(), strict=True))
    seconds = positive(step.get("T", 0) * SECONDS.get(str(units.get("T")), 0))
    sizes = [positive(step.get(a, 0) * UM.get(str(units.get(a)), 0)) for a in "YX"]
    height, width = sizes
    size = None if height is None or width is None else (height, width)
    path = f"{name}/{level['path']}".strip("/")
    return Candidate(path, array, axes, 1 / seconds if seconds else None, size)


def _transforms(item: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the transformations that an image or one of its levels states."""
    return list(item.get("coordinateTransformations") or ())
