"""The registration in a viewer: before and after side by side, patches and shifts.

The movie as recorded and the registered one are two image layers with one slider, one
camera and one contrast. The patches are those that the present parameters would make;
the arrows are what was found.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from napari.layers import Layer
from napari.viewer import Viewer

from napari_cnmf.errors import MissingStageError
from napari_cnmf.motion.piecewise import PatchGrid
from napari_cnmf.movie import Movie
from napari_cnmf.movie.display import FrameCache, sampled_limits
from napari_cnmf.pipeline.opening import crop
from napari_cnmf.recipe import Recipe
from napari_cnmf.reconstruction import Panel
from napari_cnmf.widgets.running import lacks_recorded, lacks_registered
from napari_cnmf.widgets.scene import layers
from napari_cnmf.widgets.scene.motion_layers import arrows, arrows_layer, grid_layer
from napari_cnmf.widgets.scene.scene import Scene
from napari_cnmf.widgets.session import Session, session
from napari_cnmf.widgets.views import sidebyside
from napari_cnmf.widgets.views.panelview import PanelView, panel_view
from napari_cnmf.widgets.views.quilt import planned_place, planned_size

#: Begins the role of every layer of the two panels.
SIDE = "registration "
TITLES = ("as recorded", "registered")
GRID, SHIFTS = "patch grid", "shifts"


class RegistrationPanels:
    """The recorded and the registered movie side by side.

    Parameters
    ----------
    scene : Scene
    panel_view : PanelView
        Of the same viewer.
    """

    def __init__(self, scene: Scene, panel_view: PanelView) -> None:
        self._scene = scene
        self._workspace = scene.workspace
        self._panel_view = panel_view
        #: The panels are shown, or were left.
        self.changed = panel_view.changed
        self._workspace.result_changed.connect(self.leave)

    @property
    def lacks(self) -> str:
        """What must be done before there is anything to show, "" if nothing."""
        return lacks_registered(self._workspace) or lacks_recorded(self._workspace)

    @property
    def shown(self) -> bool:
        """Whether they are shown."""
        return self._panel_view.shows(SIDE)

    def show(self) -> None:
        """Show them instead of what is visible now; patches and shifts stay."""
        self._panel_view.show(SIDE, self._draw, kept=(GRID, SHIFTS))

    def leave(self) -> None:
        """Show again what was shown before."""
        if self.shown:
            self._panel_view.leave()

    def _draw(self) -> None:
        """Show both movies in the same contrast, and their titles."""
        recorded, registered = self._movies()
        scene, width = self._scene, registered.field_shape[1]
        after = scene.layer("registered")
        limits = sampled_limits(registered) if after is None else after.contrast_limits
        lefts = sidebyside.offsets_px(width, len(TITLES))
        drawn = []
        for name, movie, left in zip(
            TITLES, (recorded, registered), lefts, strict=True
        ):
            panel = Panel(name, FrameCache(movie.source), limits)
            made = sidebyside.panel_layer(panel, scene.place, left)
            drawn.append(scene.put(made, SIDE + name))
        _share_contrast(*drawn)
        titles = sidebyside.titles_layer(TITLES, width, scene.place)
        scene.put(titles, SIDE + "titles")

    def _movies(self) -> tuple[Movie, Movie]:
        """Return the part of the recorded movie that was registered, and the outcome.

        Raises
        ------
        MissingStageError
            If one of them is not there.
        """
        workspace = self._workspace
        recorded, registered = workspace.recorded, workspace.registered
        if recorded is None or registered is None or workspace.result is None:
            raise MissingStageError(self.lacks)
        part = Recipe.from_toml(workspace.result.recipe).input
        return crop(recorded, part), registered


def draw_grid(scene: Scene) -> None:
    """Outline the patches that a piecewise registration would use now, if any."""
    motion = scene.workspace.recipe.motion
    field_shape, _ = planned_size(scene.workspace)
    if motion.mode == "piecewise" and all(field_shape):
        grid = PatchGrid.covering(
            field_shape, motion.grid_step_px, motion.grid_overlap_px
        )
        scene.put(grid_layer(grid.patches, planned_place(scene)), GRID)
    else:
        scene.remove(GRID)


def draw_shifts(scene: Scene, gain: float) -> None:
    """Show as arrows how far the frame that is shown had moved, if that is known."""
    result = scene.workspace.result
    if result is None or result.shifts is None:
        scene.remove(SHIFTS)
    else:
        made = arrows_layer(result.shifts, _frame(scene), gain, scene.place)
        scene.put(made, SHIFTS)


def follow_shifts(scene: Scene) -> None:
    """Show the shifts of another frame in the arrows that are there.

    They are changed in place: new data of a layer make napari slice all of them again.
    """
    layer, result = scene.layer(SHIFTS), scene.workspace.result
    if layer is not None and result is not None and result.shifts is not None:
        found = arrows(result.shifts, _frame(scene))
        if found.shape == layer.data.shape:
            layer.data[:] = found
            layer.refresh(extent=False, thumbnail=False)


def _frame(scene: Scene) -> int:
    """Frame that is shown, within the result even if the movie was longer."""
    return min(scene.current_frame(), scene.n_frames - 1)


def show_image(scene: Scene, name: str, *, before: bool) -> None:
    """Show one summary image alone, as it was before or is after the registration.

    Both are shown in the contrast of the one that was visible last.

    Parameters
    ----------
    scene : Scene
    name : str
        One of `layers.COMPARED`.
    before : bool
    """
    wanted, other = (
        (name + layers.BEFORE, name) if before else (name, name + layers.BEFORE)
    )
    now, former = scene.layer(wanted), scene.layer(other)
    if now is not None and former is not None and former.visible:
        now.contrast_limits, now.gamma = former.contrast_limits, former.gamma
    for role in (*layers.IMAGES, *(role + layers.BEFORE for role in layers.COMPARED)):
        layer = scene.layer(role)
        if layer is not None:
            layer.visible = role == wanted


def _share_contrast(first: Layer, second: Layer) -> None:
    """Let two images follow each other's contrast."""

    def follow(event: Any) -> None:
        changed = event.source
        other = second if changed is first else first
        for name in ("contrast_limits", "gamma"):
            value = getattr(changed, name)
            if getattr(other, name) != value:
                setattr(other, name, value)

    for layer in (first, second):
        layer.events.contrast_limits.connect(follow)
        layer.events.gamma.connect(follow)


_PANELS: WeakKeyDictionary[Session, RegistrationPanels] = WeakKeyDictionary()


def registration_panels(viewer: Viewer) -> RegistrationPanels:
    """Return the two panels of a viewer, made at the first call."""
    owner = session(viewer)
    if owner not in _PANELS:
        _PANELS[owner] = RegistrationPanels(owner.scene, panel_view(viewer))
    return _PANELS[owner]
