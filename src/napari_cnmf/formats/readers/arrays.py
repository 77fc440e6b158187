"""Arrays of a folder (zarr, N5): which one is the movie, and which axis is which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from napari_cnmf.errors import ChoiceError

#: By the first letters of an axis' name.
AXES = {
    "t": "T",
    "f": "T",
    "c": "C",
    "z": "Z",
    "pl": "Z",
    "d": "Z",
    "y": "Y",
    "r": "Y",
    "h": "Y",
    "x": "X",
    "col": "X",
    "w": "X",
}
#: Units of length, in um, and of time, in s.
UM = {
    "nanometer": 1e-3,
    "nm": 1e-3,
    "micrometer": 1.0,
    "micron": 1.0,
    "um": 1.0,
    "\u00b5m": 1.0,
    "\u03bcm": 1.0,
    "millimeter": 1e3,
    "mm": 1e3,
    "meter": 1e6,
}
SECONDS = {"microsecond": 1e-6, "millisecond": 1e-3, "second": 1.0, "minute": 60.0}


@dataclass(frozen=True)
class Candidate:
    """An array that may be the movie: its axes, and the size of a step on each."""

    name: str
    array: Any
    axes: str
    frame_rate_hz: float | None = None
    pixel_size_um: tuple[float, float] | None = None


def chosen_array(
    name: str, candidates: Sequence[Candidate], wanted: str | None
) -> Candidate:
    """Return the array that was asked for, or the only one that can be a movie."""
    listed = ", ".join(f"{c.name or '/'} {c.array.shape}" for c in candidates) or "none"
    if wanted is not None:
        plain = wanted.strip("/")
        candidates = [
            c for c in candidates if c.name == plain or c.name.startswith(f"{plain}/")
        ]
    if len(candidates) != 1:
        asked = "" if wanted is None else f" named {wanted!r}"
        raise ChoiceError(
            f"{name} holds {len(candidates)} arrays{asked} that can be a movie where "
            f"one is expected (found: {listed}); "
            + ("open another file." if listed == "none" else "choose dataset=NAME."),
            "" if listed == "none" else "dataset",
        )
    return candidates[0]


def letters(names: Sequence[Any], n_axes: int) -> str | None:
    """Return a letter for each axis by its name, None if a name says nothing."""
    if len(names) != n_axes:
        return None
    found = []
    for name in names:
        plain = str(name).lower()
        starts = [start for start in AXES if plain.startswith(start)]
        if not starts:
            return None
        found.append(AXES[max(starts, key=len)])
    return "".join(found)


def is_movie(shape: Sequence[int], dtype: np.dtype) -> bool:
    """Whether an array can hold frames of real numbers."""
    return (
        len(shape) >= 3
        and dtype.kind in "iuf"
        and prod(shape) > 0
        and sum(n > 1 for n in shape) >= 3
    )


def axes_by_length(shape: Sequence[int]) -> str:
    """Return axes for an array that names none: time is the long one before (Y, X)."""
    long = [i for i, n in enumerate(shape[:-2]) if n > 1]
    time = long[0] if len(long) == 1 else 0
    outer = ["T" if i == time else "?" for i in range(len(shape) - 2)]
    return "".join(outer) + "YX"
