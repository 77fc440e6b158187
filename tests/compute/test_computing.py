"""Where to work, as it is said and as it is meant."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable

import dask
import dask_jobqueue  # noqa: F401 - whose defaults must be there before they are changed
import pytest

from napari_cnmf.cli.computing import computing_of, gigabytes
from napari_cnmf.compute import (
    Computing,
    SerialBackend,
    ThreadBackend,
    choose,
    make_backend,
)
from napari_cnmf.compute.job_script import (
    cluster_options,
    job_bytes,
    job_name,
    seconds_of,
)
from napari_cnmf.compute.parameters import SlurmParameters
from napari_cnmf.errors import ParameterError


def said(*settings: str, **options: object) -> Namespace:
    none = {"backend": None, "workers": None, "memory": None}
    return Namespace(settings=list(settings), **(none | options))


def test_settings_of_the_recipe_are_left_over():
    where, others = computing_of(said("motion.mode=none", "slurm.jobs=3"))
    assert where.slurm.jobs == 3
    assert others == ["motion.mode=none"]


def test_an_option_of_its_own_counts_more_than_a_setting():
    where, _ = computing_of(said("compute.workers=3", workers=2, memory="500MB"))
    assert where.compute.workers == 2
    assert where.compute.memory_gb == 0.5


@pytest.mark.parametrize(
    ("text", "gb"),
    [("4GB", 4), ("4 gb", 4), ("0.5TB", 500), ("2GiB", 2.147483648), ("16", 16)],
)
def test_sizes_of_memory_are_read(text, gb):
    assert gigabytes(text) == pytest.approx(gb)


@pytest.mark.parametrize("text", ["", "GB", "4 bytes", "1.2.3GB", "-1GB"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(ParameterError, match="no size of memory"):
        gigabytes(text)


def test_texts_need_no_quotes_even_if_they_look_like_times_or_numbers():
    settings = ["slurm.walltime=01:30:00", "slurm.account=123", 'slurm.queue="a b"']
    slurm = Computing().with_settings(settings).slurm
    assert (slurm.walltime, slurm.account, slurm.queue) == ("01:30:00", "123", "a b")


@pytest.mark.parametrize(
    ("settings", "kind", "workers"),
    [
        (["compute.backend=serial"], SerialBackend, 1),
        (["compute.workers=1"], SerialBackend, 1),
        (["compute.workers=3"], ThreadBackend, 3),
    ],
)
def test_backends_of_this_machine(settings, kind, workers):
    backend = make_backend(Computing().with_settings(settings))
    assert type(backend) is kind
    assert backend.workers == workers


@pytest.mark.parametrize("name", ["dask", "slurm"])
def test_a_missing_package_is_named_with_what_installs_it(monkeypatch, name):
    monkeypatch.setattr(choose, "find_spec", lambda _: None)
    where = Computing().with_settings({"compute.backend": name})
    with pytest.raises(ParameterError, match=r"distributed.*napari-cnmf\[cluster\]"):
        make_backend(where)


@pytest.mark.parametrize(
    ("walltime", "seconds"),
    [
        ("30", 1800),
        ("30:10", 1810),
        ("02:00:05", 7205),
        ("1-12", 129_600),
        ("2-00:30", 174_600),
        ("1-00:00:01", 86_401),
        ("UNLIMITED", None),
    ],
)
def test_time_limits_are_read_as_slurm_reads_them(walltime, seconds):
    assert seconds_of(walltime) == seconds


@pytest.mark.parametrize("walltime", ["", "an hour", "1:2:3:4", "x-1"])
def test_what_is_no_time_limit_is_refused(walltime):
    with pytest.raises(ParameterError, match=r"slurm\.walltime"):
        seconds_of(walltime)


def test_the_jobs_of_a_folder_have_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert job_name(None) == job_name(tmp_path) != job_name(tmp_path / "other")
    assert job_name(tmp_path, "test") != job_name(tmp_path)


def test_dasks_own_configuration_holds_unless_something_else_is_said(tmp_path):
    ours = {
        "jobqueue.slurm.cores": 6,
        "jobqueue.slurm.memory": "7GB",
        "jobqueue.slurm.interface": "lo",
        "jobqueue.slurm.job-script-prologue": ["module load conda"],
        "jobqueue.slurm.worker-extra-args": ["--lifetime", "9m"],
    }
    with dask.config.set(ours):
        plain = cluster_options(SlurmParameters(), "name", tmp_path, 10**9)
        said = SlurmParameters(cores=2, memory="3GB", prologue="a; b")
        other = cluster_options(said, "name", tmp_path, 10**9)
        sizes = [
            job_bytes(parameters, None) for parameters in (SlurmParameters(), said)
        ]
    assert sizes == [7 * 10**9, 3 * 10**9]
    assert (plain["cores"], plain["memory"]) == (6, "1000000000B")
    assert plain["job_script_prologue"][-1] == "module load conda"
    assert plain["worker_extra_args"].count("--lifetime") == 1
    assert plain["scheduler_options"]["host"] == "127.0.0.1"
    assert other["cores"] == 2
    assert other["job_script_prologue"][-2:] == ["a", "b"]


def test_certificates_are_for_their_owners_eyes_only(tmp_path):
    options = cluster_options(SlurmParameters(), "name", tmp_path, 10**9)
    assert options["protocol"] == "tls://"
    files = list(tmp_path.iterdir())
    assert len(files) == 3
    assert {file.stat().st_mode & 0o077 for file in files} == {0}


def test_nothing_is_encrypted_only_if_that_was_said(tmp_path):
    options = cluster_options(SlurmParameters(encrypted=False), "name", tmp_path, 10**9)
    assert (options["protocol"], options["security"]) == ("tcp://", None)
    assert list(tmp_path.iterdir()) == []


def test_the_memory_of_a_job_follows_from_what_its_tasks_take():
    def memory_gb(*settings: str, needs: Callable[[int], int] | None = None) -> float:
        return job_bytes(Computing().with_settings(settings).slurm, needs) / 1e9

    def two_gb(n_tasks: int) -> int:
        return 2_000_000_000 * n_tasks

    assert memory_gb("slurm.cores=2") == 8
    assert memory_gb("slurm.cores=3", needs=two_gb) == 9
    assert memory_gb("slurm.cores=3", needs=lambda n: n) == 1
    assert memory_gb("slurm.memory=5GB", needs=two_gb) == 5
