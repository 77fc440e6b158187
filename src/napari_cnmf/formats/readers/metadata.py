"""What TIFF metadata says about the acquisition: ImageJ, OME and ScanImage.

Each function takes the metadata as tifffile or the file gives it and returns frame
rate and pixel size where they are stated and make sense: writers leave zeros,
infinities and pixels of one inch behind, and those are taken as not stated.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

import numpy as np

_UM = {"nm": 1e-3, "um": 1.0, "micron": 1.0, "mm": 1e3, "cm": 1e4, "m": 1e6}
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "sec": 1.0, "min": 60.0}


@dataclass(frozen=True)
class Acquisition:
    """Frame rate and pixel size (y, x), None where they are not stated."""

    frame_rate_hz: float | None = None
    pixel_size_um: tuple[float, float] | None = None


def imagej_acquisition(
    metadata: Mapping[str, Any], px_per_unit: tuple[float, float]
) -> Acquisition:
    """Read ImageJ's metadata.

    Parameters
    ----------
    metadata : mapping
        As `tifffile.TiffFile.imagej_metadata`.
    px_per_unit : (float, float)
        The resolution tags, (y, x).
    """
    interval = _number(metadata.get("finterval"))
    seconds = _SECONDS.get(str(metadata.get("tunit", "s")).lower())
    unit = _UM.get(_plain_unit(metadata.get("unit", "")))
    sizes = [_inverse(resolution) for resolution in px_per_unit]
    return Acquisition(
        _inverse(interval and seconds and interval * seconds), _sizes_um(sizes, unit)
    )


def ome_acquisition(xml: str) -> Acquisition:
    """Read the first image of an OME-XML document."""
    pixels = ElementTree.fromstring(xml).find(".//{*}Pixels")
    if pixels is None:
        return Acquisition()
    stated = pixels.attrib
    interval = _number(stated.get("TimeIncrement"))
    seconds = _SECONDS.get(stated.get("TimeIncrementUnit", "s"))
    sizes = [_number(stated.get(f"PhysicalSize{axis}")) for axis in "YX"]
    unit = _UM.get(_plain_unit(stated.get("PhysicalSizeXUnit", "um")))
    return Acquisition(
        _inverse(interval and seconds and interval * seconds), _sizes_um(sizes, unit)
    )


@dataclass(frozen=True)
class ScanImageLayout:
    """How ScanImage interleaves what it records.

    A volume is `n_slices` (with the flyback) planes of `frames_per_slice` frames of
    `n_channels` channels; a file is a row of volumes.
    """

    n_channels: int
    n_planes: int
    n_slices: int
    frames_per_slice: int


def scanimage_fields(text: str) -> dict[str, str]:
    """Return the settings ``SI.name = value`` of a ScanImage header by name."""
    found = re.findall(
        r"^(?:scanimage\.)?SI\.([\w.]+) *= *(.*?)\r?$", text, re.MULTILINE
    )
    return dict(found)


def scanimage_first_frame(description: str) -> int:
    """Return how many frames were recorded before a page, 0 if it does not say."""
    found = re.search(r"^frameNumbers? *= *(\d+)", description, re.MULTILINE)
    return max(int(found[1]) - 1, 0) if found else 0


def scanimage_layout(fields: Mapping[str, str]) -> ScanImageLayout:
    """Return how frames, planes and channels follow one another."""
    n_channels = max(1, len(_numbers(fields.get("hChannels.channelSave"))))
    switches = [
        fields[name]
        for name in ("hStackManager.enable", "hFastZ.enable")
        if name in fields
    ]
    if switches and not any(value in {"true", "1"} for value in switches):
        return ScanImageLayout(n_channels, 1, 1, 1)
    n_planes = _count(fields, "hStackManager.actualNumSlices") or _count(
        fields, "hStackManager.numSlices", 1
    )
    per_volume = _count(fields, "hStackManager.numFramesPerVolumeWithFlyback")
    flyback = _count(fields, "hFastZ.numDiscardFlybackFrames", 0)
    per_slice = _count(fields, "hStackManager.framesPerSlice", 1) if n_planes > 1 else 1
    n_slices = per_volume // per_slice if per_volume else n_planes + flyback
    return ScanImageLayout(n_channels, n_planes, max(n_planes, n_slices), per_slice)


def scanimage_acquisition(
    fields: Mapping[str, str], field_shape: tuple[int, int]
) -> Acquisition:
    """Read ScanImage's settings; the frame rate is that of one plane.

    Parameters
    ----------
    fields : mapping
        From `scanimage_fields`.
    field_shape : (int, int)
        Rows and columns of a frame.
    """
    rates = _numbers(fields.get("hRoiManager.scanFrameRate"))
    rate = _number(rates[0]) if rates else None
    corners = np.array(_numbers(fields.get("hRoiManager.imagingFovUm")))
    sizes: list[float | None] = [None, None]
    if corners.size == 8:
        x_um, y_um = np.ptp(corners.reshape(4, 2), axis=0)
        sizes = [float(y_um) / field_shape[0], float(x_um) / field_shape[1]]
    n_slices = scanimage_layout(fields).n_slices
    return Acquisition(rate and rate / n_slices, _sizes_um(sizes, 1.0))


def _number(value: Any) -> float | None:
    """Return a positive finite number, or None for anything else."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if np.isfinite(number) and number > 0 else None


def _inverse(value: float | None) -> float | None:
    """Return one over a positive finite number."""
    number = _number(value)
    return None if number is None else 1.0 / number


def _sizes_um(
    sizes: Sequence[float | None], um_per_unit: float | None
) -> tuple[float, float] | None:
    """Return a pixel size in um, None unless all of it is known."""
    height, width = sizes
    if height is None or width is None or um_per_unit is None:
        return None
    return height * um_per_unit, width * um_per_unit


def _plain_unit(unit: str) -> str:
    """Return the name of a unit in ASCII and the singular: ``um`` for its Greek mu."""
    plain = unit.replace("\\u00B5", "u").replace("\u00b5", "u").replace("\u03bc", "u")
    return plain.lower().removesuffix("s")


def _numbers(text: str | None) -> list[float]:
    """Return all numbers in a value such as ``[1;2]``."""
    found = re.findall(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?", text or "")
    return [float(number) for number in found]


def _count(fields: Mapping[str, str], name: str, default: int = 0) -> int:
    """Return a whole number of the settings; infinite or empty means the default."""
    numbers = _numbers(fields.get(name))
    return int(numbers[0]) if numbers else default
