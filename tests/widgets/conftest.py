"""A real viewer, a small result, and the user's own configuration out of reach."""

from __future__ import annotations

import gc
import os
import re
import shutil
import tempfile
import threading
import time
from contextlib import nullcontext
from pathlib import Path
from unittest.mock import patch

# napari reads this when it is imported: tests never see the user's own settings.
os.environ["NAPARI_CONFIG"] = str(Path(tempfile.mkdtemp()) / "settings.yaml")

import pytest
from npe2 import PluginManager
from qtpy.QtCore import QCoreApplication, QEvent
from qtpy.QtWidgets import QApplication
from small_runs import RATE_HZ, still_movie
from tiny_movies import write_tif

from napari_cnmf.formats.results import Result, load
from napari_cnmf.pipeline.folder import RunFolder
from napari_cnmf.pipeline.runner import run
from napari_cnmf.recipe import Recipe
from napari_cnmf.widgets import jobs, settings


@pytest.fixture(scope="session", autouse=True)
def one_search_for_plugins():
    """Let napari search for plugins once, not again with each viewer.

    Which packages are installed does not change while tests run.
    """
    manager = PluginManager.instance()
    manager.discover(include_npe1=True)
    with patch.object(PluginManager, "discover", lambda self, **options: 0):
        yield


@pytest.fixture(autouse=True)
def own_configuration(tmp_path_factory, monkeypatch) -> Path:
    """Folder of the recipe file, empty for every test; no kernels are warmed up."""
    folder = tmp_path_factory.mktemp("configuration")
    monkeypatch.setattr(settings, "user_config_path", lambda name: folder)
    monkeypatch.setattr(jobs.Jobs, "warm_up", lambda self: None)
    # A job would let the collector search again what earlier tests have left.
    monkeypatch.setattr(jobs, "short_collections", nullcontext)
    return folder


@pytest.fixture(autouse=True)
def no_leaks(qapp):
    """Fail a test that leaves a window or a thread behind."""
    windows, threads = set(QApplication.topLevelWidgets()), _threads()
    yield

    def left() -> set:
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        QApplication.processEvents()
        shown = set(QApplication.topLevelWidgets()) - windows
        return shown | (_threads() - threads)

    deadline = time.monotonic() + 5
    while left() and time.monotonic() < deadline:
        gc.collect()
    assert not left(), "the test leaves these windows or threads behind"
    gc.freeze()  # what is alive now stays: later searches for garbage are quick


def _threads() -> set[threading.Thread]:
    """Threads that run, but for those of dask and of the guard, which last."""
    found = threading.enumerate()
    return {t for t in found if not re.match(r"Dask-Offload|.*\(_listen\)", t.name)}


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
