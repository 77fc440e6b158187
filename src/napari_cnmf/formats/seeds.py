"""Files that mark cells: labels images, tables of points, results, and their copies.

A labels image is a tif, npy or npz; an image with a single value above 0 is a mask,
whose separate pieces are the cells. Points are rows and columns in a CSV file, as
napari writes it, or an array (n, 2). Of a result the accepted components count. What a
run begins with is copied into its folder under a name made of its content, so that no
drawing is ever overwritten and another one is another name.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import scipy.sparse as sp
import tifffile
from scipy import ndimage

from napari_cnmf.components import Components
from napari_cnmf.errors import InputError, MissingFileError
from napari_cnmf.formats.atomic import replacing
from napari_cnmf.formats.readers.limits import MAX_FIELD_PX
from napari_cnmf.formats.results import load
from napari_cnmf.movie.damage import named_damage
from napari_cnmf.provenance import digest

#: What marks cells: labels (Y, X), points (n, 2), footprints (pixels, K) or a result.
Marks: TypeAlias = "np.ndarray | sp.csc_array | Components"

TABLES, RESULTS, ARRAYS = (".csv",), (".h5", ".hdf5"), (".npy", ".npz")
IMAGES = (".tif", ".tiff")
FILES = (*IMAGES, *ARRAYS, *TABLES, *RESULTS)
#: What the copies in the folder of a run are called.
COPIES = "seeds-*.npz"

_AXES = (("y", "x"), ("axis-0", "axis-1"), ("axis-1", "axis-2"))


def read_seeds(path: str | Path) -> Marks:
    """Read what marks cells.

    Parameters
    ----------
    path : path
        A labels image or mask (tif, npy, npz), points (csv with columns y and x, or
        napari's axis-0 and axis-1; npy, npz), footprints (npz of a scipy sparse
        array), or a result (results.h5, or its folder).

    Returns
    -------
    ndarray, csc_array or Components
        Labels (Y, X) int32, points (n, 2) float64 as rows and columns, footprints
        (pixels, K), or the accepted components of a result.

    Raises
    ------
    MissingFileError
        If there is none.
    InputError
        If it is none of these, or marks nothing.
    """
    path = Path(path).expanduser()
    path = path / "results.h5" if path.is_dir() else path
    if not path.exists():
        raise MissingFileError(
            f"There is no file {path} to take cells from; give a labels image, a table "
            "of points or a result."
        )
    ending = path.suffix.lower()
    if ending in RESULTS:
        return _components(path)
    if ending in TABLES:
        return _points(path)
    if ending not in FILES:
        raise InputError(
            f"{path} ends with '{ending}', and cells are taken from files that end "
            f"with {', '.join(FILES)}; save it as one of these."
        )
    array = _array(path)
    if sp.issparse(array):
        return array
    if array.ndim == 2 and array.shape[1] == 2:
        return np.asarray(array, np.float64)
    return as_labels(array, str(path))


def as_labels(array: np.ndarray, name: str) -> np.ndarray:
    """Make one labels image of an array.

    Parameters
    ----------
    array : ndarray
        (Y, X), or (T, Y, X) as napari makes it above a movie: what is drawn on any
        frame counts. Whole numbers of any type.
    name : str
        What it is called, for a sentence about it.

    Returns
    -------
    ndarray of int32
        (Y, X); the separate pieces of a mask have their own numbers.

    Raises
    ------
    InputError
        If it is no image of whole numbers.
    """
    image = np.squeeze(array)
    image = image.max(axis=0) if image.ndim == 3 and image.size else image
    is_number = image.dtype.kind in "buif"
    is_image = image.ndim == 2 and image.size <= MAX_FIELD_PX
    if not (is_image and is_number) or np.any(image != np.floor(image)):
        raise InputError(
            f"{name} holds {array.dtype} values of shape {array.shape}; labels are "
            "whole numbers, one image (Y, X) with 0 where there is no cell."
        )
    if len(np.unique(image[image > 0])) == 1:
        image = ndimage.label(image > 0)[0]
    return image.astype(np.int32)


def save_copy(marks: np.ndarray | sp.csc_array, folder: Path) -> str:
    """Write a copy under a name made of its content, unless it is there already.

    Parameters
    ----------
    marks : ndarray or csc_array
        Labels, points or footprints.
    folder : Path

    Returns
    -------
    str
        Name of the file in the folder; `read_seeds` reads it.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    name = copy_name(marks)
    path = folder / name
    if not path.exists():
        with replacing(path) as temporary, temporary.open("wb") as file:
            if sp.issparse(marks):
                sp.save_npz(file, marks)
            else:
                np.savez_compressed(file, seeds=marks)
    return name


def copy_name(marks: np.ndarray | sp.csc_array) -> str:
    """Name of a copy, the same for the same content."""
    parts: list[Any] = [marks]
    if not isinstance(marks, np.ndarray):
        parts = [list(marks.shape), marks.data, marks.indices, marks.indptr]
    return COPIES.replace("*", digest(*parts)[:12])


def _array(path: Path) -> np.ndarray | sp.csc_array:
    """Read the one array of a file."""
    with named_damage(str(path), "marks of cells", "save the labels or points again"):
        if path.suffix.lower() in IMAGES:
            return tifffile.imread(path)
        found = np.load(path, allow_pickle=False)
        if isinstance(found, np.ndarray):
            return found
        with found:
            names = list(found)
            if {"indices", "indptr"} <= set(names):
                footprints = sp.csc_array(sp.load_npz(path))
                footprints.check_format()  # a pixel outside would crash later
                return footprints
            if len(names) == 1:
                return found[names[0]]
    raise InputError(
        f"{path} holds several arrays ({', '.join(names)}), and one is expected; save "
        "the labels or points by themselves."
    )


def _points(path: Path) -> np.ndarray:
    """Read the rows and columns of a table."""
    remedy = "save the points again, one number in each column"
    with (
        named_damage(str(path), "a table of points", remedy),
        path.open(newline="", encoding="utf-8-sig") as file,
    ):
        table = csv.DictReader(file)
        names = {name.strip().lower(): name for name in table.fieldnames or ()}
        # The last axes are rows and columns; one before them counts frames.
        here = [pair for pair in _AXES if set(pair) <= set(names)]
        rows = [[float(row[names[axis]]) for axis in here[-1]] for row in table if here]
        points = np.array(rows, np.float64).reshape(-1, 2)
    if not here:
        raise InputError(
            f"{path} has the columns {', '.join(names) or 'of an empty file'}; points "
            "are expected in columns named y and x, or axis-0 and axis-1."
        )
    return points


def _components(path: Path) -> Components:
    """Return the accepted components of a result."""
    components = load(path).components
    if components is None or not components.accepted.any():
        raise InputError(
            f"{path} holds no accepted cells to begin with; find cells there first, or "
            "accept some."
        )
    return components.select(components.accepted)
