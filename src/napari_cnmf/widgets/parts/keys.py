"""Keys that work both over the viewer's image and in a dock, while it is in sight."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from weakref import WeakMethod, ref

from napari.utils.key_bindings import coerce_keybinding
from napari.viewer import Viewer
from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QKeySequence, QShortcut
from qtpy.QtWidgets import QWidget

from napari_cnmf.widgets.lifetime import at_end


class DockKeys(QObject):
    """Calls methods by key.

    In the viewer a key is only taken while the dock is visible, and only if neither
    the user nor another plugin has bound it; napari's own keys for the active layer
    always come first.

    Parameters
    ----------
    viewer : Viewer
    dock : QWidget
    actions : mapping
        Key -> bound method.
    """

    def __init__(
        self, viewer: Viewer, dock: QWidget, actions: Mapping[str, Callable[[], None]]
    ) -> None:
        super().__init__(dock)
        self._viewer = ref(viewer)
        self._calls = {
            coerce_keybinding(key): _caller(WeakMethod(method))
            for key, method in actions.items()
        }
        for key, method in actions.items():
            shortcut = QShortcut(QKeySequence(key), dock)
            shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            shortcut.activated.connect(method)
        dock.installEventFilter(self)
        viewer_ref, calls = self._viewer, self._calls
        at_end(dock, lambda: _release(viewer_ref(), calls))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        """Bind the keys when the dock appears, release them when it disappears."""
        viewer = self._viewer()
        if event.type() == QEvent.Type.Show and viewer is not None:
            for key, call in self._calls.items():
                viewer.keymap.setdefault(key, call)
        elif event.type() == QEvent.Type.Hide:
            _release(viewer, self._calls)
        return super().eventFilter(watched, event)


def _caller(method: WeakMethod[Callable[[], None]]) -> Callable[[Viewer], None]:
    """Make a function for the viewer that does not keep the method's widget alive."""

    def call(_viewer: Viewer) -> None:
        """Call the method, unless its widget has gone."""
        found = method()
        if found is not None:
            found()

    return call


def _release(
    viewer: Viewer | None, calls: Mapping[Any, Callable[[Viewer], None]]
) -> None:
    """Unbind those keys of a viewer that are ours."""
    for key, call in calls.items():
        if viewer is not None and viewer.keymap.get(key) is call:
            del viewer.keymap[key]
