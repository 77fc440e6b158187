"""Cells while they are found: each finished patch paints its footprints."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_cnmf.cnmf.patch_solver import PatchResult
from napari_cnmf.compute import ProgressEvent
from napari_cnmf.widgets.jobs import Jobs
from napari_cnmf.widgets.scene import layers

if TYPE_CHECKING:
    from napari_cnmf.widgets.scene.scene import Scene

ROLE = "footprints"


class LiveCells:
    """Borrows the layer of the footprints during a run, where it fills up.

    A layer of its own would cost the window half a second twice: when it is made, and
    when napari searches for garbage after it was taken away.

    Parameters
    ----------
    scene : Scene
        Whose viewer shows it.
    jobs : Jobs
        Tells of finished patches.

    Attributes
    ----------
    painting : bool
        Whether the layer shows cells found so far.
    """

    def __init__(self, scene: Scene, jobs: Jobs) -> None:
        self.painting = False
        self._scene = scene
        self._found = 0
        self._was_visible = False
        jobs.progressed.connect(self._paint)

    def give_back(self) -> None:
        """Leave the layer to the footprints of the result, as visible as before."""
        layer = self._scene.layer(ROLE)
        if self.painting and layer is not None:
            layer.visible = self._was_visible
        self.painting, self._found = False, 0

    def _paint(self, event: ProgressEvent) -> None:
        """Paint what a patch has found; if the user closed the layer, nothing."""
        result = self._scene.workspace.result
        if not isinstance(event.payload, PatchResult) or result is None:
            return
        if not self.painting:
            self._borrow(result.movie.shape[1:])
        layer = self._scene.layer(ROLE)
        if layer is None:
            return
        footprints = event.payload.footprints
        n_new = footprints.shape[1]
        labels = self._found + 1 + np.arange(n_new)
        layer.data.ravel()[footprints.indices] = np.repeat(
            labels, np.diff(footprints.indptr)
        )
        self._found += n_new
        layer.refresh(extent=False, thumbnail=False)

    def _borrow(self, field_shape: tuple[int, int]) -> None:
        """Empty the layer, or make it, and show it."""
        former = self._scene.layer(ROLE)
        self._was_visible = former is not None and former.visible
        self.painting = True
        made = layers.live_layer(field_shape, self._scene.place)
        self._scene.put(made, ROLE).visible = True
