"""Two results from their files, and a movie behind them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from napari_cnmf.comparison import Comparison, compare
from napari_cnmf.errors import InputError, MissingStageError
from napari_cnmf.formats.results import Result
from napari_cnmf.movie import Movie
from napari_cnmf.pipeline.folder import RunFolder
from napari_cnmf.pipeline.importing import import_result
from napari_cnmf.pipeline.opening import crop, opened
from napari_cnmf.recipe import Recipe

#: What the result that a viewer shows is called.
OPEN = "open result"
#: Frames that the mean image is taken of: more look the same.
MEAN_FRAMES = 200


def compare_paths(
    first: Path | None, second: Path | None, opened: Result | None = None
) -> Comparison:
    """Read two results, of ours or of other programs, and compare them.

    Parameters
    ----------
    first, second : Path, optional
        As for `import_result`; None stands for the open result.
    opened : Result, optional
        The one that is open.

    Raises
    ------
    MissingStageError
        If one has no components.
    InputError
        If one cannot be read, or their fields differ in size.
    """
    a, b = (import_result(path) if path else opened for path in (first, second))
    if a is None or b is None:
        raise MissingStageError("No result is open; choose both from files.")
    return compare(a, b, names_of(first, second))


def names_of(first: Path | None, second: Path | None) -> tuple[str, str]:
    """Name two results by their files or folders, as short as tells them apart."""
    paths = [_place(path) for path in (first, second)]
    for parts in (1, 2):
        a, b = ("/".join(path.parts[-parts:]) for path in paths)
        if a != b:
            return a, b
    return str(paths[0]), str(paths[1])


def _place(path: Path | None) -> Path:
    """Return the file or folder that names a result."""
    if path is None:
        return Path(OPEN)
    path = path.absolute()
    return path.parent if path == RunFolder(path.parent).result else path


def mean_of_movie(files: Sequence[Path], comparison: Comparison) -> np.ndarray:
    """Mean of some frames of a movie (Y, X), for a look at what was compared.

    Parameters
    ----------
    files : sequence of Path
        As for `open_movie`; whole, or cropped already as the results are.
    comparison : Comparison

    Raises
    ------
    InputError
        If the movie cannot be read, or has another field than the results.
    """
    field = comparison.cells[0].fov_shape
    recipe = Recipe.from_toml(comparison.results[0].recipe)
    movie = opened(files, recipe)
    if movie.field_shape != field:
        movie = crop(movie, recipe.input)
    if movie.field_shape != field:
        raise InputError(
            f"The movie {files[0]} has frames of {_size(movie.field_shape)}, the "
            f"results have {_size(field)}; give the movie that they were made from."
        )
    return _mean(movie)


def _mean(movie: Movie) -> np.ndarray:
    """Mean of frames spread through a movie; of missing values nothing counts."""
    times = np.unique(np.linspace(0, movie.n_frames - 1, MEAN_FRAMES).astype(int))
    total = np.zeros(movie.field_shape)
    count = np.zeros(movie.field_shape)
    for t in times.tolist():
        frame = movie.source.read(slice(t, t + 1))[0].astype(np.float64)
        known = np.isfinite(frame)
        total[known] += frame[known]
        count += known
    return (total / np.maximum(count, 1)).astype(np.float32)


def _size(field: tuple[int, int]) -> str:
    """Say how large a field is."""
    return f"{field[0]} x {field[1]} px"
