"""What napari calls to read and write our files: thin, and cheap to import.

An HDF5 file may be a movie or a result; its content decides. A result is opened in
the workspace of the viewer, so that all docks see it; where there is no viewer, its
layers are handed out. Tables of the footprints come from the result that their layer
was made from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_cnmf.formats.results import Result

Paths = str | Sequence[str]
LayerTuple = tuple[Any, dict[str, Any], str]
Reader = Callable[[Paths], list[LayerTuple]]

#: What napari takes for "read, but there is no layer to add".
NO_LAYERS: Any = [(None,)]


def movie_reader(path: Paths) -> Reader | None:
    """Return the reader of a movie, None if the path is none or is a result."""
    from napari_cnmf.formats.exchange.recognition import is_foreign
    from napari_cnmf.formats.readers.registry import is_movie_folder

    first = _paths(path)[0]
    if result_file(first) is not None or is_foreign(first):
        return None
    if first.is_dir() and not is_movie_folder(first):
        return None
    return read_movie


def result_reader(path: Paths) -> Reader | None:
    """Return the reader of a result, None if the path is none."""
    from napari_cnmf.formats.exchange.recognition import is_foreign

    first = _paths(path)[0]
    found = result_file(first) is not None or is_foreign(first)
    return read_result if found else None


def read_movie(path: Paths) -> list[LayerTuple]:
    """Open a movie as a lazy layer; its metadata holds the `Movie`.

    Parameters
    ----------
    path : str or sequence of str
        One file, several that follow one another in time, or a folder of them.

    Raises
    ------
    InputError
        If it cannot be read, or a choice within the file is open.
    """
    from napari_cnmf.formats import open_movie
    from napari_cnmf.widgets.scene.layers import Place, movie_layer

    paths = _paths(path)
    movie = open_movie(paths)
    place = Place(movie.frame_rate_hz, movie.pixel_size_um)
    data, about, kind = movie_layer(movie, place, paths[0].stem)
    metadata = {"movie": movie, "frame_rate_hz": movie.frame_rate_hz}
    return [(data, about | {"metadata": metadata}, kind)]


def read_result(path: Paths) -> list[LayerTuple]:
    """Open a result in the current viewer, or return its layers if there is none.

    One of CaImAn or suite2p is shown as it is, and has no folder to work in yet.

    Raises
    ------
    InputError
        If it is damaged, or of another movie than the one that is open.
    """
    from napari import current_viewer

    from napari_cnmf.formats.exchange.recognition import is_foreign
    from napari_cnmf.formats.results import load
    from napari_cnmf.pipeline.importing import import_result

    first = _paths(path)[0]
    file = result_file(first)
    if file is None and is_foreign(first):
        result = import_result(first)
    else:
        result = load(file or first)
    viewer = current_viewer()
    if viewer is None:
        return _result_layers(result)
    from napari_cnmf.pipeline.folder import RunFolder
    from napari_cnmf.widgets.session import session

    folder = None if file is None else RunFolder(file.parent)
    session(viewer).workspace.open_result(result, folder)
    return NO_LAYERS


def write_result(path: str, _data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write the result that a layer of footprints was made from."""
    from napari_cnmf.formats.results import save

    save(_result_of(attributes), path, overwrite=True)
    return [path]


def write_tables(path: str, _data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write the cells of a layer of footprints as a table, their traces beside it.

    ``name.csv`` has one row per cell; ``name_dff.csv`` and the like one column per
    cell.
    """
    from napari_cnmf.formats.tables import export_csv

    table = Path(path)
    written = []
    with TemporaryDirectory(dir=table.parent) as folder:
        export_csv(_result_of(attributes), folder)
        for file in sorted(Path(folder).iterdir()):
            ending = "" if file.stem == "cells" else f"_{file.stem}"
            written.append(file.replace(table.with_stem(table.stem + ending)))
    return [str(file) for file in written]


def result_file(path: Path) -> Path | None:
    """Return the result file that a path is, or that lies in it as a folder.

    A damaged file is known by its name, so that it is said what is wrong with it.
    """
    from napari_cnmf.formats.results import is_result
    from napari_cnmf.pipeline.folder import RunFolder

    file = RunFolder(path).result if path.is_dir() else path
    named = file == RunFolder(file.parent).result
    found = file.is_file() and (named or is_result(file))
    return file if found else None


def _paths(path: Paths) -> list[Path]:
    """Return what napari hands over as paths."""
    return [Path(one) for one in ([path] if isinstance(path, str) else path)]


def _result_layers(result: Result) -> list[LayerTuple]:
    """Summary images, footprints and contours."""
    from napari_cnmf.widgets.scene import layers

    info = result.movie
    found: list[LayerTuple] = []
    place = layers.Place(info.frame_rate_hz, info.pixel_size_um)
    if result.summary is not None:
        found += layers.image_layers(result.summary, place).values()
    if result.components is not None:
        cells = result.components
        data, about, kind = layers.footprints_layer(cells, place)
        found.append((data, about | {"metadata": {"result": result}}, kind))
        outlines = layers.Outlines.of(cells)
        found += layers.contour_layers(outlines, cells.accepted, place).values()
    return found


def _result_of(attributes: dict[str, Any]) -> Result:
    """Return the result behind a layer: its own, or the one that the viewer shows."""
    from napari import current_viewer

    from napari_cnmf.errors import OutputError
    from napari_cnmf.widgets.scene.scene import ROLE
    from napari_cnmf.widgets.session import session

    about, viewer = attributes["metadata"], current_viewer()
    result = about.get("result")
    if result is None and about.get(ROLE) == "footprints" and viewer is not None:
        result = session(viewer).workspace.result
    if result is None:
        raise OutputError(
            f"The layer '{attributes['name']}' is not of footprints that CNMF has "
            "found, so there is no result to write; choose the layer 'footprints'."
        )
    return result
