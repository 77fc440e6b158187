"""Damaged and lying copies of a file's bytes, made by chance from a seed.

Every function takes the bytes of a good file and a generator, and returns other bytes.
Half of all places lie near the beginning or the end, where headers are.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable

import numpy as np

Mutate = Callable[[bytes, np.random.Generator], bytes]

HEAD_BYTES = 1024
#: What a number in a header is replaced by: nothing, too little, too much, bombs.
LIES = (0, 1, 2, 3, 7, 255, 65535, 65536, 10**6, 2**31 - 1, 2**32 - 1, 2**62, 2**63 - 1)
NEGATIVE = (-1, -2, -(10**6), -(2**31), -(2**63))
WORDS = (*map(str, LIES + NEGATIVE), "1e300", "NaN", "Infinity", "0.5", "null", '"x"')


def flipped(data: bytes, rng: np.random.Generator) -> bytes:
    """Some bytes have another value."""
    out = bytearray(data)
    for _ in range(int(rng.integers(1, 17))):
        out[_place(out, rng)] = int(rng.integers(256))
    return bytes(out)


def one_bit(data: bytes, rng: np.random.Generator) -> bytes:
    """One bit is flipped."""
    out = bytearray(data)
    out[_place(out, rng)] ^= 1 << int(rng.integers(8))
    return bytes(out)


def truncated(data: bytes, rng: np.random.Generator) -> bytes:
    """The end is missing; perhaps everything."""
    return data[: int(rng.integers(len(data)))]


def beheaded(data: bytes, rng: np.random.Generator) -> bytes:
    """Some bytes within are missing: what follows has moved."""
    start = _place(data, rng)
    return data[:start] + data[start + int(rng.integers(1, 65)) :]


def blanked(data: bytes, rng: np.random.Generator) -> bytes:
    """A range is all zeros, or all ones."""
    start, stop = _range(data, rng)
    filler = b"\0" if rng.random() < 0.5 else b"\xff"
    return data[:start] + filler * (stop - start) + data[stop:]


def repeated(data: bytes, rng: np.random.Generator) -> bytes:
    """A range comes twice."""
    start, stop = _range(data, rng)
    return data[:stop] + data[start:stop] + data[stop:]


def moved(data: bytes, rng: np.random.Generator) -> bytes:
    """A range lies in the place of another."""
    start, stop = _range(data, rng)
    to = _place(data, rng)
    return data[:to] + data[start:stop] + data[to + stop - start :]


def binary_lie(data: bytes, rng: np.random.Generator) -> bytes:
    """A number in binary is another one."""
    width = int(rng.choice([1, 2, 4, 8]))
    order = "little" if rng.random() < 0.7 else "big"
    lie = int(rng.choice(LIES)) if rng.random() < 0.7 else int(rng.choice(NEGATIVE))
    code = (lie % 2 ** (8 * width)).to_bytes(width, order)
    start = _place(data, rng) // width * width
    return data[:start] + code + data[start + width :]


def text_lie(data: bytes, rng: np.random.Generator) -> bytes:
    """Some numbers in text are others, or no numbers."""
    numbers = list(re.finditer(rb"\d+", data[: 64 * HEAD_BYTES]))
    if not numbers:
        return binary_lie(data, rng)
    for i in sorted(rng.integers(len(numbers), size=rng.integers(1, 4)))[::-1]:
        start, stop = numbers[i].span()
        data = data[:start] + str(rng.choice(WORDS)).encode() + data[stop:]
    return data


def shape_lie(*lengths: int) -> Mutate:
    """Return what replaces the lengths of axes, wherever they stand in binary."""

    def lie(data: bytes, rng: np.random.Generator) -> bytes:
        for length in lengths:
            if rng.random() < 0.3:
                continue
            word, form = _word(rng)
            found = [m.start() for m in re.finditer(struct.pack(form, length), data)]
            if not found:
                continue
            for start in rng.choice(found, min(len(found), 2)):
                data = data[:start] + word + data[start + len(word) :]
        return data

    return lie


def tiff_lie(data: bytes, rng: np.random.Generator) -> bytes:
    """An entry of a TIFF's directories has another tag, type, count or value."""
    entries = _tiff_entries(data)
    for _ in range(int(rng.integers(1, 4))):
        if not entries:
            return binary_lie(data, rng)
        start, width, order = entries[int(rng.integers(len(entries)))]
        fields = ((0, 2), (2, 2), (4, width), (4 + width, width), (4 + width, 2))
        at, size = fields[int(rng.choice(5, p=[0.1, 0.15, 0.25, 0.3, 0.2]))]
        lie = int(rng.choice(LIES)) % 2 ** (8 * size)
        code = lie.to_bytes(size, order)
        data = data[: start + at] + code + data[start + at + size :]
    return data


ANY: tuple[Mutate, ...] = (
    flipped,
    one_bit,
    truncated,
    beheaded,
    blanked,
    repeated,
    moved,
    binary_lie,
    text_lie,
)


def _tiff_entries(data: bytes) -> list[tuple[int, int, str]]:
    """Place of each entry, bytes of its offsets, and order of bytes, of a good TIFF."""
    order = "little" if data[:2] == b"II" else "big"
    is_big = int.from_bytes(data[2:4], order) == 43
    width, counts, step = (8, 8, 20) if is_big else (4, 2, 12)
    at = 8 if is_big else 4
    entries, seen = [], set()
    while (start := int.from_bytes(data[at : at + width], order)) and start not in seen:
        seen.add(start)
        count = int.from_bytes(data[start : start + counts], order)
        first = start + counts
        entries += [(first + step * i, width, order) for i in range(count)]
        at = first + step * count
    return entries


def _word(rng: np.random.Generator) -> tuple[bytes, str]:
    """A lie in binary, and the form of the number that it replaces."""
    form = str(rng.choice(["<Q", "<I", "<H", ">I"]))
    limit = 2 ** (8 * struct.calcsize(form))
    return struct.pack(form, int(rng.choice(LIES + NEGATIVE)) % limit), form


def _place(data: bytes | bytearray, rng: np.random.Generator) -> int:
    """A place in the data."""
    size = max(len(data), 1)
    near = min(HEAD_BYTES, size)
    where = rng.random()
    if where < 0.35:
        return int(rng.integers(near))
    return int(rng.integers(size - near if where > 0.85 else 0, size))


def _range(data: bytes, rng: np.random.Generator) -> tuple[int, int]:
    """A range of the data, short or long."""
    start = _place(data, rng)
    return start, min(start + int(2 ** rng.uniform(0, 12)), len(data))
