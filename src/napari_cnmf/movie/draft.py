"""A registered movie while it is written, under a temporary name.

A run that was cut short leaves its draft, and the next one goes on with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from math import ceil
from pathlib import Path

import numpy as np

from napari_cnmf.errors import OutputError
from napari_cnmf.movie.chunks import ChunkedArray
from napari_cnmf.movie.discard import discard
from napari_cnmf.movie.store import TILE_PX, StoreHeader, TiledStore, explained


@contextmanager
def draft(
    path: Path, header: StoreHeader, base: np.ndarray, n_frames: int, block: int
) -> Iterator[TiledStore]:
    """Give an empty store to be written, under a temporary name.

    It must be finished inside the context; it is removed if an error or a
    cancellation ends the context. For one that stays, see `new_draft`.

    Parameters
    ----------
    path, header, base, n_frames, block
        As for `new_draft`.
    """
    store = new_draft(path, header, base, n_frames, block)
    try:
        yield store
    except BaseException:
        with suppress(OSError):
            discard(store.path)
        raise


def new_draft(
    path: Path, header: StoreHeader, base: np.ndarray, n_frames: int, block: int
) -> TiledStore:
    """Return an empty store to be written, under a temporary name.

    What a killed run left there is removed.

    Parameters
    ----------
    path : Path
        Where the finished store will be.
    header : StoreHeader
        What is known of the movie.
    base : ndarray (Y, X)
        The values of code 0.
    n_frames : int
        Frames of the movie.
    block : int
        Frames of a chunk, whole bins, from `block_frames`.

    Raises
    ------
    OutputError
        If the place is taken by something else or cannot be written to.
    """
    if path.exists() and not _is_store(path):
        raise OutputError(
            f"{path} exists and is no registered movie, so it is not replaced; "
            "choose another place or remove it."
        )
    store = _layout(draft_path(path), header, (n_frames, *base.shape), block)
    with explained(path):
        discard(store.path)
        try:
            for array in dict.fromkeys((store.base, store.frames, store.binned)):
                array.create()
            store.base.write(0, base[None])
        except BaseException:
            with suppress(OSError):
                discard(store.path)
            raise
    return store


def left_draft(
    path: Path, header: StoreHeader, shape: tuple[int, int, int], block: int
) -> TiledStore | None:
    """Return the draft that a run left which was cut short, None if there is none.

    If it was finished, and only what follows was cut short, it is a draft again.

    Parameters
    ----------
    path, header, block
        As for `new_draft`.
    shape : tuple of int
        Of the movie (T, Y, X).
    """
    store = _layout(draft_path(path), header, shape, block)
    if not store.path.exists() and _is_store(path):
        finished = TiledStore.open(path).header
        if replace(finished, n_clipped=0) == header:
            with explained(path):
                path.rename(store.path)
    return store if store.path.exists() else None


def draft_path(path: Path) -> Path:
    """Return where a store lies until it is finished."""
    return path.with_name(path.name + ".part")


def _layout(
    path: Path, header: StoreHeader, shape: tuple[int, int, int], block: int
) -> TiledStore:
    """Return how a store is laid out in chunks."""
    n_frames, height, width = shape
    block = min(block, n_frames)
    tile = _tile_px(height, block), _tile_px(width, block)
    field = 1, height, width
    base = ChunkedArray(path / "base", field, field, "float32")
    frames = ChunkedArray(path / "frames", shape, (block, *tile), "uint16")
    bins = header.bin_frames
    size = n_frames // bins, height, width
    chunk = max(1, block // bins), *tile
    binned = ChunkedArray(path / "binned", size, chunk, "uint32")
    return TiledStore(path, header, base, frames, frames if bins == 1 else binned)


def _tile_px(side: int, block: int) -> int:
    """Return the side of a tile: about 64 px, evenly cut.

    Tiles of the short blocks of large fields are twice as wide, or there would be
    too many files.
    """
    wanted = TILE_PX if block >= TILE_PX else 2 * TILE_PX
    return ceil(side / max(1, round(side / wanted)))


def _is_store(path: Path) -> bool:
    """Whether a folder holds a store that may be replaced."""
    return (path / "zarr.json").is_file() and (path / "frames").is_dir()
