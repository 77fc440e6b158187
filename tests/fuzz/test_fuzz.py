"""Damaged and lying files are opened, or refused in one sentence; nothing else happens.

The long version is ``benchmarks/fuzz.py``.
"""

from __future__ import annotations

import sys

import pytest

from fuzz.specimens import SPECIMENS
from fuzz.trials import trials

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux can limit the memory of a process"
)


def test_mutants_of_every_format_do_no_harm():
    found = trials(sorted(SPECIMENS), range(6))
    assert len(found) == 6 * len(SPECIMENS)
    assert [outcome for outcome in found if not outcome.is_fine] == []
    assert {outcome.verdict for outcome in found} == {"opened", "refused"}
