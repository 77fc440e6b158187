"""TIFF movies: plain, BigTIFF, ImageJ, OME, ScanImage.

The pages of a file are laid out on a grid of axes (time, plane, channel) as its
metadata says; one channel and one plane are chosen, and what is left is time.
Uncompressed frames are then read by their offsets (`raw.py`), which also covers
ImageJ's files over 4 GB with one directory for all frames; compressed or tiled
frames are decoded one by one as they are asked for.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from threading import Lock

import numpy as np
import tifffile

from napari_cnmf.errors import InputError
from napari_cnmf.formats.readers import ome
from napari_cnmf.formats.readers.axes import choose_frames, stack_as_time
from napari_cnmf.formats.readers.metadata import (
    Acquisition,
    imagej_acquisition,
    ome_acquisition,
    scanimage_acquisition,
    scanimage_fields,
    scanimage_first_frame,
    scanimage_layout,
)
from napari_cnmf.formats.readers.pages import EncodedFrames
from napari_cnmf.formats.readers.raw import RawFrames
from napari_cnmf.formats.readers.registry import (
    OpenedFile,
    ReadOptions,
    register_reader,
)
from napari_cnmf.movie import FrameSource

logger = logging.getLogger(__name__)

_QUIETENING = Lock()
SUFFIXES = (".tif", ".tiff", ".btf", ".tf8")
SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def has_tiff_signature(path: Path) -> bool:
    """Return whether a file begins as a TIFF does."""
    with path.open("rb") as file:
        return file.read(4) in SIGNATURES


@register_reader("TIFF", SUFFIXES, has_tiff_signature)
def read_tif(path: Path, options: ReadOptions) -> OpenedFile:
    """Open one TIFF file.

    Parameters
    ----------
    path : Path
        The file; others that its metadata names are not opened.
    options : ReadOptions
        `channel` and `plane` are heeded.
    """
    # errstate: tifffile divides 0 by 0 in MetaMorph tags that Prairie View writes.
    with (
        _quiet_tifffile(),
        np.errstate(all="ignore"),
        tifffile.TiffFile(path, _multifile=False) as tif,
    ):
        return _opened(tif, path, options)


@contextmanager
def _quiet_tifffile() -> Iterator[None]:
    """Keep tifffile's remarks on odd tags out of the log: we check what matters."""
    log = logging.getLogger("tifffile")
    with _QUIETENING:
        disabled, log.disabled = log.disabled, True
        try:
            yield
        finally:
            log.disabled = disabled


def _opened(tif: tifffile.TiffFile, path: Path, options: ReadOptions) -> OpenedFile:
    """Return the movie in an open TIFF."""
    series = _movie_series(tif, path)
    _require_grey(series, path)
    _require_whole(tif, series, path)
    document = ome.document_of(tif, path)
    axes, grid, part = _layout(tif, series, document, path)
    if not _scanimage(tif):
        axes = stack_as_time(path.name, axes, grid.shape, options)
    frames, selection = choose_frames(path.name, axes, grid, options)
    selection = ", ".join(filter(None, (part, selection)))
    found = _acquisition(tif, series.keyframe, document)
    dtype = series.dtype.newbyteorder(tif.byteorder)
    source = _source(series, frames, path, dtype)
    return OpenedFile(source, found.frame_rate_hz, found.pixel_size_um, selection)


def _layout(
    tif: tifffile.TiffFile, series: tifffile.TiffPageSeries, document: str, path: Path
) -> tuple[str, np.ndarray, str]:
    """Return the axes and frames of a file, and its part of a set of files."""
    in_set = ome.layout_in_set(document, path.name)
    if in_set is not None and in_set[0].max() < _grid_of(series)[1].size:
        return ome.AXES, *in_set
    return *(_scanimage_grid(tif) or _grid_of(series)), ""


def _movie_series(tif: tifffile.TiffFile, path: Path) -> tifffile.TiffPageSeries:
    """Return the only series of pages that can be the movie."""
    candidates = tif.series
    if len(candidates) > 1:
        candidates = [series for series in candidates if _grid_of(series)[1].size > 1]
    if len(candidates) != 1:
        listed = "; ".join(f"{s.axes} {s.shape}" for s in tif.series)
        raise InputError(
            f"{path.name} holds {len(candidates)} movies where one is expected "
            f"(its images: {listed}); save the one you want in a file of its own."
        )
    return candidates[0]


def _grid_of(series: tifffile.TiffPageSeries) -> tuple[str, np.ndarray]:
    """Return the axes that a series' frames lie on, and its frames on those axes."""
    pairs = zip(series.axes, series.shape, strict=True)
    outer = [(axis, length) for axis, length in pairs if axis not in "YXS"]
    lengths = [length for _, length in outer]
    return "".join(a for a, _ in outer), np.arange(prod(lengths)).reshape(lengths)


