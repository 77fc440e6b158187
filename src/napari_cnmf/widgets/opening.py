"""Opening movies and results from the Movie dock: what is read, beside the window.

Each function here does the slow part and returns a value; none of them touches a
widget, so all of them may run in a thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from napari.layers import Layer

from napari_cnmf.errors import InputError, ParameterError
from napari_cnmf.formats import open_movie
from napari_cnmf.formats.results import Result, load
from napari_cnmf.movie import Movie
from napari_cnmf.movie.parameters import InputParameters
from napari_cnmf.pipeline.earlier import go_back
from napari_cnmf.pipeline.folder import RunFolder
from napari_cnmf.pipeline.opening import crop
from napari_cnmf.recipe import Recipe
from napari_cnmf.widgets.running import cut_short
from napari_cnmf.widgets.scene.layers import movie_of_layer

#: Key of the `Movie` in the metadata of a layer that shows it.
MOVIE = "movie"


@dataclass(frozen=True, eq=False)
class Opened:
    """A result, and its movie if that is still where it was."""

    result: Result
    folder: RunFolder
    movie: Movie | None


def movie_from(
    source: Layer | Sequence[Path], chosen: InputParameters | None = None
) -> Movie:
    """Take a layer, or open files, as a movie.

    Parameters
    ----------
    source : Layer or sequence of Path
    chosen : InputParameters, optional
        Which movie of a file that holds several.
    """
    if isinstance(source, Layer):
        known = source.metadata.get(MOVIE)
        return known if isinstance(known, Movie) else movie_of_layer(source)
    if chosen is None:
        return open_movie(source)
    return open_movie(
        source, dataset=chosen.dataset, channel=chosen.channel, plane=chosen.plane
    )


def opened_result(file: Path) -> Opened:
    """Read a result file, and open the movie that it was made from."""
    result = load(file)
    wanted = Recipe.from_toml(result.recipe).input
    paths = [Path(span.path) for span in result.movie.files]
    try:
        movie = movie_from(paths, wanted) if paths else None
    except InputError:  # moved away: the registered movie is still there
        movie = None
    return Opened(result, RunFolder(file.parent), movie)


def former_result(folder: RunFolder) -> Opened:
    """Go back to the state before the last stage, and read that."""
    go_back(folder)
    return opened_result(folder.result)


def recipe_for(movie: Movie, recipe: Recipe, chosen: InputParameters | None) -> Recipe:
    """Keep the parameters for a new movie, but for those about the former one.

    The part that was used is no longer meant, nor are cells that were marked, and what
    the new file says of frame rate and pixel size counts.
    """
    acquisition = recipe.acquisition
    if movie.frame_rate_hz is not None:
        acquisition = replace(acquisition, frame_rate_hz=None)
    if movie.pixel_size_um is not None:
        acquisition = replace(acquisition, pixel_size_um=None)
    part = InputParameters(max_missing=recipe.input.max_missing)
    if chosen is not None:
        part = replace(
            part, dataset=chosen.dataset, channel=chosen.channel, plane=chosen.plane
        )
    init = recipe.init
    if init.method == "seeded":
        init = replace(init, method=type(init)().method, seeds="")
    return replace(recipe, acquisition=acquisition, input=part, init=init)


def description(movie: Movie) -> list[str]:
    """Say what a movie is, in a few lines."""
    n_frames, height, width = movie.shape
    n_bytes = n_frames * height * width * movie.dtype.itemsize
    rate, size = movie.frame_rate_hz, movie.pixel_size_um
    known = [f"{movie.dtype}, {_bytes(n_bytes)}"]
    if rate is not None:
        known.append(f"{rate:.4g} Hz, {n_frames / rate:,.1f} s")
    if size is not None:
        known.append(f"pixel of {_size_um(size)} \N{MICRO SIGN}m")
    lines = [
        f"{n_frames:,} frames of {height} \N{MULTIPLICATION SIGN} {width} px",
        "; ".join(known),
    ]
    if rate is None:
        lines.append("The frame rate is not in the file; give it below.")
    return lines


def part_in_words(movie: Movie, part: InputParameters) -> str:
    """Say how much of a movie is used."""
    try:
        used = crop(movie, part)
    except (InputError, ParameterError):
        return "Nothing is left of the movie; use more of it."
    if used is movie:
        return "The whole movie is used."
    n_frames, height, width = used.shape
    n_bytes = n_frames * height * width * used.dtype.itemsize
    return (
        f"Used: {n_frames:,} frames of {height} \N{MULTIPLICATION SIGN} {width} px "
        f"({_bytes(n_bytes)})."
    )


def folder_in_words(folder: RunFolder) -> str:
    """Say what lies in a results folder."""
    if folder.path.exists() and not folder.path.is_dir():
        return "This is a file; choose a folder."
    if cut_short(folder) is not None:
        return "Holds a run that was cut short: go on with it (Workflow)."
    if folder.result.exists():
        return "Holds a result: open it to go on with it."
    if folder.movie.exists():
        return "Holds a registered movie, but no result."
    return "Empty: the next run writes here."


def _bytes(count: int) -> str:
    """Write a size in MB or GB."""
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def _size_um(size: tuple[float, float]) -> str:
    """Write the size of a pixel, once if it is square."""
    height, width = (f"{side:.3g}" for side in size)
    return height if height == width else f"{height} \N{MULTIPLICATION SIGN} {width}"
