"""Movies of the result in a viewer: alone over the field, or three side by side.

Original, reconstruction and residual are three image layers next to each other, so
they share the viewer's slider and camera. All movies are computed frame by frame
while they are shown.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from napari.layers import Layer
from napari.viewer import Viewer
from psygnal import Signal
from qtpy.QtCore import QTimer

from napari_cnmf.errors import MissingStageError
from napari_cnmf.movie.display import FrameCache, sampled_limits
from napari_cnmf.movie.lazy import LazyFrames
from napari_cnmf.reconstruction import Factors, Reconstruction, Residual, View, panels
from napari_cnmf.widgets.running import NO_CELLS, NO_REGISTERED
from napari_cnmf.widgets.scene.layers import LayerTuple, Outlines
from napari_cnmf.widgets.scene.scene import ROLE, Scene
from napari_cnmf.widgets.session import Session, session
from napari_cnmf.widgets.views import sidebyside
from napari_cnmf.widgets.views.panelview import PanelView, panel_view

#: Result movies that are shown over the field, by their roles.
SINGLE = ("denoised", "background", "residual")
#: Begins the role of every layer of the panels.
SIDE = "panel "
RESIDUAL = SIDE + "residual"
#: Verdicts that change in quick succession are drawn together.
SOON_MS = 40


class ResultViews:
    """Shows the movies of a result in a viewer, as its `view` says.

    Parameters
    ----------
    scene : Scene
    panel_view : PanelView
        Of the same viewer.

    Attributes
    ----------
    view : View
        Which cells are shown, and how.
    """

    #: What is shown, or how, is another.
    changed = Signal()

    def __init__(self, scene: Scene, panel_view: PanelView) -> None:
        self._scene = scene
        self._panel_view = panel_view
        self._workspace = scene.workspace
        self.view = View()
        self._factors: Factors | None = None
        self._outlines: Outlines | None = None
        self._cache: FrameCache | None = None
        self._timer = QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(SOON_MS)
        self._timer.timeout.connect(self._refresh)
        self._workspace.quality_changed.connect(self._refresh_soon)
        self._workspace.result_changed.connect(self._take_result)
        panel_view.changed.connect(self._follow_panels)
        scene.viewer.layers.events.removed.connect(self._notice_removal)

    @property
    def lacks(self) -> str:
        """What must be done before there is anything to show, "" if nothing."""
        if self._workspace.components is None:
            return NO_CELLS
        return "" if self._workspace.registered is not None else NO_REGISTERED

    @property
    def side_by_side(self) -> bool:
        """Whether the three panels are shown."""
        return self._panel_view.shows(SIDE)

    def shows(self, role: str) -> bool:
        """Whether a result movie is shown over the field."""
        return self._scene.layer(role) is not None

    def set_view(self, view: View) -> None:
        """Show the same movies in another way."""
        former, self.view = self.view, view
        if replace(view, residual_gain=former.residual_gain) == former:
            self._set_gain()
        else:
            self._refresh()
        denoised = self._scene.layer("denoised")
        if denoised is not None and view.background != former.background:
            denoised.contrast_limits = sampled_limits(denoised.data)
        self.changed.emit()

    def show_movie(self, role: str, shown: bool) -> None:
        """Show one of the result movies over the field, or take it away.

        Raises
        ------
        MissingStageError
            If there is nothing to show yet; so for `show_panels`.
        """
        if shown:
            frames = self._single(role)
            limits = sampled_limits(frames)
            if role == "residual":
                half = (limits[1] - limits[0]) / 2
                limits = (-half, half)
            about = {"name": f"{role} movie", "contrast_limits": limits}
            self._scene.put((frames, about | self._scene.place.movie, "image"), role)
        else:
            self._scene.remove(role)
            self._close_unused()
        self.changed.emit()

    def show_panels(self) -> None:
        """Show original, reconstruction and residual side by side."""
        self._model()
        self._panel_view.show(SIDE, self._draw_panels)

    def leave_panels(self) -> None:
        """Show again what was shown before the panels."""
        if self.side_by_side:
            self._panel_view.leave()

    # What the movies are made of

    def _model(self) -> Factors:
        """Return the model by pixels; it is kept while only verdicts change."""
        components, known = self._workspace.components, self._factors
        if components is None or self.lacks:
            raise MissingStageError(self.lacks)
        if known is None or known.components.footprints is not components.footprints:
            self._factors, self._outlines = Factors.of(components), None
        else:
            self._factors = replace(known, components=components)
        return self._factors

    def _frames(self) -> FrameCache:
        """Return the registered movie, opened once for all views."""
        registered = self._workspace.registered
        if registered is None:
            raise MissingStageError(NO_REGISTERED)
        if self._cache is None:
            self._cache = FrameCache(registered.source)
        return self._cache

    def _close_unused(self) -> None:
        """Let go of the registered movie if nothing shows it."""
        if self._cache is not None and not (
            self.side_by_side or self.shows("residual")
        ):
            self._cache.close()
            self._cache = None

    def _single(self, role: str) -> LazyFrames:
        """Return the frames of one result movie."""
        model = self._model()
        which = model.components.accepted if self.view.accepted_only else None
        if role == "denoised":
            return Reconstruction(model, which, background=self.view.background)
        if role == "background":
            return Reconstruction(model, np.zeros(len(model.components)))
        whole = Reconstruction(model, which)
        return Residual(self._frames(), whole, self.view.residual_gain)

    # The panels

    def _draw_panels(self) -> None:
        """Show the panels, their titles and their contours."""
        model, place = self._model(), self._scene.place
        width = model.shape[2]
        shown = panels(self._frames(), model, self.view)
        for panel, left in zip(shown, sidebyside.offsets_px(width), strict=True):
            self._put(SIDE + panel.name, sidebyside.panel_layer(panel, place, left))
        self._write_titles(width)
        for verdict in (True, False):
            self._outline(model, verdict)

    def _outline(self, model: Factors, verdict: bool) -> None:
        """Draw the contours of accepted or of rejected cells, or hide them."""
        role = f"{SIDE}contours {verdict}"
        layer = self._scene.layer(role)
        wanted = self.view.contours and (verdict or not self.view.accepted_only)
        if wanted:
            if self._outlines is None:
                self._outlines = Outlines.of(model.components)
            accepted, width = model.components.accepted, model.shape[2]
            made = sidebyside.contours_layer(
                self._outlines, accepted, verdict, width, self._scene.place
            )
            layer = self._put(role, made)
        if layer is not None:
            layer.visible = wanted

    def _write_titles(self, width: int) -> None:
        """Write above each panel what it shows."""
        titles = sidebyside.titles_of(self.view)
        layer = self._scene.layer(SIDE + "titles")
        if layer is None:
            made = sidebyside.titles_layer(titles, width, self._scene.place)
            self._scene.put(made, SIDE + "titles")
        else:  # much quicker than another layer
            layer.features = {"title": list(titles)}

    def _put(self, role: str, made: LayerTuple) -> Layer:
        """Show values in a layer; a grey one is replaced by one in colour."""
        data, about, _ = made
        layer = self._scene.layer(role)
        if layer is None:
            return self._scene.put(made, role)
        if _in_colour(layer) != ("rgb" in about):
            layers = self._scene.viewer.layers
            place = layers.index(layer)
            with self._panel_view.on_purpose():
                self._scene.remove(role)
            layer = self._scene.put(made, role)
            layers.move(layers.index(layer), place)
        else:
            layer.data = data
            if "contrast_limits" in about:
                layer.contrast_limits = about["contrast_limits"]
        return layer

    def _set_gain(self) -> None:
        """Show the residual at another gain."""
        for role in ("residual", RESIDUAL):
            layer = self._scene.layer(role)
            if layer is not None:
                shown = layer.data
                layer.data = Residual(shown.movie, shown.model, self.view.residual_gain)
        if self.side_by_side:
            self._write_titles(self._model().shape[2])

    # What the workspace and the user do

    def _refresh_soon(self) -> None:
        """Show other verdicts once there is a moment."""
        self._timer.start()

    def _refresh(self) -> None:
        """Show the same movies with what is now true of them."""
        for role in SINGLE:
            layer = self._scene.layer(role)
            if layer is not None:
                layer.data = self._single(role)
        if self.side_by_side:
            self._draw_panels()

    def _take_result(self) -> None:
        """Show the movies of another result, or none."""
        if self.lacks:
            self._factors = None
            for role in SINGLE:
                self._scene.remove(role)
            self.leave_panels()
            self._close_unused()
        else:
            self._refresh()
        self.changed.emit()

    def _follow_panels(self) -> None:
        """Tell that panels are shown, or were left."""
        self._close_unused()
        self.changed.emit()

    def _notice_removal(self, event: Any) -> None:
        """Tell that the user has closed one of the movies."""
        if event.value.metadata.get(ROLE, "") in SINGLE:
            self._close_unused()
            self.changed.emit()


_VIEWS: WeakKeyDictionary[Session, ResultViews] = WeakKeyDictionary()


def result_views(viewer: Viewer) -> ResultViews:
    """Return the result movies of a viewer, made at the first call."""
    owner = session(viewer)
    if owner not in _VIEWS:
        _VIEWS[owner] = ResultViews(owner.scene, panel_view(viewer))
    return _VIEWS[owner]


def _in_colour(layer: Layer) -> bool:
    """Whether a layer shows an image in colour."""
    return bool(getattr(layer, "rgb", False))
