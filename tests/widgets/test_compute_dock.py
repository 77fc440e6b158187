"""Where runs work is chosen in the Compute dock, tried, watched and remembered."""

from __future__ import annotations

import logging
import stat
from pathlib import Path

import numpy as np
import pytest
import tiny_movies

from napari_cnmf.compute import Computing
from napari_cnmf.compute.cluster import DaskBackend
from napari_cnmf.compute.queue import Job
from napari_cnmf.formats import open_movie
from napari_cnmf.formats.results import digest
from napari_cnmf.movie import Movie
from napari_cnmf.pipeline.folder import RunFolder
from napari_cnmf.pipeline.runner import run
from napari_cnmf.widgets.docks import compute
from napari_cnmf.widgets.docks.cluster import IN_MEMORY
from napari_cnmf.widgets.docks.compute import ComputeWidget
from napari_cnmf.widgets.docks.queue import State, in_words
from napari_cnmf.widgets.docks.workflow import WorkflowWidget
from napari_cnmf.widgets.session import session
from napari_cnmf.widgets.settings import computing_file, load_computing


@pytest.fixture
def dock(viewer, qtbot) -> ComputeWidget:
    widget = ComputeWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Compute")
    qtbot.waitUntil(widget.isVisible)
    return widget


@pytest.fixture
def workspace(dock):
    return dock.workspace


def visible_forms(dock) -> list[str]:
    return [group for group, form in dock.forms.items() if form.isVisible()]


def test_only_the_parameters_of_the_chosen_place_are_shown(dock, workspace):
    assert dock.places["threads"].isChecked()
    assert visible_forms(dock) == ["compute"]
    assert not dock.cluster.isVisible()
    for place in ("dask", "slurm"):
        dock.places[place].click()
        assert workspace.computing.compute.backend == place
        assert visible_forms(dock) == [place]
        assert dock.cluster.test.isVisible()
        assert dock.cluster.show_script.isVisible() == (place == "slurm")


def test_a_change_in_the_form_is_one_of_the_workspace_and_back(dock, workspace):
    form = dock.forms["compute"]
    form.auto_box("workers").click()
    form.editor("workers").setValue(3)
    assert workspace.computing.compute.workers == 3
    dock.places["slurm"].click()
    queue = dock.forms["slurm"].editor("queue")
    queue.setText("long")
    queue.editingFinished.emit()
    assert workspace.computing.slurm.queue == "long"
    queue.setText("")
    queue.editingFinished.emit()
    assert workspace.computing.slurm.queue is None
    workspace.set_computing(Computing().with_settings({"compute.workers": 5}))
    assert form.value.workers == 5
    assert visible_forms(dock) == ["compute"]


def test_what_a_run_will_use_follows_movie_and_limits(dock, workspace):
    assert not dock.estimate.isVisible()
    workspace.set_movie(tiny_movies.movie())
    for word in ("A run will use about", "of memory", "of disk", "worker"):
        assert word in dock.estimate.text()
    little = {"compute.memory_gb": 0.5, "compute.workers": 1}
    long = np.broadcast_to(np.uint8(0), (30_000, 512, 512))
    workspace.set_movie(Movie.from_array(long, frame_rate_hz=30.0))
    workspace.set_computing(workspace.computing.with_settings(little))
    assert "needs at least" in dock.estimate.text()
    dock.places["dask"].click()
    assert "each worker needs memory of its own" in dock.estimate.text()


def test_without_the_packages_it_says_how_to_install_them(viewer, monkeypatch, qtbot):
    monkeypatch.setattr(compute, "PACKAGES", ("no_such_package",))
    dock = ComputeWidget(viewer)
    viewer.window.add_dock_widget(dock, name="Compute")
    dock.places["slurm"].click()
    assert not dock.cluster.isVisible()
    assert "napari-cnmf[cluster]" in dock.missing.text()
    dock.places["threads"].click()
    assert not dock.missing.isVisible()


