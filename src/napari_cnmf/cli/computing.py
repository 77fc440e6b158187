"""What the command line says of where to work."""

from __future__ import annotations

import re
from argparse import Namespace

from napari_cnmf.compute import Computing
from napari_cnmf.errors import ParameterError

_GB = {"KB": 1e-6, "MB": 1e-3, "GB": 1.0, "TB": 1e3}
_GB |= {"KIB": 2**10 / 1e9, "MIB": 2**20 / 1e9, "GIB": 2**30 / 1e9, "TIB": 2**40 / 1e9}


def computing_of(options: Namespace) -> tuple[Computing, list[str]]:
    """Part what was said into where to work and settings of the recipe.

    Options of their own (--backend, --workers, --memory) count more than settings.
    """
    ours, others = Computing.split(options.settings)
    said = {
        "compute.backend": options.backend,
        "compute.workers": options.workers,
        "compute.memory_gb": options.memory and gigabytes(options.memory),
    }
    computing = Computing().with_settings(ours)
    given = {name: value for name, value in said.items() if value is not None}
    return computing.with_settings(given), others


def gigabytes(text: str) -> float:
    """Read a size such as 4GB, 500 MB or 2GiB; a bare number is in GB."""
    match = re.fullmatch(r"([0-9.]+)\s*([KMGT]I?B)?", text.strip().upper())
    try:
        number = float(match[1]) if match else None
    except ValueError:
        number = None
    if match is None or number is None:
        raise ParameterError(
            f"'{text}' is no size of memory; write it as a number and its unit, such "
            "as 4GB or 500MB."
        )
    return number * _GB[match[2] or "GB"]
