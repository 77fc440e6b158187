"""Movies written as tif or HDF5 files that other programs open.

Frames are read in blocks, put into the type of the pixels that is wanted and written
one by one, so that memory does not grow with the length. A tif is an ImageJ stack
where that format can hold the movie, else an OME-TIFF, as BigTIFF beyond 4 GB.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from errno import ENOSPC
from math import prod
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import tifffile

from napari_cnmf.compute import Progress, Stopwatch, silent
from napari_cnmf.compute.backend import check_cancel
from napari_cnmf.errors import InputError, OutputError, ParameterError
from napari_cnmf.formats.atomic import replacing
from napari_cnmf.formats.readers import hdf5, tif
from napari_cnmf.formats.readers.attributes import SIZE_NAME
from napari_cnmf.formats.results import is_result
from napari_cnmf.movie import FileSpan, Movie
from napari_cnmf.movie.blocks import block_frames
from napari_cnmf.movie.sources import PIXEL_TYPES
from napari_cnmf.movie.store import TiledStore

#: Offsets of a classic TIFF have 32 bits; a page needs less than this for its tags.
TIFF_BYTES, PAGE_BYTES = 2**32 - 2**25, 512
#: ImageJ knows no signed 16-bit pixels.
IMAGEJ_TYPES = ("uint8", "uint16", "float32")
#: Where CaImAn looks for a movie in an HDF5 file.
DATASET = "mov"


def export_movie(
    movie: Movie,
    path: str | Path,
    *,
    dtype: str | None = None,
    progress: Progress = silent,
    cancel: Event | None = None,
) -> None:
    """Write a movie as a tif or HDF5 file, with its frame rate and pixel size.

    Parameters
    ----------
    movie : Movie
        Any movie (T, Y, X), such as the registered one.
    path : path
        Ends with .tif or .h5 (or .tiff, .btf, .tf8, .hdf5, .hdf). An older file is
        replaced when the new one is whole.
    dtype : str, optional
        Type of a pixel in the file: uint8, uint16, int16 or float32. That of the movie
        by default; values are rounded, and cut off at the limits of the type.
    progress : callable
        Told of the frames that were written.
    cancel : threading.Event, optional
        Stops the writing once set; nothing is left behind.

    Raises
    ------
    InputError
        If the ending is none of these.
    ParameterError
        If the type is none of these.
    OutputError
        If the file cannot be written, or is one that must not be replaced.
    CancelledError
        If it was cancelled.
    """
    path, dtype = Path(path), dtype or movie.dtype.name
    write = _writer_for(path)
    if dtype not in PIXEL_TYPES:
        raise ParameterError(
            f"dtype is '{dtype}', but a movie is written with pixels of one of "
            f"{', '.join(PIXEL_TYPES)}; choose one of them."
        )
    require_expendable(path, movie.files)
    frames = _frames(movie, np.dtype(dtype), progress, cancel)
    with replacing(path) as temporary:
        write(temporary, movie, np.dtype(dtype), frames)


def is_movie_file(path: Path) -> bool:
    """Whether `export_movie` can write a file of this name."""
    return path.name.lower().endswith(tif.SUFFIXES + hdf5.SUFFIXES)


def require_expendable(path: Path, recording: Iterable[FileSpan]) -> None:
    """Refuse to replace a file of the recording, or any result.

    Raises
    ------
    OutputError
        If the path is one of these.
    """
    if not path.exists():
        return
    sources = (Path(span.path) for span in recording)
    is_source = any(file.exists() and file.samefile(path) for file in sources)
    if is_source or is_result(path):
        kind = "a file of the recording itself" if is_source else "a result"
        raise OutputError(f"{path} is {kind} and is kept; choose another name.")


def _writer_for(path: Path) -> Callable[..., None]:
    """Return what writes the format that the ending of a path stands for."""
    if not is_movie_file(path):
        raise InputError(
            f"{path.name} does not end with .tif or .h5, the formats that movies are "
            "written in; name the file so."
        )
    return _write_tif if path.name.lower().endswith(tif.SUFFIXES) else _write_hdf5


def _frames(
    movie: Movie, dtype: np.dtype, progress: Progress, cancel: Event | None
) -> Iterator[np.ndarray]:
    """Yield each frame (Y, X) in a type of pixel, reading a block at a time."""
    step = block_frames(movie.field_shape, 1)
    if isinstance(movie.source, TiledStore):
        step = movie.source.block_frames
    watch = Stopwatch(progress, "export", movie.n_frames, "frames")
    for first in range(0, movie.n_frames, step):
        check_cancel(cancel)
        block = movie.read(slice(first, first + step))
        for frame in block:
            yield _converted(frame, dtype)
        watch.advance(len(block))


def _converted(frame: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Return a frame in another type: rounded, and cut off at the type's limits."""
    if dtype.kind == "f" or frame.dtype == dtype:
        return frame.astype(dtype, copy=False)
    limits = np.iinfo(dtype)
    return np.clip(np.rint(frame), limits.min, limits.max).astype(dtype)


