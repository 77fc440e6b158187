"""Panels that stand in a viewer in place of all else, until they are left.

What was visible before is hidden and marked, and comes back, in the same part of the
view, when the panels are left or the user closes one of them. Each set of panels begins
the roles of its layers with a prefix of its own, and there is one set at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

from napari.layers import Layer
from napari.viewer import Viewer
from psygnal import Signal

from napari_cnmf.widgets.scene.scene import ROLE, Scene
from napari_cnmf.widgets.session import Session, session

#: Marks a layer that the panels have hidden.
HIDDEN = "napari-cnmf hidden"


class PanelView:
    """Shows one set of panels at a time.

    Parameters
    ----------
    scene : Scene
    """

    #: Panels are shown, or were left.
    changed = Signal()

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._prefix = ""
        self._camera: tuple[tuple[float, ...], float] = (), 1.0
        self._busy = False
        scene.viewer.layers.events.removed.connect(self._notice_removal)

    def shows(self, prefix: str) -> bool:
        """Whether the panels with this prefix are shown."""
        return self._prefix == prefix

    def show(
        self, prefix: str, draw: Callable[[], None], kept: Collection[str] = ()
    ) -> None:
        """Show panels instead of what is visible now.

        Parameters
        ----------
        prefix : str
            Begins the roles of their layers.
        draw : callable
            Makes these layers.
        kept : collection of str
            Roles of layers that stay visible.
        """
        self.leave()
        camera = self._scene.viewer.scene.camera
        self._camera = camera.center, camera.zoom
        visible = [layer for layer in self._scene.viewer.layers if layer.visible]
        draw()
        self._prefix = prefix
        for layer in visible:
            if layer.metadata.get(ROLE) not in kept:
                layer.visible = False
                layer.metadata[HIDDEN] = True
        self._scene.viewer.reset_view()
        self.changed.emit()

    def leave(self) -> None:
        """Show again what was shown before the panels, if there are any."""
        if not self._prefix:
            return
        layers = self._scene.viewer.layers
        with self.on_purpose():
            # The first may read a movie that the others use as well.
            for layer in reversed([la for la in layers if self._owns(la)]):
                layers.remove(layer)
        self._prefix = ""
        for layer in layers:
            if layer.metadata.pop(HIDDEN, False):
                layer.visible = True
        camera = self._scene.viewer.scene.camera
        camera.center, camera.zoom = self._camera
        self.changed.emit()

    @contextmanager
    def on_purpose(self) -> Iterator[None]:
        """Remove layers without taking that for the user's doing."""
        before, self._busy = self._busy, True
        try:
            yield
        finally:
            self._busy = before

    def _owns(self, layer: Layer) -> bool:
        """Whether a layer is one of the panels shown."""
        role = layer.metadata.get(ROLE, "")
        return bool(self._prefix) and role.startswith(self._prefix)

    def _notice_removal(self, event: Any) -> None:
        """Leave the panels if the user has closed one of them."""
        if self._owns(event.value) and not self._busy:
            self.leave()


_VIEWS: WeakKeyDictionary[Session, PanelView] = WeakKeyDictionary()


def panel_view(viewer: Viewer) -> PanelView:
    """Return the panels of a viewer, made at the first call."""
    owner = session(viewer)
    if owner not in _VIEWS:
        _VIEWS[owner] = PanelView(owner.scene)
    return _VIEWS[owner]
