"""Frame rate and pixel size among attributes with the names that people use.

What makes no sense (zero, negative, infinite, text) is taken as not stated.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

RATE_NAMES = ("frame_rate_hz", "frame_rate", "fr", "fps")
SIZE_NAME = "pixel_size_um"


def stated_rate(*sources: Mapping[str, Any]) -> float | None:
    """Return the frame rate in Hz that the first of several mappings states."""
    for attributes in sources:
        for name in RATE_NAMES:
            rate = positive(attributes.get(name))
            if rate is not None:
                return rate
    return None


def stated_pixel_size(attributes: Mapping[str, Any]) -> tuple[float, float] | None:
    """Return height and width of a pixel in um."""
    size = attributes.get(SIZE_NAME)
    if not isinstance(size, list | tuple | np.ndarray) or len(size) != 2:
        return None
    height, width = positive(size[0]), positive(size[1])
    return None if height is None or width is None else (height, width)


def positive(value: Any) -> float | None:
    """Return a positive finite number, or None for anything else."""
    if isinstance(value, np.ndarray | np.generic) and value.size == 1:
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 < value < np.inf else None
