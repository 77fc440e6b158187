"""Whether the workers of a cluster run what this process runs.

Other versions would fail halfway, or give other numbers. Only functions of Python's
own library are sent to find out, so a worker that lacks our package can answer too.
"""

from __future__ import annotations

import platform
from collections.abc import Collection, Iterator
from importlib import metadata
from typing import TYPE_CHECKING, Any

from napari_cnmf.errors import InputError

if TYPE_CHECKING:
    from distributed import Client

#: What this process runs.
version_here = metadata.version

_PACKAGES = ("napari-cnmf", "numpy", "numba")


def require_same_versions(client: Client, workers: Collection[str]) -> None:
    """Refuse workers, or a scheduler, with other versions than this process's.

    Raises
    ------
    InputError
        Which names the first that differs.
    """
    python = platform.python_version_tuple()[:2]
    found = _everywhere(client, workers, platform.python_version_tuple)
    for place, answer in found:
        if not isinstance(answer, Exception) and tuple(answer[:2]) != python:
            raise _differs(place, "Python", ".".join(answer[:2]), ".".join(python))
    for package in _PACKAGES:
        here = version_here(package)
        for place, answer in _everywhere(client, workers, metadata.version, package):
            if isinstance(answer, metadata.PackageNotFoundError):
                raise _differs(place, package, None, here)
            if not isinstance(answer, Exception) and answer != here:
                raise _differs(place, package, answer, here)


def _everywhere(
    client: Client, workers: Collection[str], function: Any, *arguments: str
) -> Iterator[tuple[str, Any]]:
    """Yield where a function was called, and what it gave or raised there."""
    answers = client.run(function, *arguments, workers=list(workers), on_error="return")
    for address, answer in answers.items():
        yield f"The worker {address}", answer


def _differs(place: str, package: str, there: str | None, here: str) -> InputError:
    """Say which version is missing."""
    has = "has no" if there is None else f"runs {there} of"
    return InputError(
        f"{place} {has} {package}, but {here} is needed, as here; use the same "
        "environment for the workers, the scheduler and this program."
    )
