"""Numpy's npy files, also those of pickled objects, of which nothing is ever executed.

suite2p keeps its cells and settings as pickled dictionaries. A pickle is a small
program; here it is first read through, and refused unless all its steps build plain
values (numbers, texts, lists, tuples, dictionaries) and numpy arrays. The arrays, too,
are built by the few lines below, from bytes whose length is checked, never by numpy's
own reader of pickles.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
import re
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy

from napari_cnmf.movie.damage import named_damage

#: Steps of a pickle that build plain values, or call what `_Unpickler` knows.
_STEPS = (
    "PROTO FRAME STOP MARK POP POP_MARK NONE NEWTRUE NEWFALSE INT BININT BININT1 "
    "BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT STRING BINSTRING SHORT_BINSTRING UNICODE "
    "BINUNICODE SHORT_BINUNICODE BINUNICODE8 BINBYTES SHORT_BINBYTES BINBYTES8 LIST "
    "EMPTY_LIST APPEND APPENDS TUPLE EMPTY_TUPLE TUPLE1 TUPLE2 TUPLE3 DICT EMPTY_DICT "
    "SETITEM SETITEMS PUT BINPUT LONG_BINPUT MEMOIZE GET BINGET LONG_BINGET GLOBAL "
    "STACK_GLOBAL REDUCE BUILD"
)
_DTYPE = re.compile(r"[biufc]\d{1,2}|O8?|[SU]\d{1,6}")
_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def load_npy(path: Path) -> np.ndarray:
    """Read an npy file of numbers, or of plain objects.

    Parameters
    ----------
    path : Path

    Returns
    -------
    ndarray
        Arrays within objects are read-only; dates and paths in them are None.

    Raises
    ------
    MissingFileError
        If there is none.
    InputError
        If it is damaged, or holds anything else than arrays and plain values.
    """
    with named_damage(path.name, "a file of numpy arrays"), path.open("rb") as file:
        return _read(file, path.stat().st_size)


def _read(file: BinaryIO, size: int) -> np.ndarray:
    """Read one array; its header says whether it is pickled."""
    shape, is_fortran, dtype = _HEADERS[npy.read_magic(file)](file)
    if dtype.hasobject:
        content = _unpickled(file.read())
        if not isinstance(content, np.ndarray) or content.shape != shape:
            raise ValueError("its content is not what its header says")
        return content
    n_bytes = math.prod(shape) * dtype.itemsize
    if dtype.kind not in "biuf" or any(side < 0 for side in shape):
        raise ValueError(f"an array of {dtype} is not expected")
    if n_bytes != size - file.tell():
        raise ValueError(f"{n_bytes} bytes are announced, {size - file.tell()} there")
    values = np.fromfile(file, dtype)
    native = values.astype(dtype.newbyteorder("="), copy=False)
    return native.reshape(shape, order="F" if is_fortran else "C")


def _unpickled(content: bytes) -> Any:
    """Build the value that a pickle describes, if it is a plain one."""
    allowed = frozenset(_STEPS.split())
    for step, argument, _ in pickletools.genops(content):
        if step.name not in allowed:
            raise ValueError(f"its step {step.name} is not one of plain values")
        # A place that high would be made room for, up to 64 GB.
        if step.name.endswith("PUT") and (argument or 0) > len(content):
            raise ValueError("it names a place that it has not")
    return _Plainer().plain(_Unpickler(io.BytesIO(content)).load())


class _Unpickler(pickle.Unpickler):
    """Knows no names but those that numpy's arrays are pickled with."""

    def find_class(self, module: str, name: str) -> Any:
        """Return what stands for a class or function."""
        root = module.split(".")[0]
        if root == "numpy" and name in _STANDINS:
            return _STANDINS[name]
        if root in {"datetime", "pathlib"}:
            return _Nothing
        raise ValueError(f"it asks for {module}.{name}, which is refused")


class _DataType:
    """A dtype of numbers, texts or objects."""

    def __init__(self, code: str, *_: Any) -> None:
        if not _DTYPE.fullmatch(code):
            raise ValueError(f"the type {code!r} is not expected")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, order, *others = state
        if others[:3] != [None, None, None]:
            raise ValueError("arrays of records are not expected")
        self.dtype = self.dtype.newbyteorder(order)


class _Array:
    """An array that a pickle builds: nothing first, then its state."""

    def __init__(self, *_: Any) -> None:
        self.shape: tuple[int, ...] = ()
        self.content: Any = b""
        self.type = _DataType("b1")
        self.is_fortran = False

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, self.shape, self.type, self.is_fortran, self.content = state


class _Scalar:
    """One number of numpy's."""

    def __init__(self, kind: _DataType, content: bytes) -> None:
        self.value = np.frombuffer(content, kind.dtype, count=1)[0]

    def __setstate__(self, _: Any) -> None:
        raise ValueError("a number has no state")


class _Nothing:
    """Stands for a date or a path, of which nothing is needed."""

    def __init__(self, *_: Any) -> None:
        pass

    def __setstate__(self, _: Any) -> None:
        pass


_STANDINS = {
    "_reconstruct": _Array,
    "ndarray": _Array,
    "dtype": _DataType,
    "scalar": _Scalar,
}


class _Plainer:
    """Puts arrays and numbers in place of what stands for them, each only once."""

    def __init__(self) -> None:
        self.done: dict[int, Any] = {}

    def plain(self, value: Any) -> Any:
        """Return a value without stand-ins, of which it has still to be kept alive."""
        if id(value) not in self.done:
            self.done[id(value)] = self._converted(value)
        return self.done[id(value)]

    def _converted(self, value: Any) -> Any:
        """Convert a value and what it holds."""
        if isinstance(value, dict):
            return {self.plain(k): self.plain(v) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(map(self.plain, value))
        if isinstance(value, _Array):
            return self._array(value)
        if isinstance(value, _Scalar):
            return value.value
        return None if isinstance(value, _Nothing) else value

    def _array(self, found: _Array) -> np.ndarray:
        """Make an array of its parts, which must fit together."""
        dtype, order = found.type.dtype, "F" if found.is_fortran else "C"
        if not dtype.hasobject:
            flat = np.frombuffer(found.content, dtype)
        else:
            flat = np.empty(len(found.content), object)
            for k, item in enumerate(found.content):
                flat[k] = self.plain(item)
        return flat.reshape(found.shape, order=order)  # type: ignore[call-overload]
