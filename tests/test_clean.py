"""Room on the disk: what is told, kept within limits, removed; and going back."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from shutil import copytree
from types import SimpleNamespace

import pytest
import tiny_movies

from napari_cnmf.cli import main
from napari_cnmf.compute import SerialBackend
from napari_cnmf.compute.choose import Computing, make_backend
from napari_cnmf.errors import DamagedResultError, OutputError
from napari_cnmf.formats.results import digest, load
from napari_cnmf.pipeline import cleaning
from napari_cnmf.pipeline import folder as folders
from napari_cnmf.pipeline.cleaning import Leaving, trim_cache
from napari_cnmf.pipeline.folder import RunFolder, size_of
from napari_cnmf.pipeline.runner import rerun, run

KEPT = {
    "motion.png",
    "recipe.toml",
    "registered.zarr",
    "report.png",
    "results.h5",
    "run.log",
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """Folder of a complete run; not to be changed."""
    path = tmp_path_factory.mktemp("finished") / "out"
    run(tiny_movies.movie(), None, path, backend=SerialBackend())
    return path


@pytest.fixture
def done(finished: Path, tmp_path: Path) -> Path:
    """Copy of that folder."""
    return copytree(finished, tmp_path / "done")


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def litter(folder: Path) -> None:
    """Leave what a run leaves that is cut short on a cluster."""
    for name in ("unfinished/fit-1-abc/a.npz", "worker-logs/1.err"):
        path = folder / name
        path.parent.mkdir(parents=True)
        path.write_bytes(bytes(1000))


class TestClean:
    def test_removes_the_cache_and_tells_its_size(self, done, capsys):
        litter(done)
        n_bytes = size_of(done / "cache")
        assert n_bytes > 0
        assert main(["clean", str(done)]) == 0
        assert f"{n_bytes + 1000:,} bytes are freed" in capsys.readouterr().out
        assert names(done) == KEPT | {"unfinished", "results.previous.h5"}

    def test_of_all_leaves_only_what_the_result_is(self, done):
        litter(done)
        assert main(["clean", str(done), "--all"]) == 0
        assert names(done) == KEPT
        assert load(done / "results.h5").complete

    def test_without_a_cache_the_same_comes_out(self, done, finished):
        main(["clean", str(done), "--all"])
        settings = ["merge.min_correlation=0.9"]
        again = rerun("fit", done, settings, until="dff", backend=SerialBackend())
        other = rerun(
            "fit",
            copytree(finished, done.with_name("other")),
            settings,
            until="dff",
            backend=SerialBackend(),
        )
        assert digest(again) == digest(other)

    def test_as_a_trial_removes_nothing(self, done, capsys):
        litter(done)
        before = set(done.rglob("*"))
        assert main(["clean", str(done), "--all", "--dry-run"]) == 0
        assert "bytes would be freed" in capsys.readouterr().out
        assert set(done.rglob("*")) == before

    def test_waits_for_no_run_that_is_at_work(self, done, capsys):
        with RunFolder(done).claimed():
            assert main(["clean", str(done)]) == 2
        assert "Another run is at work" in capsys.readouterr().err
        assert (done / "cache").exists()

    @pytest.mark.parametrize(
        ("make", "sentence"),
        [
            (lambda path: None, "There is no folder"),
            (lambda path: (path / "cache").mkdir(parents=True), "holds no run.log"),
        ],
        ids=["missing", "of something else"],
    )
    def test_touches_no_folder_that_no_run_has_worked_in(
        self, tmp_path, capsys, make, sentence
    ):
        folder = tmp_path / "home"
        make(folder)
        before = names(tmp_path)
        assert main(["clean", str(folder)]) == 2
        assert sentence in capsys.readouterr().err
        assert names(tmp_path) == before
        assert not folder.exists() or names(folder) == {"cache"}

    def test_of_nothing_is_refused(self, capsys):
        assert main(["clean"]) == 2
        assert "give the folder of a result, or --user" in capsys.readouterr().err

    def test_of_the_user_removes_compiled_kernels(self, tmp_path, monkeypatch):
        kernel = tmp_path / "kernels.add-1.nbi"
        kernel.write_bytes(bytes(10))
        leaving = Leaving("compiled kernels", (kernel,))
        monkeypatch.setattr("napari_cnmf.cli.clean.compiled_kernels", lambda: leaving)
        assert main(["clean", "--user"]) == 0
        assert not kernel.exists()

    def test_finds_the_kernels_of_this_package_only(self):
        from napari_cnmf.summary import kernels

        found = cleaning.compiled_kernels().paths
        assert {path.suffix for path in found} <= {".nbi", ".nbc"}
        folder = Path(kernels.add_block.stats.cache_path)
        assert set(folder.glob("*.nbi")) <= set(found)


class TestQuota:
    def test_removes_what_is_oldest(self, tmp_path):
        folder = RunFolder(tmp_path)
        for age, name in enumerate(("c", "b", "a")):
            path = folder.cache / "fit-1" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(bytes(100))
            os.utime(path, (1000 - age, 1000 - age))
        trim_cache(folder, 300)
        assert len(list(folder.cache.rglob("?"))) == 3
        trim_cache(folder, 250)
        assert {path.name for path in folder.cache.rglob("?")} == {"c", "b"}
        trim_cache(folder, 0)
        assert not list(folder.cache.rglob("?"))

    def test_is_kept_to_by_a_run(self, tmp_path):
        backend = make_backend(
            Computing().with_settings(["compute.backend=serial", "compute.cache_gb=0"])
        )
        run(tiny_movies.movie(), None, tmp_path / "out", backend=backend)
        assert size_of(tmp_path / "out" / "cache") == 0


def has_free(monkeypatch: pytest.MonkeyPatch, n_bytes: int) -> None:
    """Let the disk have some room."""
    usage = SimpleNamespace(free=n_bytes)
    monkeypatch.setattr(folders.shutil, "disk_usage", lambda _: usage)


class TestSpace:
    def test_too_little_for_the_movie_is_refused_and_for_all_is_told(
        self, tmp_path, monkeypatch, caplog
    ):
        has_free(monkeypatch, 2 * 10**9)
        folder = RunFolder(tmp_path)
        with pytest.raises(OutputError, match=r"about 3\.0 GB, but 2\.0 GB are free"):
            folder.require_space(3 * 10**9)
        with caplog.at_level(logging.WARNING):
            folder.require_space(10**9, 2 * 10**9)
            assert not caplog.messages
            folder.require_space(10**9, 5 * 10**9)
        assert "will take about 5.0 GB, but 2.0 GB are free" in caplog.messages[0]

    def test_of_what_is_replaced_counts_as_free(self, done, monkeypatch):
        has_free(monkeypatch, 0)
        movie = size_of(done / "registered.zarr")
        RunFolder(done).require_space(movie)
        with pytest.raises(OutputError):
            RunFolder(done).require_space(100 * movie)


class TestGoingBack:
    def damage(self, folder: Path) -> None:
        path = folder / "results.h5"
        os.truncate(path, path.stat().st_size // 2)

    def test_the_same_run_goes_on_from_the_state_before(self, done, finished, caplog):
        self.damage(done)
        result = run(tiny_movies.movie(), None, done, backend=SerialBackend())
        assert digest(result) == digest(load(finished / "results.h5"))
        assert "was damaged and is now results.damaged.h5" in caplog.text
        log = (done / "run.log").read_text()
        assert log.count("correct: ") == 1
        assert log.count("dff: ") == 2

    def test_a_damaged_result_without_one_is_refused(self, done):
        (done / "results.previous.h5").unlink()
        self.damage(done)
        with pytest.raises(DamagedResultError, match="run the movie again"):
            run(tiny_movies.movie(), None, done, backend=SerialBackend())

    def test_restore_puts_the_state_before_in_its_place(self, done, capsys):
        self.damage(done)
        assert main(["info", str(done)]) == 2
        assert "napari-cnmf restore" in capsys.readouterr().err
        assert main(["restore", str(done)]) == 0
        assert "correct, fit, refit, evaluate" in capsys.readouterr().out
        assert load(done / "results.h5").components.dff is None
        assert (done / "results.damaged.h5").exists()

    def test_a_whole_result_stays(self, done, capsys):
        before = (done / "results.h5").read_bytes()
        assert main(["restore", str(done)]) == 2
        assert "is whole; there is nothing to restore" in capsys.readouterr().err
        assert (done / "results.h5").read_bytes() == before

    def test_begun_afresh_a_run_has_no_state_before(self, done):
        RunFolder(done).begin_afresh()
        assert names(done) == {"registered.zarr"}
