"""How values lie in an HDF5 file: a field is a dataset, a value a group of its fields.

The layout of a result file follows the value classes, so nothing is listed twice. A
field that is None is absent. Texts are UTF-8 strings; records (stages, files) are
texts in JSON; a sparse matrix is a group of its three arrays and its shape.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, fields, is_dataclass
from typing import Any, get_args, get_origin, get_type_hints

import h5py
import numpy as np
import scipy.sparse as sp

from napari_cnmf.parameters import without_none


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, np.ndarray | str]]:
    """Yield the path and content of every dataset of a value, in order.

    Parameters
    ----------
    value : dataclass instance
        Its fields are arrays, sparse matrices, texts, numbers, records, or again
        such values.
    path : str
        Group that the value is written to.
    """
    for item in fields(value):
        inner, name = getattr(value, item.name), f"{path}{item.name}"
        if inner is None:
            continue
        if is_dataclass(inner):
            yield from leaves(inner, f"{name}/")
        elif sp.issparse(inner):
            for part in ("data", "indices", "indptr", "shape"):
                yield f"{name}/{part}", np.asarray(getattr(inner, part))
        elif _is_record(inner):
            yield name, json.dumps(inner, default=asdict)
        else:
            yield name, inner if isinstance(inner, str) else np.asarray(inner)


def restored(kind: type, group: h5py.Group) -> Any:
    """Build a value of a class from the group that its fields were written to."""
    hints = get_type_hints(kind)
    return kind(
        **{
            item.name: _field(without_none(hints[item.name])[0], group[item.name])
            for item in fields(kind)
            if item.name in group
        }
    )


def _field(kind: Any, node: Any) -> Any:
    """Return the content of a dataset or group as a field's type."""
    if isinstance(kind, type) and is_dataclass(kind):
        return restored(kind, node)
    if kind is sp.csc_array:
        parts = tuple(node[part][()] for part in ("data", "indices", "indptr"))
        matrix = sp.csc_array(parts, shape=tuple(node["shape"][()].tolist()))
        matrix.check_format(full_check=True)  # a pixel outside would crash later
        return matrix
    if kind is np.ndarray:
        return node[()]
    if kind is str:
        return node.asstr()[()]
    if h5py.check_string_dtype(node.dtype):
        return _from_json(kind, node.asstr()[()])
    content = node[()].tolist()
    return tuple(content) if isinstance(content, list) else content


def _is_record(value: Any) -> bool:
    """Whether a value is kept as JSON: a dictionary, or a tuple of dataclasses."""
    if isinstance(value, tuple):
        return all(is_dataclass(part) for part in value)
    return isinstance(value, dict)


def _from_json(kind: Any, text: str) -> Any:
    """Return a dictionary, or a tuple of the dataclass that the type names."""
    content = json.loads(text)
    if get_origin(kind) is tuple:
        return tuple(_record(get_args(kind)[0], part) for part in content)
    return content


def _record(kind: Any, part: dict[str, Any]) -> Any:
    """Return a dataclass of its fields in JSON, which has lists in place of tuples."""
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in part.items()}
    return kind(**values)
