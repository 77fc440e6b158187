"""What an earlier run has left in a folder, and whether its movie is still the same."""

from __future__ import annotations

import logging
from pathlib import Path

from napari_cnmf.compute.scratch import Empty, in_memory
from napari_cnmf.errors import DamagedResultError, InputError, OutputError
from napari_cnmf.formats.previous import previous_path, restore_previous
from napari_cnmf.formats.results import MovieInfo, Result, load
from napari_cnmf.pipeline.folder import RunFolder
from napari_cnmf.recipe import Recipe

logger = logging.getLogger(__name__)


def earlier_result(
    folder: RunFolder, movie: MovieInfo, recipe: Recipe, empty: Empty
) -> Result | None:
    """Return the result in a folder, if there is one, and it is of this movie."""
    if not folder.result.exists():
        return None
    try:
        result = load(folder.result, empty=empty)
    except DamagedResultError:
        if not previous_path(folder.result).exists():
            raise
        result = go_back(folder, empty)
    if result.movie.fingerprint == movie.fingerprint:
        return result
    same_part = recipe.input == Recipe.from_toml(result.recipe).input
    require_unchanged(result.movie, movie, same_part)
    paths = {span.path for span in result.movie.files}
    if not paths or paths != {span.path for span in movie.files}:
        name = result.movie.files[0].name if paths else "from memory"
        raise OutputError(
            f"{folder.path} already holds a result of another movie ({name}), which is "
            "kept; choose another folder, or overwrite it on purpose (--overwrite)."
        )
    return result


def go_back(folder: RunFolder, empty: Empty = in_memory) -> Result:
    """Put the state before the last stage in the place of a damaged result.

    The damaged file stays, as ``results.damaged.h5``.

    Raises
    ------
    MissingFileError, InputError
        If there is no such state, or it is damaged too; nothing is changed then.
    """
    result = load(previous_path(folder.result), empty=empty)
    aside = restore_previous(folder.result)
    logger.warning(
        "%s was damaged and is now %s; in its place is the state before the last stage",
        folder.result,
        aside.name,
    )
    return result


def require_unchanged(recorded: MovieInfo, movie: MovieInfo, same_part: bool) -> None:
    """Refuse files that are no longer those that a result was made from.

    Parameters
    ----------
    recorded : MovieInfo
        What the result knows.
    movie : MovieInfo
        What the files hold now.
    same_part : bool
        Whether the same part of them is to be used.
    """
    sizes = {span.path: span.size_bytes for span in recorded.files}
    for span in movie.files:
        _require_size(span.path, span.size_bytes, sizes.get(span.path))
    alike = movie.files == recorded.files and movie.shape == recorded.shape
    if (
        same_part
        and alike
        and movie.files
        and movie.fingerprint != recorded.fingerprint
    ):
        names = ", ".join(span.path for span in movie.files)
        raise InputError(_changed(names, "other content of the same size"))


def require_sizes(recorded: MovieInfo) -> None:
    """Refuse to go on with a result if its files are there, but of another size."""
    for span in recorded.files:
        path = Path(span.path)
        if path.is_file():
            _require_size(span.path, path.stat().st_size, span.size_bytes)


def _require_size(path: str, size: int, recorded: int | None) -> None:
    """Refuse a file whose size is not the one that was recorded, if any was."""
    if recorded not in (None, size):
        raise InputError(_changed(path, f"{size:,} bytes instead of {recorded:,}"))


def _changed(path: str, how: str) -> str:
    """Sentence about a file that has changed."""
    return (
        f"{path} has changed since the result was made of it ({how}); put the file "
        "back as it was, choose another output folder, or begin afresh with the file "
        "as it is now (--overwrite)."
    )
