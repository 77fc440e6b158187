"""Warming up leaves no kernel for the first run to compile, and can be stopped."""

from __future__ import annotations

import subprocess
import sys
from threading import Event

import pytest

from napari_cnmf.errors import CancelledError
from napari_cnmf.pipeline.warmup import warm_up

_PREPARED_LATER = """
import gc
import tiny_movies
from numba.core.dispatcher import Dispatcher
from napari_cnmf.pipeline.runner import run
from napari_cnmf.pipeline.warmup import warm_up

def prepared():
    kernels = [k for k in gc.get_objects() if isinstance(k, Dispatcher)]
    return {{(k.py_func.__name__, s) for k in kernels for s in k.signatures}}

warm_up()
before = prepared()
run(tiny_movies.movie(), output={output!r})
print(len(before) > 10, sorted(name for name, _ in prepared() - before))
"""


def test_a_run_after_it_loads_and_compiles_nothing(tmp_path):
    code = _PREPARED_LATER.format(output=str(tmp_path / "run"))
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=__file__.rpartition("/")[0],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "True []"


def test_it_ends_when_told_to():
    cancel = Event()
    cancel.set()
    with pytest.raises(CancelledError):
        warm_up(cancel)
