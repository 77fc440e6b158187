"""How CaImAn lays values out in HDF5: None, texts, sparse matrices, groups.

None is the text "NoneType"; a text is an attribute, before CaImAn 1.9.9 a dataset; the
footprints are a group of the parts of a sparse matrix, whose indices nothing else
checks; numbers have 64 bits.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import scipy.sparse as sp

from napari_cnmf.errors import InputError

_NONE = "NoneType"
_MATRIX_PARTS = ("data", "indices", "indptr", "shape")
#: A dataset that claims to unpack to more than so many times its file is damaged.
_MAX_RATIO = 1000
#: Values of a sparse matrix that are written at a time as part of a dense one.
_BLOCK_VALUES = 2**22


def read_nodes(group: h5py.Group, names: Collection[str]) -> dict[str, Any]:
    """Read some of what lies in a group: values, matrices, dictionaries of these."""
    found: dict[str, Any] = {}
    for name in names:
        node = group.get(name)
        if isinstance(node, h5py.Dataset):
            found[name] = read_value(node)
        elif isinstance(node, h5py.Group):
            is_matrix = set(node) >= set(_MATRIX_PARTS)
            # A group can hold itself: no name is looked for within its own group.
            others = [other for other in names if other != name]
            found[name] = _matrix(node) if is_matrix else read_nodes(node, others)
    return found


def _matrix(group: h5py.Group) -> sp.csc_array:
    """Read a sparse matrix; its indices are checked, as nothing else does."""
    data, indices, indptr, shape = (read_value(group[name]) for name in _MATRIX_PARTS)
    rows, columns = map(int, shape)
    matrix = sp.csc_array((data, indices, indptr), shape=(rows, columns))
    matrix.check_format(full_check=True)
    return matrix


def read_value(node: h5py.Dataset) -> Any:
    """Read a dataset: None, a text, a number or an array."""
    stored = Path(node.file.filename).stat().st_size
    if node.size * node.dtype.itemsize > _MAX_RATIO * stored:
        raise InputError(
            f"{node.name} of {Path(node.file.filename).name} claims to hold more than "
            "its file can; it is damaged: save it again in CaImAn."
        )
    value = node[()]
    if isinstance(value, bytes):
        text = value.decode(errors="replace")
        return None if text == _NONE else text
    return value


def plain(value: Any) -> Any:
    """Make a value fit for JSON."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.astype(str) if value.dtype.kind == "S" else value
        return plain(value.tolist())
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def write_node(group: h5py.Group, name: str, value: Any) -> None:
    """Write a value below a name, as CaImAn does."""
    if value is None:
        group[name] = _NONE
    elif isinstance(value, str):
        group.attrs[name] = value
    elif isinstance(value, Mapping):
        inner = group.create_group(name)
        for key, content in value.items():
            write_node(inner, key, content)
    elif not isinstance(value, sp.csc_array):
        _write_array(group, name, np.asarray(value))
    elif name == "A":
        inner = group.create_group(name)
        for part in _MATRIX_PARTS:
            _write_array(inner, part, np.asarray(getattr(value, part)))
    else:
        _write_dense(group, name, value)


def _write_array(group: h5py.Group, name: str, values: np.ndarray) -> None:
    """Write numbers as CaImAn has them, texts with one byte a letter."""
    kind = values.dtype.kind
    if kind == "U":
        group[name] = np.char.encode(values, "utf-8")
        return
    dtype = {"f": "f8", "i": "i8"}.get(kind, values.dtype.str)
    if name in {"indices", "indptr"}:
        dtype = "i4"  # as scipy's
    # Converted on the way by HDF5: long traces are not copied in memory.
    group.create_dataset(name, values.shape, dtype)[...] = values


def _write_dense(group: h5py.Group, name: str, matrix: sp.csc_array) -> None:
    """Write a sparse matrix as a dense one, some rows at a time."""
    dense = group.create_dataset(name, matrix.shape, np.float64)
    rows = sp.csr_array(matrix)
    step = max(1, _BLOCK_VALUES // max(1, matrix.shape[1]))
    for first in range(0, matrix.shape[0], step):
        dense[first : first + step] = rows[first : first + step].toarray()
