"""What all tests share."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

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
