"""HDF5 movies: one dataset (T, Y, X) of a file.

MATLAB's files of version 7.3 are HDF5, too, with the axes of every array reversed:
its (y, x, t) is stored as (t, x, y), so rows and columns are swapped back here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from napari_cnmf.errors import ChoiceError, InputError
from napari_cnmf.formats.readers.attributes import (
    RATE_NAMES,
    stated_pixel_size,
    stated_rate,
)
from napari_cnmf.formats.readers.axes import PLAIN, TRANSPOSED, View
from napari_cnmf.formats.readers.registry import (
    OpenedFile,
    ReadOptions,
    register_reader,
)
from napari_cnmf.movie.damage import named_damage

SUFFIXES = (".h5", ".hdf5", ".hdf")
#: Taken where several datasets could be the movie; CaImAn's default, too.
USUAL_NAME = "mov"
#: What MATLAB keeps for itself: the insides of cell arrays and objects.
MATLABS_OWN = ("#refs#", "#subsystem#")


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
    view : View
        Where the movie lies in the dataset.
    """

    path: Path
    dataset: str
    shape: tuple[int, int, int]
    dtype: np.dtype
    view: View = PLAIN

    def read(
        self, frames: slice, rows: slice = slice(None), cols: slice = slice(None)
    ) -> np.ndarray:
        """Return a freshly owned block (n, y, x)."""
        with opened(self.path) as file:
            block = self.view.take(file[self.dataset], frames, rows, cols)
        return np.ascontiguousarray(block, dtype=self.dtype)


def dataset_frames(
    path: Path, dataset: h5py.Dataset, view: View = PLAIN
) -> DatasetFrames:
    """Return the frames of a dataset of an open file."""
    shape, dtype = view.shape(dataset.shape), dataset.dtype.newbyteorder("=")
    return DatasetFrames(path, dataset.name, shape, dtype, view)


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """Open a file for as long as needed, and name it in whatever fails meanwhile."""
    remedy = "copy or save it again, once it is no longer being written"
    with named_damage(path.name, "HDF5", remedy), h5py.File(path, "r") as file:
        yield file


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


@register_reader("HDF5", SUFFIXES, h5py.is_hdf5, can_crash=True)
def read_hdf5(path: Path, options: ReadOptions) -> OpenedFile:
    """Open one HDF5 file.

    Parameters
    ----------
    path : Path
        The file.
    options : ReadOptions
        `dataset` is heeded; without it, the only dataset that can be a movie is
        taken, or of several the one named ``mov``.
    """
    with opened(path) as file:
        dataset = _chosen_dataset(file, path, options.dataset)
        rate = stated_rate(dataset.attrs, file.attrs)
        size = stated_pixel_size(dataset.attrs)
        source = dataset_frames(path, dataset)
    return OpenedFile(source, rate, size, source.dataset)


@register_reader("MATLAB", (".mat",), Path.is_file, seldom_a_movie=True, can_crash=True)
def read_matlab(path: Path, options: ReadOptions) -> OpenedFile:
    """Open one file that MATLAB saved with ``-v7.3``: the array (y, x, t) in it.

    Parameters
    ----------
    path : Path
        The file; a scalar named ``frame_rate`` or the like tells the frame rate.
    options : ReadOptions
        As for `read_hdf5`.
    """
    if not h5py.is_hdf5(path):
        raise InputError(
            f"{path.name} is not a MATLAB file of version 7.3, the only one that can "
            "be read piece by piece; save it in MATLAB with "
            "save(FILE, 'movie', '-v7.3')."
        )
    with opened(path) as file:
        dataset = _chosen_dataset(file, path, options.dataset)
        scalars = {
            name: file[name][()]
            for name in RATE_NAMES
            if isinstance(file.get(name), h5py.Dataset) and file[name].size == 1
        }
        source = dataset_frames(path, dataset, TRANSPOSED)
    return OpenedFile(source, stated_rate(scalars), None, source.dataset)


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
    if len(fitting) > 1:
        usual = [dataset for dataset in fitting if dataset.name == f"/{USUAL_NAME}"]
        fitting = usual or fitting
    if len(fitting) != 1:
        raise ChoiceError(
            f"{path.name} holds {len(fitting)} datasets of frames x rows x columns "
            f"where one is expected (found: {listed}); "
            + ("choose one with dataset=NAME." if fitting else "open another file."),
            "dataset" if fitting else "",
        )
    return fitting[0]


def _movie_datasets(group: h5py.Group) -> Iterator[h5py.Dataset]:
    """Yield the datasets below a group that can be a movie, no group twice."""
    found: list[h5py.Dataset] = []

    def look(name: str, item: h5py.Group | h5py.Dataset) -> None:
        own = name.startswith(MATLABS_OWN)
        if isinstance(item, h5py.Dataset) and not own and _is_movie(item):
            found.append(item)

    group.visititems(look)
    return iter(found)


def _is_movie(dataset: h5py.Dataset) -> bool:
    """Whether a dataset is a stack of frames of real numbers."""
    return (
        dataset.ndim == 3
        and dataset.dtype.kind in "iuf"
        and min(dataset.shape[1:]) > 1
        and dataset.shape[0] > 0
    )
