"""What a file does to a child process becomes an error here."""

from __future__ import annotations

import sys
import time

import numpy as np
import pytest
import scipy.io
import tifffile

from napari_cnmf.errors import InputError
from napari_cnmf.formats import guard, probe
from napari_cnmf.formats.guard import require_harmless, trust
from napari_cnmf.formats.readers import registry
from napari_cnmf.formats.readers.mat5 import read_struct


@pytest.fixture
def path(tmp_path):
    """A movie that any child survives."""
    frames = np.ones((3, 4, 5), np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", frames, photometric="minisblack")
    return tmp_path / "a.tif"


@pytest.fixture
def child(monkeypatch):
    """Return what makes a child of some lines of Python, for the files of a test."""

    def start(lines: str) -> None:
        program = (
            f"import sys\nprint('ready', flush=True)\nsys.stdin.readline()\n{lines}"
        )
        monkeypatch.setattr(guard, "COMMAND", ["-c", program])
        monkeypatch.setattr(guard, "_child", None)

    yield start
    if guard._child is not None:
        guard._child.end()


def test_the_real_child_survives_a_good_file(path):
    require_harmless(path, "movie")
    assert guard._child.is_usable
    before = time.monotonic()
    require_harmless(path, "movie", channel=0)
    assert time.monotonic() - before < guard.START_S  # it answers again


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ("import os; os.abort()", r"a\.tif was tried .* and ended it"),
        ("while True: pass", "was not opened within"),
        ("import time; x = b'1' * 2**28; time.sleep(60)", "GB of memory"),
    ],
    ids=["dies", "hangs", "takes memory"],
)
def test_what_a_file_does_to_the_child_is_said(
    path, child, monkeypatch, lines, sentence
):
    monkeypatch.setattr(guard, "CPU_S", 0.3)
    monkeypatch.setattr(guard, "MEMORY_BYTES", 2**27)
    child(lines)
    with pytest.raises(InputError, match=sentence):
        require_harmless(path, "movie")


def test_a_file_is_tried_once_unless_it_changes(path, child):
    child("import os; os.abort()")
    trust(path, "movie")
    require_harmless(path, "movie")
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(InputError):
        require_harmless(path, "movie")


@pytest.mark.parametrize("name", ["/opt/napari/napari", "", None])
def test_without_a_python_to_start_files_are_opened_untried(
    path, child, monkeypatch, name
):
    child("import os; os.abort()")
    monkeypatch.setattr(sys, "executable", name)
    require_harmless(path, "movie")


def test_a_child_that_does_not_start_stops_nobody(path, monkeypatch, caplog):
    monkeypatch.setattr(guard, "COMMAND", ["-c", "raise SystemExit"])
    monkeypatch.setattr(guard, "_child", None)
    require_harmless(path, "movie")
    assert "opened untried" in caplog.text
    guard._child.end()


def test_the_probe_reads_frames_of_a_movie(path, monkeypatch):
    asked = []
    source = registry.read_file(path, registry.ReadOptions()).source
    monkeypatch.setattr(type(source), "read", lambda _, t, *__: asked.append(t.start))
    probe.do(str(path), "movie", {})
    assert asked == [2, 0, 1]


@pytest.mark.parametrize("compressed", [False, True])
def test_structs_of_matlab_are_read(tmp_path, compressed):
    about = {"sz": [512, 796], "rate": 7.9, "text": "a b", "config": {"n": 3}}
    variables = {"other": 1.0, "info": about | {"empty": np.array([])}}
    scipy.io.savemat(tmp_path / "a.mat", variables, do_compression=compressed)
    found = read_struct(tmp_path / "a.mat", "info")
    assert found["sz"].tolist() == [512, 796]
    assert (found["rate"], found["text"], found["config"]) == (7.9, "a b", {"n": 3})
    assert found["empty"].size == 0
    with pytest.raises(ValueError, match="no struct named other"):
        read_struct(tmp_path / "a.mat", "other")
