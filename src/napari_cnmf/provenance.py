"""How a value came to be: one record per stage."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class StageRecord:
    """What one stage was run with.

    Attributes
    ----------
    stage : str
        Name of the stage.
    parameters : dict
        The parameter groups that matter to it, resolved: nothing is left on auto.
    source : str
        Fingerprint of the movie.
    versions : dict
        Versions of this package and of those it computes with.
    seconds : float
        Wall time; not part of the record's identity.
    key : str
        Digest of all that decides the outcome, see `napari_cnmf.pipeline.keys`; "" if
        something failed, or of a package that knew no keys: the stage is run again.
    finished : str
        When it was done, in ISO 8601 with the time zone; not part of the record's
        identity, and "" of a package that did not note it.
    """

    stage: str
    parameters: dict[str, Any]
    source: str
    versions: dict[str, str]
    seconds: float = field(default=0.0, compare=False)
    key: str = ""
    finished: str = field(default="", compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return asdict(self)


def digest(*parts: Any) -> str:
    """SHA-256 over plain values and arrays, in order."""
    total = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            total.update(f"{part.dtype.str}{part.shape}".encode())
            total.update(np.ascontiguousarray(part).data)
        else:
            total.update(json.dumps(part, sort_keys=True, default=str).encode())
    return total.hexdigest()


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide the numbers."""
    import platform
    from importlib.metadata import version

    names = ("napari-cnmf", "numpy", "scipy", "numba", "rocket-fft")
    return {"python": platform.python_version()} | {n: version(n) for n in names}
