"""Movies that cannot be: a few bytes may claim more pixels than any disk holds."""

from __future__ import annotations

from math import ceil, prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_cnmf.errors import InputError
from napari_cnmf.movie import FrameSource

if TYPE_CHECKING:
    from napari_cnmf.formats.readers.axes import View

#: 8192 x 8192: twice what the largest cameras have, in float32 256 MB a frame.
MAX_FIELD_PX = 2**26
#: Of a frame; each is a file, and a frame of more would take seconds.
MAX_CHUNKS = 2**12
MAX_CHUNK_BYTES = 2**28
#: No movie is compressed as far; what claims little may claim it.
MAX_EXPANSION, LITTLE_BYTES = 10**4, 2**40


def require_possible(source: FrameSource, path: Path) -> None:
    """Refuse a movie whose claimed shape is impossible.

    Parameters
    ----------
    source : FrameSource
        The claim.
    path : Path
        The file, or the folder of files, that it is about.

    Raises
    ------
    InputError
        If frames have no pixels, or too many, or the file is far too small for them.
    """
    n_frames, height, width = source.shape
    if not 0 < height * width <= MAX_FIELD_PX or n_frames < 0:
        raise InputError(
            f"{path.name} claims {n_frames} frames of {height} x {width} px, but a "
            f"frame has 1 to {MAX_FIELD_PX} px; it is damaged or no movie: save it "
            "again, or crop it."
        )
    claimed = prod(source.shape) * source.dtype.itemsize
    if claimed > LITTLE_BYTES and claimed > MAX_EXPANSION * (size := _size(path)):
        raise InputError(
            f"{path.name} claims {n_frames} frames of {height} x {width} px in "
            f"{size} bytes, which is impossible; it is damaged: copy or save it again."
        )


def require_few_chunks(name: str, array: Any, view: View) -> None:
    """Refuse chunks too many, or too large, for a frame to be read from them.

    Parameters
    ----------
    name : str
        The file.
    array : array-like
        With `shape`, `chunks` and `dtype`.
    view : View
        Where the movie lies in it.
    """
    rows, cols = (ceil(array.shape[i] / array.chunks[i]) for i in view.order[1:])
    n_chunks, n_bytes = rows * cols, prod(array.chunks) * array.dtype.itemsize
    if n_chunks > MAX_CHUNKS or n_bytes > MAX_CHUNK_BYTES:
        raise InputError(
            f"{name} claims {n_chunks} chunks of {n_bytes} bytes for a frame, but at "
            f"most {MAX_CHUNKS} chunks of {MAX_CHUNK_BYTES} bytes can be read; it is "
            "damaged, or has to be saved with other chunks."
        )


def _size(path: Path) -> int:
    """Size of a file, or of all files in a folder, in bytes."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
