"""Cells while they are found: each finished patch paints its footprints."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_cnmf.cnmf.fit import PatchResult
from napari_cnmf.compute import ProgressEvent
from napari_cnmf.widgets import layers
from napari_cnmf.widgets.jobs import Jobs

if TYPE_CHECKING:
    from napari_cnmf.widgets.scene import Scene

ROLE_LIVE = "live"


class LiveCells:
    """A layer of labels that fills up during a run and goes with its end.

    Parameters
    ----------
    scene : Scene
        Whose viewer shows it.
    jobs : Jobs
        Tells of finished patches.
    """

    def __init__(self, scene: Scene, jobs: Jobs) -> None:
        self._scene = scene
        self._found = 0
        self._made = False
        jobs.progressed.connect(self._paint)
        jobs.ended.connect(self.clear)

    def hide(self) -> None:
        """Hide the layer: the result shows its cells.

        Taking a layer away makes napari search for garbage, up to 0.3 s, which must
        wait for the end of the run.
        """
        layer = self._scene.layer(ROLE_LIVE)
        if layer is not None:
            layer.visible = False

    def clear(self) -> None:
        """Take the layer away: the run has ended."""
        self._found, self._made = 0, False
        self._scene.remove(ROLE_LIVE)

    def _paint(self, event: ProgressEvent) -> None:
        """Paint what a patch has found; if the user closed the layer, nothing."""
        result, scene = self._scene.workspace.result, self._scene
        if not isinstance(event.payload, PatchResult) or result is None:
            return
        if not self._made:
            self._made = True
            made = layers.live_layer(result.movie.shape[1:], scene.place)
            scene.put(made, ROLE_LIVE)
        layer = scene.layer(ROLE_LIVE)
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
