"""What became of the peaks of a result's correlation image.

    python benchmarks/peaks.py out/results.h5

Lists the local maxima above 0.3 (in a window of 9 px, 3 px of border left out): whether
a component lies there, and whether it was accepted or why it was rejected.
"""

from __future__ import annotations

import sys
from collections import Counter

import numpy as np
from scipy.ndimage import maximum_filter

import napari_cnmf

LEVEL, WINDOW_PX, BORDER_PX = 0.3, 9, 3


def peaks(image: np.ndarray) -> np.ndarray:
    """Pixels (n, 2) of the local maxima, row by row."""
    top = (image == maximum_filter(image, WINDOW_PX)) & (image > LEVEL)
    inside = np.zeros_like(top)
    inside[BORDER_PX:-BORDER_PX, BORDER_PX:-BORDER_PX] = True
    return np.argwhere(top & inside)


def verdict(components: napari_cnmf.Components, y: int, x: int) -> tuple[str, str]:
    """What lies at a pixel: its best component's verdict, and why."""
    pixel = y * components.fov_shape[1] + x
    row = components.footprints.tocsr()[[pixel]].tocoo()
    highest = components.footprints.max(axis=0).toarray().ravel()
    here = [
        k for k in row.coords[1] if components.footprints[pixel, k] > highest[k] / 5
    ]
    if not here:
        return "missed", ""
    for k in here:
        if components.accepted[k]:
            return "accepted", f"id {components.ids[k]}"
    return "rejected", "; ".join(components.quality.reasons(here[0]))


def main(path: str) -> None:
    """Print the table."""
    result = napari_cnmf.load(path)
    correlation = result.summary.correlation
    counts: Counter[str] = Counter()
    print("   y    x  corr  verdict")
    for y, x in peaks(correlation):
        word, why = verdict(result.components, y, x)
        counts[word] += 1
        print(f"{y:4d} {x:4d}  {correlation[y, x]:.2f}  {word:9s} {why}")
    print(", ".join(f"{n} {word}" for word, n in counts.items()))


if __name__ == "__main__":
    main(sys.argv[1])
