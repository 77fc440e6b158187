"""How values lie in an HDF5 file: a leaf is a dataset, a value a group of its fields.

See `napari_cnmf.leaves`. Texts are UTF-8 strings. Beside the leaves lies a list of
their checksums, so that a bit that has flipped, or a leaf that is gone, is found out.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np

from napari_cnmf.compute.scratch import Empty
from napari_cnmf.leaves import Leaf, leaves

#: Name of the dataset that lists the checksum of every other: JSON.
CHECKSUMS = "checksums"


def write_leaves(value: Any, file: h5py.File) -> Iterator[h5py.Dataset]:
    """Write every leaf of a value, and in the end their checksums; yield the datasets.

    Nothing is compressed: gzip saves half of a result and takes far longer.
    """
    checksums = {}
    for name, leaf in leaves(value):
        checksums[name] = checksum(leaf)
        yield file.create_dataset(name, data=leaf)
    file.create_dataset(CHECKSUMS, data=json.dumps(checksums))


def read_leaves(group: h5py.Group, empty: Empty, without: str = "") -> dict[str, Leaf]:
    """Return the leaves in a file by their names.

    Parameters
    ----------
    group : h5py.Group
    empty : callable
        Makes the arrays of two and more axes.
    without : str
        Name of a field that is not read.

    Raises
    ------
    ValueError
        If one is not what was written. Files of older versions have no checksums.
    """
    content: dict[str, Leaf] = {}

    def read(name: str, node: h5py.Group | h5py.Dataset) -> None:
        if isinstance(node, h5py.Dataset) and name.split("/")[0] != without:
            content[name] = _content(node, empty)

    group.visititems(read)
    checksums = content.pop(CHECKSUMS, None)
    if checksums is not None:
        _require_whole(content, json.loads(str(checksums)), without)
    return content


def checksum(leaf: Leaf) -> str:
    """Return the CRC-32 of a leaf with its type and shape, as eight digits.

    It is computed at 4 GB/s, three times as fast as a file is written.
    """
    if isinstance(leaf, str):
        return f"{zlib.crc32(leaf.encode()):08x}"
    form = f"{leaf.dtype.name} {leaf.shape}".encode()
    return f"{zlib.crc32(np.ascontiguousarray(leaf).data, zlib.crc32(form)):08x}"


def _require_whole(
    content: dict[str, Leaf], checksums: dict[str, str], without: str
) -> None:
    """Refuse leaves that are not those that were written."""
    written = {n: c for n, c in checksums.items() if n.split("/")[0] != without}
    for name in written.keys() | content.keys():
        if name not in content:
            raise ValueError(f"{name} is missing")
        if checksum(content[name]) != written.get(name):
            raise ValueError(f"the checksum of {name} is wrong")


def _content(node: h5py.Dataset, empty: Empty) -> Leaf:
    """Return what a dataset holds."""
    if h5py.check_string_dtype(node.dtype):
        return node.asstr()[()]
    if node.chunks is None and node.id.get_storage_size() != node.nbytes:
        # Before an array is made of a size that no file has.
        raise ValueError(f"{node.name} holds less than its shape {node.shape} says")
    if node.ndim < 2 or node.size == 0:
        return node[()]
    array = empty(node.shape, node.dtype)
    node.read_direct(array)
    return array
