"""What the viewer shows of the workspace: its layers, in step with every change.

A layer is made when its values are new and changed in place afterwards; one that the
user has closed stays closed until there are new values. While a job runs, layers are
made one per turn of the event loop, so that the window never waits for all of them.
The viewer is never kept alive by its scene.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

from napari.viewer import Viewer
from psygnal import Signal
from qtpy.QtCore import QTimer

from napari_cnmf.components import Components
from napari_cnmf.movie.images import SummaryImages
from napari_cnmf.movie.parameters import InputParameters
from napari_cnmf.recipe import Recipe
from napari_cnmf.widgets.jobs import Jobs
from napari_cnmf.widgets.scene import layers
from napari_cnmf.widgets.scene.layers import LayerTuple, Outlines, Place
from napari_cnmf.widgets.scene.live import LiveCells
from napari_cnmf.widgets.scene.motion_layers import valid_layer
from napari_cnmf.widgets.scene.picking import Picker
from napari_cnmf.widgets.scene.shelf import ROLE, Shelf, set_place
from napari_cnmf.widgets.workspace import Workspace

__all__ = ["ROLE", "Scene"]

#: The table of features is not needed while a slider moves.
_FEATURES_AFTER_MS = 200
_OF_CELLS = ("footprints", "rejected", "accepted", "selected")


class Scene(Shelf):
    """The layers of one viewer, and its point in time.

    Parameters
    ----------
    viewer : Viewer
    workspace : Workspace
    jobs : Jobs
        Tells of patches as they are finished.
    """

    #: The frame shown, counted in those of the result or else of the movie.
    frame_changed = Signal(int)

    def __init__(self, viewer: Viewer, workspace: Workspace, jobs: Jobs) -> None:
        super().__init__(viewer)
        self.workspace = workspace
        self._jobs = jobs
        self._frame = 0
        self._summary: SummaryImages | None = None
        self._footprints: Any = None
        self._outlines: Outlines | None = None
        self._steps: deque[Callable[[], Any]] = deque()
        self._in_step = False
        self._step_timer = _timer(0, self._do_next)
        self._features_timer = _timer(_FEATURES_AFTER_MS, self._show_features)
        self._selection_timer = _timer(0, self._show_selection)
        self.live = LiveCells(self, jobs)
        self.picker = Picker(self)
        workspace.movie_changed.connect(self._show_movie)
        workspace.recipe_changed.connect(self._place_movie)
        workspace.result_changed.connect(self._show_result)
        workspace.quality_changed.connect(self._show_verdicts)
        workspace.selection_changed.connect(self._select_soon)
        jobs.ended.connect(self._end_job)
        viewer.dims.events.current_step.connect(self._follow_slider)

    # Space and time

    @property
    def place(self) -> Place:
        """Where the frames and pixels of the result lie, or else of the movie."""
        workspace = self.workspace
        rate, size = workspace.frame_rate_hz, workspace.pixel_size_um
        if workspace.result is None:
            return Place(rate, size)
        part = _part_used(workspace.result.recipe)
        return Place(rate, size, part.origin, 1 / part.resample_space)

    @property
    def n_frames(self) -> int:
        """Frames of the result, or else of the movie; 1 without either."""
        result, movie = self.workspace.result, self.workspace.movie
        if result is not None:
            return result.movie.shape[0]
        return 1 if movie is None else movie.n_frames

    def current_frame(self) -> int:
        """Return the frame shown."""
        return self._frame

    def go_to_frame(self, t: int) -> None:
        """Show another frame; without a movie only docks follow."""
        t = min(max(int(t), 0), self.n_frames - 1)
        dims = self.viewer.dims
        if dims.ndim > 2:
            dims.set_point(dims.ndim - 3, self.place.to_world((t, 0, 0))[0])
        self._set_frame(t)

    def centre_on(self, component_id: int) -> None:
        """Move the view to a component."""
        components = self.workspace.components
        if components is not None:
            k = self.workspace.positions([component_id])[0]
            y, x = self.place.to_world(components.centres[k])
            self.viewer.scene.camera.center = (0.0, float(y), float(x))

    def _follow_slider(self) -> None:
        """Tell which frame the viewer's slider shows."""
        dims = self.viewer.dims
        if dims.ndim > 2:
            time = float(dims.point[dims.ndim - 3])
            t = round(float(self.place.to_data((time, 0, 0))[0]))
            self._set_frame(min(max(t, 0), self.n_frames - 1))

    def _set_frame(self, t: int) -> None:
        """Tell of another frame, once."""
        if t != self._frame:
            self._frame = t
            self.frame_changed.emit(t)

    # One step after the other

    def _do(self, *steps: Callable[[], Any]) -> None:
        """Take steps at once, or one per turn of the event loop while a job runs.

        What a step begins comes before the steps that wait already: these show later
        values.
        """
        if self._in_step:
            self._steps.extendleft(reversed(steps))
            return
        self._steps.extend(steps)
        if self._jobs.running:
            self._step_timer.start()
        else:
            self._finish()

    def _do_next(self) -> None:
        """Take the next step."""
        if self._steps:
            self._take_step()
            self._step_timer.start()

    def _finish(self) -> None:
        """Take all steps that are left."""
        while self._steps:
            self._take_step()

    def _end_job(self) -> None:
        """Show all that is left; after a run that gave no cells the former ones."""
        self._finish()
        if self.live.painting:
            self.live.give_back()
            self._show_footprints()

    def _take_step(self) -> None:
        """Take one step."""
        self._in_step = True
        try:
            self._steps.popleft()()
        finally:
            self._in_step = False

    # What the workspace tells of

    def _show_movie(self) -> None:
        """Show the movie as recorded."""
        movie = self.workspace.movie
        if movie is None:
            self.remove("movie")
            return
        layer = self.layer("movie")
        if layer is not None and layer.metadata.get("movie") is movie:
            set_place(layer, self.place)  # the user's own layer
        else:
            self.put(layers.movie_layer(movie, self.place), "movie")
        self.viewer.reset_view()

    def _place_movie(self) -> None:
        """Place the movie by the frame rate and pixel size that the user has given."""
        layer = self.layer("movie")
        if layer is None or self.workspace.result is not None:
            return
        if tuple(layer.scale) != tuple(self.place.scale):
            t = self._frame
            set_place(layer, self.place)
            self.go_to_frame(t)
            self.viewer.reset_view()

    def _show_result(self) -> None:
        """Show those values of the result that are new."""
        result = self.workspace.result
        summary = None if result is None else result.summary
        if summary is not self._summary:
            self._summary = summary
            self._show_images(summary)
            self._do(self._show_before, self._show_valid, self._show_registered)
        components = self.workspace.components
        footprints = None if components is None else components.footprints
        if footprints is not self._footprints:
            self._footprints = footprints
            self._do(partial(self._show_components, components))
        elif components is not None:
            self._do(self._show_verdicts)

    def _show_images(self, summary: SummaryImages | None) -> None:
        """Show the summary images; of new ones only the correlation is visible."""
        if summary is None:
            self._do(*(partial(self.remove, role) for role in layers.IMAGES))
            return
        # The correlation image comes first: it is the one to look at.
        for role, made in reversed(layers.image_layers(summary, self.place).items()):
            shown = made if role == "correlation" else _hidden(made)
            self._do(partial(self.put, shown, role))

    def _show_valid(self) -> None:
        """Outline the pixels in which cells are searched, if these are not all."""
        summary = self._summary
        if summary is None or not any(summary.borders):
            self.remove("valid area")
        else:
            self.put(valid_layer(summary, self.place), "valid area")

    def _show_before(self) -> None:
        """Show images of the movie as recorded, in the contrast of those after."""
        result = self.workspace.result
        registration = None if result is None else result.registration
        for role in layers.COMPARED:
            if registration is None:
                self.remove(role + layers.BEFORE)
                continue
            after = self.layer(role)
            image = getattr(registration.before, role)
            made = layers.image_layer(
                image, layers.IMAGES[role] + layers.BEFORE, self.place
            )
            if after is not None:
                made[1]["contrast_limits"] = after.contrast_limits
            self.put(_hidden(made), role + layers.BEFORE)

    def _show_registered(self) -> None:
        """Show the registered movie, below the summary images."""
        registered = self.workspace.registered
        if registered is None:
            self.remove("registered")
            return
        made = layers.movie_layer(registered, self.place, "registered movie")
        self.put(made, "registered")

    def _show_components(self, components: Components | None) -> None:
        """Show contours and footprints of new components."""
        self.live.give_back()
        if components is None:
            self._outlines = None
            for role in _OF_CELLS:
                self.remove(role)
            return
        self._outlines = Outlines.of(components)
        contours = layers.contour_layers(
            self._outlines, components.accepted, self.place
        )
        self._do(
            *(partial(self.put, made, role) for role, made in contours.items()),
            self._show_footprints,
            self._show_selection,
        )

    def _show_footprints(self) -> None:
        """Show the footprints as labels."""
        components = self.workspace.components
        if components is None:
            self.remove("footprints")
        else:
            made = layers.footprints_layer(components, self.place)
            self.put(_hidden(made), "footprints")

    def _show_verdicts(self) -> None:
        """Colour the cells by their verdicts, on layers that are there."""
        components = self.workspace.components
        if components is None or self._outlines is None:
            return
        accepted = components.accepted
        for role, mask in (("accepted", accepted), ("rejected", ~accepted)):
            layer = self.layer(role)
            if layer is not None:
                layer.data = self._outlines.where(mask)
        self._features_timer.start()

    def _show_features(self) -> None:
        """Write verdicts and scores into the features of the footprints."""
        components = self.workspace.components
        layer = self.layer("footprints") if self.is_open else None
        if components is not None and layer is not None:
            layer.features = layers.feature_table(components)

    def _select_soon(self) -> None:
        """Outline the selected cells once their traces have been painted."""
        self._selection_timer.start()

    def _show_selection(self) -> None:
        """Outline the selected cells."""
        if self._outlines is None or self.workspace.components is None:
            return
        if self.is_open:
            chosen = self.workspace.positions(self.workspace.selected)
            made = layers.selected_layer(self._outlines, chosen, self.place)
            self.put(made, "selected")


@lru_cache(maxsize=4)
def _part_used(recipe: str) -> InputParameters:
    """Which part of the movie a recipe uses; asked for at every step of the slider."""
    return Recipe.from_toml(recipe).input


def _hidden(made: LayerTuple) -> LayerTuple:
    """Return the same layer, not visible at first."""
    data, about, kind = made
    return data, about | {"visible": False}, kind


def _timer(after_ms: int, slot: Callable[[], None]) -> QTimer:
    """Timer that calls a slot once after each start."""
    timer = QTimer()
    timer.setSingleShot(True)
    timer.setInterval(after_ms)
    timer.timeout.connect(slot)
    return timer
