"""Clicks on the image: a click selects the cell under the cursor.

What is under it is looked up in the sparse footprints, so overlapping cells are all
found: repeated clicks at a place take one after the other. Shift adds to the selection,
a click on nothing clears it. Clicks count in pan and zoom mode, whichever layer is
active; dragging pans as ever.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp
from napari.viewer import Viewer

from napari_cnmf.components import Components

if TYPE_CHECKING:
    from napari_cnmf.widgets.scene.scene import Scene

#: A press that moves further, on the screen, is a drag.
DRAG_PX = 4
#: Clicks within this distance, in pixels of the movie, are at the same place.
NEAR_PX = 2.0
#: A contour runs up to this far outside of its footprint.
REACH_PX = 1.5


class FootprintIndex:
    """Which components hold a pixel.

    Parameters
    ----------
    components : Components
    """

    def __init__(self, components: Components) -> None:
        self.components = components
        scale = 1 / np.maximum(components.footprints.max(axis=0).toarray(), 1e-30)
        self._rows = sp.csr_array(components.footprints @ sp.diags_array(scale))

    def at(self, point: Sequence[float], shown: np.ndarray) -> list[int]:
        """Ids of the components at a row and column, the most central ones first.

        Parameters
        ----------
        point : (float, float)
            In pixels.
        shown : ndarray
            (K,) bool, the components to look among.
        """
        for reach in (0.5, REACH_PX):
            strength = self._strength(np.asarray(point), reach) * shown
            if strength.any():
                falling = np.argsort(-strength, kind="stable")
                count = np.count_nonzero(strength)
                return self.components.ids[falling[:count]].tolist()
        return []

    def _strength(self, point: np.ndarray, reach: float) -> np.ndarray:
        """(K,) greatest share of its maximum that each footprint has near a point."""
        height, width = self.components.fov_shape
        low = np.maximum(np.ceil(point - reach), 0).astype(int)
        high = np.minimum(np.floor(point + reach), (height - 1, width - 1)).astype(int)
        rows, cols = (np.arange(a, b + 1) for a, b in zip(low, high, strict=True))
        pixels = (rows[:, None] * width + cols).ravel()
        if not pixels.size:
            return np.zeros(len(self.components))
        return self._rows[pixels].max(axis=0).toarray().ravel()


class Picker:
    """Selects the cells that are clicked on in a scene's viewer.

    Parameters
    ----------
    scene : Scene
    """

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._index: FootprintIndex | None = None
        self._last: np.ndarray | None = None
        viewer = scene.viewer
        viewer.mouse_drag_callbacks.append(self._press)
        self._zooms: list[Callable[[Viewer, Any], None]] = list(
            viewer.mouse_double_click_callbacks
        )
        viewer.mouse_double_click_callbacks[:] = [self._double_click]

    def pick(self, world: Sequence[float], add: bool = False) -> None:
        """Select the cell at a point of the world, or the next one at the same point.

        Parameters
        ----------
        world : sequence of float
            As in napari's mouse events; the last two count.
        add : bool
            Whether it is added to the selection, or taken from it.
        """
        workspace, found = self._scene.workspace, self.found(world)
        point = self._scene.place.to_data(world[-2:])
        again = self._last is not None and (np.hypot(*(point - self._last)) <= NEAR_PX)
        self._last = point
        if add:
            workspace.select(_toggled(workspace.selected, found))
        else:
            workspace.select(_next(found, workspace.selected if again else ()))

    def found(self, world: Sequence[float]) -> list[int]:
        """Ids of the cells at a point of the world; not of those that are hidden."""
        components = self._scene.workspace.components
        if components is None:
            return []
        index = self._index
        known = None if index is None else index.components.footprints
        if index is None or known is not components.footprints:
            index = self._index = FootprintIndex(components)
        rejected = self._scene.layer("rejected")
        hidden = rejected is not None and not rejected.visible
        shown = components.accepted if hidden else np.ones(len(components), bool)
        return index.at(self._scene.place.to_data(world[-2:]).tolist(), shown)

    def _press(self, viewer: Viewer, event: Any) -> Generator[None, None, None]:
        """Pick when the mouse is released where it was pressed."""
        if event.button != 1 or not _picks(viewer):
            return
        start = np.asarray(event.pos)
        yield
        while event.type == "mouse_move":
            if np.abs(np.asarray(event.pos) - start).max() > DRAG_PX:
                return
            yield
        if self._scene.workspace.components is not None:
            self.pick(event.position, "Shift" in event.modifiers)

    def _double_click(self, viewer: Viewer, event: Any) -> None:
        """Go on to the next of overlapping cells; anywhere else zoom as ever."""
        if _picks(viewer) and len(self.found(event.position)) > 1:
            self.pick(event.position)
        else:
            for zoom in self._zooms:
                zoom(viewer, event)


def _picks(viewer: Viewer) -> bool:
    """Whether a click has no other meaning for the active layer."""
    active = viewer.layers.selection.active
    mode = "pan_zoom" if active is None else str(active.mode)
    return viewer.dims.ndisplay == 2 and mode == "pan_zoom"


def _next(found: list[int], selected: Sequence[int]) -> list[int]:
    """Return the first of the cells found, or the one after the selected one."""
    if not found:
        return []
    lead = selected[0] if selected else None
    return [found[(found.index(lead) + 1) % len(found)] if lead in found else found[0]]


def _toggled(selected: Sequence[int], found: list[int]) -> list[int]:
    """Add a cell to the selection, or take it out."""
    if not found:
        return list(selected)
    new = next((i for i in found if i not in selected), None)
    if new is None:
        return [i for i in selected if i != found[0]]
    return [*selected, new]
