"""What is particular to the workers of a dask cluster."""

from __future__ import annotations

import json
import sys
import threading
from importlib import metadata

import numpy as np
import pytest
from compute_tasks import Crowd, Deadly, Diary, Opened, new_pages

from napari_cnmf.compute import Computing, make_backend
from napari_cnmf.compute.cluster import DaskBackend
from napari_cnmf.errors import (
    InputError,
    LostWorkerError,
    MissingFileError,
    ParameterError,
)
from napari_cnmf.movie import Movie


@pytest.fixture
def diary(tmp_path) -> Diary:
    return Diary(tmp_path / "diary")


@pytest.fixture
def backend(dask_cluster) -> DaskBackend:
    with DaskBackend(dask_cluster.scheduler_address) as opened:
        yield opened


def test_a_lost_worker_takes_nothing_along_but_the_tasks_in_hand(backend, diary):
    work = Deadly(diary, deadly=4, times=1)
    found: list[int] = []
    backend.run(work, range(12), found.append)
    assert found == list(range(12))


@pytest.mark.slow
def test_a_task_that_ends_every_worker_is_told_in_words_and_the_others_go_on(
    backend, diary
):
    found: list[int] = []
    failures: dict[int, Exception] = {}
    backend.run(
        Deadly(diary, deadly=2), range(6), found.append, failed=failures.__setitem__
    )
    assert found == [0, 1, 3, 4, 5]
    assert list(failures) == [2]
    assert isinstance(failures[2], LostWorkerError)
    assert "slurm.memory" in str(failures[2])


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc is told so")
def test_workers_keep_the_memory_of_arrays_for_the_next_ones(backend):
    pages: list[int] = []
    backend.run(new_pages, [50] * 4, pages.append)
    assert max(pages) < 50 * 1024 / 10  # an array has 1024 of them


def test_a_joining_worker_takes_part(dask_cluster, backend, diary):
    crowd = Crowd(diary, seconds=0.1)
    seen: set[int] = set()

    def collect(task: int) -> None:
        seen.add(backend.workers)
        if task == 0:
            dask_cluster.scale(3)

    try:
        backend.run(crowd, range(60), collect)
    finally:
        dask_cluster.scale(2)
        backend.run(crowd, range(20), lambda _: None)
    assert 3 in seen


def test_the_function_is_opened_once_by_each_worker(backend, diary):
    backend.run(Opened(diary), range(20), lambda _: None)
    opened_by = diary.of("opened")
    assert 1 <= len(opened_by) == len(set(opened_by)) <= backend.workers


def test_a_function_that_holds_a_movie_in_memory_is_refused(backend):
    pixels = np.broadcast_to(np.float32(0), (2000, 300, 300))
    movie = Movie.from_array(pixels)
    with pytest.raises(InputError, match="save the movie as a file"):
        backend.run(lambda t: movie.read(slice(t, t + 1)), range(3), print)


def test_an_unknown_error_of_a_worker_says_where_it_arose(backend, diary):
    with pytest.raises(LookupError) as caught:
        backend.run(Crowd(diary, failing=(1,)), range(3), lambda _: None)
    (note,) = caught.value.__notes__
    assert "compute_tasks.py" in note


def test_an_error_that_cannot_be_sent_is_told_in_words(backend):
    def work(task: int) -> int:
        raise LookupError(threading.Lock())

    with pytest.raises(RuntimeError, match="LookupError"):
        backend.run(work, range(1), lambda _: None)


@pytest.mark.parametrize("package", ["napari-cnmf", "numpy", "numba"])
def test_workers_with_other_versions_are_refused(dask_cluster, monkeypatch, package):
    version = metadata.version

    def other(name: str) -> str:
        return "0.0.1" if name == package else version(name)

    monkeypatch.setattr("napari_cnmf.compute.matching.version_here", other)
    expected = pytest.raises(InputError, match=rf"{package}.* but 0\.0\.1 is needed")
    with DaskBackend(dask_cluster.scheduler_address) as backend, expected:
        backend.run(str, range(3), print)


def test_a_cluster_is_found_by_its_scheduler_file(dask_cluster, tmp_path):
    path = tmp_path / "scheduler.json"
    path.write_text(json.dumps({"address": dask_cluster.scheduler_address}))
    settings = ["compute.backend=dask", f"dask.scheduler_file={path}"]
    found: list[str] = []
    with make_backend(Computing().with_settings(settings)) as backend:
        backend.run(str, range(3), found.append)
    assert found == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({}, ParameterError, "dask.address"),
        ({"address": "127.0.0.1:1"}, InputError, "No dask scheduler answers at"),
        ({"address": "over there"}, InputError, "No dask scheduler answers at"),
        ({"scheduler_file": "/nowhere.json"}, MissingFileError, "no scheduler file"),
    ],
)
def test_a_cluster_that_is_not_there_is_a_sentence(monkeypatch, settings, error, words):
    monkeypatch.setattr("napari_cnmf.compute.cluster._PATIENCE_S", 1)
    with pytest.raises(error, match=words), DaskBackend(**settings):
        pass