def test_where_to_compute_is_remembered_for_the_users_eyes_only(dock, workspace):
    wanted = Computing().with_settings(
        {"compute.backend": "slurm", "slurm.prologue": "export TOKEN=7"}
    )
    workspace.set_computing(wanted)
    session(dock.session.scene.viewer).keeper.flush()
    assert load_computing() == wanted
    assert stat.S_IMODE(computing_file().stat().st_mode) == 0o600


@pytest.mark.parametrize("text", ["{", "[1]", '{"slurm.jobs": "many"}', '{"x.y": 1}'])
def test_a_damaged_note_of_where_to_compute_is_a_warning(text, caplog):
    computing_file().write_text(text)
    with caplog.at_level(logging.WARNING, "napari_cnmf"):
        assert load_computing() == Computing()
    assert "runs use this machine" in caplog.text


def test_jobs_are_listed_with_what_they_wait_for(dock, workspace):
    queue = dock.queue
    waiting = Job("41", "PENDING", "Resources")
    working = Job("40", "RUNNING", node="n1")
    queue.show_state(State((working, waiting), 1, "http://127.0.0.1:8787/status"))
    rows = [queue.table.topLevelItem(k) for k in (0, 1)]
    assert [[row.text(k) for k in range(3)] for row in rows] == [
        ["40", "running", "n1"],
        ["41", "pending", "no node is free"],
    ]
    assert rows[1].toolTip(2) == "Resources"
    assert "Jobs of an earlier run" in queue.about.text()
    assert queue.isVisible()


def test_what_is_said_of_jobs_leads_to_the_dashboard():
    jobs = (Job("40", "RUNNING", node="n1"), Job("41", "RUNNING", node="n2"))
    assert in_words(State(jobs, 4, None), True) == "2 running, 4 tasks at a time"
    linked = in_words(State((), 1, "http://127.0.0.1:8787/status"), True)
    assert 'href="http://127.0.0.1:8787/status"' in linked
    assert "1 task at a time" in linked
    assert in_words(State((), 0, None), False) == ""


def test_where_slurm_is_missing_the_test_and_the_script_say_so(
    dock, workspace, qtbot, monkeypatch
):
    monkeypatch.setenv("PATH", "")
    dock.places["slurm"].click()
    workspace.set_folder(RunFolder(Path("somewhere")))
    qtbot.waitUntil(lambda: "There is no SLURM here" in dock.queue.about.text())
    dock.cluster.test.click()
    qtbot.waitUntil(lambda: not dock.session.jobs.running, timeout=30_000)
    (finding,) = dock.cluster.findings.texts
    assert finding.startswith("\N{MULTIPLICATION X} There is no SLURM here")


def test_a_dask_cluster_is_tried_and_gives_the_same_bytes(
    dock, workspace, dask_cluster, tmp_path, qtbot
):
    dock.places["dask"].click()
    address = dock.forms["dask"].editor("address")
    address.setText(dask_cluster.scheduler_address)
    address.editingFinished.emit()
    movie = tiny_movies.movie()
    workspace.set_movie(movie)
    dock.cluster.test.click()
    qtbot.waitUntil(lambda: not dock.session.jobs.running, timeout=30_000)
    said = dock.cluster.findings.texts
    assert "answers" in said[0]
    assert "2 tasks at a time" in said[3]
    assert IN_MEMORY in said[4]

    file = tiny_movies.write_tif(tmp_path / "movie.tif")
    workspace.set_movie(open_movie(file, frame_rate_hz=tiny_movies.RATE_HZ))
    workspace.set_folder(RunFolder(tmp_path / "by dask"))
    workflow = WorkflowWidget(dock.session.scene.viewer)
    dock.session.scene.viewer.window.add_dock_widget(workflow, name="Workflow")
    next(b for b in workflow.buttons if b.text() == "Run all").click()
    qtbot.waitUntil(lambda: "dashboard" in dock.queue.about.text(), timeout=30_000)
    assert isinstance(workspace.backend, DaskBackend)
    qtbot.waitUntil(lambda: not dock.session.jobs.running, timeout=60_000)
    by_threads = run(workspace.movie, workspace.recipe, tmp_path / "by threads")
    assert digest(workspace.result) == digest(by_threads)
    assert workspace.backend is None
