"""HDF5 movies: one dataset (T, Y, X) of a file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from napari_cnmf.errors import ChoiceError, InputError
from napari_cnmf.formats.registry import OpenedFile, ReadOptions, register_reader

SUFFIXES = (".h5", ".hdf5", ".hdf")
RATE_NAMES = ("frame_rate_hz", "frame_rate", "fr", "fps")
SIZE_NAME = "pixel_size_um"


@dataclass(frozen=True, eq=False)
class DatasetFrames:
    """Frames of an HDF5 dataset; the file is open only while a block is read.

    Attributes
    ----------
    path : Path
        The file.
    dataset : str
        Name of the dataset within it.
    shape : (int, int, int)
        Frames, rows and columns (T, Y, X).
    dtype : numpy.dtype
        Type of a pixel, in native byte order.
    """

    path: Path
    dataset: str
    shape: tuple[int, int, int]
    dtype: np.dtype

    def read(
        self, frames: slice, rows: slice = slice(None), cols: slice = slice(None)
    ) -> np.ndarray:
        """Return a freshly owned block (n, y, x)."""
        with _opened(self.path) as file:
            block = file[self.dataset][frames, rows, cols]
        return np.asarray(block, dtype=self.dtype)


@contextmanager
def _opened(path: Path) -> Iterator[h5py.File]:
    """Open a file for as long as needed, and name it in whatever fails meanwhile."""
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, RuntimeError, KeyError) as error:
        raise InputError(
            f"{path.name} cannot be read as HDF5 ({error}); it may be damaged or still "
            "being written: copy or save it again."
        ) from error


@contextmanager
def new_file(path: Path) -> Iterator[h5py.File]:
    """Open an HDF5 file to be written, through one of Python's: a full disk closes it.

    From Python 3.13 on, h5py then raises a SystemError in the context of the OSError.
    """
    try:
        with path.open("w+b") as raw, h5py.File(raw, "w") as file:
            yield file
    except SystemError as error:
        raise error.__cause__ or error.__context__ or error from None


@register_reader("HDF5", SUFFIXES, h5py.is_hdf5)
def read_hdf5(path: Path, options: ReadOptions) -> OpenedFile:
    """Open one HDF5 file.

    Parameters
    ----------
    path : Path
        The file.
    options : ReadOptions
        `dataset` is heeded; without it, the only dataset that can be a movie is taken.
    """
    with _opened(path) as file:
        dataset = _chosen_dataset(file, path, options.dataset)
        rate, size = _stated_rate(dataset), _stated_pixel_size(dataset)
        dtype = dataset.dtype.newbyteorder("=")
        source = DatasetFrames(path, dataset.name, dataset.shape, dtype)
    return OpenedFile(source, rate, size, source.dataset)


def _chosen_dataset(file: h5py.File, path: Path, name: str | None) -> h5py.Dataset:
    """Return the dataset that was asked for, or the only one that can be a movie."""
    fitting = list(_movie_datasets(file))
    listed = ", ".join(f"{d.name} {d.shape} {d.dtype}" for d in fitting) or "none"
    if name is not None:
        dataset = file.get(name)
        if not isinstance(dataset, h5py.Dataset) or not _is_movie(dataset):
            raise InputError(
                f"{path.name} has no dataset {name!r} of frames x rows x columns; "
                f"those it has: {listed}."
            )
        return dataset
    if len(fitting) != 1:
        raise ChoiceError(
            f"{path.name} holds {len(fitting)} datasets of frames x rows x columns "
            f"where one is expected (found: {listed}); "
            + ("choose one with dataset=NAME." if fitting else "open another file."),
            "dataset" if fitting else "",
        )
    return fitting[0]


def _movie_datasets(group: h5py.Group) -> Iterator[h5py.Dataset]:
    """Yield the datasets below a group that can be a movie."""
    for item in group.values():
        if isinstance(item, h5py.Group):
            yield from _movie_datasets(item)
        elif isinstance(item, h5py.Dataset) and _is_movie(item):
            yield item


def _is_movie(dataset: h5py.Dataset) -> bool:
    """Whether a dataset is a stack of frames of real numbers."""
    return (
        dataset.ndim == 3
        and dataset.dtype.kind in "iuf"
        and min(dataset.shape[1:]) > 1
        and dataset.shape[0] > 0
    )


def _stated_rate(dataset: h5py.Dataset) -> float | None:
    """Return the frame rate among the attributes of the dataset or of the file."""
    for attributes in (dataset.attrs, dataset.file.attrs):
        for name in RATE_NAMES:
            rate = np.asarray(attributes.get(name, np.nan))
            if rate.size == 1 and rate.dtype.kind in "iuf" and 0 < rate < np.inf:
                return float(rate.item())
    return None


def _stated_pixel_size(dataset: h5py.Dataset) -> tuple[float, float] | None:
    """Return height and width of a pixel among the attributes of the dataset."""
    size = np.asarray(dataset.attrs.get(SIZE_NAME, np.nan))
    is_pair = size.shape == (2,) and size.dtype.kind in "iuf"
    if not is_pair or not np.all((size > 0) & (size < np.inf)):
        return None
    return float(size[0]), float(size[1])
