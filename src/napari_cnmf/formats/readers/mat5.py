"""Structs in MATLAB's files of version 5 to 7 (``save`` without ``-v7.3``).

Such a file is a list of elements, each a type, a length and bytes; an array is an
element of elements: class, shape, name, then numbers, or the fields of a struct. It is
read here and not by scipy, whose reader trusts the types in a file: 16 of 2,000 damaged
headers of Scanbox ended the process. What is no number, text or struct is None.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

HEADER_BYTES = 128
MAX_UNPACKED_BYTES = 2**26
_MATRIX, _COMPRESSED = 14, 15
_STRUCT, _TEXT, _NUMBERS = 2, 4, range(6, 16)
_TYPES = {
    1: "i1",
    2: "u1",
    3: "i2",
    4: "u2",
    5: "i4",
    6: "u4",
    7: "f4",
    9: "f8",
    12: "i8",
    13: "u8",
    16: "u1",
    17: "u2",
}


def read_struct(path: Path, name: str) -> dict[str, Any]:
    """Return the fields of a struct: numbers, arrays of one axis, texts, structs.

    Raises
    ------
    ValueError
        If the file is damaged, or holds no such struct.
    """
    data = path.read_bytes()
    order = {b"IM": "<", b"MI": ">"}.get(data[126:128])
    if order is None:
        raise ValueError("it is not a MATLAB file of version 5 to 7")
    for kind, content in _elements(data[HEADER_BYTES:], order):
        if kind == _COMPRESSED:
            unpacked = zlib.decompressobj().decompress(content, MAX_UNPACKED_BYTES)
            kind, content = next(_elements(unpacked, order), (0, b""))
        if kind == _MATRIX:
            found, value = _array(content, order)
            if found == name and isinstance(value, dict):
                return value
    raise ValueError(f"it has no struct named {name}")


def _elements(data: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """Yield type and content of each element."""
    at = 0
    while at + 8 <= len(data):
        kind, size = struct.unpack_from(f"{order}II", data, at)
        start = at + 8
        if kind >> 16:  # up to four bytes lie within the eight
            kind, size, start = kind & 0xFFFF, kind >> 16, at + 4
        if start + size > len(data):
            raise ValueError("an element is cut short")
        yield kind, data[start : start + size]
        at = start + size
        if kind != _COMPRESSED:
            at += -at % 8


def _array(content: bytes, order: str) -> tuple[str, Any]:
    """Return name and value of an array."""
    parts = _elements(content, order)
    try:
        flags, _, name = (next(parts)[1] for _ in range(3))
        kind = int(np.frombuffer(flags, f"{order}u4")[0]) & 0xFF
        if kind == _STRUCT:
            return name.decode(), _struct(parts, order)
        if kind == _TEXT or kind in _NUMBERS:
            stored, data = next(parts)
            values = np.frombuffer(data, f"{order}{_TYPES[stored]}")
            is_text = kind == _TEXT
            return name.decode(), "".join(map(chr, values)) if is_text else _plain(
                values
            )
        return name.decode(), None
    except (StopIteration, LookupError, RuntimeError) as error:
        raise ValueError("an array is damaged") from error


def _struct(parts: Iterator[tuple[int, bytes]], order: str) -> dict[str, Any]:
    """Return the fields of a struct; of an array of structs those of the first."""
    length = int(np.frombuffer(next(parts)[1], f"{order}i4")[0])
    names = next(parts)[1]
    if length < 1:
        raise ValueError("the names of fields have no length")
    starts = range(0, len(names), length)
    keys = [names[i : i + length].split(b"\0")[0].decode() for i in starts]
    fields = (_array(data, order)[1] if data else None for _, data in parts)
    return dict(zip(keys, fields, strict=False))


def _plain(values: np.ndarray) -> Any:
    """Return a single number as such."""
    return values.item() if values.size == 1 else values
