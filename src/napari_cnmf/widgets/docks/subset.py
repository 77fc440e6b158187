"""Which part of the movie is used: frames and pixels, taken from the viewer.

The part is part of the recipe: frames from a first to a last one, and rows and columns
left out at each side.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from weakref import ref

import numpy as np
from napari.layers import Image, Layer, Shapes
from napari.viewer import Viewer
from qtpy.QtWidgets import QGridLayout, QPushButton, QWidget

from napari_cnmf.errors import InputError
from napari_cnmf.movie.parameters import InputParameters
from napari_cnmf.widgets.docks.dock import wrapped
from napari_cnmf.widgets.session import session

FIELDS = (
    "first_frame",
    "last_frame",
    "frame_step",
    "per_file",
    "top",
    "bottom",
    "left",
    "right",
    "resample_space",
    "resample_time",
)


def cropped(
    wanted: InputParameters, corners: np.ndarray, field_shape: tuple[int, int]
) -> InputParameters:
    """Leave out what lies outside of a box.

    Parameters
    ----------
    wanted : InputParameters
    corners : ndarray (n, 2)
        Points whose bounding box is kept, in rows and columns: pixel centres lie at
        whole numbers.
    field_shape : (int, int)
        Rows and columns of the movie.

    Raises
    ------
    InputError
        If the box lies outside of the movie.
    """
    size = np.array(field_shape)
    first = np.clip(np.ceil(corners.min(axis=0)), 0, size).astype(int)
    stop = np.clip(np.floor(corners.max(axis=0)) + 1, 0, size).astype(int)
    if np.any(stop <= first):
        raise InputError(
            "The chosen box lies outside of the movie; move it over the movie and "
            "choose it again."
        )
    (top, left), (bottom, right) = first.tolist(), (size - stop).tolist()
    return replace(wanted, top=top, bottom=bottom, left=left, right=right)


def corners_in_view(movie: Image) -> np.ndarray:
    """Corners (2, 2), rows and columns, of what the window shows of a movie."""
    return np.asarray(movie.corner_pixels, float)[:, -2:]


def corners_of_shapes(shapes: Shapes, movie: Layer) -> np.ndarray:
    """Points (n, 2), rows and columns of a movie, of the selected or the last shape.

    Raises
    ------
    InputError
        If there is no shape.
    """
    if not shapes.data:
        raise InputError(
            f"The layer '{shapes.name}' holds no shape yet; draw a rectangle in it."
        )
    chosen = sorted(shapes.selected_data) or [len(shapes.data) - 1]
    points = np.concatenate([shapes.data[i][:, -2:] for i in chosen])
    world = points * np.asarray(shapes.scale)[-2:] + np.asarray(shapes.translate)[-2:]
    place = np.asarray(movie.translate)[-2:], np.asarray(movie.scale)[-2:]
    return np.asarray((world - place[0]) / place[1])


class SubsetBox(QWidget):
    """Buttons that take the part of the movie from the viewer, and what it comes to.

    Parameters
    ----------
    viewer : Viewer
    complain : callable
        Shows what is wrong.
    """

    def __init__(self, viewer: Viewer, complain: Callable[[str], None]) -> None:
        super().__init__()
        self._viewer = ref(viewer)
        self._scene = session(viewer).scene
        self._workspace = session(viewer).workspace
        self._complain = complain
        self.summary = wrapped("")
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(4)
        for place, (label, slot, about) in enumerate(self._buttons()):
            button = QPushButton(label)
            button.setToolTip(about)
            button.clicked.connect(slot)
            grid.addWidget(button, place // 2, place % 2)
        grid.addWidget(self.summary, 3, 0, 1, 2)

    def _buttons(self) -> tuple[tuple[str, Callable[[], None], str], ...]:
        """Label, action and tooltip of each button."""
        return (
            ("Start at this frame", self.start_here, "Leave out all frames before"),
            ("End at this frame", self.end_here, "Leave out all frames after"),
            ("Crop to view", self.crop_to_view, "Keep the pixels that are in view"),
            (
                "Crop to rectangle",
                self.crop_to_shape,
                "Keep the pixels inside of the shape that is drawn or selected",
            ),
            ("Use whole movie", self.use_whole, "All frames and pixels as they are"),
        )

    def start_here(self) -> None:
        """Use the frames from the one that is shown on."""
        self._change(first_frame=self._shown_frame(), per_file=False)

    def end_here(self) -> None:
        """Use the frames up to the one that is shown."""
        self._change(last_frame=self._shown_frame() + 1, per_file=False)

    def crop_to_view(self) -> None:
        """Keep the pixels that are in view."""
        layer = self._scene.layer("movie")
        if layer is None:
            self._complain("The movie is not among the layers; open it again.")
        else:
            self._crop(lambda: corners_in_view(layer))

    def crop_to_shape(self) -> None:
        """Keep the pixels inside of the shape that was drawn."""
        viewer, movie = self._viewer(), self._scene.layer("movie")
        shapes = _drawn_on(viewer) if viewer is not None else None
        if movie is None or shapes is None:
            self._complain("Add a Shapes layer and draw a rectangle on the movie.")
        else:
            self._crop(lambda: corners_of_shapes(shapes, movie))

    def use_whole(self) -> None:
        """Use all frames and pixels."""
        whole = InputParameters()
        self._change(**{name: getattr(whole, name) for name in FIELDS})

    def _shown_frame(self) -> int:
        """Return the frame of the recorded movie that is shown."""
        frame = self._scene.current_frame()
        if self._workspace.result is None:
            return frame
        wanted = self._workspace.recipe.input
        averaged = int((frame + 0.5) / wanted.resample_time)
        return wanted.first_frame + averaged * wanted.frame_step

    def _crop(self, corners: Callable[[], np.ndarray]) -> None:
        """Keep the pixels inside of a box."""
        movie = self._workspace.movie
        if movie is None:
            self._complain("Open a movie first.")
            return
        recipe = self._workspace.recipe
        try:
            part = cropped(recipe.input, corners(), movie.field_shape)
        except InputError as error:
            self._complain(str(error))
        else:
            self._workspace.set_recipe(replace(recipe, input=part))

    def _change(self, **values: Any) -> None:
        """Change some of the parameters of the part."""
        recipe = self._workspace.recipe
        part = replace(recipe.input, **values)
        self._workspace.set_recipe(replace(recipe, input=part))


def _drawn_on(viewer: Viewer) -> Shapes | None:
    """Return the active Shapes layer, or the topmost of the user's own."""
    active = viewer.layers.selection.active
    if isinstance(active, Shapes):
        return active
    own = [la for la in viewer.layers if isinstance(la, Shapes) and not la.metadata]
    return own[-1] if own else None
