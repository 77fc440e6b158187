"""The patch grid of what is open, its figures, and how it is drawn: no widgets here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from napari_cnmf.cnmf.patches import Patch, solver_grid
from napari_cnmf.components import Components
from napari_cnmf.movie.blocks import choose_bin
from napari_cnmf.movie.normalised import bin_length
from napari_cnmf.pipeline.opening import crop
from napari_cnmf.widgets.scene import layers
from napari_cnmf.widgets.scene.layers import Place
from napari_cnmf.widgets.scene.scene import Scene
from napari_cnmf.widgets.workspace import Workspace

QUILT, DISC = "quilt", "neuron size"


@dataclass(frozen=True)
class GridFigures:
    """What the user should know of a patch grid.

    Attributes
    ----------
    n_patches : int
    size_px : (int, int)
        Rows and columns of a patch.
    overlap_px : int
        Least overlap of two neighbours; 0 if there is one patch only.
    """

    n_patches: int
    size_px: tuple[int, int]
    overlap_px: int

    @classmethod
    def of(cls, grid: Sequence[Patch]) -> GridFigures:
        """Work them out."""
        rows = sorted({(p.rows.start, p.rows.stop) for p in grid})
        cols = sorted({(p.cols.start, p.cols.stop) for p in grid})
        overlaps = [
            first[1] - second[0]
            for spans in (rows, cols)
            for first, second in pairwise(spans)
        ]
        return cls(len(grid), grid[0].shape, min(overlaps, default=0))


def grid_of(workspace: Workspace) -> list[Patch]:
    """Return the patches that CNMF would work on; none if nothing is open."""
    shape, n_bins = planned_size(workspace)
    if not all(shape):
        return []
    return solver_grid(shape, n_bins, workspace.recipe.patches)


def found_per_patch(grid: Sequence[Patch], components: Components) -> float:
    """Median number of components that a patch owns."""
    return float(np.median([p.owns(components.centres).sum() for p in grid]))


def draw_quilt(scene: Scene) -> None:
    """Draw the patch grid of what is open."""
    grid = grid_of(scene.workspace)
    if grid:
        scene.put(layers.quilt_layer(grid, planned_place(scene)), QUILT)
    else:
        scene.remove(QUILT)


def draw_disc(scene: Scene, world: np.ndarray | None = None) -> None:
    """Draw a disc of a neuron's size, in the middle of the view unless told where."""
    if world is None:
        world = np.asarray(scene.viewer.scene.camera.center[-2:])
    place = planned_place(scene)
    diameter_px = scene.workspace.diameter_px
    scene.put(layers.disc_layer(place.to_data(world), diameter_px, place), DISC)


def disc_centre(scene: Scene) -> np.ndarray | None:
    """Where the disc is in the world, None if it is not drawn."""
    layer = scene.layer(DISC)
    if layer is None or not len(layer.data):
        return None
    return planned_place(scene).to_world(np.mean(layer.data[0], axis=0))


def planned_size(workspace: Workspace) -> tuple[tuple[int, int], int]:
    """Field and number of time bins of what CNMF would work on."""
    recipe = workspace.recipe
    registered = workspace.registered
    if registered is not None:
        return registered.field_shape, registered.n_frames // bin_length(registered)
    result, movie = workspace.result, workspace.movie
    if result is not None:
        shape = result.movie.shape
    elif movie is not None:
        shape = crop(movie, recipe.input).shape
    else:
        return (0, 0), 0
    bin_frames = choose_bin(shape[0], workspace.frame_rate_hz, recipe.store.bin_s)
    return shape[1:], shape[0] // bin_frames


def planned_place(scene: Scene) -> Place:
    """Where the part of the movie that is analysed lies."""
    place, part = scene.place, scene.workspace.recipe.input
    if scene.workspace.result is not None:
        return place
    size, side_px = place.pixel_size_um, 1 / part.resample_space
    return Place(
        place.frame_rate_hz,
        size and (size[0] * side_px, size[1] * side_px),
        (0.0, *part.origin[1:]),
        side_px,
    )
