"""How values lie in an HDF5 file: a leaf is a dataset, a value a group of its fields.

See `napari_cnmf.leaves`. Texts are UTF-8 strings.
"""

from __future__ import annotations

from typing import Any

import h5py

from napari_cnmf.compute.scratch import Empty, in_memory
from napari_cnmf.leaves import Leaf
from napari_cnmf.leaves import restored as restored_from


def restored(
    kind: type, group: h5py.Group, empty: Empty = in_memory, without: str = ""
) -> Any:
    """Build a value of a class from the group that its fields were written to.

    Parameters
    ----------
    kind : type
        The class.
    group : h5py.Group
    empty : callable
        Makes the arrays of two and more axes.
    without : str
        Name of a field that is not read.
    """
    content: dict[str, Leaf] = {}

    def read(name: str, node: h5py.Group | h5py.Dataset) -> None:
        if isinstance(node, h5py.Dataset) and name.split("/")[0] != without:
            content[name] = _content(node, empty)

    group.visititems(read)
    return restored_from(kind, content)


def _content(node: h5py.Dataset, empty: Empty) -> Leaf:
    """Return what a dataset holds."""
    if h5py.check_string_dtype(node.dtype):
        return node.asstr()[()]
    if node.ndim < 2 or node.size == 0:
        return node[()]
    array = empty(node.shape, node.dtype)
    node.read_direct(array)
    return array
