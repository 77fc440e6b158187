"""Part of the CNMF dock: where cells come from, a search or what the user marked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Labels, Points
from napari.viewer import Viewer
from qtpy.QtCore import QSignalBlocker
from qtpy.QtWidgets import QComboBox, QFileDialog, QHBoxLayout, QLabel, QWidget

from napari_cnmf.formats.seeds import COPIES, FILES, as_labels
from napari_cnmf.widgets.lifetime import connect
from napari_cnmf.widgets.scene.scene import ROLE, Scene
from napari_cnmf.widgets.session import session
from napari_cnmf.widgets.views.quilt import planned_place

SEARCH, FILE = "a search of the movie", "a file or another result ..."
NOTHING = "choose ..."


@dataclass(frozen=True)
class LayerSeeds:
    """Cells marked in a layer, as they are when they are asked for.

    Attributes
    ----------
    layer : Labels or Points
    scene : Scene
        Tells where the field lies.
    """

    layer: Labels | Points
    scene: Scene

    def __call__(self) -> np.ndarray:
        """Labels (Y, X), or points (n, 2) as rows and columns of the field."""
        if isinstance(self.layer, Labels):
            data = np.asarray(self.layer.data)
            return as_labels(data, f"The layer '{self.layer.name}'")
        place = planned_place(self.scene)
        world = [self.layer.data_to_world(point)[-2:] for point in self.layer.data]
        return np.array([place.to_data(point) for point in world]).reshape(-1, 2)


class BeginBox(QWidget):
    """List of what CNMF can begin with: a search, layers of the viewer, files.

    Parameters
    ----------
    viewer : Viewer
    """

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self._session = session(viewer)
        self._viewer_layers = viewer.layers
        self._search = type(self._session.workspace.recipe.init)().method
        self._entries: list[Any] = []
        self.list = QComboBox()
        self.list.setPlaceholderText(NOTHING)
        self.list.setToolTip(
            "<p>Search for cells, or begin with those that you have marked: painted in "
            "a labels layer, points on their middles, or the accepted cells of another "
            "session. Each of them stays one cell.</p>"
        )
        policy = QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        self.list.setSizeAdjustPolicy(policy)  # else a long name widens the dock
        self.list.activated.connect(self._choose)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(QLabel("Begin with"))
        row.addWidget(self.list, 1)
        events, workspace = viewer.layers.events, self._session.workspace
        for emitter in (events.inserted, events.removed, events.renamed):
            connect(self, emitter, self._fill)
        for signal in (workspace.recipe_changed, workspace.seeds_changed):
            connect(self, signal, self._fill)
        self._fill()

    @property
    def layers(self) -> list[Labels | Points]:
        """The user's layers that can mark cells."""
        return [
            layer
            for layer in self._viewer_layers
            if isinstance(layer, Labels | Points) and ROLE not in layer.metadata
        ]

    def _fill(self, _event: Any = None) -> None:
        """List the choices; what is chosen is the current one."""
        workspace = self._session.workspace
        init, chosen = workspace.recipe.init, _layer_of(workspace.seeds)
        if chosen is not None and chosen not in self._viewer_layers:
            workspace.set_seeds(None)  # which fills the list
            return
        if init.method != "seeded":
            self._search = init.method
        current = None if init.method != "seeded" else chosen or init.seeds
        self._entries = [None, *self.layers, *filter(None, [init.seeds]), FILE]
        with QSignalBlocker(self.list):
            self.list.clear()
            self.list.addItems([_caption(entry) for entry in self._entries])
            known = current in self._entries
            self.list.setCurrentIndex(self._entries.index(current) if known else -1)

    def _choose(self, place: int) -> None:
        """Begin with another choice from now on."""
        entry = self._entries[place]
        if entry is None:
            self._begin_with(None, self._search, "")
        elif entry == FILE:
            self._ask_file()
        elif isinstance(entry, str):
            self._begin_with(None, "seeded", entry)
        else:
            seeds = LayerSeeds(entry, self._session.scene)
            self._begin_with(seeds, "seeded", self._session.workspace.recipe.init.seeds)

    def _ask_file(self) -> None:
        """Ask for a file of labels or points, or a result."""
        endings = " ".join(f"*{ending}" for ending in FILES)
        name, _ = QFileDialog.getOpenFileName(
            self, "Begin with the cells of", "", f"Labels, points, results ({endings})"
        )
        if name:
            self._begin_with(None, "seeded", name)
        self._fill()

    def _begin_with(self, seeds: LayerSeeds | None, method: str, name: str) -> None:
        """Put a choice into the workspace, where all docks see it."""
        workspace = self._session.workspace
        init = replace(workspace.recipe.init, method=method, seeds=name)
        workspace.set_seeds(seeds)
        workspace.set_recipe(replace(workspace.recipe, init=init))


def _layer_of(seeds: Any) -> Labels | Points | None:
    """Return the layer that seeds are read from."""
    return seeds.layer if isinstance(seeds, LayerSeeds) else None


def _caption(entry: Any) -> str:
    """Say in words what a choice is."""
    if entry is None:
        return SEARCH
    if entry == FILE:
        return FILE
    if isinstance(entry, Labels):
        return f"labels: {entry.name}"
    if isinstance(entry, Points):
        return f"points: {entry.name}"
    path = Path(entry)
    if path.match(COPIES):
        return "the cells marked for the last run"
    return "/".join(path.parts[-2:])
