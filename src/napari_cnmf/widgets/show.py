"""Everything that the docks show, from a script or a notebook.

Each function takes a `napari.Viewer` (the current one, or a new one, if none is given)
and puts values into its workspace; open docks follow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

try:
    import napari
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        'Showing results needs napari: pip install "napari-cnmf[all]".', name="napari"
    ) from error
from napari.viewer import Viewer

from napari_cnmf.components import Components
from napari_cnmf.errors import InputError
from napari_cnmf.formats import open_movie
from napari_cnmf.formats.results import MovieInfo, Result, load
from napari_cnmf.movie import Movie
from napari_cnmf.movie.images import SummaryImages
from napari_cnmf.pipeline.folder import RunFolder
from napari_cnmf.recipe import Recipe
from napari_cnmf.widgets.session import session
from napari_cnmf.widgets.views import quilt
from napari_cnmf.widgets.workspace import Workspace

DOCKS = ("Evaluate", "Traces")


def show(
    found: Result | Components | str | Path,
    viewer: Viewer | None = None,
    *,
    folder: str | Path | None = None,
    docks: bool = True,
) -> Viewer:
    """Show what was found: summary images, contours, footprints, traces.

    Parameters
    ----------
    found : Result, Components or path
        A path of a result file, or of the folder of a run.
    viewer : Viewer, optional
    folder : path, optional
        Folder of the run, for the registered movie and for keeping decisions; known
        if `found` is a path.
    docks : bool
        Whether to open the docks "Evaluate" and "Traces".

    Returns
    -------
    Viewer

    Raises
    ------
    InputError
        If it is of a movie of another size than the one that is open.
    """
    viewer = _viewer(viewer)
    if isinstance(found, str | Path):
        file = RunFolder(Path(found)).result if Path(found).is_dir() else Path(found)
        folder, found = file.parent, load(file)
    workspace = session(viewer).workspace
    if isinstance(found, Components):
        found = _result_of(found, workspace)
    workspace.open_result(found, None if folder is None else RunFolder(Path(folder)))
    if docks:
        for name in DOCKS:
            viewer.window.add_plugin_dock_widget("napari-cnmf", name)
    return viewer


def show_movie(
    movie: Movie | str | Path | Sequence[str | Path], viewer: Viewer | None = None
) -> Viewer:
    """Show a movie as recorded, lazily; it is then what the docks work on.

    Parameters
    ----------
    movie : Movie or paths
        As for `open_movie`.
    viewer : Viewer, optional
    """
    viewer = _viewer(viewer)
    opened = movie if isinstance(movie, Movie) else open_movie(movie)
    session(viewer).workspace.set_movie(opened)
    return viewer


def show_quilt(
    on: Movie | SummaryImages | Result,
    viewer: Viewer | None = None,
    recipe: Recipe | None = None,
) -> Viewer:
    """Show the patches that CNMF works on, and a disc of a neuron's size.

    Parameters
    ----------
    on : Movie, SummaryImages or Result
        What they are drawn over.
    viewer : Viewer, optional
    recipe : Recipe, optional
        Gives the sizes; the viewer's own by default.
    """
    viewer = _viewer(viewer)
    workspace, scene = session(viewer).workspace, session(viewer).scene
    if recipe is not None:
        workspace.set_recipe(recipe)
    if isinstance(on, Movie):
        if on is not workspace.movie:
            workspace.set_movie(on)
    elif isinstance(on, Result):
        workspace.set_result(on)
    else:
        workspace.set_result(_result_of_images(on, workspace))
    quilt.draw_quilt(scene)
    quilt.draw_disc(scene, quilt.disc_centre(scene))
    return viewer


def show_panels(
    found: Result | Components | str | Path,
    viewer: Viewer | None = None,
    *,
    folder: str | Path | None = None,
) -> Viewer:
    """Show original, reconstruction and residual side by side.

    Parameters
    ----------
    found, viewer, folder
        As for `show`.
    """
    from napari_cnmf.widgets.views.resultviews import result_views

    viewer = show(found, viewer, folder=folder, docks=False)
    result_views(viewer).show_panels()
    return viewer


def _viewer(viewer: Viewer | None) -> Viewer:
    """Return the viewer to show something in."""
    return viewer or napari.current_viewer() or napari.Viewer()


def _result_of(components: Components, workspace: Workspace) -> Result:
    """Wrap components into a result, of the open movie if the sizes agree."""
    shape = (components.n_frames, *components.fov_shape)
    info = _info(shape, components.frame_rate_hz, workspace.movie)
    return Result(info, _whole(workspace.recipe).to_toml(), components=components)


def _result_of_images(images: SummaryImages, workspace: Workspace) -> Result:
    """Wrap summary images into a result."""
    movie = workspace.movie
    field = images.mean.shape
    if movie is not None and movie.field_shape != field:
        raise InputError(
            f"The images have {field[0]} x {field[1]} px, but the open movie has "
            f"{movie.field_shape[0]} x {movie.field_shape[1]}; show its own images."
        )
    n_frames = 1 if movie is None else movie.n_frames
    info = _info((n_frames, *field), None, movie)
    return Result(info, _whole(workspace.recipe).to_toml(), summary=images)


def _info(
    shape: tuple[int, int, int], rate_hz: float | None, movie: Movie | None
) -> MovieInfo:
    """Describe the movie that values are of: the open one if the sizes agree."""
    if movie is not None and movie.shape == shape:
        return MovieInfo.of(movie)
    return MovieInfo(shape, "", frame_rate_hz=rate_hz)


def _whole(recipe: Recipe) -> Recipe:
    """Return the recipe without a choice of a part of the movie."""
    return replace(recipe, input=type(recipe.input)())
