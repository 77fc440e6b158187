"""Neurolabware Scanbox: frames in a .sbx, what is known of them in a .mat beside it.

A .sbx holds unsigned 16-bit values, little-endian and turned upside down (65535 minus
the signal), the channels of a pixel side by side, then columns, rows, frames. With an
electrically tunable lens planes follow one another frame by frame.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from napari_cnmf.errors import MissingFileError
from napari_cnmf.formats.readers.attributes import positive
from napari_cnmf.formats.readers.axes import choose
from napari_cnmf.formats.readers.mat5 import read_struct
from napari_cnmf.formats.readers.raw import RawFrames, contiguous_frames
from napari_cnmf.formats.readers.registry import (
    OpenedFile,
    ReadOptions,
    register_reader,
)
from napari_cnmf.movie.damage import named_damage

logger = logging.getLogger(__name__)

_TYPE = np.dtype("<u2")
_TOP = np.uint16(65535)


@dataclass(frozen=True, eq=False)
class ScanboxFrames:
    """Frames of one channel of a .sbx.

    Attributes
    ----------
    samples : RawFrames
        The frames, with the channels of a pixel as columns side by side.
    channel, n_channels : int
        Which of them to take.
    """

    samples: RawFrames
    channel: int
    n_channels: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """Frames, rows and columns (T, Y, X)."""
        n_frames, height, width = self.samples.shape
        return n_frames, height, width // self.n_channels

    @property
    def dtype(self) -> np.dtype:
        """Type of a pixel."""
        return np.dtype(np.uint16)

    def read(
        self, frames: slice, rows: slice = slice(None), cols: slice = slice(None)
    ) -> np.ndarray:
        """Return a freshly owned block (n, y, x)."""
        first, stop, _ = cols.indices(self.shape[2])
        wide = slice(first * self.n_channels, max(first, stop) * self.n_channels)
        samples = self.samples.read(frames, rows, wide)
        block = samples[:, :, self.channel :: self.n_channels]
        return np.subtract(_TOP, block)


@dataclass(frozen=True)
class Layout:
    """How a .sbx is laid out, from its .mat."""

    field_shape: tuple[int, int]
    n_channels: int
    n_planes: int
    frame_rate_hz: float | None


@register_reader("Scanbox", (".sbx",), Path.is_file)
def read_scanbox(path: Path, options: ReadOptions) -> OpenedFile:
    """Open one .sbx file.

    Parameters
    ----------
    path : Path
        The file, with its .mat of the same name beside it.
    options : ReadOptions
        `channel` and `plane` are heeded.
    """
    layout = _layout(path)
    height, width = layout.field_shape
    frame_bytes = height * width * layout.n_channels * _TYPE.itemsize
    n_frames, cut = divmod(path.stat().st_size, frame_bytes)
    left_out = n_frames % layout.n_planes
    if cut or left_out:
        logger.warning("%s: the end, a part of a frame or volume, left out", path.name)
    shape = (n_frames - left_out, height, width * layout.n_channels)
    places, selection = choose(
        path.name, "CZ", (layout.n_channels, layout.n_planes), options
    )
    samples = contiguous_frames(path, 0, shape, _TYPE)
    samples = samples.of(slice(places["Z"], None, layout.n_planes))
    rate = layout.frame_rate_hz and layout.frame_rate_hz / layout.n_planes
    source = ScanboxFrames(samples, places["C"], layout.n_channels)
    return OpenedFile(source, rate, None, selection)


def _layout(path: Path) -> Layout:
    """Read the .mat of a .sbx."""
    about = path.with_suffix(".mat")
    if not about.exists():
        raise MissingFileError(
            f"{path.name} needs {about.name}, in which Scanbox writes the size of "
            "frames, beside it; copy that file into the same folder."
        )
    with named_damage(about.name, "the layout of a .sbx", "copy the two files again"):
        return _layout_of(read_struct(about, "info"))


def _layout_of(info: Mapping[str, Any]) -> Layout:
    """Return the layout that the fields of ``info`` describe."""
    height, width = (int(n) for n in np.ravel(info["sz"])[:2])
    # Both photomultipliers, or only the first, or only the second; later versions
    # count their channels.
    n_channels = {1: 2, 2: 1, 3: 1}.get(int(info.get("channels", -1)), 0)
    n_channels = int(_field(info, "chan", "nchan") or n_channels)
    depths = np.ravel(info.get("otwave", []))
    n_planes = max(depths.size, 1) if info.get("volscan", 0) else 1
    if min(height, width, n_channels) < 1 or prod((height, width, n_channels)) > 2**31:
        raise ValueError(f"frames of {height} x {width} px, {n_channels} channels")
    # The resonant mirror writes a line each way, or only on its way there.
    lines_per_period = 1 if int(info.get("scanmode", 1)) == 1 else 2
    lines_hz = positive(info.get("resfreq"))
    rate = lines_hz and lines_hz * lines_per_period / height
    return Layout((height, width), n_channels, n_planes, rate)


def _field(info: Mapping[str, Any], *names: str) -> Any:
    """Return a field of a struct within a struct, None if there is no such."""
    value: Any = info
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
