"""numpy's files: an array (T, Y, X) in a .npy, or one of those in a .npz.

Only the header is read by numpy, which for that evaluates a literal and nothing else:
files whose elements are pickled objects are refused. Elements are then read by their
offset in the file. That also holds for members of a .npz, as `numpy.savez` keeps them
as they are; those of `numpy.savez_compressed` would have to be unpacked from their
beginning for every frame, and are refused.
"""

from __future__ import annotations

import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from napari_cnmf.errors import ChoiceError, InputError
from napari_cnmf.formats.readers.raw import PixelTraces, RawFrames, contiguous_frames
from napari_cnmf.formats.readers.registry import (
    OpenedFile,
    ReadOptions,
    register_reader,
)

NPY, ZIP = b"\x93NUMPY", b"PK\x03\x04"
_DAMAGE = (OSError, ValueError, EOFError, TypeError, KeyError, RecursionError)


@dataclass(frozen=True)
class Header:
    """What a .npy says of its array, and the byte at which that begins."""

    shape: tuple[int, ...]
    is_fortran: bool
    dtype: np.dtype
    start: int

    @property
    def is_movie(self) -> bool:
        """Whether the array holds frames of real numbers."""
        return len(self.shape) == 3 and self.dtype.kind in "iuf" and min(self.shape) > 0


def _begins_with(signature: bytes, path: Path) -> bool:
    """Whether a file begins with these bytes."""
    with path.open("rb") as file:
        return file.read(len(signature)) == signature


def is_npy(path: Path) -> bool:
    """Whether a file begins as a .npy does."""
    return _begins_with(NPY, path)


def is_npz(path: Path) -> bool:
    """Whether a file begins as a zip does."""
    return _begins_with(ZIP, path)


@register_reader("npy", (".npy",), is_npy, seldom_a_movie=True)
def read_npy(path: Path, options: ReadOptions) -> OpenedFile:  # noqa: ARG001 (one array)
    """Open one .npy file, of C or Fortran order."""
    try:
        with path.open("rb") as file:
            header = _header(file)
    except _DAMAGE as error:
        raise _unreadable(path, error) from error
    if not header.is_movie:
        raise InputError(
            f"{path.name} holds an array {header.shape} of {header.dtype}, but a movie "
            "needs numbers on three axes, frames, rows and columns; save it so."
        )
    return OpenedFile(_source(path, header))


@register_reader("npz", (".npz",), is_npz, seldom_a_movie=True)
def read_npz(path: Path, options: ReadOptions) -> OpenedFile:
    """Open one .npz file.

    Parameters
    ----------
    path : Path
        The file.
    options : ReadOptions
        `dataset` is heeded; without it, the only array of three axes is taken.
    """
    try:
        movies = _movies_inside(path)
    except (*_DAMAGE, zipfile.BadZipFile, struct.error, NotImplementedError) as error:
        raise _unreadable(path, error) from error
    listed = ", ".join(f"{name} {header.shape}" for name, header in movies.items())
    name = options.dataset
    if name is None and len(movies) == 1:
        (name,) = movies
    if name not in movies:
        raise ChoiceError(
            f"{path.name} holds {len(movies)} arrays of frames x rows x columns "
            f"where one is expected (found: {listed or 'none'}); "
            + ("choose one with dataset=NAME." if movies else "open another file."),
            "dataset" if movies else "",
        )
    return OpenedFile(_source(path, movies[name]), selection=name)


def _movies_inside(path: Path) -> dict[str, Header]:
    """Return the headers of the arrays in a .npz that can be a movie."""
    found = {}
    with zipfile.ZipFile(path) as archive, path.open("rb") as file:
        for member in archive.infolist():
            if not member.filename.endswith(".npy"):
                continue
            if member.compress_type == zipfile.ZIP_STORED:
                file.seek(_content(file, member))
                header = _header(file)
            else:
                with archive.open(member) as unpacked:
                    header = _header(unpacked)
                if header.is_movie:
                    raise _compressed(path, member)
            if header.is_movie:
                found[member.filename.removesuffix(".npy")] = header
    return found


def _content(file: IO[bytes], member: zipfile.ZipInfo) -> int:
    """Return where a member's content begins, behind a header of its own."""
    file.seek(member.header_offset + 26)
    n_name, n_extra = struct.unpack("<HH", file.read(4))
    return member.header_offset + 30 + n_name + n_extra


def _compressed(path: Path, member: zipfile.ZipInfo) -> InputError:
    """Return the error for an array that cannot be read piece by piece."""
    name = member.filename.removesuffix(".npy")
    return InputError(
        f"{path.name} holds {name} compressed, so that single frames cannot be read; "
        f"save it with numpy.save('movie.npy', numpy.load('{path.name}')['{name}'])."
    )


def _header(file: IO[bytes]) -> Header:
    """Read the header of an array; its elements are left alone."""
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        found = np.lib.format.read_array_header_1_0(file)
    else:
        found = np.lib.format.read_array_header_2_0(file)
    shape, is_fortran, dtype = found
    return Header(shape, is_fortran, dtype, file.tell())


def _source(path: Path, header: Header) -> RawFrames | PixelTraces:
    """Return the frames of an array, of one order or the other."""
    n_frames, height, width = header.shape
    if header.is_fortran:
        stored = (width, height, n_frames)
        return PixelTraces(path, header.start, stored, header.dtype)
    return contiguous_frames(path, header.start, header.shape, header.dtype)


def _unreadable(path: Path, error: Exception) -> InputError:
    """Return the error for a file that is damaged."""
    return InputError(
        f"{path.name} cannot be read as an array of numpy ({error}); it may be "
        "damaged: copy or save it again."
    )
