"""The layers of ours in a viewer, each found by its role.

Each layer bears its role in its metadata. It is changed in place once it is there, so
that what the user has set (visible or not, opacity, colours) stays.
"""

from __future__ import annotations

from typing import Any
from weakref import ref

from napari.layers import Layer
from napari.viewer import Viewer
from vispy.gloo import get_current_canvas  # type: ignore[import-untyped]

from napari_cnmf.widgets.scene.layers import BEFORE, COMPARED, IMAGES, LayerTuple, Place

#: Key of a layer's role in its metadata.
ROLE = "napari-cnmf"
#: From the bottom of the viewer's list to its top; other layers lie at "".
ORDER = (
    "movie",
    "registered",
    "preview",
    "denoised",
    "background",
    "residual",
    *(name + BEFORE for name in COMPARED),
    *IMAGES,
    "",
    "valid area",
    "patch grid",
    "shifts",
    "footprints",
    "rejected",
    "accepted",
    "quilt",
    "neuron size",
    "selected",
)
#: What is the user's own once a layer has been made.
_OWN = ("name", "visible", "opacity", "blending", "metadata", "ndim", "gamma")
#: What is given along with new shapes.
_OF_SHAPES = ("shape_type", "face_color", "edge_color", "edge_width")


class Shelf:
    """Layers by their roles.

    Parameters
    ----------
    viewer : Viewer
        Not kept alive.
    """

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = ref(viewer)
        viewer.layers.events.removing.connect(_use_canvas)
        viewer.layers.events.removed.connect(_let_go)

    @property
    def viewer(self) -> Viewer:
        """The viewer, which must still be there."""
        viewer = self._viewer()
        if viewer is None:
            raise RuntimeError("The viewer of this scene is closed.")
        return viewer

    @property
    def is_open(self) -> bool:
        """Whether the viewer is still there."""
        return self._viewer() is not None

    def layer(self, role: str) -> Layer | None:
        """Return the layer that has a role, None if there is none."""
        for layer in self.viewer.layers:
            if layer.metadata.get(ROLE) == role:
                return layer
        return None

    def put(self, made: LayerTuple, role: str) -> Layer:
        """Show values in the layer of a role; an existing one is changed in place."""
        data, about, kind = made
        layer = self.layer(role)
        if layer is None:
            return self._insert(made, role)
        if kind == "shapes":
            layer.data = []
            layer.add(data, **{name: about[name] for name in _OF_SHAPES})
        elif layer.data is not data:
            _close(layer)
            layer.data = data
        for name, value in about.items():
            if name not in (*_OWN, *_OF_SHAPES[:3]):
                setattr(layer, name, value)
        return layer

    def remove(self, role: str) -> None:
        """Take the layer of a role away, if there is one."""
        layer = self.layer(role)
        if layer is not None:
            self.viewer.layers.remove(layer)

    def _insert(self, made: LayerTuple, role: str) -> Layer:
        """Make a layer and put it where its role belongs; the active one stays."""
        data, about, kind = made
        metadata = {**about.get("metadata", {}), ROLE: role}
        layer = Layer.create(data, about | {"metadata": metadata}, kind)
        shown = self.viewer.layers
        active = shown.selection.active
        below = [i for i, other in enumerate(shown) if _rank(other) <= _rank(layer)]
        place = below[-1] + 1 if below else 0
        if active is None:
            shown.insert(place, layer)
            return layer
        # A third of the time goes into a change to another layer's controls and back.
        with shown.selection.events.blocker_all():
            shown.insert(place, layer)
            shown.selection.active = active
        return layer


def set_place(layer: Layer, place: Place) -> None:
    """Put a movie's layer into space and time."""
    for name, value in place.movie.items():
        setattr(layer, name, value)


def _rank(layer: Layer) -> int:
    """Place of a layer among ours from the bottom; those of others count as images."""
    role = layer.metadata.get(ROLE, "")
    return ORDER.index(role) if role in ORDER else ORDER.index("")


def _let_go(event: Any) -> None:
    """Stop reading ahead for a movie that is no longer shown."""
    if ROLE in event.value.metadata:
        _close(event.value)


def _close(layer: Layer) -> None:
    """Let go of a movie's frames in memory."""
    close = getattr(layer.data, "close", None)
    if close is not None:
        close()


def _use_canvas() -> None:
    """Make the canvas' graphics context current, just before a layer is removed.

    napari 0.9 frees what the layer had on the graphics card in whichever context is
    current. If that is the window's own, the next drawing crashes.
    """
    canvas = get_current_canvas()
    if canvas is not None:
        canvas.set_current()