def _scanimage_grid(tif: tifffile.TiffFile) -> tuple[str, np.ndarray] | None:
    """Return the axes and frames of a ScanImage file, which tifffile confuses."""
    fields = _scanimage(tif)
    if not fields:
        return None
    layout = scanimage_layout(fields)
    in_volume = (layout.n_slices, layout.frames_per_slice, layout.n_channels)
    # A file may begin and end within a volume: those parts are left out, so that
    # planes stay in step.
    first = scanimage_first_frame(tif.pages.first.description)
    head = -first % prod(in_volume[:2]) * layout.n_channels
    n_volumes = max(len(tif.pages) - head, 0) // prod(in_volume)
    grid = head + np.arange(n_volumes * prod(in_volume))
    if grid.size < len(tif.pages):
        n_left_out = len(tif.pages) - grid.size
        logger.warning("%s: %d pages of cut volumes left out", tif.filename, n_left_out)
    return "TZTC", grid.reshape(n_volumes, *in_volume)[:, : layout.n_planes]


def _scanimage(tif: tifffile.TiffFile) -> dict[str, str]:
    """Return ScanImage's settings, empty if another program wrote the file."""
    if not tif.is_scanimage:
        return {}
    page = tif.pages.first
    return scanimage_fields(f"{page.software}\n{page.description}")


def _require_grey(series: tifffile.TiffPageSeries, path: Path) -> None:
    """Refuse colour images."""
    samples = dict(zip(series.axes, series.shape, strict=True)).get("S", 1)
    if samples > 1:
        raise InputError(
            f"{path.name} holds colour images of {samples} samples a pixel, but a "
            "movie needs grey values; save one colour as a grey stack."
        )


def _require_whole(
    tif: tifffile.TiffFile, series: tifffile.TiffPageSeries, path: Path
) -> None:
    """Refuse a file whose chain of pages, or whose data, breaks off."""
    tif.filehandle.seek(tif.pages.next_page_offset or 0)
    link = tif.filehandle.read(tif.tiff.offsetsize)
    stated = tif.imagej_metadata or {}
    promised = prod(stated.get(axis, 1) for axis in ("frames", "slices", "channels"))
    is_linked_on = link != bytes(tif.tiff.offsetsize)
    if is_linked_on or promised > max(len(tif.pages), _grid_of(series)[1].size):
        raise _truncated(path, len(tif.pages))


def _truncated(path: Path, n_pages: int) -> InputError:
    """Return the error for a file that holds fewer pages than its header says."""
    return InputError(
        f"{path.name} is truncated: it ends after {n_pages} pages, but its header "
        "promises more; copy or save it again."
    )


def _acquisition(
    tif: tifffile.TiffFile, page: tifffile.TiffPage, document: str
) -> Acquisition:
    """Return what the file's metadata says about the acquisition."""
    if fields := _scanimage(tif):
        return scanimage_acquisition(fields, (page.imagelength, page.imagewidth))
    if document:
        return ome_acquisition(document)
    if tif.imagej_metadata:
        x, y = page.resolution
        return imagej_acquisition(tif.imagej_metadata, (y, x))
    return Acquisition()


def _source(
    series: tifffile.TiffPageSeries, frames: np.ndarray, path: Path, dtype: np.dtype
) -> FrameSource:
    """Return the chosen frames of a series, by offset where they are uncompressed."""
    page = series.keyframe
    field_shape = (page.imagelength, page.imagewidth)
    if series.dataoffset is not None:
        nbytes = prod(field_shape) * dtype.itemsize
        return RawFrames(path, series.dataoffset + frames * nbytes, field_shape, dtype)
    pages = [page for t in frames.tolist() if (page := series[t]) is not None]
    if len(pages) < len(frames):
        raise _truncated(path, len(pages))
    if page.is_final and all(map(_is_one_piece, pages)):
        offsets = np.array([page.dataoffsets[0] for page in pages], dtype=np.int64)
        return RawFrames(path, offsets, field_shape, dtype)
    offsets = np.array([page.dataoffsets for page in pages], dtype=np.int64)
    sizes = np.array([page.databytecounts for page in pages], dtype=np.int64)
    native = dtype.newbyteorder("=")
    return EncodedFrames(path, page.index, offsets, sizes, field_shape, native)


def _is_one_piece(page: tifffile.TiffPage | tifffile.TiffFrame) -> bool:
    """Whether a page's strips follow one another without gaps."""
    starts, counts = page.dataoffsets, page.databytecounts
    return all(starts[i] + counts[i] == starts[i + 1] for i in range(len(starts) - 1))
