"""What all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

SHARED = Path(__file__).parents[2] / "shared"

# No deadline: the first example of a test may compile a kernel.
settings.register_profile("default", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("default")


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
