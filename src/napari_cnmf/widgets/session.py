"""One session per viewer: its workspace, its running job and what its layers show.

All docks of a viewer and all scripts that call `show` share it, so nothing is hidden
in a widget: closing a dock loses nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

from napari.viewer import Viewer

from napari_cnmf.widgets.jobs import Jobs
from napari_cnmf.widgets.records import log_records
from napari_cnmf.widgets.scene.scene import Scene
from napari_cnmf.widgets.settings import Keeper, load_computing, load_recipe
from napari_cnmf.widgets.workspace import Workspace


@dataclass(frozen=True, eq=False)
class Session:
    """What belongs to one viewer, without keeping it alive.

    Attributes
    ----------
    workspace : Workspace
        The movie, its recipe, result and selection.
    jobs : Jobs
        Runs stages beside the window, one at a time.
    scene : Scene
        Keeps the viewer's layers in step with the workspace.
    keeper : Keeper
        Saves the recipe, and where to compute, for the next time.
    """

    workspace: Workspace
    jobs: Jobs
    scene: Scene
    keeper: Keeper


_SESSIONS: WeakKeyDictionary[Viewer, Session] = WeakKeyDictionary()


def session(viewer: Viewer) -> Session:
    """Return the session of a viewer, begun at the first call."""
    # napari hands docks a proxy that lives as long as the dock, not as the viewer.
    viewer = getattr(viewer, "__wrapped__", viewer)
    if viewer not in _SESSIONS:
        log_records()  # from now on, whether or not their dock is open
        workspace = Workspace(load_recipe())
        workspace.set_computing(load_computing())
        jobs = Jobs(workspace)
        scene = Scene(viewer, workspace, jobs)
        keeper = Keeper(workspace)
        _SESSIONS[viewer] = Session(workspace, jobs, scene, keeper)
    return _SESSIONS[viewer]
