"""Event images: what the movie shows around a component when it is active.

The mean movie over a component's events, weighted by how far its trace exceeds half of
its peak, with neighbours and background taken out: what remains should be the cell.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from threading import Event

import numpy as np
import scipy.sparse as sp

from napari_cnmf.components import Components
from napari_cnmf.compute import Backend, Stopwatch
from napari_cnmf.compute.scratch import row_blocks
from napari_cnmf.movie import Movie
from napari_cnmf.movie.images import SummaryImages
from napari_cnmf.movie.normalised import (
    bin_length,
    bin_traces,
    bins_left_out,
    gains,
    normalised_bins,
    tiles,
)
from napari_cnmf.quality import kernels

TILE_PX = 128
_LEAST_TILE_PX = 16
_TILE_VALUES = 24 * 10**6


@dataclass(frozen=True, eq=False)
class EventImages:
    """Event images in boxes centred on their components.

    Attributes
    ----------
    corners : ndarray
        (K, 2) int64, pixel (y, x) of each box's corner; may lie outside the field.
    events, footprints : ndarray
        (K, side, side) float32, in units of the pixels' noise; zero outside the field.
    """

    corners: np.ndarray
    events: np.ndarray
    footprints: np.ndarray


def event_weights(denoised: np.ndarray) -> sp.csr_array:
    """Weight of each frame in a component's event image, (K, T), rows add up to one."""
    peak = denoised.max(axis=1, keepdims=True, initial=0)
    above = np.maximum(denoised - 0.5 * peak, 0)
    total = np.maximum(above.sum(axis=1, keepdims=True), 1e-12)
    weights = sp.csr_array((above / total).astype(np.float32))
    weights.sort_indices()
    return weights


def event_tiles(movie: Movie) -> list[tuple[slice, slice]]:
    """Rows and columns of the tiles that are read."""
    return tiles(movie.field_shape, tile_px(movie.n_frames // bin_length(movie)))


def tile_px(n_bins: int) -> int:
    """Side of a tile, smaller in a movie of many time bins."""
    side = TILE_PX
    while side > _LEAST_TILE_PX and side * side * n_bins > _TILE_VALUES:
        side //= 2
    return side


def event_images(
    movie: Movie,
    summary: SummaryImages,
    components: Components,
    half_px: int,
    *,
    backend: Backend,
    watch: Stopwatch,
    cancel: Event | None,
) -> EventImages:
    """Compute the event images of all components from the binned movie.

    Parameters
    ----------
    movie : Movie
        Registered.
    summary : SummaryImages
    components : Components
    half_px : int
        Half the side of the boxes.

    Returns
    -------
    EventImages
    """
    bin_frames = bin_length(movie)
    side = 2 * half_px + 1
    corners = np.rint(components.centres).astype(np.int64) - half_px
    active = bin_traces(components.denoised, bin_frames)
    active[:, bins_left_out(movie.left_out, bin_frames, movie.n_frames)] = 0
    weights = event_weights(active)
    events = np.zeros((len(components), side, side), np.float32)

    def collect(part: tuple[np.ndarray, np.ndarray]) -> None:
        which, boxes = part
        events[which] += boxes
        watch.advance(1)

    reader = BoxReader(movie, summary, bin_frames, corners, side, weights)
    backend.run(reader, event_tiles(movie), collect, cancel)
    gain = gains(summary).ravel() * np.float32(np.sqrt(bin_frames))
    footprints = sp.csc_array(sp.diags_array(gain) @ components.footprints)
    maps = sp.diags_array(gain) @ components.background.maps
    model = sp.hstack([footprints, maps], format="csr").astype(np.float32)
    kernels.subtract_sources(
        events,
        corners,
        *movie.field_shape,
        model.indptr,
        model.indices,
        model.data,
        _binned_sources(components, bin_frames),
        weights.indptr,
        weights.indices,
        weights.data,
    )
    return EventImages(corners, events, _boxed(footprints, corners, side, movie))


@dataclass(frozen=True, eq=False)
class BoxReader:
    """Reads the part of the event boxes that lies in one tile; sent to the workers."""

    movie: Movie
    summary: SummaryImages
    bin_frames: int
    corners: np.ndarray
    side: int
    weights: sp.csr_array

    def __call__(self, tile: tuple[slice, slice]) -> tuple[np.ndarray, np.ndarray]:
        """Return which components have pixels here, and their boxes."""
        rows, cols = tile
        low = np.array([rows.start, cols.start])
        high = np.array([rows.stop, cols.stop])
        near = (self.corners < high) & (self.corners + self.side > low)
        which = np.flatnonzero(near.all(axis=1))
        boxes = np.zeros((len(which), self.side, self.side), np.float32)
        if len(which):
            bins = normalised_bins(
                self.movie, self.summary, self.bin_frames, rows, cols
            )
            weights = self.weights[which]
            kernels.event_boxes(
                bins.reshape(rows.stop - rows.start, cols.stop - cols.start, -1),
                rows.start,
                cols.start,
                self.corners[which],
                weights.indptr,
                weights.indices,
                weights.data,
                boxes,
            )
        return which, boxes


def _binned_sources(components: Components, bin_frames: int) -> np.ndarray:
    """Raw traces and those of the background (K + H, bins), less their means.

    The movie's mean over all frames was removed, so that of its sources must be too.
    """
    background = components.background.traces
    blocks = chain(
        (components.raw_of(cells) for cells in row_blocks(components.denoised.shape)),
        (background[rows] for rows in row_blocks(background.shape)),
    )
    nothing = np.empty((0, components.n_frames // bin_frames), np.float32)
    binned = [
        bin_traces(block, bin_frames) - block.mean(axis=1, keepdims=True)
        for block in blocks
    ]
    return np.concatenate([nothing, *binned])


def _boxed(
    footprints: sp.csc_array, corners: np.ndarray, side: int, movie: Movie
) -> np.ndarray:
    """Footprints in their boxes, cut where they leave them."""
    coo = footprints.tocoo()
    pixel, k = coo.coords
    y, x = np.divmod(pixel, movie.field_shape[1])
    i, j = y - corners[k, 0], x - corners[k, 1]
    inside = (i >= 0) & (i < side) & (j >= 0) & (j < side)
    boxes = np.zeros((len(corners), side, side), np.float32)
    boxes[k[inside], i[inside], j[inside]] = coo.data[inside]
    return boxes
