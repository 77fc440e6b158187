"""`napari-cnmf cluster`: what it finds on a real SLURM, and says in a sentence."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from compute_tasks import ON_SLURM
from tiny_movies import write_tif

from napari_cnmf.cli import main

SETTINGS = ["--set", *(text for text in ON_SLURM if text.startswith("slurm."))]


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slurm
def test_a_cluster_that_works_is_found_to(slurm, folder, capsys):
    movie = write_tif(folder / "movie.tif")
    assert main(["cluster", "test", "--movie", str(movie), *SETTINGS]) == 0
    said = capsys.readouterr().out
    assert "runs our version and sees all files" in said
    assert "1 tasks at a time" in said
    assert [path.name for path in folder.iterdir()] == ["movie.tif"]


@pytest.mark.slurm
@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["slurm.queue=nowhere"], "Invalid partition"),
        (["slurm.walltime=9-00:00:00", "slurm.memory=900GB"], "not available"),
        (["slurm.prologue=echo bad luck >&2; exit 1"], "bad luck"),
    ],
)
def test_what_is_wrong_is_one_sentence(slurm, folder, capsys, settings, words):
    assert main(["cluster", "test", *SETTINGS, *settings]) == 2
    (*_, last) = capsys.readouterr().err.splitlines()
    assert last.startswith("napari-cnmf: ")
    assert words in last


@pytest.mark.slurm
def test_the_jobs_of_a_run_are_listed(slurm, folder, capsys):
    assert main(["cluster", "jobs"]) == 0
    assert "no jobs" in capsys.readouterr().out
    assert main(["cluster", "script", *SETTINGS]) == 0
    name = next(
        line.split()[-1]
        for line in capsys.readouterr().out.splitlines()
        if line.startswith("#SBATCH -J")
    )
    command = ["sbatch", "--parsable", "-J", name, "--wrap", "sleep 60"]
    sent = subprocess.run(command, check=True, capture_output=True, text=True)
    assert main(["cluster", "jobs"]) == 0
    assert sent.stdout.strip() in capsys.readouterr().out
    subprocess.run(["scancel", sent.stdout.strip()], check=True)


def test_the_script_says_what_was_asked_for(folder, capsys):
    asked = ["slurm.queue=long", "slurm.account=lab", "slurm.walltime=02:00:00"]
    more = ["slurm.directives=--exclusive; --nice", "slurm.prologue=module load conda"]
    command = ["cluster", "script", *SETTINGS, *asked, *more]
    assert main(command) == 0
    script = capsys.readouterr().out
    for line in (
        "#SBATCH -p long",
        "#SBATCH -A lab",
        "#SBATCH -t 02:00:00",
        "#SBATCH --exclusive",
        "#SBATCH --nice",
        "#SBATCH --no-requeue",
        "export NUMBA_NUM_THREADS=1",
        "module load conda",
    ):
        assert line in script.splitlines()
    assert "--lifetime 6600s --lifetime-stagger 300s" in script
    assert "tls://127.0.0.1:" in script
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["cluster", "test", "nowhere"], "no folder nowhere"),
        (["cluster", "test", "--movie", "nothing.tif"], "no movie nothing.tif"),
        (["cluster", "test", "--set", "motion.mode=none"], "says nothing of where"),
        (["cluster", "test", "--set", "slurm.quue=x"], "did you mean 'slurm.queue'"),
        (["cluster", "script", "--set", "slurm.memory=x y"], "slurm.memory"),
        (["cluster", "script", "--memory", "much"], "no size of memory"),
    ],
)
def test_what_cannot_be_meant_is_refused(folder, capsys, command, words):
    assert main(command) == 2
    assert words in capsys.readouterr().err


def test_without_slurm_that_is_said(folder, capsys, monkeypatch):
    monkeypatch.setenv("PATH", str(folder))
    assert main(["cluster", "jobs"]) == 2
    assert "There is no SLURM here" in capsys.readouterr().err
