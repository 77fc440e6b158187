"""The log shows what happens as it happens, and the run bar how far it is."""

from __future__ import annotations

import logging
import threading

import pytest
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QFileDialog

from napari_cnmf.compute import ProgressEvent
from napari_cnmf.widgets.docks import log
from napari_cnmf.widgets.docks.log import LogWidget
from napari_cnmf.widgets.jobs import Jobs
from napari_cnmf.widgets.parts.runbar import RunBar, progress_text
from napari_cnmf.widgets.records import KEPT, LogRecords
from napari_cnmf.widgets.workspace import Workspace

logger = logging.getLogger("napari_cnmf.test")


@pytest.fixture
def log_dock(viewer):
    widget = LogWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Log")
    return widget


def test_records_of_a_thread_are_shown(log_dock, qtbot):
    thread = threading.Thread(target=lambda: logger.info("from a thread"))
    thread.start()
    thread.join()
    qtbot.waitUntil(lambda: "from a thread" in log_dock.text.toPlainText())


def test_the_level_changes_what_is_shown_of_past_and_future(log_dock):
    logger.info("informs")
    logger.warning("warns")
    log_dock.level.setCurrentText("Warnings")
    logger.info("informs again")
    log_dock.show_latest()
    shown = log_dock.text.toPlainText()
    assert "warns" in shown
    assert "informs" not in shown
    log_dock.level.setCurrentText("Everything")
    logger.debug("tells all")
    log_dock.show_latest()
    for text in ("informs", "warns", "informs again", "tells all"):
        assert text in log_dock.text.toPlainText()


def test_what_came_before_the_dock_is_shown(viewer, log_dock):
    logger.warning("long ago")
    log_dock.show_latest()
    assert "long ago" in LogWidget(viewer).text.toPlainText()


def test_the_log_can_be_copied_and_saved(log_dock, tmp_path, monkeypatch):
    logger.warning("worth keeping")
    log_dock.show_latest()
    log_dock.copy()
    assert "worth keeping" in QGuiApplication.clipboard().text()
    path = tmp_path / "kept.log"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    log_dock.save()
    assert path.read_text() == log_dock.text.toPlainText()
    path = tmp_path / "no folder" / "kept.log"
    monkeypatch.setattr(log.QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    log_dock.save()
    assert "cannot be written" in log_dock.message


def test_the_latest_records_are_kept_and_none_twice():
    records = LogRecords()
    for k in range(KEPT + 10):
        records.handle(logging.LogRecord("n", logging.INFO, "", 0, f"{k}", (), None))
    known, texts = records.since(0, logging.INFO)
    assert known == KEPT + 10
    assert [text.split()[-1] for text in texts] == [
        str(k) for k in range(10, KEPT + 10)
    ]
    assert records.since(known, logging.INFO) == (known, [])
    records.handle(logging.LogRecord("n", logging.INFO, "", 0, "one more", (), None))
    assert len(records.since(known, logging.INFO)[1]) == 1
    assert records.since(known, logging.ERROR)[1] == []


@pytest.fixture
def jobs(qapp):
    jobs = Jobs(Workspace())
    yield jobs
    jobs.close()


def test_the_run_bar_shows_rate_and_time_left_and_cancels(jobs, qtbot):
    bar = RunBar(jobs)
    qtbot.addWidget(bar)
    assert bar.isHidden()
    told = threading.Event()

    def work(progress, cancel):
        progress(ProgressEvent("fit", 30, 120, "patches", 2.0))
        told.set()
        cancel.wait(30)

    jobs.start("Find cells", work)
    qtbot.waitUntil(lambda: "15 patches/s" in bar.text)
    assert bar.text == "Finding cells: 15 patches/s, 6 s left"
    assert bar.isVisible()
    bar.cancel.click()
    assert not bar.cancel.isEnabled()
    qtbot.waitUntil(lambda: not jobs.running)
    assert bar.isHidden()


@pytest.mark.parametrize(
    ("done", "total", "seconds", "words"),
    [
        (0, 10, 0.0, " ..."),
        (1, 10, 2.0, ": 0.5 frames/s, 18 s left"),
        (100, 100_000, 10.0, ": 10 frames/s, 2.8 h left"),
        (1000, 10_000, 100.0, ": 10 frames/s, 15 min left"),
    ],
)
def test_times_are_in_units_that_fit(done, total, seconds, words):
    assert progress_text(ProgressEvent("x", done, total, "frames", seconds)) == words
