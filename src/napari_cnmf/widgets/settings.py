"""What outlives a window: the last recipe, where to compute, and preferences.

The recipe lies in the user's configuration folder as an ordinary recipe file, and what
the Compute dock shows beside it; both are written a moment after the last change.
Preferences are declared in the manifest and kept by napari itself.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from napari.settings import get_plugin_settings
from platformdirs import user_config_path
from qtpy.QtCore import QCoreApplication, QTimer

from napari_cnmf.compute import Computing
from napari_cnmf.errors import CnmfError
from napari_cnmf.formats.atomic import replacing
from napari_cnmf.recipe import Recipe
from napari_cnmf.widgets.workspace import Workspace

logger = logging.getLogger(__name__)

PLUGIN = "napari-cnmf"

#: A slider that moves changes the recipe many times a second.
_SAVE_AFTER_MS = 500


def recipe_file() -> Path:
    """Where the last used recipe lies."""
    return user_config_path(PLUGIN) / "recipe.toml"


def load_recipe() -> Recipe:
    """Return the last used recipe, or the defaults if none can be read."""
    path = recipe_file()
    if not path.exists():
        return Recipe()
    try:
        return Recipe.load(path)
    except (CnmfError, OSError) as error:
        logger.warning("the last recipe cannot be used, so all is default: %s", error)
        return Recipe()


def save_recipe(recipe: Recipe) -> None:
    """Write the last used recipe; where that is impossible, it is forgotten."""
    path = recipe_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        recipe.save(path)
    except (CnmfError, OSError) as error:
        logger.warning("the recipe is not kept for the next time: %s", error)


def computing_file() -> Path:
    """Where it is written down where the user last computed."""
    return user_config_path(PLUGIN) / "computing.json"


def load_computing() -> Computing:
    """Return where the user last computed, or the defaults if it cannot be read."""
    path = computing_file()
    if not path.exists():
        return Computing()
    try:
        return Computing().with_settings(json.loads(path.read_text(encoding="utf-8")))
    except (CnmfError, OSError, ValueError, AttributeError) as error:
        logger.warning("runs use this machine, %s cannot be used: %s", path, error)
        return Computing()


def save_computing(computing: Computing) -> None:
    """Write down where the user computes, for the user's eyes only.

    What a job begins with may set a password.
    """
    path = computing_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            temporary.touch(mode=0o600)
            temporary.write_text(json.dumps(_settings(computing)), encoding="utf-8")
    except (CnmfError, OSError) as error:
        logger.warning("where to compute is not kept for the next time: %s", error)


def _settings(computing: Computing) -> dict[str, Any]:
    """Values by full name of what is not on auto."""
    return {
        f"{group}.{name}": value
        for group, values in computing.to_dict().items()
        for name, value in values.items()
        if value is not None
    }


class Keeper:
    """Saves a workspace's recipe, and where to compute, a moment after a change."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._timer = QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(_SAVE_AFTER_MS)
        self._timer.timeout.connect(self.save)
        for signal in (workspace.recipe_changed, workspace.computing_changed):
            signal.connect(self._timer.start, check_nargs=False)
        application = QCoreApplication.instance()
        if application is not None:
            application.aboutToQuit.connect(self.flush)

    def flush(self) -> None:
        """Save now what waits to be saved."""
        if self._timer.isActive():
            self.save()

    def save(self) -> None:
        """Write both."""
        self._timer.stop()
        save_recipe(self._workspace.recipe)
        save_computing(self._workspace.computing)


def preference(group: str, name: str, default: Any) -> Any:
    """Return a value of the plugin's preferences, or the default if napari has none.

    Parameters
    ----------
    group, name : str
        As in the manifest's ``configurations``.
    default : object
        For a plugin that is not registered, as in a script or a test.
    """
    try:
        return getattr(getattr(get_plugin_settings(PLUGIN), group), name)
    except (KeyError, AttributeError):
        return default
