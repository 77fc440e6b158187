"""Two results in a viewer: the contours of both over one image, the chosen ones thick.

They stand in place of the layers of the open result, whose contours would be taken for
those of one side, and go when the comparison is left.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

import numpy as np
from napari.viewer import Viewer

from napari_cnmf.colours import COMPARED
from napari_cnmf.comparison import Comparison
from napari_cnmf.widgets.scene import layers
from napari_cnmf.widgets.scene.layers import LINE_PX, Outlines
from napari_cnmf.widgets.scene.scene import Scene
from napari_cnmf.widgets.session import Session, session
from napari_cnmf.widgets.views.panelview import PanelView, panel_view

#: Begins the role of every layer of a comparison.
PREFIX = "compared "
#: Movies and images of the open result may stay below the contours.
_KEPT = ("movie", "registered", *layers.IMAGES)
_ALL_OPACITY, _CHOSEN_PX = 0.7, 2 * LINE_PX


class ComparedView:
    """The contours of two results.

    Parameters
    ----------
    scene : Scene
    panel_view : PanelView
        Of the same viewer.
    """

    def __init__(self, scene: Scene, panel_view: PanelView) -> None:
        self._scene = scene
        self._panel_view = panel_view
        self._comparison: Comparison | None = None
        self._outlines: tuple[Outlines, ...] = ()
        #: The comparison is shown, or was left.
        self.changed = panel_view.changed
        scene.workspace.result_changed.connect(self.leave)

    @property
    def shown(self) -> bool:
        """Whether a comparison is shown."""
        return self._panel_view.shows(PREFIX)

    def show(self, comparison: Comparison, rows: np.ndarray) -> None:
        """Show some rows of a comparison instead of what is visible now."""
        self.leave()
        self._comparison = comparison
        self._outlines = tuple(Outlines.of(cells) for cells in comparison.cells)
        self._panel_view.show(PREFIX, lambda: self._draw(rows), kept=_KEPT)

    def list_rows(self, rows: np.ndarray) -> None:
        """Show other rows of the same comparison."""
        if self.shown:
            self._draw_contours(rows)

    def choose(self, row: int) -> None:
        """Draw the contours of a row thick, and move the view there."""
        if not self.shown or self._comparison is None:
            return
        case = self._comparison.matching.case(row)
        for side, chosen in enumerate(case):
            name, pieces = self._name(side), self._outlines[side].at(chosen.tolist())
            self._put(pieces, f"{name}, chosen", side, _CHOSEN_PX)
        pairs = zip(self._comparison.cells, case, strict=True)
        centres = np.concatenate([cells.centres[chosen] for cells, chosen in pairs])
        y, x = self._scene.place.to_world(centres.mean(axis=0))
        self._scene.viewer.scene.camera.center = (0.0, float(y), float(x))

    def leave(self) -> None:
        """Show again what was shown before."""
        if self.shown:
            self._panel_view.leave()

    def _draw(self, rows: np.ndarray) -> None:
        """Draw the contours, on an image if the viewer shows none."""
        scene, comparison = self._scene, self._comparison
        kept = (scene.layer(role) for role in _KEPT)
        is_bare = not any(layer is not None and layer.visible for layer in kept)
        if is_bare and comparison is not None:
            made = layers.image_layer(comparison.image, "compared field", scene.place)
            scene.put(made, PREFIX + "image")
        self._draw_contours(rows)

    def _draw_contours(self, rows: np.ndarray) -> None:
        """Draw the contours of both results in their colours."""
        if self._comparison is None:
            return
        matching = self._comparison.matching
        for side, places in enumerate((matching.first, matching.second)):
            wanted = places[rows]
            pieces = self._outlines[side].at(wanted[wanted >= 0].tolist())
            self._put(pieces, self._name(side), side, LINE_PX, _ALL_OPACITY)

    def _put(
        self,
        pieces: np.ndarray,
        name: str,
        side: int,
        width_px: float,
        opacity: float = 1.0,
    ) -> None:
        """Draw pieces of contours in the colour of a side."""
        place = self._scene.place
        data, about, kind = layers.lines_layer(
            pieces, name, COMPARED[side], place, width_px
        )
        role = f"{PREFIX}{'AB'[side]} {width_px}"
        self._scene.put((data, about | {"opacity": opacity}, kind), role)

    def _name(self, side: int) -> str:
        """Name of the layer of a side."""
        names = () if self._comparison is None else self._comparison.names
        return f"{'AB'[side]}: {names[side]}"


_VIEWS: WeakKeyDictionary[Session, ComparedView] = WeakKeyDictionary()


def compared_view(viewer: Viewer) -> ComparedView:
    """Return the comparison of a viewer, made at the first call."""
    owner = session(viewer)
    if owner not in _VIEWS:
        _VIEWS[owner] = ComparedView(owner.scene, panel_view(viewer))
    return _VIEWS[owner]
