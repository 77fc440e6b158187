"""A value as named arrays, and back: what result files and kept tasks are made of.

The layout follows the value classes, so nothing is listed twice: a field is an array or
a text under its name, a value within a value a path. A field that is None is absent.
Records (stages, files) are texts in JSON; a sparse matrix is its three arrays and its
shape; a slice is its two ends. Nothing is pickled.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields, is_dataclass
from typing import Any, TypeAlias, get_args, get_origin, get_type_hints

import numpy as np
import scipy.sparse as sp

from napari_cnmf.parameters import without_none

Leaf: TypeAlias = "np.ndarray | str"

_MATRIX_PARTS = ("data", "indices", "indptr")


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Leaf]]:
    """Yield the path and content of every leaf of a value, in order.

    Parameters
    ----------
    value : dataclass instance or named tuple
        Its fields are arrays, sparse matrices, texts, numbers, slices, records, or
        again such values.
    path : str
        Where the value lies.
    """
    for item in _names(value):
        inner, name = getattr(value, item), f"{path}{item}"
        if inner is None:
            continue
        if _names(inner):
            yield from leaves(inner, f"{name}/")
        elif sp.issparse(inner):
            for part in (*_MATRIX_PARTS, "shape"):
                yield f"{name}/{part}", np.asarray(getattr(inner, part))
        elif isinstance(inner, slice):
            yield name, np.array([inner.start, inner.stop])
        elif _is_record(inner):
            yield name, json.dumps(inner, default=asdict)
        else:
            yield name, inner if isinstance(inner, str) else np.asarray(inner)


def restored(kind: type, content: Mapping[str, Leaf], path: str = "") -> Any:
    """Build a value of a class from its leaves.

    Parameters
    ----------
    kind : type
        The class.
    content : mapping
        Leaves by path; paths that the class knows nothing of are passed over.
    path : str
        Where the value lies.

    Raises
    ------
    KeyError, TypeError, ValueError
        If the leaves are not those of such a value.
    """
    hints, present = get_type_hints(kind), _branches(content, path)
    found = {}
    for item in _names(kind):
        inner, is_optional = without_none(hints[item])
        if item in present:
            found[item] = _field(inner, content, f"{path}{item}")
        elif is_optional:
            found[item] = None
    return kind(**found)


def digest_of(*values: Any) -> str:
    """SHA-256 over all that values hold: arrays, texts, numbers and values of these.

    What has an `identity` is known by that.

    Raises
    ------
    TypeError
        If something among it is of another kind.
    """
    total = hashlib.sha256()
    for part in _identity(values):
        total.update(part)
    return total.hexdigest()


def _names(value: Any) -> tuple[str, ...]:
    """Names of the fields of a dataclass or named tuple; none for anything else."""
    if is_dataclass(value):
        return tuple(item.name for item in fields(value))
    return getattr(value, "_fields", ())


def _branches(content: Mapping[str, Leaf], path: str) -> set[str]:
    """Names of what lies directly below a path."""
    return {
        name[len(path) :].split("/")[0] for name in content if name.startswith(path)
    }


def _field(kind: Any, content: Mapping[str, Leaf], path: str) -> Any:
    """Return what lies at a path as a field's type."""
    if isinstance(kind, type) and _names(kind):
        return restored(kind, content, f"{path}/")
    if kind in (sp.csc_array, sp.csr_array):
        return _matrix(kind, content, path)
    leaf = content[path]
    if kind is np.ndarray or kind is str:
        return leaf
    if isinstance(leaf, str):
        return _from_json(kind, leaf)
    plain = leaf.tolist()
    if kind is slice:
        return slice(*plain)
    return tuple(plain) if isinstance(plain, list) else plain


def _matrix(kind: Any, content: Mapping[str, Leaf], path: str) -> Any:
    """Return a sparse matrix with its arrays as they were, checked."""
    shape = content[f"{path}/shape"]
    matrix = kind(tuple(np.asarray(shape).tolist()), dtype=np.float32)
    for part in _MATRIX_PARTS:
        setattr(matrix, part, content[f"{path}/{part}"])
    matrix.check_format(full_check=True)  # a pixel outside would crash later
    return matrix


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


def _identity(value: Any) -> Iterator[bytes]:
    """Yield the bytes that tell a value from any other."""
    value = getattr(value, "identity", value)
    if isinstance(value, np.ndarray):
        yield f"{value.dtype.str}{value.shape}\n".encode()
        yield np.ascontiguousarray(value).tobytes()
    elif sp.issparse(value):
        yield f"{type(value).__name__}\n".encode()
        yield from _identity([getattr(value, p) for p in (*_MATRIX_PARTS, "shape")])
    elif names := _names(value):
        yield f"{type(value).__name__}{names}\n".encode()
        yield from _identity([getattr(value, name) for name in names])
    elif isinstance(value, list | tuple):
        yield f"{len(value)} values\n".encode()
        for part in value:
            yield from _identity(part)
    elif value is None or isinstance(value, str | int | float | slice | np.generic):
        yield f"{value!r}\n".encode()
    else:
        raise TypeError(f"{type(value).__name__} has no identity")
