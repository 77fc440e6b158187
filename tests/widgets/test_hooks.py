"""What napari reads and writes through us."""

from __future__ import annotations

import csv

import h5py
import numpy as np
import pytest
from napari.components import ViewerModel
from tiny_movies import write_tif

from napari_cnmf.errors import InputError, OutputError
from napari_cnmf.formats.results import load
from napari_cnmf.movie import Movie
from napari_cnmf.movie.display import FrameCache
from napari_cnmf.widgets import hooks
from napari_cnmf.widgets.session import session

FRAMES = np.arange(5 * 4 * 6, dtype=np.uint16).reshape(5, 4, 6)


def read(path):
    """Layers through the first reader that takes a path, as napari does."""
    for reader in (hooks.movie_reader, hooks.result_reader):
        if (found := reader(str(path))) is not None:
            return found(str(path))
    return None


def test_a_tif_is_read_lazily_with_its_movie(tmp_path):
    path = write_tif(tmp_path / "movie.tif", FRAMES)
    [(data, about, kind)] = read(path)
    assert isinstance(data, FrameCache)
    assert kind == "image"
    np.testing.assert_array_equal(data[2], FRAMES[2])
    assert isinstance(about["metadata"]["movie"], Movie)
    assert about["name"] == "movie"
    data.close()


def test_a_folder_of_files_is_one_movie(tmp_path):
    for i in range(3):
        write_tif(tmp_path / f"part{i}.tif", FRAMES)
    [(data, _, _)] = read(tmp_path)
    assert data.shape == (15, 4, 6)
    data.close()


def test_a_folder_without_movies_is_left_to_others(tmp_path):
    assert read(tmp_path) is None


def test_hdf5_files_are_told_apart_by_content(tmp_path, run_folder):
    path = tmp_path / "movie.h5"
    with h5py.File(path, "w") as file:
        file["mov"] = FRAMES
    copy = tmp_path / "copy.h5"
    copy.write_bytes(run_folder.result.read_bytes())
    assert hooks.movie_reader(str(path)) is hooks.read_movie
    assert hooks.result_reader(str(path)) is None
    assert hooks.movie_reader(str(copy)) is None
    assert hooks.result_reader(str(copy)) is hooks.read_result
    assert hooks.result_reader(str(run_folder.path)) is hooks.read_result


def test_without_a_viewer_a_result_is_layers(run_folder, found):
    layers = read(run_folder.path)
    viewer = ViewerModel()
    for data, about, kind in layers:
        getattr(viewer, f"add_{kind}")(data, **about)
    labels = viewer.layers["footprints"]
    assert set(np.unique(labels.data)) <= {0, *(found.components.ids + 1).tolist()}
    assert {"correlation image", "accepted", "rejected"} <= {
        layer.name for layer in viewer.layers
    }


def test_in_a_viewer_a_result_is_opened_for_all_docks(viewer, found_folder):
    assert viewer.open(found_folder.path, plugin="napari-cnmf") == []
    opened = session(viewer)
    assert opened.workspace.folder == found_folder
    assert len(opened.workspace.components) == len(load(found_folder.result).components)
    assert opened.scene.layer("footprints") in viewer.layers


def test_a_damaged_result_gives_one_sentence(tmp_path, run_folder):
    path = tmp_path / "results.h5"
    path.write_bytes(run_folder.result.read_bytes()[:5000])
    with pytest.raises(InputError, match=r"results\.h5 cannot be read as a result"):
        read(path)


def attributes(result) -> dict:
    return {"name": "footprints", "metadata": {"result": result}}


def test_footprints_are_written_as_a_result(tmp_path, found):
    path = tmp_path / "copy.h5"
    assert hooks.write_result(str(path), None, attributes(found)) == [str(path)]
    np.testing.assert_array_equal(load(path).components.ids, found.components.ids)


def test_footprints_are_written_as_tables(tmp_path, found):
    path = tmp_path / "cells.csv"
    written = hooks.write_tables(str(path), None, attributes(found))
    with path.open(newline="") as file:
        assert [int(row["id"]) for row in csv.DictReader(file)] == list(
            found.components.ids
        )
    assert str(tmp_path / "cells_dff.csv") in written
    assert sorted(written) == sorted(str(file) for file in tmp_path.iterdir())


def test_the_footprints_of_the_viewer_are_saved_as_shown(
    viewer, found_folder, tmp_path
):
    viewer.open(found_folder.path, plugin="napari-cnmf")
    first = session(viewer).workspace.components.ids[0]
    session(viewer).workspace.decide([first], -1)
    [path] = viewer.layers["footprints"].save(
        str(tmp_path / "mine.h5"), plugin="napari-cnmf"
    )
    assert load(path).components.quality.manual[0] == -1


def test_labels_of_others_are_refused(tmp_path):
    with pytest.raises(OutputError, match="'nuclei' is not of footprints"):
        hooks.write_tables(
            str(tmp_path / "x.csv"), None, {"name": "nuclei", "metadata": {}}
        )
