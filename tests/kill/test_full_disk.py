"""A disk that is full ends a run with a sentence; with more room it goes on."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from kill.victims import RECIPE, prepared, state

from napari_cnmf.compute import local_backend
from napari_cnmf.errors import OutputError
from napari_cnmf.pipeline.runner import run

pytestmark = pytest.mark.kill

MB = 2**20


@pytest.fixture(scope="module")
def movie():
    with pytest.MonkeyPatch.context() as patches:
        from napari_cnmf.motion import ledger
        from napari_cnmf.movie import blocks
        from napari_cnmf.pipeline import runner

        for module, name in (
            (blocks, "MAX_BLOCK"),
            (ledger, "INTERVAL_S"),
            (ledger, "_TIMES_COST"),
            (runner, "write_report"),
            (runner, "write_motion_report"),
        ):
            patches.setattr(module, name, getattr(module, name))
        yield prepared(600)


@pytest.fixture(scope="module")
def whole(movie, tmp_path_factory) -> dict[str, str]:
    """What an undisturbed run leaves."""
    folder = tmp_path_factory.mktemp("whole")
    run(movie, RECIPE, folder, backend=local_backend(2))
    return state(folder)


@pytest.fixture
def disk(tmp_path) -> Iterator[Path]:
    """A small disk of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if not mounted(folder, "size=1m"):
        required = "CNMF_REQUIRE_TMPFS" in os.environ
        (pytest.fail if required else pytest.skip)("a tmpfs cannot be mounted here")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def mounted(folder: Path, options: str) -> bool:
    """Mount a tmpfs on a folder, or mount it anew."""
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def test_a_full_disk_is_told_and_the_run_goes_on_with_more_room(disk, movie, whole):
    """The disk grows little by little: it is full in one stage after another."""
    told = []
    for half_mb in range(1, 200):
        assert mounted(disk, f"remount,size={half_mb * MB // 2}")
        try:
            result = run(movie, RECIPE, disk / "out", backend=local_backend(2))
            break
        except OutputError as error:
            told.append(str(error))
    assert result.complete
    assert state(disk / "out") == whole
    assert all(re.search("free space|make it writable", text) for text in told)
    assert all(". " not in text for text in told)
    for what in ("registered movie needs", "movie cannot be written", "results.h5"):
        assert any(what in text for text in told), what
