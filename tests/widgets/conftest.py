"""A real viewer, a small result, and the user's own configuration out of reach."""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
import threading
import time
from pathlib import Path

# napari reads this when it is imported: tests never see the user's own settings.
os.environ["NAPARI_CONFIG"] = str(Path(tempfile.mkdtemp()) / "settings.yaml")

import pytest
from qtpy.QtCore import QCoreApplication, QEvent
from qtpy.QtWidgets import QApplication
from small_runs import RATE_HZ, still_movie
from tiny_movies import write_tif

from napari_cnmf.formats.results import Result, load
from napari_cnmf.pipeline.folder import RunFolder
from napari_cnmf.pipeline.runner import run
from napari_cnmf.recipe import Recipe
from napari_cnmf.widgets import jobs, settings


@pytest.fixture(autouse=True)
def own_configuration(tmp_path_factory, monkeypatch) -> Path:
    """Folder of the recipe file, empty for every test; no kernels are warmed up."""
    folder = tmp_path_factory.mktemp("configuration")
    monkeypatch.setattr(settings, "user_config_path", lambda name: folder)
    monkeypatch.setattr(jobs.Jobs, "warm_up", lambda self: None)
    return folder


@pytest.fixture(autouse=True)
def no_leaks(qapp):
    """Fail a test that leaves a window or a thread behind."""
    windows, threads = set(QApplication.topLevelWidgets()), set(threading.enumerate())
    yield

    def left() -> set:
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        QApplication.processEvents()
        shown = set(QApplication.topLevelWidgets()) - windows
        return shown | (set(threading.enumerate()) - threads)

    deadline = time.monotonic() + 5
    while left() and time.monotonic() < deadline:
        gc.collect()
    assert not left(), "the test leaves these windows or threads behind"
    gc.freeze()  # what is alive now stays: later searches for garbage are quick


@pytest.fixture
def viewer(make_napari_viewer):
    """A real viewer that is shown, closed afterwards."""
    return make_napari_viewer(show=True)


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory) -> RunFolder:
    """Folder of a run on a small movie in a tif file; never to be changed."""
    path = tmp_path_factory.mktemp("run")
    movie = write_tif(path / "movie.tif", still_movie().movie)
    recipe = Recipe().with_settings({"acquisition.frame_rate_hz": RATE_HZ})
    run(movie, recipe, path / "found")
    return RunFolder(path / "found")


@pytest.fixture(scope="session")
def found(run_folder) -> Result:
    """A small result: about twenty evaluated cells with dF/F."""
    return load(run_folder.result)


@pytest.fixture
def found_folder(run_folder, tmp_path) -> RunFolder:
    """The folder of `found`, copied."""
    return RunFolder(shutil.copytree(run_folder.path, tmp_path / "found"))