def _write_tif(
    path: Path, movie: Movie, dtype: np.dtype, frames: Iterator[np.ndarray]
) -> None:
    """Write frames as an ImageJ stack, or as OME-TIFF where that cannot be."""
    size = prod(movie.shape) * dtype.itemsize + movie.n_frames * PAGE_BYTES
    is_big = size > TIFF_BYTES
    is_imagej = not is_big and dtype.name in IMAGEJ_TYPES
    about = _imagej_tags(movie) if is_imagej else _ome_tags(movie)
    about |= {"shape": movie.shape, "dtype": dtype, "photometric": "minisblack"}
    try:
        with tifffile.TiffWriter(
            path, bigtiff=is_big, imagej=is_imagej, ome=not is_imagej
        ) as file:
            file.write(frames, **about)
    except OSError as error:
        # numpy tells of a short write without its reason: the disk is full.
        raise OSError(error.errno or ENOSPC, str(error)) from error


def _imagej_tags(movie: Movie) -> dict[str, Any]:
    """Return frame rate and pixel size as ImageJ states them."""
    metadata: dict[str, Any] = {"axes": "TYX"}
    if movie.frame_rate_hz is not None:
        metadata |= {"finterval": 1 / movie.frame_rate_hz, "fps": movie.frame_rate_hz}
    if movie.pixel_size_um is None:
        return {"metadata": metadata}
    height_um, width_um = movie.pixel_size_um
    metadata["unit"] = "um"
    return {"metadata": metadata, "resolution": (1 / width_um, 1 / height_um)}


def _ome_tags(movie: Movie) -> dict[str, Any]:
    """Return frame rate and pixel size as OME states them."""
    # An identifier of the content, so that the same movie gives the same bytes.
    metadata: dict[str, Any] = {"axes": "TYX", "UUID": movie.fingerprint[:32]}
    if movie.frame_rate_hz is not None:
        metadata["TimeIncrement"] = 1 / movie.frame_rate_hz
        metadata["TimeIncrementUnit"] = "s"
    for axis, size_um in zip("YX", movie.pixel_size_um or (), strict=False):
        metadata[f"PhysicalSize{axis}"] = size_um
        metadata[f"PhysicalSize{axis}Unit"] = "\u00b5m"
    return {"metadata": metadata}


def _write_hdf5(
    path: Path, movie: Movie, dtype: np.dtype, frames: Iterator[np.ndarray]
) -> None:
    """Write frames as one dataset, in one piece."""
    with hdf5.new_file(path) as file:
        dataset = file.create_dataset(DATASET, movie.shape, dtype)
        if movie.frame_rate_hz is not None:
            dataset.attrs["fr"] = movie.frame_rate_hz
        if movie.pixel_size_um is not None:
            dataset.attrs[SIZE_NAME] = movie.pixel_size_um
        for t, frame in enumerate(frames):
            dataset[t] = frame
