"""OME-TIFF sets: a recording spread over files, and which part of it one file holds.

The XML of such a set says of every plane in which file and page it lies. tifffile reads
a whole set as one; here files follow one another as a chain, so each of them has to be
laid out by itself, or channels would be taken for time.
"""

from __future__ import annotations

from pathlib import Path, PurePath
from xml.etree import ElementTree

import numpy as np
import tifffile

#: The axes of a set, in the order of `Planes`.
AXES = "TCZ"
Planes = dict[tuple[int, int, int], int]


def document_of(tif: tifffile.TiffFile, path: Path) -> str:
    """Return the OME-XML that holds for a file, which may lie in its first file."""
    xml = tif.ome_metadata or ""
    if "BinaryOnly" not in xml:
        return xml
    pointer = ElementTree.fromstring(xml).find(".//{*}BinaryOnly")
    name = "" if pointer is None else pointer.get("MetadataFile", "")
    first = path.with_name(PurePath(name).name or path.name)
    if first == path or not first.is_file():
        return ""
    with tifffile.TiffFile(first, _multifile=False) as other:
        return other.ome_metadata or ""


def layout_in_set(xml: str, name: str) -> tuple[np.ndarray, str] | None:
    """Return the pages of one file of a set, and which part of the set it is.

    Parameters
    ----------
    xml : str
        The document of the set.
    name : str
        Name of the file.

    Returns
    -------
    pages : ndarray of int64 (T, C, Z)
        Numbers of the file's pages on `AXES`.
    part : str
        Its channel or plane, where the set has more of them than the file.

    None if the document is of one file, or is not about pages.
    """
    if "FileName" not in xml:
        return None
    pixels = ElementTree.fromstring(xml).find(".//{*}Pixels")
    if pixels is None:
        return None
    own, n_files = _planes(pixels, name)
    places = [sorted(set(axis)) for axis in zip(*own, strict=True)]
    lengths = [len(axis) for axis in places]
    if n_files < 2 or not own or np.prod(lengths) != len(own):
        return None
    pages = [own[t, c, z] for t in places[0] for c in places[1] for z in places[2]]
    part = ", ".join(
        f"{what} {found[0]}"
        for what, found, size in zip(
            ("channel", "plane"), places[1:], ("SizeC", "SizeZ"), strict=True
        )
        if len(found) == 1 < int(pixels.get(size, 1))
    )
    return np.array(pages, dtype=np.int64).reshape(lengths), part


def _planes(pixels: ElementTree.Element, name: str) -> tuple[Planes, int]:
    """Return the page of each plane (t, c, z) in a file, and the number of files."""
    own: Planes = {}
    files = set()
    for block in pixels.iterfind("{*}TiffData"):
        uuid = block.find("{*}UUID")
        file = "" if uuid is None else PurePath(uuid.get("FileName", "")).name
        files.add(file)
        if file == name and block.get("PlaneCount", "1") == "1":
            t, c, z = (int(block.get(f"First{axis}", 0)) for axis in AXES)
            own[t, c, z] = int(block.get("IFD", 0))
    return own, len(files)
