"""Runs that are killed at any moment end with the same bytes when they are repeated."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.kill,
    pytest.mark.skipif(sys.platform == "win32", reason="needs fork and SIGKILL"),
]

LANES, RUNS = 2, 28


@pytest.fixture(scope="module")
def reports(tmp_path_factory) -> list[dict]:
    """What became of runs, in two processes at a time."""
    script = Path(__file__).with_name("victims.py")
    folders = [tmp_path_factory.mktemp(f"lane-{seed}") for seed in range(LANES)]
    lanes = [
        subprocess.Popen(
            [sys.executable, script, folder, f"--runs={RUNS}", f"--seed={seed}"]
        )
        for seed, folder in enumerate(folders)
    ]
    assert [lane.wait() for lane in lanes] == [0] * LANES
    return [json.loads((folder / "report.json").read_text()) for folder in folders]


def test_every_run_that_was_killed_ends_as_if_nothing_had_been(reports):
    assert [report["different"] for report in reports] == [[]] * LANES


def test_no_temporary_files_are_left(reports):
    names = [name for report in reports for name in report["whole"]]
    assert not [name for name in names if name.endswith(".part")]
    assert not [name for name in names if name.startswith("unfinished")]
    assert reports[0]["whole"] == reports[1]["whole"]


def test_enough_runs_were_killed_in_every_stage(reports):
    killed = Counter(stage for report in reports for stage in report["killed"])
    del killed[""]  # those that were quicker
    assert killed.total() >= 50
    assert set(killed) >= {"correct", "fit", "refit", "evaluate", "dff"}
