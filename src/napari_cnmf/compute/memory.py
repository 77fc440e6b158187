"""How much memory this process may use: what is free, within what its job was given."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

import psutil

_MB = 2**20


def available_bytes() -> int:
    """Memory that is free on this machine, or that a container or job leaves of it."""
    return min([psutil.virtual_memory().available, *_limits()])


def _limits() -> Iterator[int]:
    """Yield what a container and SLURM allow."""
    yield from _control_groups()
    with suppress(KeyError, ValueError):
        yield int(os.environ["SLURM_MEM_PER_NODE"]) * _MB
    with suppress(KeyError, ValueError):
        cpus = int(os.environ["SLURM_CPUS_ON_NODE"])
        yield int(os.environ["SLURM_MEM_PER_CPU"]) * cpus * _MB


def _control_groups(
    proc: Path = Path("/proc/self/cgroup"), mounted: Path = Path("/sys/fs/cgroup")
) -> Iterator[int]:
    """Yield the limits of the control groups that this process is in, on Linux."""
    lines = proc.read_text().splitlines() if proc.exists() else []
    for line in lines:
        _, controllers, name = line.split(":", 2)
        if not controllers:  # version 2
            root, file = mounted, "memory.max"
        elif "memory" in controllers.split(","):
            root, file = mounted / "memory", "memory.limit_in_bytes"
        else:
            continue
        group = PurePosixPath(name.lstrip("/"))
        for level in (group, *group.parents):
            with suppress(OSError, ValueError):
                yield int((root / level / file).read_text())
