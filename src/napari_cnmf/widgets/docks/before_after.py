"""Part of the Motion dock: the movie and its images before and after, at one place."""

from __future__ import annotations

from napari.viewer import Viewer
from qtpy.QtWidgets import QComboBox, QGridLayout, QPushButton, QWidget

from napari_cnmf.widgets.lifetime import connect
from napari_cnmf.widgets.scene.layers import COMPARED, IMAGES
from napari_cnmf.widgets.session import session
from napari_cnmf.widgets.views.panelview import panel_view
from napari_cnmf.widgets.views.registration import registration_panels, show_image


class BeforeAfterBox(QWidget):
    """Both movies side by side, and an image that flickers between before and after.

    Parameters
    ----------
    viewer : Viewer
    """

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self._session = session(viewer)
        self._panels = registration_panels(viewer)
        self._all_panels = panel_view(viewer)
        self.movies = QPushButton("Movies side by side")
        self.movies.setCheckable(True)
        self.movies.clicked.connect(self._toggle_movies)
        self.image = QComboBox()
        for name in COMPARED:
            self.image.addItem(IMAGES[name], name)
        self.image.activated.connect(self._show_image)
        self.flicker = QPushButton("Before")
        self.flicker.setCheckable(True)
        self.flicker.setToolTip("Press again and again (space) to compare")
        self.flicker.clicked.connect(self._show_image)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.addWidget(self.movies, 0, 0, 1, 2)
        grid.addWidget(self.image, 1, 0)
        grid.addWidget(self.flicker, 1, 1)
        workspace = self._session.workspace
        for signal in (
            self._panels.changed,
            workspace.result_changed,
            workspace.movie_changed,
            workspace.folder_changed,
        ):
            connect(self, signal, self._show_state)
        self._show_state()

    def _toggle_movies(self, shown: bool) -> None:
        """Show both movies, or what was shown before."""
        (self._panels.show if shown else self._panels.leave)()

    def _show_image(self) -> None:
        """Show the chosen image as it was before, or as it is after."""
        name, before = self.image.currentData(), self.flicker.isChecked()
        self._all_panels.leave()
        show_image(self._session.scene, name, before=before)

    def _show_state(self) -> None:
        """Show what is shown, and what can be."""
        result, lacks = self._session.workspace.result, self._panels.lacks
        self.movies.setChecked(self._panels.shown)
        self.movies.setEnabled(not lacks)
        self.movies.setToolTip(lacks or "As recorded and registered, with one slider")
        known = result is not None and result.registration is not None
        if not known:
            self.flicker.setChecked(False)
        for widget in (self.image, self.flicker):
            widget.setEnabled(known)
