"""What a run will use: told before it begins, kept to, and no result depends on it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import tiny_movies

from napari_cnmf.cli.plan import tell_plan
from napari_cnmf.compute import Backend, ThreadBackend, local_backend
from napari_cnmf.errors import ParameterError
from napari_cnmf.formats.results import Result, digest, load
from napari_cnmf.pipeline import budget
from napari_cnmf.pipeline.budget import plan, within
from napari_cnmf.pipeline.runner import rerun, run
from napari_cnmf.recipe import Recipe

HOURS = (160_000, 256, 256)
RATE_HZ = 30.0


def least_gb(shape: tuple[int, int, int], workers: int = 1) -> float:
    """Least memory that as many workers are planned with."""
    load_of = budget.Load.of(shape, RATE_HZ, Recipe())
    return load_of.memory_bytes(workers) / 1e9 / (1 - budget._RESERVE)


class TestPlan:
    @pytest.mark.parametrize("memory_gb", [0.8, 1, 2, 4, 64])
    @pytest.mark.parametrize("workers", [1, 2, 8])
    def test_stays_within_the_limit(self, memory_gb: float, workers: int):
        found = plan(HOURS, RATE_HZ, Recipe(), workers, memory_gb)
        assert found.memory_bytes <= memory_gb * 1e9
        assert 1 <= found.workers <= workers

    def test_has_fewer_workers_where_all_would_need_too_much(self):
        enough, tight = least_gb(HOURS, 4), least_gb(HOURS, 3)
        assert plan(HOURS, RATE_HZ, Recipe(), 4, enough + 0.001).workers == 4
        assert plan(HOURS, RATE_HZ, Recipe(), 4, tight + 0.001).workers == 3

    def test_leaves_traces_what_is_left_of_the_memory(self):
        small, large = (plan(HOURS, RATE_HZ, Recipe(), 2, gb) for gb in (1, 2))
        assert large.scratch_bytes - small.scratch_bytes == pytest.approx(0.95e9)
        assert large.disk_bytes < small.disk_bytes  # as fewer traces lie in files

    def test_needs_no_more_memory_for_a_recording_of_four_times_the_length(self):
        short, long = (
            budget.Load.of((n_frames, 512, 512), RATE_HZ, Recipe())
            for n_frames in (20_000, 80_000)
        )
        assert long.memory_bytes(2) < 1.05 * short.memory_bytes(2)
        assert long.store_bytes == pytest.approx(4 * short.store_bytes, rel=0.2)

    def test_refuses_what_cannot_be_and_names_the_least_that_can(self):
        with pytest.raises(ParameterError, match=r"0\.5 GB.*at least") as caught:
            plan(HOURS, RATE_HZ, Recipe(), 2, 0.5)
        named = re.search(r"at least ([0-9.]+) GB", str(caught.value))
        assert named is not None
        assert plan(HOURS, RATE_HZ, Recipe(), 2, float(named[1])).workers == 1

    def test_takes_a_share_of_what_is_available_by_default(self, monkeypatch):
        monkeypatch.setattr(budget, "available_bytes", lambda: 2 * 10**9)
        found = plan(HOURS, RATE_HZ, Recipe(), 2)
        assert 0 < found.memory_bytes <= 1.6e9

    def test_goes_on_by_default_where_little_is_available(self, monkeypatch):
        monkeypatch.setattr(budget, "available_bytes", lambda: 10**8)
        found = plan(HOURS, RATE_HZ, Recipe(), 2)
        assert (found.workers, found.scratch_bytes) == (1, 0)

    def test_is_told_in_one_line(self):
        told = plan(HOURS, RATE_HZ, Recipe(), 2, 2).in_words
        pattern = r"will use about 1\.9 GB of memory, [0-9.]+ GB of disk and \d+ min "
        assert re.fullmatch(pattern + "with 2 workers", told)

    def test_is_told_on_the_command_line(self, capsys):
        backend = local_backend(1, 1.0)
        tell_plan(tiny_movies.movie(), tiny_movies.recipe(), backend)
        assert re.match(
            r"The run will use .* with 1 worker\.\n", capsys.readouterr()[0]
        )


class TestWithin:
    def test_a_backend_has_the_planned_workers_for_the_time(self):
        backend, found = ThreadBackend(8), plan(HOURS, RATE_HZ, Recipe(), 8, 1)
        with within(found, backend) as entered:
            assert entered.workers == found.workers < 8
        assert backend.workers == 8


@pytest.fixture(scope="module")
def unlimited(tmp_path_factory: pytest.TempPathFactory) -> Result:
    folder = tmp_path_factory.mktemp("unlimited")
    return run(tiny_movies.movie(), None, folder, backend=local_backend(1))


def least_backend(workers: int) -> Backend:
    """A backend with so little memory that all traces lie in files."""
    return local_backend(workers, least_gb(tiny_movies.movie().shape, workers) + 1e-9)


def in_files(result: Result) -> bool:
    """Whether the traces of a result lie in files."""
    assert result.components is not None
    base: object = result.components.denoised
    while isinstance(base, np.ndarray) and not isinstance(base, np.memmap):
        base = base.base
    return isinstance(base, np.memmap)


@pytest.mark.parametrize("workers", [1, 2])
def test_no_result_depends_on_the_memory(
    unlimited: Result, tmp_path: Path, workers: int
):
    backend = least_backend(workers)
    found = run(tiny_movies.movie(), None, tmp_path, backend=backend)
    assert in_files(found)
    assert not in_files(unlimited)
    assert digest(found) == digest(unlimited)
    assert digest(load(tmp_path / "results.h5")) == digest(unlimited)
    again = rerun("evaluate", tmp_path, until="dff", backend=least_backend(workers))
    assert in_files(again)
    assert digest(again) == digest(unlimited)


def test_a_run_tells_its_log_what_it_will_use(tmp_path: Path):
    run(tiny_movies.movie(), None, tmp_path, until="correct")
    assert "will use about" in (tmp_path / "run.log").read_text()


def test_nothing_is_written_if_the_memory_cannot_do(tmp_path: Path):
    backend = local_backend(1, 0.1)
    with pytest.raises(ParameterError, match="allow as much"):
        run(tiny_movies.movie(), None, tmp_path / "out", backend=backend)
    assert not (tmp_path / "out").exists()
