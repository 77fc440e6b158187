"""The Compute dock on a real SLURM: the test, the jobs, the same bytes, Cancel."""

from __future__ import annotations

import pytest
import tiny_movies
from compute_tasks import ON_SLURM

from napari_cnmf.formats import open_movie
from napari_cnmf.formats.results import digest
from napari_cnmf.pipeline.folder import RunFolder
from napari_cnmf.pipeline.runner import run
from napari_cnmf.widgets import running
from napari_cnmf.widgets.docks.compute import ComputeWidget

pytestmark = pytest.mark.slurm


@pytest.fixture
def dock(viewer, slurm, tmp_path) -> ComputeWidget:
    """The dock, a movie in a file, and small jobs of a real SLURM."""
    widget = ComputeWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Compute")
    file = tiny_movies.write_tif(tmp_path / "movie.tif")
    workspace = widget.workspace
    workspace.set_movie(open_movie(file, frame_rate_hz=tiny_movies.RATE_HZ))
    workspace.set_folder(RunFolder(tmp_path / "by-slurm"))
    workspace.set_computing(workspace.computing.with_settings(ON_SLURM))
    return widget


def begin(dock) -> None:
    work = running.stage_work(dock.workspace, "correct", "dff")
    dock.session.jobs.start("Run all", work)


def states(dock) -> list[str]:
    table = dock.queue.table
    rows = [table.topLevelItem(k) for k in range(table.topLevelItemCount())]
    return sorted(row.text(1) for row in rows)


def wait(dock, qtbot) -> None:
    qtbot.waitUntil(lambda: not dock.session.jobs.running, timeout=120_000)


def test_the_script_is_shown_and_the_test_finds_all_well(dock, qtbot):
    dock.cluster.show_script.click()
    script = dock.cluster.script.text
    qtbot.waitUntil(lambda: "#SBATCH" in script.toPlainText(), timeout=30_000)
    dock.cluster.test.click()
    wait(dock, qtbot)
    said = dock.cluster.findings.texts
    assert len(said) == 4
    assert all(text.startswith("\N{CHECK MARK}") for text in said)
    assert "sees the movie" in said[2]


def test_a_wrong_partition_is_told_in_a_sentence(dock, qtbot):
    workspace = dock.workspace
    wrong = workspace.computing.with_settings({"slurm.queue": "nonsense"})
    workspace.set_computing(wrong)
    dock.cluster.test.click()
    wait(dock, qtbot)
    (said,) = dock.cluster.findings.texts
    assert said.startswith("\N{MULTIPLICATION X} SLURM refuses the jobs")


def test_a_run_shows_its_jobs_and_gives_the_same_bytes(dock, qtbot, tmp_path):
    begin(dock)
    qtbot.waitUntil(lambda: states(dock) == ["running"] * 2, timeout=60_000)
    wait(dock, qtbot)
    qtbot.waitUntil(dock.queue.isHidden, timeout=10_000)
    workspace = dock.workspace
    by_threads = run(workspace.movie, workspace.recipe, tmp_path / "by-threads")
    assert digest(workspace.result) == digest(by_threads)


def test_pending_jobs_say_why_and_cancel_ends_all(dock, qtbot):
    workspace = dock.workspace
    many = workspace.computing.with_settings({"slurm.jobs": 6})
    workspace.set_computing(many)
    begin(dock)
    qtbot.waitUntil(lambda: "pending" in states(dock), timeout=60_000)
    table = dock.queue.table
    rows = [table.topLevelItem(k) for k in range(table.topLevelItemCount())]
    reasons = {row.text(2) for row in rows if row.text(1) == "pending"}
    assert reasons & {"no node is free", "others come first"}
    dock.session.jobs.cancel()
    wait(dock, qtbot)
    qtbot.waitUntil(dock.queue.isHidden, timeout=10_000)
