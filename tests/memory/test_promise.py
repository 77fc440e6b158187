"""The promise: a run stays within the memory that it is given, in every stage."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from napari_cnmf.pipeline.budget import Load, plan
from napari_cnmf.recipe import Recipe

FRAMES, SIDE, LINKS = 12_000, 128, 8
SHAPE = (LINKS * FRAMES, SIDE, SIDE)
BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "memory.py"

pytestmark = [
    pytest.mark.memory,
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells"),
]


@pytest.fixture(scope="module")
def limit_gb() -> float:
    """Return the least that two workers are planned with: traces are all in files."""
    recipe = Recipe().with_settings(["acquisition.frame_rate_hz=30"])
    least = Load.of(SHAPE, 30, recipe).memory_bytes(2) / 0.95e9 + 0.001
    assert plan(SHAPE, 30, recipe, 2, least).workers == 2
    return round(least, 3)


@pytest.fixture(scope="module")
def runs(limit_gb: float, tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    """Whole runs of 96,000 frames within that limit, with 1 and 2 workers."""
    folder = tmp_path_factory.mktemp("memory")
    command = [sys.executable, BENCHMARK, "--folder", folder]
    command += ["--json", folder / "found.json", "--limits", limit_gb]
    command += ["--frames", FRAMES, "--side", SIDE, "--links", LINKS]
    subprocess.run(list(map(str, command)), check=True)
    return json.loads((folder / "found.json").read_text())


def test_every_stage_stays_within_the_limit(runs: list[dict], limit_gb: float):
    for found in runs:
        assert set(found["peaks_gb"]) >= {"correct", "fit", "refit traces", "dff"}
        assert max(found["peaks_gb"].values()) < limit_gb, found


def test_the_limit_is_one_that_traces_in_memory_would_break(
    runs: list[dict], limit_gb: float
):
    load = Load.of(SHAPE, 30, Recipe())
    highest = max(max(found["peaks_gb"].values()) for found in runs)
    assert highest + load.trace_bytes / 1e9 > 1.2 * limit_gb


def test_the_results_are_the_same(runs: list[dict]):
    assert [found["workers"] for found in runs] == [1, 2]
    assert len({found["digest"] for found in runs}) == 1
