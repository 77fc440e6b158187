"""The patch grid: one function for the solver and for whoever draws it.

Patches cover the field evenly: as many as the largest size asks for, all of one size,
overlapping by what was asked for, with no near-copies at the far edge. Each pixel
belongs to the core of one patch, which owns the components centred there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_cnmf.cnmf.parameters import PatchParameters

# A worker holds about 2.3 copies of a patch's binned movie: at most 220 MB.
_PATCH_VALUES = 24_000_000
_MIN_PATCH_PX = 64


@dataclass(frozen=True, slots=True)
class Patch:
    """One patch: what it reads and what it owns, in pixels of the field.

    Attributes
    ----------
    number : int
        Row by row.
    rows, cols : slice
        The pixels it reads.
    core_rows, core_cols : slice
        The pixels it owns.
    """

    number: int
    rows: slice
    cols: slice
    core_rows: slice
    core_cols: slice

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns that it reads."""
        return self.rows.stop - self.rows.start, self.cols.stop - self.cols.start

    @property
    def in_words(self) -> str:
        """Which one it is, and the pixels that it owns."""
        rows, cols = self.core_rows, self.core_cols
        return (
            f"patch {self.number} (rows {rows.start} to {rows.stop - 1}, columns "
            f"{cols.start} to {cols.stop - 1})"
        )

    def owns(self, centres: np.ndarray, margin_px: float = 0.0) -> np.ndarray:
        """Whether each centre (K, 2), in pixels of the field, lies in the core.

        With a margin, a cell on the border is owned by both neighbours, which may not
        agree on where its centre lies.
        """
        y, x = np.floor(centres + 0.5).T
        rows, cols = self.core_rows, self.core_cols
        inside = (y >= rows.start - margin_px) & (y < rows.stop + margin_px)
        inside &= x >= cols.start - margin_px
        return inside & (x < cols.stop + margin_px)


def solver_grid(
    field_shape: tuple[int, int], n_bins: int, parameters: PatchParameters
) -> list[Patch]:
    """Cut a field into the patches that are worked on; of a long movie smaller ones.

    Parameters
    ----------
    field_shape : tuple of int
        (Y, X).
    n_bins : int
        Time bins of the movie.
    parameters : PatchParameters

    Returns
    -------
    list of Patch
        Row by row.
    """
    affordable = max(_MIN_PATCH_PX, int((_PATCH_VALUES / max(n_bins, 1)) ** 0.5))
    size_px = min(parameters.patch_size_px, affordable)
    return patch_grid(field_shape, size_px, parameters.patch_overlap_px)


def patch_grid(
    field_shape: tuple[int, int], size_px: int, overlap_px: int
) -> list[Patch]:
    """Cut a field into equal, evenly spread patches.

    Parameters
    ----------
    field_shape : tuple of int
        (Y, X).
    size_px : int
        Largest side of a patch.
    overlap_px : int
        Overlap of neighbours, at most half of a patch.

    Returns
    -------
    list of Patch
        Row by row.
    """
    rows, cols = (_along(n, size_px, overlap_px) for n in field_shape)
    return [
        Patch(i * len(cols) + j, row, col, core_row, core_col)
        for i, (row, core_row) in enumerate(rows)
        for j, (col, core_col) in enumerate(cols)
    ]


def _along(n: int, size: int, overlap: int) -> list[tuple[slice, slice]]:
    """Slices and cores along one axis."""
    overlap = min(overlap, size // 2)
    count = max(1, int(np.ceil((n - overlap) / (size - overlap))))
    size = min(n, int(np.ceil((n + (count - 1) * overlap) / count)))
    starts = np.linspace(0, n - size, count).round().astype(int)
    borders = [0, *((starts[1:] + starts[:-1] + size) // 2).tolist(), n]
    return [
        (slice(int(start), int(start) + size), slice(low, high))
        for start, low, high in zip(starts, borders[:-1], borders[1:], strict=True)
    ]
