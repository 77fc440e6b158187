"""What all tests share."""

from __future__ import annotations

import logging
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings

SHARED = Path(__file__).parents[2] / "shared"

# No deadline: the first example of a test may compile a kernel.
settings.register_profile("default", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("default")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what opens windows where there is no screen: Qt would abort the process.

    pytest-xvfb makes a screen wherever Xvfb is installed. With CNMF_REQUIRE_SCREEN the
    test fails instead.
    """
    needs_screen = "qapp" in getattr(item, "fixturenames", ())
    if needs_screen and not _has_screen():
        verdict = pytest.fail if "CNMF_REQUIRE_SCREEN" in os.environ else pytest.skip
        verdict("there is no screen for windows; install Xvfb (see README.md)")


def _has_screen() -> bool:
    if sys.platform != "linux":
        return True
    has_display = {"DISPLAY", "WAYLAND_DISPLAY"} & set(os.environ)
    return bool(has_display or shutil.which("Xvfb"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder with the recordings that are not part of the repository.

    Without it the test is skipped, or fails if CNMF_REQUIRE_SHARED is set: where the
    recordings must be, nothing may pass by skipping.
    """
    if not SHARED.is_dir():
        verdict = pytest.fail if "CNMF_REQUIRE_SHARED" in os.environ else pytest.skip
        verdict("the folder ../shared with the recordings is missing")
    return SHARED


@pytest.fixture(scope="session")
def dask_cluster() -> Iterator[object]:
    """A dask cluster of two workers, on this machine's loopback."""
    import dask
    from distributed import LocalCluster

    soon = dask.config.set({"distributed.scheduler.allowed-failures": 1})
    with (
        soon,
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            memory_limit=0,
            silence_logs=logging.CRITICAL,
        ) as cluster,
    ):
        yield cluster


@pytest.fixture(scope="session")
def slurm() -> Iterator[None]:
    """A SLURM of two nodes on this machine, which ends with the tests.

    Where it cannot be started the test is skipped, or fails if CNMF_REQUIRE_SLURM is
    set.
    """
    script = Path(__file__).parent / "cluster" / "slurm-local"
    with (
        TemporaryDirectory(prefix="slurm-") as place,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("SLURM_LOCAL_DIR", place)  # beside any that runs already
        started = subprocess.run(
            [script, "start"], capture_output=True, text=True, check=False
        )
        if started.returncode:
            needed = "CNMF_REQUIRE_SLURM" in os.environ
            verdict = pytest.fail if needed else pytest.skip
            verdict(f"there is no SLURM: {started.stderr.strip()}")
        for name, value in re.findall(r"export (\w+)=(.*)", started.stdout):
            patch.setenv(name, os.path.expandvars(value.strip("'\"")))
        # Jobs find the functions of tests.
        patch.setenv("PYTHONPATH", str(Path(__file__).parent))
        yield
        subprocess.run([script, "stop"], check=True, capture_output=True)
