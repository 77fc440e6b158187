"""Folders are removed at once, or beside the work if that takes long."""

from __future__ import annotations

import shutil
import threading

import pytest

from napari_cnmf.movie import discard as module
from napari_cnmf.movie.discard import discard


def folder(path):
    """A folder with something in it."""
    (path / "inner").mkdir(parents=True)
    (path / "inner" / "file").write_text("x")
    return path


def test_a_folder_and_what_is_in_it_are_gone(tmp_path):
    discard(folder(tmp_path / "movie.zarr.part"))
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_there_is_no_error(tmp_path):
    discard(tmp_path / "movie.zarr")


def test_a_slow_disk_keeps_nobody_waiting(tmp_path, monkeypatch):
    go_on, remove = threading.Event(), shutil.rmtree

    def slow(*args):
        go_on.wait(10)
        remove(*args)

    monkeypatch.setattr(shutil, "rmtree", slow)
    monkeypatch.setattr(module, "_PATIENCE_S", 0.01)
    discard(folder(tmp_path / "movie.zarr"))
    (left,) = tmp_path.iterdir()
    assert left.name.startswith("movie.zarr.")
    assert left.name.endswith(".part")
    go_on.set()
    for thread in threading.enumerate():
        if thread.name == "cnmf discard":
            thread.join()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_renamed_is_told_of(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.rename", refuse)
    with pytest.raises(PermissionError):
        discard(folder(tmp_path / "movie.zarr"))
