"""The command `doctor`: everything that a bug report should say."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
from argparse import Namespace
from importlib import metadata
from pathlib import Path

from threadpoolctl import threadpool_info

from napari_cnmf.cli.console import columns, say
from napari_cnmf.compute.threads import available_cores
from napari_cnmf.summary import kernels


def report_state(_: Namespace) -> None:
    """Print versions, cores, caches and what is missing."""
    cache = Path(kernels.add_block.stats.cache_path)  # type: ignore[attr-defined]
    rows = [
        ("napari-cnmf", metadata.version("napari-cnmf")),
        ("python", f"{platform.python_version()} ({sys.executable})"),
        ("platform", platform.platform()),
        ("cores", f"{available_cores()} usable of {os.cpu_count()}"),
        ("numba threads", "not used: threads come from dask"),
        ("BLAS threads", f"{_blas()}; one each while a run works"),
        ("kernel cache", f"{cache} ({_cache_state(cache)})"),
        ("disk", f"{shutil.disk_usage('.').free / 1e9:.1f} GB free at {Path.cwd()}"),
    ]
    columns(rows)
    say()
    columns(_packages())


def _blas() -> str:
    """Name and threads of each BLAS that is loaded."""
    found = [
        f"{library['internal_api']} {library['num_threads']}"
        for library in threadpool_info()
        if library["user_api"] == "blas"
    ]
    return ", ".join(found) or "none found"


def _cache_state(folder: Path) -> str:
    """Say whether compiled kernels can be kept, and whether they are."""
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    if not os.access(nearest, os.W_OK):
        return "NOT WRITABLE: every run compiles anew; set NUMBA_CACHE_DIR"
    if not any(folder.glob("*.nbi")):
        return "empty: the first run compiles for some seconds"
    return "writable, filled"


def _packages() -> list[tuple[str, str]]:
    """Version of each package that is required, or what installs it."""
    rows = []
    for requirement in metadata.requires("napari-cnmf") or []:
        name = re.split(r"[^\w.-]", requirement, maxsplit=1)[0]
        extra = re.search(r"extra == ['\"](\w+)['\"]", requirement)
        try:
            state = metadata.version(name)
        except metadata.PackageNotFoundError:
            state = "MISSING: install napari-cnmf again"
            if extra:
                state = f"missing, optional: pip install 'napari-cnmf[{extra[1]}]'"
        rows.append((name, state))
    return rows
